//! What a tree says for one architecture: values chosen by it, variables filled in.
//!
//! A table whose keys are all names of architectures (`amd64`, `arm64`) stands for the value
//! of the one at hand, wherever a value may stand. `${arch}`, `${id}` and `${version}` are
//! filled in in every string and key; `$${` stands for `${`.

use std::collections::{BTreeMap, BTreeSet};

use super::mistake::{Mistake, note, similar};
use super::node::{Data, Entry, Node};
use super::place::{Files, Place};
use crate::arch::Arch;

/// The variables that there are.
const NAMES: [&str; 3] = ["arch", "id", "version"];

/// Chooses and fills in.
pub struct Expand<'a> {
    /// For mistakes.
    pub files: &'a Files,
    /// Grows.
    pub mistakes: &'a mut Vec<Mistake>,
    /// The architecture at hand.
    pub arch: Arch,
    /// Whether it was given; where it was not, that is the mistake to tell of.
    pub known: bool,
    /// Values by variable; one that is missing was a mistake before.
    pub values: BTreeMap<&'static str, String>,
    /// Grows: table and key of what has no value for the architecture.
    pub gone: BTreeSet<(usize, String)>,
}

impl Expand<'_> {
    /// The tree for the architecture; none where the value has none for it.
    pub fn node(&mut self, node: Node) -> Option<Node> {
        let place = node.place;
        let data = match node.data {
            Data::Table(entries) => match self.chosen(place, &entries) {
                Some(chosen) => return self.node(chosen?),
                None => Data::Table(self.entries(place, entries)),
            },
            Data::Array(values) => Data::Array(values.into_iter().filter_map(|value| self.node(value)).collect()),
            Data::Text(text) => Data::Text(self.text(&text, place)),
            data => data,
        };
        Some(Node { place, data })
    }

    fn entries(&mut self, table: Place, entries: BTreeMap<String, Entry>) -> BTreeMap<String, Entry> {
        let expanded = entries.into_iter().filter_map(|(key, entry)| {
            let key = self.text(&key, entry.key);
            match self.node(entry.value) {
                Some(value) => Some((key, Entry { key: entry.key, value })),
                None => {
                    self.gone.insert((table.id, key));
                    None
                }
            }
        });
        expanded.collect()
    }

    /// Outer none: no table of architectures; inner none: none for the one at hand.
    fn chosen(&mut self, place: Place, entries: &BTreeMap<String, Entry>) -> Option<Option<Node>> {
        let by_arch = !entries.is_empty() && entries.keys().all(|key| Arch::from_name(key).is_some());
        if !by_arch {
            return None;
        }
        let chosen = entries.get(self.arch.name()).map(|entry| entry.value.clone());
        if chosen.is_none() && self.known {
            let message = format!("there is no value for `{}`", self.arch);
            self.mistakes.push(
                Mistake::new(self.files, place, message)
                    .expected("a value for the architecture that the image is for")
                    .help(format!(
                        "add `{} = ...` beside `{}`",
                        self.arch,
                        entries.keys().next().map_or("", |key| key)
                    )),
            );
        }
        Some(chosen)
    }

    fn text(&mut self, text: &str, place: Place) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            let (before, after) = rest.split_at(dollar);
            out.push_str(before);
            if let Some(after) = after.strip_prefix("$${") {
                out.push_str("${");
                rest = after;
            } else if let Some(after) = after.strip_prefix("${") {
                let (name, after) = after.split_once('}').unwrap_or((after, ""));
                out.push_str(&self.variable(name, place));
                rest = after;
            } else {
                out.push('$');
                rest = &after[1..];
            }
        }
        out.push_str(rest);
        out
    }

    fn variable(&mut self, name: &str, place: Place) -> String {
        if let Some(value) = self.values.get(name) {
            return value.clone();
        }
        if !NAMES.contains(&name) {
            let short: String = name.chars().take(40).collect();
            note(self.mistakes, || {
                let mut mistake = Mistake::new(self.files, place, format!("unknown variable `${{{short}}}`"))
                    .expected("`${arch}`, `${id}` or `${version}`");
                mistake.help.extend(similar(&short, NAMES).map(|name| format!("did you mean `${{{name}}}`?")));
                mistake.help(format!("`$${{{short}}}` stands for the text `${{{short}}}`"))
            });
        }
        // Whatever it stands in should not be wrong for its lack as well.
        name.to_owned()
    }
}
