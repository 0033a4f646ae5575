//! `schema`: the JSON schema of the profile.

use crate::error::{Error, Result};
use crate::profile::schema::schema;

/// `imagebuild schema > profile.schema.json`
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    imagebuild schema > profile.schema.json\n\n\
    An editor that knows TOML schemas (taplo, Even Better TOML) then completes and checks\n\
    a profile that begins with `#:schema profile.schema.json`.")]
pub struct Args {}

/// Prints the schema.
pub fn run(_: &Args) -> Result<()> {
    let mut text = serde_json::to_string_pretty(&schema()).map_err(|error| Error::bug(error.to_string()))?;
    text.push('\n');
    super::print(text.as_bytes())
}
