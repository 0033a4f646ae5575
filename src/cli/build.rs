//! `build`: every output of a profile.

use std::path::PathBuf;

use crate::arch::Arch;
use crate::error::Result;
use crate::source::Context;

/// `imagebuild build node.toml -o out`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild build node.toml                      make node.lock if it is missing, write out/\n  \
    imagebuild build node.toml --locked --offline   what the lock and the store hold, nothing else\n  \
    imagebuild build node.toml --fast               pack quickly while trying things out")]
pub struct Args {
    /// The profile.
    profile: PathBuf,
    /// Where the artifacts and manifest.json go.
    #[arg(short, long, value_name = "DIR", default_value = "out")]
    output: PathBuf,
    /// The target, in place of the profile's.
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    /// Refuse to change the lock: exit 3 if it does not fit.
    #[arg(long)]
    locked: bool,
    /// Pack at zstd 3: other bytes than a release's, for the inner loop.
    #[arg(long)]
    fast: bool,
    /// Make derived values anew; inputs are kept.
    #[arg(long)]
    no_cache: bool,
    /// Build Go programs without the sandbox where the kernel has none.
    #[arg(long)]
    unconfined: bool,
}

/// Builds.
pub fn run(args: &Args, cx: &Context) -> Result<()> {
    let _ = (args, cx);
    Ok(())
}
