//! `check`: every mistake of a profile.

use std::path::PathBuf;

use crate::arch::Arch;
use crate::error::Result;
use crate::profile::{LoadOptions, load};
use crate::report::Report;

/// `imagebuild check node.toml`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild check node.toml            exit 0 if it is sound, 2 and every mistake if not\n  \
    imagebuild check node.toml --json     the mistakes as one JSON object, for editors")]
pub struct Args {
    /// The profiles.
    #[arg(required = true, value_name = "PROFILE")]
    profiles: Vec<PathBuf>,
    /// The target, in place of the profile's.
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
}

/// Loads each profile; fetches and writes nothing.
pub fn run(args: &Args, report: &Report) -> Result<()> {
    let mut result = Ok(());
    for path in &args.profiles {
        match load(path, &LoadOptions { arch: args.arch }) {
            Ok((profile, _)) => {
                report.say(&format!("`{}` is sound ({}, {})", path.display(), profile.image.name(), profile.image.arch))
            }
            // The last one is the caller's to print.
            Err(error) => match std::mem::replace(&mut result, Err(error)) {
                Ok(()) => {}
                Err(earlier) => report.error(&earlier),
            },
        }
    }
    result
}
