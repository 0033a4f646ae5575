//! A rule, and where an image breaks it.

use serde::Serialize;

/// What an image must be like.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its name, for machines and for people who talk about it.
    pub id: &'static str,
    /// What is required.
    pub required: &'static str,
    /// Who says so, or what happens otherwise.
    pub why: &'static str,
    /// How to mend an image that breaks it.
    pub mend: &'static str,
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule.
    #[serde(flatten)]
    pub rule: &'static Rule,
    /// What was found instead.
    pub found: String,
}

impl Rule {
    /// The rule, broken.
    pub fn broken(&'static self, found: impl Into<String>) -> Finding {
        Finding { rule: self, found: found.into() }
    }
}
