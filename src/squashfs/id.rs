//! The id table: owners and groups, each once, named by a 16-bit index.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// Ids in the order of their first use.
#[derive(Default)]
pub struct Ids {
    indexes: HashMap<u32, u16>,
    entries: Vec<u8>,
}

impl Ids {
    /// The index of `id`.
    pub fn add(&mut self, id: u32) -> Result<u16> {
        if let Some(index) = self.indexes.get(&id) {
            return Ok(*index);
        }
        let index = u16::try_from(self.indexes.len()).ok().filter(|index| *index < u16::MAX);
        let index = index.ok_or_else(|| Error::user("more than 65535 different owners and groups"))?;
        self.indexes.insert(id, index);
        self.entries.extend_from_slice(&id.to_le_bytes());
        Ok(index)
    }

    /// How many there are.
    pub fn len(&self) -> u16 {
        self.indexes.len() as u16
    }

    /// The entries, back to back.
    pub fn entries(&self) -> &[u8] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_not_too_many() {
        let mut ids = Ids::default();
        assert_eq!([0, 4_000_000_000, 0, 7].map(|id| ids.add(id).unwrap()), [0, 1, 0, 2]);
        for id in 0..65_535 {
            let _ = ids.add(id);
        }
        assert_eq!(ids.len(), 65_535);
        assert!(ids.add(3_000_000_000).is_err());
    }
}
