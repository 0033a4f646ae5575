//! What a derived value is made of: its ingredients by name, and the key that their digest is.
//!
//! The key decides whether a value is there; the names are for whoever asks why it is not.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Hasher};

/// A longer value is remembered by its digest.
const LONGEST: usize = 300;

/// What a derived value depends on, the version of the code that makes it included.
#[derive(Clone)]
pub struct Key {
    hasher: Hasher,
    recipe: Recipe,
}

/// The same by names, for people and for the next build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The kind of value: `deb`, `uki`.
    pub kind: Cow<'static, str>,
    /// Which one of its kind; empty where nobody asks.
    pub of: String,
    /// Of the code that makes it.
    pub version: u32,
    /// In order; names are unique.
    pub parts: Vec<Part>,
}

/// A named ingredient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What it is: `package`, `level`.
    pub name: String,
    /// Its value: a digest in hex, a number, a text that is not long.
    pub value: String,
}

impl Part {
    /// An ingredient; a long value is remembered by its digest.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        let value = value.into();
        let value = if value.len() > LONGEST { format!("sha256:{}", Digest::of(value.as_bytes())) } else { value };
        Part { name: name.into(), value }
    }
}

/// A value that can be an ingredient: bytes for the key, a text for people.
pub trait Ingredient {
    /// What the key covers.
    fn bytes(&self) -> Cow<'_, [u8]>;
    /// What a person reads.
    fn shown(&self) -> String;
}

impl Ingredient for Digest {
    fn bytes(&self) -> Cow<'_, [u8]> {
        self.0.as_slice().into()
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Ingredient for str {
    fn bytes(&self) -> Cow<'_, [u8]> {
        self.as_bytes().into()
    }

    fn shown(&self) -> String {
        self.to_owned()
    }
}

impl<const N: usize> Ingredient for [u8; N] {
    fn bytes(&self) -> Cow<'_, [u8]> {
        self.as_slice().into()
    }

    fn shown(&self) -> String {
        hex::encode(self)
    }
}

impl Ingredient for u32 {
    fn bytes(&self) -> Cow<'_, [u8]> {
        self.to_le_bytes().to_vec().into()
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Ingredient for i32 {
    fn bytes(&self) -> Cow<'_, [u8]> {
        self.to_le_bytes().to_vec().into()
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Key {
    /// A key for values of the kind `what`, made by code of `version`.
    pub fn new(what: &'static str, version: u32) -> Self {
        let mut hasher = Hasher::default();
        hasher.field(what.as_bytes());
        hasher.update(&version.to_le_bytes());
        Key { hasher, recipe: Recipe { kind: what.into(), of: String::new(), version, parts: Vec::new() } }
    }

    /// Says which one of its kind the value is; the key does not cover it. What is made or found is noted in the
    /// store's journal.
    #[must_use]
    pub fn of(mut self, what: impl Into<String>) -> Self {
        self.recipe.of = what.into();
        self
    }

    /// Adds something that the value depends on.
    #[must_use]
    pub fn with(mut self, field: impl AsRef<[u8]>) -> Self {
        self.hasher.field(field.as_ref());
        self
    }

    /// Adds something that the value depends on, by its name; the key covers the value alone.
    #[must_use]
    pub fn part(mut self, name: &str, value: &(impl Ingredient + ?Sized)) -> Self {
        self.hasher.field(&value.bytes());
        self.recipe.parts.push(Part::new(name, value.shown()));
        self
    }

    /// Says by a name what [`Key::with`] added in many parts.
    #[must_use]
    pub fn told(mut self, name: &str, value: &(impl Ingredient + ?Sized)) -> Self {
        self.recipe.parts.push(Part::new(name, value.shown()));
        self
    }

    /// The key's digest.
    pub fn digest(self) -> Digest {
        self.hasher.finish()
    }

    /// The key's digest, and what it is the digest of.
    pub fn taken_apart(self) -> (Digest, Recipe) {
        (self.hasher.finish(), self.recipe)
    }
}

impl Recipe {
    /// Of a value that is not named by the digest of its ingredients.
    pub fn new(kind: &'static str, of: impl Into<String>, parts: Vec<Part>) -> Self {
        Recipe { kind: kind.into(), of: of.into(), version: 0, parts }
    }

    /// The value of a part.
    pub fn part(&self, name: &str) -> Option<&str> {
        self.parts.iter().find(|part| part.name == name).map(|part| part.value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_key_do_not_run_together() {
        let one = Key::new("k", 1).with("ab").with("c").digest();
        assert_ne!(one, Key::new("k", 1).with("a").with("bc").digest());
        assert_ne!(one, Key::new("k", 2).with("ab").with("c").digest());
    }

    #[test]
    fn names_are_not_of_the_key_and_values_are() {
        let key = |name: &str, level: i32| Key::new("k", 1).of("x").part("codec", "zstd").part(name, &level);
        assert_eq!(key("a", 3).digest(), key("b", 3).digest());
        assert_eq!(key("a", 3).digest(), Key::new("k", 1).with("zstd").with(3i32.to_le_bytes()).digest());
        assert_ne!(key("a", 3).digest(), key("a", 4).digest());
        let (_, recipe) = key("level", 3).told("all", &Digest([0; 32])).taken_apart();
        assert_eq!((recipe.part("level"), recipe.part("codec"), recipe.of.as_str()), (Some("3"), Some("zstd"), "x"));
        assert_eq!(recipe.part("all"), Some("0".repeat(64).as_str()));
        assert!(Part::new("long", "x".repeat(LONGEST + 1)).value.starts_with("sha256:"));
    }
}
