//! A glob of a profile, with the line that set it.

use std::ops::Deref;

/// A glob. Compares as its text: where it was written is for people.
#[derive(Debug, Clone)]
pub struct Glob {
    text: String,
    origin: String,
}

impl Glob {
    /// `text`, written at `origin` (`FILE:LINE`).
    pub fn new(text: impl Into<String>, origin: impl Into<String>) -> Self {
        Glob { text: text.into(), origin: origin.into() }
    }

    /// `FILE:LINE`; empty where no file set it.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl Deref for Glob {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Glob {}
