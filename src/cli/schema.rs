//! `schema`: the JSON schema of the profile, of the manifest, of a comparison, or of a plan.

use clap::ValueEnum;

use crate::audit::diff::render::Document;
use crate::audit::explain::Plan;
use crate::error::Result;
use crate::manifest::Manifest;
use crate::profile::schema::schema;
use crate::report::pretty;

/// `imagebuild schema > profile.schema.json`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild schema > profile.schema.json\n  \
    imagebuild schema manifest > manifest.schema.json\n  \
    imagebuild schema diff > diff.schema.json\n  \
    imagebuild schema plan > plan.schema.json\n\n\
    An editor that knows TOML schemas (taplo, Even Better TOML) then completes and checks\n\
    a profile that begins with `#:schema profile.schema.json`.")]
pub struct Args {
    /// Of what.
    #[arg(default_value = "profile")]
    of: Of,
}

#[derive(Clone, Copy, ValueEnum)]
enum Of {
    /// What is written.
    Profile,
    /// What a build tells of itself.
    Manifest,
    /// What `diff --format json` prints.
    Diff,
    /// What `diff --plan PROFILE --format json` prints.
    Plan,
}

/// Prints the schema.
pub fn run(args: &Args) -> Result<()> {
    let schema = match args.of {
        Of::Profile => schema(),
        Of::Manifest => Manifest::schema(),
        Of::Diff => Document::schema(),
        Of::Plan => Plan::schema(),
    };
    super::print(pretty(&schema)?.as_bytes())
}
