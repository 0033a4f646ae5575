//! `update`: moves a lock on, as a whole or for some packages.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use crate::arch::Arch;
use crate::error::{Error, Kind, Result};
use crate::lock::{Location, Lock};
use crate::profile::{self, LoadOptions};
use crate::source::{Context, Update, resolve};

/// `imagebuild update node.toml`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild update node.toml             everything to the newest that the archives have\n  \
    imagebuild update node.toml openssl     openssl, and what it needs; all else stays")]
pub struct Args {
    /// The profile.
    profile: PathBuf,
    /// Packages to move on; all where none is named. A program built from source goes by its component: `kubelet`.
    names: Vec<String>,
    /// The target, in place of the profile's.
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
}

/// Moves the lock on and prints what changed, a line each.
pub fn run(args: &Args, cx: &Context<'_>) -> Result<()> {
    let options = LoadOptions { arch: args.arch };
    let (profile, _) = profile::load(&args.profile, &options)?;
    let path = Lock::path_for(&args.profile);
    let before = Lock::read(&path)?;
    let names: BTreeSet<String> = args.names.iter().cloned().collect();
    if before.is_none() && !names.is_empty() {
        return Err(Error::new(Kind::Lock, format!("there is no lock `{}` to move on", path.display()))
            .hint(format!("run `imagebuild lock {}`", args.profile.display())));
    }
    let _hold = cx.store.share()?;
    let update = if names.is_empty() { Update::All } else { Update::Names(names) };
    let lock = resolve(&profile, before.as_ref(), &update, cx)?;
    lock.write(&path)?;
    cx.store.register(&path)?;
    let (old, new) = (before.as_ref().map(versions).unwrap_or_default(), versions(&lock));
    let mut text = String::new();
    let all: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for name in all {
        // Writing to a String does not fail.
        let _ = match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) if old != new => writeln!(text, "{name} {old} -> {new}"),
            (None, Some(new)) if before.is_some() => writeln!(text, "{name} {new} (new)"),
            (Some(old), None) => writeln!(text, "{name} {old} (gone)"),
            _ => Ok(()),
        };
    }
    super::print(text.as_bytes())
}

/// Versions by the place in the lock.
fn versions(lock: &Lock) -> BTreeMap<String, &str> {
    let mut versions = BTreeMap::new();
    for (kind, sections) in [("", &lock.image), ("toolchain ", &lock.toolchain)] {
        for (arch, section) in sections {
            for package in &section.packages {
                versions.insert(format!("{kind}{arch} {}", package.name), package.version.as_str());
            }
            for input in &section.inputs {
                if let Location::Apt { version, .. } = &input.location {
                    versions.insert(format!("{kind}{arch} {}", input.name), version.as_str());
                }
            }
        }
    }
    versions
}
