//! Preset files (`systemd.preset(5)`): whether a unit that asks to be enabled is.

use std::collections::BTreeMap;

use super::super::unpack::matcher;
use crate::error::{Context, Result};
use crate::path::RootPath;
use crate::tree::{NodeRef, Tree};

/// No preset file is larger.
const LIMIT: u64 = 1 << 20;

/// The rules of a tree, the first that matches counts.
#[derive(Default)]
pub struct Presets {
    rules: Vec<(bool, globset::GlobMatcher)>,
}

impl Presets {
    /// Reads the rules for system units; files in the order of their names, `/etc` hides `/usr/lib`.
    pub fn of(tree: &Tree) -> Result<Self> {
        let mut files = BTreeMap::new();
        for folder in ["/usr/lib/systemd/system-preset", "/etc/systemd/system-preset"] {
            let folder = RootPath::new(folder)?;
            for name in tree.directory(&folder).into_iter().flat_map(|folder| folder.entries.keys()) {
                if name.ends_with(b".preset") {
                    files.insert(name.clone(), folder.join(name)?);
                }
            }
        }
        let mut rules = Vec::new();
        for path in files.into_values() {
            let Some(NodeRef::Leaf(..)) = tree.get(&path) else { continue };
            let Some((_, content)) = tree.resolve(&path).and_then(|path| tree.file(&path)) else { continue };
            let text = content.read(LIMIT).context(|| format!("reading `{path}`"))?;
            for line in String::from_utf8_lossy(&text).lines() {
                let mut words = line.split_whitespace();
                let enable = match words.next() {
                    Some("enable") => true,
                    Some("disable") => false,
                    _ => continue,
                };
                let Some(glob) = words.next() else { continue };
                rules.push((enable, matcher(glob).context(|| format!("reading `{path}`"))?));
            }
        }
        Ok(Presets { rules })
    }

    /// Whether the unit may be enabled; yes where no rule matches.
    pub fn allows(&self, unit: &str) -> bool {
        self.rules.iter().find(|(_, glob)| glob.is_match(unit)).is_none_or(|(enable, _)| *enable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Content, Meta};

    #[test]
    fn the_first_match_counts_and_none_allows() {
        let mut tree = Tree::default();
        let mut put = |path: &str, text: &str| {
            tree.put_file(&RootPath::new(path).unwrap(), Meta::default(), Content::bytes(text.as_bytes())).unwrap();
        };
        put("/usr/lib/systemd/system-preset/90-a.preset", "# x\nenable a.service\ndisable a.*\n");
        put("/etc/systemd/system-preset/10-b.preset", "disable b@*.service\n");
        let presets = Presets::of(&tree).unwrap();
        assert!(presets.allows("a.service") && presets.allows("c.service"));
        assert!(!presets.allows("a.socket") && !presets.allows("b@1.service"));
    }
}
