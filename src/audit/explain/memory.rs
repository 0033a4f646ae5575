//! What is remembered of the last build of an image.

use serde::{Deserialize, Serialize};

use super::Explanation;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::profile::Image;
use crate::store::{Recipe, Store};

/// The version of the form; another one is not read.
const SCHEMA: u32 = 1;
/// More values than a build has.
const MAX_VALUES: usize = 200_000;

/// A build as the next one sees it. Kept in the store, and believed in nothing but what it explains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    schema: u32,
    /// Of the build's manifest, by which its outputs are known.
    pub manifest: Digest,
    /// What it was made of.
    pub values: Vec<Value>,
    /// What was told of it.
    pub explanation: Explanation,
}

/// A value that a build used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// Its ingredients.
    pub recipe: Recipe,
    /// What it was known by.
    pub key: Digest,
    /// Its bytes.
    pub bytes: u64,
}

impl Memory {
    /// A memory of values.
    pub fn new(manifest: Digest, values: Vec<Value>, explanation: Explanation) -> Self {
        Memory { schema: SCHEMA, manifest, values, explanation }
    }

    /// Of the last build of an image; none where there was none, or where what is left of it is not sound.
    pub fn read(store: &Store, image: &Image) -> Option<Self> {
        let text = store.remembered(&name(&image.id, image.arch.name()))?;
        Self::parse(&text)
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Self> {
        let memory: Memory = serde_json::from_str(text).ok()?;
        (memory.schema == SCHEMA && memory.values.len() <= MAX_VALUES).then_some(memory)
    }

    /// Takes the place of what was remembered of the image.
    pub fn write(&self, store: &Store, image: &Image) -> Result<()> {
        let text = serde_json::to_string(self).map_err(|error| Error::bug(error.to_string()))?;
        store.remember(&name(&image.id, image.arch.name()), &text)
    }

    /// A value of the build.
    pub fn value(&self, kind: &str, of: &str) -> Option<&Value> {
        self.values.iter().find(|value| value.recipe.kind == kind && value.recipe.of == of)
    }
}

/// The next version of an image is held against the last one, from wherever it is built.
fn name(id: &str, arch: &str) -> String {
    format!("build {id} {arch}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Arch;

    #[test]
    fn what_is_not_sound_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let image = |id: &str| Image { id: id.into(), version: "1".into(), arch: Arch::Amd64 };
        assert_eq!(Memory::read(&store, &image("a")), None);
        let memory = Memory::new(Digest([7; 32]), Vec::new(), Explanation { first: true, steps: Vec::new() });
        memory.write(&store, &image("a")).unwrap();
        assert_eq!(Memory::read(&store, &image("a")), Some(memory.clone()));
        assert_eq!(Memory::read(&store, &image("b")), None);
        let text = serde_json::to_string(&memory).unwrap();
        for (from, to) in [("\"schema\":1", "\"schema\":2"), ("{\"schema\"", "{\"more\":1,\"schema\""), ("}", "")] {
            assert_eq!(Memory::parse(&text.replacen(from, to, 1)), None, "{from}");
        }
    }
}
