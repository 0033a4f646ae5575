//! Which line of which file set a value.

use std::collections::BTreeMap;

use super::node::{Data, Node};
use super::place::{Files, Place};

/// Places by key path: `kernel.sysctl."vm.swappiness"`, `userland.packages[3]`.
#[derive(Debug, Clone, Default)]
pub struct Origins(BTreeMap<String, String>);

impl Origins {
    /// Those of a tree.
    pub(super) fn of(files: &Files, tree: &Node) -> Self {
        let mut origins = Origins::default();
        origins.add(files, tree, None, String::new());
        origins
    }

    fn add(&mut self, files: &Files, node: &Node, key: Option<Place>, path: String) {
        match &node.data {
            Data::Table(entries) => {
                for (name, entry) in entries {
                    self.add(files, &entry.value, Some(entry.key), below(&path, name));
                }
            }
            Data::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    self.add(files, value, None, format!("{path}[{index}]"));
                }
            }
            _ => {}
        }
        let place = key.unwrap_or(node.place);
        let file = files.get(place.file).map_or("", |file| &file.name);
        self.0.insert(path, format!("{file}:{}", files.position(place).0));
    }

    /// `FILE:LINE` of the value at a key path; none where it is a default.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }
}

/// The path of a key of a table.
pub(super) fn below(path: &str, key: &str) -> String {
    let key = quoted(key);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// A key as TOML writes it.
pub fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if bare { key.to_owned() } else { basic(key) }
}

/// A basic string on one line, the only kind that a key may be.
pub(super) fn basic(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            character if character.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(character))),
            character => out.push(character),
        }
    }
    out.push('"');
    out
}
