//! The order of modules: each after all that it needs.

use std::collections::{BTreeMap, BTreeSet};

use super::bad;
use crate::error::Result;

/// A chain of more dependencies is refused.
const MAX_DEPTH: usize = 64;

/// `wanted` with all that they need by `table` (moddep.lst: `name: needed needed ...`), in the order in which
/// grub-mkimage has them: depth first, what a line names last comes first.
///
/// A module without a line needs nothing. An error is a name that cannot be a file's, or a circle.
pub fn order(table: &str, wanted: &[&str]) -> Result<Vec<String>> {
    let lines = table.lines().filter_map(|line| line.split_once(':'));
    let needs: BTreeMap<&str, Vec<&str>> =
        lines.map(|(name, needs)| (name.trim(), needs.split_whitespace().collect())).collect();
    let mut walk = Walk { needs, placed: BTreeSet::new(), order: Vec::new() };
    wanted.iter().try_for_each(|name| walk.place(name, 0))?;
    Ok(walk.order)
}

struct Walk<'a> {
    needs: BTreeMap<&'a str, Vec<&'a str>>,
    placed: BTreeSet<String>,
    order: Vec<String>,
}

impl Walk<'_> {
    fn place(&mut self, name: &str, depth: usize) -> Result<()> {
        if self.placed.contains(name) {
            return Ok(());
        }
        if depth > MAX_DEPTH {
            return Err(bad("its modules need each other in a circle"));
        }
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            return Err(bad(&format!("`{}` is no module", name.escape_debug())));
        }
        let needs: Vec<String> =
            self.needs.get(name).into_iter().flatten().rev().map(|name| (*name).to_owned()).collect();
        needs.iter().try_for_each(|needed| self.place(needed, depth + 1))?;
        if self.placed.insert(name.to_owned()) {
            self.order.push(name.to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_before() {
        let table = "linux: boot video\nboot:\nvideo: fb\nfb:\nfat: fshelp";
        assert_eq!(
            order(table, &["fat", "linux", "boot", "alone"]).unwrap(),
            ["fshelp", "fat", "fb", "video", "boot", "linux", "alone"]
        );
    }

    #[test]
    fn circles_and_paths_are_refused() {
        assert!(order("a: b\nb: a", &["a"]).is_err());
        assert!(order("a: ../x", &["a"]).is_err());
    }
}
