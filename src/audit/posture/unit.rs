//! A unit of systemd with its drop-ins, as far as rules look (systemd.unit(5), systemd.syntax(7)).

use std::collections::BTreeMap;

use super::view::{Kind, View};
use crate::error::Result;
use crate::node;
use crate::path::RootPath;

/// Where units lie; the first that has one of a name counts, drop-ins of all do.
const FOLDERS: [&str; 4] =
    ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// A unit.
#[derive(Debug, Default)]
pub struct Unit {
    /// The unit's own file, then its drop-ins.
    pub files: Vec<RootPath>,
    /// `Section`, `Key`, value, in the order in which they count.
    lines: Vec<(String, String, String)>,
}

impl Unit {
    /// The unit of a name; none where it is not there or masked.
    pub fn read(view: &View<'_>, name: &str) -> Result<Option<Self>> {
        let mut unit = Unit::default();
        for folder in FOLDERS {
            let path = format!("{folder}/{name}");
            let Ok(at) = RootPath::new(&path) else { return Ok(None) };
            let Some(node) = view.nodes.get(&at) else { continue };
            if matches!(node.kind, Kind::Link(b"/dev/null")) {
                return Ok(None);
            }
            let Some(text) = view.text(&path)? else { continue };
            unit.files.push(view.resolve(&at).unwrap_or(at));
            unit.take(&text);
            break;
        }
        if unit.files.is_empty() {
            return Ok(None);
        }
        // By name: one in /etc hides one of its name in /usr.
        let mut dropins = BTreeMap::new();
        for folder in FOLDERS.iter().rev() {
            let files = view.files(&format!("{folder}/{name}.d"));
            dropins.extend(files.into_iter().filter(|(name, _)| name.ends_with(".conf")));
        }
        for path in dropins.into_values() {
            if let Some(text) = view.text(&path.to_string())? {
                unit.files.push(path);
                unit.take(&text);
            }
        }
        Ok(Some(unit))
    }

    /// The names of all units of a kind (`.mount`), sorted.
    pub fn names(view: &View<'_>, ending: &str) -> Vec<String> {
        let mut names: Vec<String> = FOLDERS
            .iter()
            .flat_map(|folder| view.files(folder).into_keys())
            .filter(|name| name.ends_with(ending))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn take(&mut self, text: &str) {
        let mut section = String::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let mut line = line.trim().to_owned();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.clone_into(&mut section);
                continue;
            }
            while let Some(begun) = line.strip_suffix('\\') {
                // Comments between do not end it.
                let more = lines.by_ref().find(|line| !line.trim_start().starts_with(['#', ';']));
                line = format!("{begun} {}", more.unwrap_or_default().trim());
            }
            if let Some((key, value)) = line.split_once('=') {
                self.lines.push((section.clone(), key.trim().to_owned(), value.trim().to_owned()));
            }
        }
    }

    /// The value of a key that has one.
    pub fn value(&self, section: &str, key: &str) -> Option<&str> {
        self.values(section, key).last().copied()
    }

    /// The values of a key that may have several: an empty one takes back what came before.
    pub fn values(&self, section: &str, key: &str) -> Vec<&str> {
        let mut out = Vec::new();
        for (_, _, value) in self.lines.iter().filter(|(in_section, name, _)| in_section == section && name == key) {
            match value.as_str() {
                "" => out.clear(),
                value => out.push(value),
            }
        }
        out
    }

    /// The words of the command that it starts; what is in quotes is one word.
    pub fn command(&self) -> Vec<String> {
        let Some(line) = self.value("Service", "ExecStart") else { return Vec::new() };
        let mut words: Vec<String> = Vec::new();
        let (mut quote, mut open) = (None, false);
        for c in line.trim_start_matches(['-', '@', ':', '+', '!', '|']).chars() {
            match (quote, c) {
                (Some(end), c) if c == end => quote = None,
                (None, '"' | '\'') => {
                    quote = Some(c);
                    if !open {
                        words.push(String::new());
                        open = true;
                    }
                }
                (None, c) if c.is_whitespace() => open = false,
                (_, c) => {
                    if !open {
                        words.push(String::new());
                        open = true;
                    }
                    if let Some(word) = words.last_mut() {
                        word.push(c);
                    }
                }
            }
        }
        words
    }
}

/// The value of a flag of a command, written `--name` or, as Go's own programs take it, `-name`.
pub fn flag<'a>(words: &'a [String], name: &str) -> Option<&'a str> {
    node::flag(words, &format!("--{name}")).or_else(|| node::flag(words, &format!("-{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_line_counts_and_an_empty_one_takes_back() {
        let mut unit = Unit::default();
        unit.take(
            "[Mount]\nOptions=a,\\\n# between\n b\n[Service]\nExecStart=/bin/a --x=1 \\\n  \"two words\" --y 2\n",
        );
        assert_eq!(unit.value("Mount", "Options"), Some("a, b"));
        assert_eq!(unit.command(), ["/bin/a", "--x=1", "two words", "--y", "2"]);
        assert_eq!((flag(&unit.command(), "x"), flag(&unit.command(), "y")), (Some("1"), Some("2")));
        unit.take("[Service]\nExecStart=\n");
        assert!(unit.command().is_empty());
    }
}
