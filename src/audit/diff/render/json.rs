//! The comparison for machines; `imagebuild schema diff` prints the schema.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Change, Diff, Topic};
use crate::error::{Error, Result};

/// The version of the document's format.
const SCHEMA: u32 = 1;

/// A comparison.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Document<'a> {
    /// The version of this format.
    schema: u32,
    /// What the first side was called by.
    before: &'a str,
    /// What the second side was called by.
    after: &'a str,
    /// Whether nothing differs.
    same: bool,
    /// Whether nothing but ids and times differs, and what follows from them.
    cosmetic_only: bool,
    /// Bytes of files that the root grew by.
    growth: i64,
    /// What was not compared, and why.
    notes: &'a [String],
    /// The changes, the most dangerous topics first.
    topics: Vec<Section<'a>>,
    /// Bytes of files by package, where both sides are images.
    packages: Vec<Package<'a>>,
}

/// The changes of a topic.
#[derive(Debug, Serialize, JsonSchema)]
struct Section<'a> {
    topic: Topic,
    /// For people.
    title: &'static str,
    changes: &'a [Change],
}

/// A package's bytes.
#[derive(Debug, Serialize, JsonSchema)]
struct Package<'a> {
    name: &'a str,
    before: u64,
    after: u64,
}

impl Document<'_> {
    /// The JSON schema.
    pub fn schema() -> serde_json::Value {
        // Of what is written: what is empty is left out.
        let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
        settings.into_generator().into_root_schema_for::<Document>().to_value()
    }
}

/// The document, on one line.
pub fn json(diff: &Diff) -> Result<String> {
    let sections = diff.topics.iter();
    let packages = diff.sizes.iter();
    let document = Document {
        schema: SCHEMA,
        before: &diff.before,
        after: &diff.after,
        same: diff.is_empty(),
        cosmetic_only: diff.is_cosmetic(),
        growth: diff.growth(),
        notes: &diff.notes,
        topics: sections.map(|(topic, changes)| Section { topic: *topic, title: topic.title(), changes }).collect(),
        packages: packages.map(|(name, (before, after))| Package { name, before: *before, after: *after }).collect(),
    };
    let text = serde_json::to_string(&document).map_err(|error| Error::bug(error.to_string()))?;
    Ok(format!("{text}\n"))
}
