//! `show`: the resolved profile.

use std::path::PathBuf;

use crate::arch::Arch;
use crate::error::Result;
use crate::profile::{LoadOptions, load, show};

/// `imagebuild show node.toml --origins`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild show node.toml                  what the profile means, every default included\n  \
    imagebuild show node.toml --origins        and the line that set each value\n  \
    imagebuild show node.toml --arch arm64     the same for another architecture")]
pub struct Args {
    /// The profile.
    profile: PathBuf,
    /// Say after each value which line of which file set it.
    #[arg(long)]
    origins: bool,
    /// The target, in place of the profile's.
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
}

/// Prints the resolved profile as canonical TOML.
pub fn run(args: &Args) -> Result<()> {
    let (profile, origins) = load(&args.profile, &LoadOptions { arch: args.arch })?;
    super::print(show(&profile, args.origins.then_some(&origins)).as_bytes())
}
