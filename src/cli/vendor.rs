//! `vendor`: everything that a lock names in a folder that serves as a store.

use std::path::PathBuf;

use crate::error::{Context as _, Error, Kind, Result};
use crate::lock::Lock;
use crate::profile::{self, LoadOptions};
use crate::size::human;
use crate::source::{Context, fetch};
use crate::store::Store;

/// `imagebuild vendor node.toml -o inputs`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild vendor node.toml -o inputs                  every input of node.lock, for every architecture in it\n  \
    imagebuild build node.toml --store inputs --offline    on a machine without a network")]
pub struct Args {
    /// The profile; its lock must be there.
    profile: PathBuf,
    /// The folder; what it holds already stays.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

/// Fetches what is missing, then copies.
pub fn run(args: &Args, cx: &Context<'_>) -> Result<()> {
    let (profile, _) = profile::load(&args.profile, &LoadOptions::default())?;
    let path = Lock::path_for(&args.profile);
    let none = || {
        Error::new(Kind::Lock, format!("there is no lock `{}`", path.display()))
            .hint(format!("run `imagebuild lock {}`", args.profile.display()))
    };
    let lock = Lock::read(&path)?.ok_or_else(none)?;
    let _hold = cx.store.share()?;
    let blobs = fetch::everything(&lock, &profile, cx)?;
    let store = Store::open(&args.output)?;
    let total = blobs.values().map(|blob| blob.length()).sum();
    let stage = cx.report.stage("vendor", Some(total));
    for (digest, blob) in &blobs {
        let doing = || format!("copying {digest} to `{}`", args.output.display());
        store.insert(digest, blob.length(), blob.open()?).context(doing)?;
        stage.advance(blob.length());
    }
    let name = path.file_name().ok_or_else(|| Error::bug("a lock without a name"))?;
    let folder = args.output.join("locks");
    std::fs::create_dir_all(&folder).context(|| format!("making `{}`", folder.display()))?;
    lock.write(&folder.join(name))?;
    stage.done(total, false);
    cx.report.say(&format!("{}: {} inputs, {}", args.output.display(), blobs.len(), human(total)));
    Ok(())
}
