//! How a profile lies over what it extends.
//!
//! Tables merge key by key and anything else replaces what was inherited; `"+key" = [..]`
//! appends to an inherited array, `-key = true` takes an inherited value away, and
//! `-key = [..]` takes elements of an inherited array away; alternatives of which a table
//! takes one (`apt`, `url`, `file`, `go`; `join`, `standalone`) replace each other.

use std::collections::BTreeMap;

use super::mistake::{Mistake, note, similar};
use super::node::{Data, Entry, Node};
use super::place::{Files, Place};

/// Keys that replace each other, and the tables in which they do; `*` is any key.
const ALTERNATIVES: &[(&[&str], &[&str])] = &[
    (&["containerd"], &["apt", "url", "file", "go"]),
    (&["runc"], &["apt", "url", "file", "go"]),
    (&["cni"], &["apt", "url", "file", "go"]),
    (&["kubelet"], &["apt", "url", "file", "go"]),
    (&["program", "*"], &["apt", "url", "file", "go"]),
    (&["cluster"], &["join", "standalone"]),
    (&["var", "encryption"], &["none"]),
];

/// Lays the tables of one file over another's.
pub struct Merge<'a> {
    /// For mistakes.
    pub files: &'a Files,
    /// Grows.
    pub mistakes: &'a mut Vec<Mistake>,
}

impl Merge<'_> {
    /// Lays `over` on `base`; both are tables.
    pub fn lay(&mut self, base: &mut Node, over: Node) {
        let mut path = Vec::new();
        self.node(base, over, &mut path);
    }

    fn node(&mut self, base: &mut Node, over: Node, path: &mut Vec<String>) {
        let place = over.place;
        match (&mut base.data, over.data) {
            (Data::Table(base_entries), Data::Table(over)) => {
                self.table(base_entries, over, path);
                base.place = place;
            }
            (_, data) => *base = self.settle(Node { place, data }, path),
        }
    }

    fn table(&mut self, base: &mut BTreeMap<String, Entry>, over: BTreeMap<String, Entry>, path: &mut Vec<String>) {
        // Tidy first: what `-key` takes away must not depend on the order of keys.
        let (edits, sets): (Vec<_>, Vec<_>) = over.into_iter().partition(|(key, _)| edit(key).is_some());
        for (key, entry) in edits {
            match edit(&key) {
                Some(('+', key)) => self.append(base, key, entry, path),
                Some((_, key)) => self.take_away(base, key, entry, path),
                None => {}
            }
        }
        // Before anything is set: two alternatives in one file are a mistake, told of later.
        for other in sets.iter().flat_map(|(key, _)| alternatives(path, key)) {
            base.remove(other);
        }
        for (key, entry) in sets {
            path.push(key.clone());
            match base.get_mut(&key) {
                Some(old) => {
                    old.key = entry.key;
                    self.node(&mut old.value, entry.value, path);
                }
                None => {
                    let value = self.settle(entry.value, path);
                    base.insert(key, Entry { key: entry.key, value });
                }
            }
            path.pop();
        }
    }

    /// What lies over nothing: its `+key` become `key`, its `-key` are mistakes.
    fn settle(&mut self, node: Node, path: &mut Vec<String>) -> Node {
        let data = match node.data {
            Data::Table(over) => {
                let mut entries = BTreeMap::new();
                self.table(&mut entries, over, path);
                Data::Table(entries)
            }
            Data::Array(values) => Data::Array(values.into_iter().map(|value| self.settle(value, path)).collect()),
            data => data,
        };
        Node { data, ..node }
    }

    fn append(&mut self, base: &mut BTreeMap<String, Entry>, key: &str, entry: Entry, path: &mut Vec<String>) {
        let Data::Array(values) = entry.value.data else {
            let message = format!("`+{key}` is {}", entry.value.kind());
            return self.mistake(entry.value.place, message, "an array, which is appended to the inherited one");
        };
        let values: Vec<Node> = values.into_iter().map(|value| self.settle(value, path)).collect();
        match base.get_mut(key).map(|old| &mut old.value) {
            None => {
                let value = Node { place: entry.value.place, data: Data::Array(values) };
                base.insert(key.to_owned(), Entry { key: entry.key, value });
            }
            Some(Node { data: Data::Array(old), .. }) => old.extend(values),
            Some(old) => {
                let message = format!("`{key}` as inherited is {}", old.kind());
                self.mistake(entry.key, message, "an array to append to");
            }
        }
    }

    fn take_away(&mut self, base: &mut BTreeMap<String, Entry>, key: &str, entry: Entry, path: &[String]) {
        let place = if path.is_empty() { String::new() } else { format!(" in `{}`", path.join(".")) };
        let Some(old) = base.get_mut(key) else {
            let mut mistake = Mistake::new(self.files, entry.key, format!("no `{key}` is inherited{place}"));
            mistake
                .help
                .extend(similar(key, base.keys().map(String::as_str)).map(|name| format!("did you mean `-{name}`?")));
            return self.mistakes.push(mistake.expected("a key of what is extended"));
        };
        match (entry.value.data, &mut old.value.data) {
            (Data::Boolean(true), _) => {
                base.remove(key);
            }
            (Data::Array(unwanted), Data::Array(values)) => {
                for node in unwanted {
                    let before = values.len();
                    values.retain(|value| !same(value, &node));
                    if values.len() == before {
                        let message = format!("no such element is inherited in `{key}`");
                        self.mistake(node.place, message, "an element of the inherited array");
                    }
                }
            }
            (Data::Array(_), _) => {
                self.mistake(entry.value.place, format!("`{key}` as inherited is no array"), "`true`");
            }
            _ => self.mistake(
                entry.value.place,
                format!("`-{key}` takes something away"),
                "`true` or an array of elements",
            ),
        }
    }

    fn mistake(&mut self, place: Place, message: String, expected: &str) {
        note(self.mistakes, || Mistake::new(self.files, place, message).expected(expected));
    }
}

/// `+` or `-` and the key, for keys that change what is inherited.
fn edit(key: &str) -> Option<(char, &str)> {
    let sign = key.chars().next().filter(|sign| matches!(sign, '+' | '-'))?;
    let rest = key.get(1..).filter(|rest| !rest.is_empty())?;
    Some((sign, rest))
}

fn alternatives<'a>(path: &'a [String], key: &'a str) -> impl Iterator<Item = &'static str> {
    let fits = move |pattern: &[&str]| {
        pattern.len() == path.len() && pattern.iter().zip(path).all(|(want, have)| *want == "*" || want == have)
    };
    ALTERNATIVES
        .iter()
        .filter(move |(pattern, keys)| fits(pattern) && keys.contains(&key))
        .flat_map(|(_, keys)| keys.iter().copied())
        .filter(move |other| *other != key)
}

/// Whether two values are the same, wherever they stand.
fn same(left: &Node, right: &Node) -> bool {
    match (&left.data, &right.data) {
        (Data::Table(left), Data::Table(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, one)| right.get(key).is_some_and(|two| same(&one.value, &two.value)))
        }
        (Data::Array(left), Data::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Data::Text(left), Data::Text(right)) | (Data::Date(left), Data::Date(right)) => left == right,
        (Data::Integer(left), Data::Integer(right)) => left == right,
        (Data::Float(left), Data::Float(right)) => left == right,
        (Data::Boolean(left), Data::Boolean(right)) => left == right,
        _ => false,
    }
}
