//! Why a build made what it made anew, and what a build would do: values, not words.
//!
//! ```text
//! Recipe      a value's ingredients by name: of a key of the store, of the tree, of an output
//! Memory      the recipes of the last build of an image, kept in the store
//! Explanation a step for every stage and value: reused, or anew and why
//! ```
//!
//! - What differs between two recipes of one value is why it is made anew; where the ingredient is a value of the
//!   profile, the cause has its line.
//! - A memory only serves to explain: whatever it holds, a build takes a value from the store by its key alone.

mod build;
mod causes;
mod ingredients;
mod memory;
mod plan;
mod predict;
mod words;

pub use build::{Built, explain};
pub use memory::Memory;
pub use plan::Plan;
pub use words::{groups, text, told, value};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was reused and what was made anew, stage by stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// Whether nothing was remembered of an earlier build of the image.
    pub first: bool,
    /// In the order of the stages, then by name.
    pub steps: Vec<Step>,
}

/// A stage, or one value of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The stage.
    pub stage: Stage,
    /// What of it: a package, an output; empty for the stage itself.
    pub value: String,
    /// What was done.
    pub fate: Fate,
    /// Whether it came out as in the last build; nobody knows where that is not remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same: Option<bool>,
    /// Why it is anew, or other than in the last build.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub why: Vec<Cause>,
    /// More in a few words.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub note: String,
    /// Its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// An ingredient that is other than in the last build, or another reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// The ingredient's name, or the reason in words.
    pub what: String,
    /// What it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// `FILE:LINE` of the profile that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It was there.
    Reused,
    /// It was made, or fetched.
    Anew,
    /// Nothing of it is kept: it is done in every build.
    Always,
}

impl Fate {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Fate::Reused => "reused",
            Fate::Anew => "anew",
            Fate::Always => "always",
        }
    }
}

/// The stages, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The profile is read.
    Load,
    /// The lock.
    Resolve,
    /// Inputs into the store.
    Fetch,
    /// Packages and archives unpacked.
    Unpack,
    /// Programs compiled.
    Go,
    /// Container images assembled.
    Preload,
    /// The tree of the root.
    Assemble,
    /// Tables of kernel modules.
    Modules,
    /// The node is held against rules.
    Posture,
    /// The squashfs and its hash tree.
    Pack,
    /// Initrd and UKI.
    Boot,
    /// The disk.
    Place,
    /// The disk is held against rules.
    Check,
    /// The outputs.
    Write,
    /// Bills of materials.
    Sbom,
}

impl Stage {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Load => "load",
            Stage::Resolve => "resolve",
            Stage::Fetch => "fetch",
            Stage::Unpack => "unpack",
            Stage::Go => "go",
            Stage::Preload => "preload",
            Stage::Assemble => "assemble",
            Stage::Modules => "modules",
            Stage::Posture => "posture",
            Stage::Pack => "pack",
            Stage::Boot => "boot",
            Stage::Place => "place",
            Stage::Check => "check",
            Stage::Sbom => "sbom",
            Stage::Write => "write",
        }
    }

    /// The stage that makes values of a kind; none of a kind that is not ours.
    fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            crate::source::fetch::KIND => Stage::Fetch,
            "deb" | "archive" => Stage::Unpack,
            "go" => Stage::Go,
            "oci" => Stage::Preload,
            ingredients::TREE => Stage::Assemble,
            "module-facts" => Stage::Modules,
            "root-squashfs" => Stage::Pack,
            "initrd" | "uki" => Stage::Boot,
            "sbom" => Stage::Sbom,
            build::OUTPUT => Stage::Write,
            _ => return None,
        })
    }
}

impl Step {
    fn new(stage: Stage, value: impl Into<String>, fate: Fate) -> Self {
        Step { stage, value: value.into(), fate, same: None, why: Vec::new(), note: String::new(), bytes: None }
    }
}

impl Cause {
    /// A reason in words.
    fn said(what: impl Into<String>) -> Self {
        Cause { what: what.into(), before: None, after: None, at: None }
    }
}
