//! The first file of each content, by digest: a table that takes some 50 bytes a file.
//!
//! A map of the library takes twice that while it grows; how many files there may be is
//! known before, so this one never grows.

use std::hash::{BuildHasher, RandomState};

use crate::digest::Digest;

/// An empty slot.
const EMPTY: u32 = u32::MAX;

/// Files by the digest of their content.
pub struct Originals {
    /// Hashed in a way that nobody outside can foresee: digests of hostile files may be chosen.
    hasher: RandomState,
    /// Indexes of `entries`; at most three of four are taken.
    slots: Vec<u32>,
    entries: Vec<(Digest, u32)>,
}

impl Originals {
    /// An empty table for at most `most` different contents.
    pub fn new(most: usize) -> Self {
        let slots = (most + most / 3 + 1).next_power_of_two();
        Originals { hasher: RandomState::new(), slots: vec![EMPTY; slots], entries: Vec::new() }
    }

    /// The file that came first with this digest: `file` itself where none did.
    pub fn first(&mut self, digest: Digest, file: u32) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = self.hasher.hash_one(digest.0) as usize & mask;
        // One more than `most` would find no empty slot; it is then its own original.
        for _ in 0..self.slots.len() {
            match self.entries.get(self.slots[at] as usize) {
                Some((known, first)) if *known == digest => return *first,
                Some(_) => at = (at + 1) & mask,
                None => {
                    self.slots[at] = self.entries.len() as u32;
                    self.entries.push((digest, file));
                    return file;
                }
            }
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_found_until_the_table_is_full() {
        let mut originals = Originals::new(1000);
        let digest = |number: u32| Digest::of(&number.to_le_bytes());
        for round in 0..3 {
            for file in 0..1000 {
                assert_eq!(originals.first(digest(file), file + round * 1000), file);
            }
        }
        let mut full = Originals::new(0);
        assert_eq!([full.first(digest(1), 1), full.first(digest(2), 2), full.first(digest(1), 3)], [1, 2, 1]);
    }
}
