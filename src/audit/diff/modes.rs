//! What the rows of a profile give a path: its mode and owner once `[[directory]]`, `[[file]]` and then `[[mode]]` were
//! carried out, and what is dangerous in that which was not before.
//!
//! What a package ships is not in a profile: a mode that no row gives is not known, and counts as one with nothing
//! dangerous in it, so that a row that gives a bit is told even where the package has it already.

use std::collections::{BTreeMap, BTreeSet};

use super::change::Flag;
use super::leaves::Leaves;

/// Kinds of rows in the order in which they are carried out.
const KINDS: [&str; 3] = ["directory", "file", "mode"];

/// Paths with what rows give them: the root's, and those of preloaded images behind the image's name.
#[derive(Debug, Default)]
pub struct Modes(BTreeMap<(String, String), Given>);

/// What rows give.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Given {
    /// Permission bits, where a row says them.
    mode: Option<u16>,
    owner: Option<String>,
    /// Whether a row lays a folder, or a file.
    folder: bool,
    file: bool,
}

impl Modes {
    /// Those of a resolved profile.
    pub fn of(leaves: &Leaves) -> Self {
        let mut modes = Modes::default();
        for kind in KINDS {
            for (key, leaf) in &leaves.0 {
                // `file[/etc/motd].path`; the value tells a path that has brackets of its own.
                let row = key.strip_suffix(".path");
                let list = row.and_then(|row| row.strip_suffix(&format!("[{}]", leaf.value)));
                let (Some(row), Some(place)) = (row, list.and_then(|list| list.strip_suffix(kind))) else { continue };
                if !(place.is_empty() || place.starts_with("preload[") && place.ends_with("].")) {
                    continue;
                }
                let value = |part: &str| leaves.0.get(&format!("{row}.{part}")).map(|leaf| leaf.value.clone());
                let given = modes.0.entry((place.to_owned(), leaf.value.clone())).or_default();
                let mode = value("mode").and_then(|mode| u16::from_str_radix(&mode, 8).ok());
                given.mode = mode.or(given.mode);
                given.owner = value("owner").or(given.owner.take());
                given.folder |= kind == "directory";
                given.file |= kind == "file";
            }
        }
        modes
    }

    /// What `other` gives that this does not, by the names of the rows that may have done it: `mode[/usr/bin/su]`.
    pub fn raised(&self, other: &Self) -> BTreeMap<String, BTreeSet<Flag>> {
        let mut out = BTreeMap::new();
        for (key @ (place, path), new) in &other.0 {
            let flags = new.dangers(self.0.get(key));
            if !flags.is_empty() {
                out.extend(KINDS.map(|kind| (format!("{place}{kind}[{path}]"), flags.clone())));
            }
        }
        out
    }

    /// Rows that held a mode which nothing gives in `other`: it is again as a package has it, or the path is gone.
    pub fn left(&self, other: &Self) -> BTreeSet<String> {
        let known = |modes: &Self, key| modes.0.get(key).is_some_and(|given| given.mode.is_some());
        let left = self.0.keys().filter(|key| known(self, key) && !known(other, key));
        left.map(|(place, path)| format!("{place}mode[{path}]")).collect()
    }
}

impl Given {
    fn dangers(&self, old: Option<&Given>) -> BTreeSet<Flag> {
        let mut flags = BTreeSet::new();
        let Some(mode) = self.mode else { return flags };
        let before = old.and_then(|old| old.mode).unwrap_or(0);
        // Whom it runs as follows the owner.
        let owner = self.owner.is_some() && old.is_some_and(|old| old.owner != self.owner);
        if !self.folder && mode & 0o6000 != 0 && (mode & !before & 0o6000 != 0 || owner) {
            flags.insert(Flag::Setuid);
        }
        if mode & !before & 0o002 != 0 && (mode & 0o1000 == 0 || self.file) {
            flags.insert(Flag::WorldWritable);
        }
        flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn raised(before: &Value, after: &Value) -> BTreeMap<String, BTreeSet<Flag>> {
        let of = |value| Modes::of(&Leaves::of(value));
        of(before).raised(&of(after))
    }

    fn file(mode: &str, owner: &str) -> Value {
        json!({"path": "/x", "text": "", "mode": mode, "owner": owner})
    }

    #[test]
    fn the_last_row_counts() {
        let (kept, held) = (json!({"file": [file("4755", "root:root")]}), json!([{"path": "/x", "mode": "0755"}]));
        let both = json!({"file": kept["file"], "mode": held});
        assert!(raised(&both, &kept)["mode[/x]"].contains(&Flag::Setuid));
        assert!(raised(&kept, &both).is_empty());
        // The same bit, given by another row.
        assert!(raised(&kept, &json!({"mode": [{"path": "/x", "mode": "4755"}]})).is_empty());
        assert!(raised(&json!({}), &json!({"directory": [{"path": "/x", "mode": "2755"}]})).is_empty());
    }

    #[test]
    fn whoever_it_runs_as_counts() {
        let of = |mode: &str, owner: &str| json!({"file": [file(mode, owner)]});
        assert!(raised(&of("4755", "nobody:nogroup"), &of("4755", "root:root"))["file[/x]"].contains(&Flag::Setuid));
        assert!(raised(&of("0755", "nobody:nogroup"), &of("0755", "root:root")).is_empty());
        assert!(raised(&of("2755", "root:root"), &of("6755", "root:root"))["file[/x]"].contains(&Flag::Setuid));
        assert!(raised(&of("6755", "root:root"), &of("2755", "root:root")).is_empty());
    }

    #[test]
    fn paths_may_look_like_rows() {
        let odd = |mode: &str| json!({"mode": [{"path": "/a].mode[/b", "mode": mode}]});
        let flagged = raised(&odd("0755"), &odd("4755"));
        assert!(flagged.contains_key("mode[/a].mode[/b]"), "{flagged:?}");
    }
}
