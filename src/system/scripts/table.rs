//! The built-in table of what scripts hold beyond known commands: rows of data, one a script.

use std::sync::LazyLock;

use serde::Deserialize;

use super::effect::Effect;
use crate::digest::Digest;
use crate::error::{Error, Result};

/// A row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Row {
    /// The package, a glob where its name carries a version.
    pub package: String,
    /// `preinst` or `postinst`.
    pub script: String,
    /// Digests of what is left of the script, one a release.
    pub sha256: Vec<Digest>,
    /// The step that does what is needed; none where nothing is.
    pub covered_by: Option<String>,
    /// What is left does, and why that is covered or not needed.
    pub reason: String,
    /// What the steps do for it.
    #[serde(default)]
    pub effects: Vec<Effect>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    script: Vec<Row>,
    #[serde(default)]
    trigger: Vec<Trigger>,
}

/// A trigger in which a package is interested, and why an image needs nothing of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Trigger {
    /// The package.
    pub package: String,
    /// The trigger's name or path.
    pub name: String,
    /// The step that does what is needed; none where nothing is.
    pub covered_by: Option<String>,
    /// Why.
    pub reason: String,
}

static TABLE: LazyLock<Result<Table, String>> =
    LazyLock::new(|| toml::from_str(include_str!("table.toml")).map_err(|error| error.to_string()));

fn table() -> Result<&'static Table> {
    TABLE.as_ref().map_err(|error| Error::bug(format!("the table of scripts is damaged: {error}")))
}

/// The rows of a package's script, whatever their digests.
pub fn rows(package: &str, script: &str) -> Result<Vec<&'static Row>> {
    let hits = |row: &&Row| row.script == script && names(&row.package, package);
    Ok(table()?.script.iter().filter(hits).collect())
}

/// The row of a trigger.
pub fn trigger(package: &str, name: &str) -> Result<Option<&'static Trigger>> {
    Ok(table()?.trigger.iter().find(|row| names(&row.package, package) && row.name == name))
}

fn names(pattern: &str, package: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => {
            package.len() >= start.len() + end.len() && package.starts_with(start) && package.ends_with(end)
        }
        None => pattern == package,
    }
}
