//! `lock`: makes or mends the lock of a profile.

use std::path::PathBuf;

use crate::arch::Arch;
use crate::error::{Error, Kind, Result};
use crate::lock::Lock;
use crate::profile::{self, LoadOptions};
use crate::source::{Context, Update, resolve};

/// `imagebuild lock node.toml`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild lock node.toml             make node.lock, or add to it what the profile asks for now\n  \
    imagebuild lock node.toml --check     exit 3 if node.lock does not fit; nothing is fetched or written")]
pub struct Args {
    /// The profile; its lock lies beside it, ending in `.lock`.
    profile: PathBuf,
    /// The target, in place of the profile's; a lock holds a section for each.
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    /// Only tell whether the lock fits: exit 3 if not.
    #[arg(long)]
    check: bool,
}

/// Locks, or checks.
pub fn run(args: &Args, cx: &Context<'_>) -> Result<()> {
    let options = LoadOptions { arch: args.arch };
    let (profile, _) = profile::load(&args.profile, &options)?;
    let path = Lock::path_for(&args.profile);
    let before = Lock::read(&path)?;
    if args.check {
        let none = || {
            Error::new(Kind::Lock, format!("there is no lock `{}`", path.display()))
                .hint(format!("run `imagebuild lock {}`", args.profile.display()))
        };
        return before.ok_or_else(none)?.check(&profile, Arch::host());
    }
    let _hold = cx.store.share()?;
    let lock = resolve(&profile, before.as_ref(), &Update::Nothing, cx)?;
    lock.write(&path)?;
    cx.store.register(&path)?;
    let section = lock.section(profile.image.arch)?;
    let (packages, inputs) = (section.packages.len(), section.inputs.len());
    cx.report.say(&format!("{}: {packages} packages, {inputs} other inputs", path.display()));
    Ok(())
}
