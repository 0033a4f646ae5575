//! What a run made of its inputs, and what it found made.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::Recipe;
use crate::digest::Digest;

/// What a run had of its store, by kind and name.
#[derive(Debug, Default)]
pub struct Journal(Mutex<BTreeMap<(String, String), Entry>>);

/// A value that the run used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is made of.
    pub recipe: Recipe,
    /// What it is found by.
    pub key: Digest,
    /// Whether it was there.
    pub reused: bool,
    /// Its bytes.
    pub bytes: u64,
    /// Blocks of it that were there, and blocks that were not.
    pub blocks: Option<(u64, u64)>,
}

impl Journal {
    /// Notes a value, unless it has no name. What was made and then used again was made.
    pub fn note(&self, entry: Entry) {
        if entry.recipe.of.is_empty() {
            return;
        }
        let name = (entry.recipe.kind.to_string(), entry.recipe.of.clone());
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.get(&name).is_none_or(|known| known.reused || known.key != entry.key) {
            entries.insert(name, entry);
        }
    }

    /// All of them, sorted by kind and name.
    pub fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_not_said_to_have_been_there() {
        let journal = Journal::default();
        let entry = |of: &str, reused| Entry {
            recipe: Recipe::new("deb", of, Vec::new()),
            key: Digest([1; 32]),
            reused,
            bytes: 1,
            blocks: None,
        };
        for entry in [entry("b", true), entry("a", false), entry("a", true), entry("", true)] {
            journal.note(entry);
        }
        let told: Vec<(String, bool)> =
            journal.entries().into_iter().map(|entry| (entry.recipe.of, entry.reused)).collect();
        assert_eq!(told, [("a".to_owned(), false), ("b".to_owned(), true)]);
    }
}
