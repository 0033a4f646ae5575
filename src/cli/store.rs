//! `store`: where inputs are kept, whether they are whole, and what may go.

use std::collections::BTreeSet;

use clap::Subcommand;

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::lock::Lock;
use crate::size::human;
use crate::source::{Context, apt, fetch};

/// `imagebuild store gc`
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Print the store's folder.
    Path,
    /// Read every input and what is made of inputs again; exit 5 if one is not what it was.
    Verify {
        /// Remove what is broken; a build fetches or makes it again.
        #[arg(long)]
        remove: bool,
    },
    /// Remove inputs that no lock in use names, and files that no last build took from beside its profile.
    ///
    /// Builds, `lock` and `update` note the locks that they use; a lock that was deleted is forgotten.
    Gc {
        /// Also remove what is made of inputs (unpacked packages, compressed blocks, built programs).
        #[arg(long)]
        derived: bool,
        /// Only tell what would be removed.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Carries the verb out.
pub fn run(args: &Args, cx: &Context<'_>) -> Result<()> {
    match args.verb {
        Verb::Path => super::print(format!("{}\n", cx.store.path().display()).as_bytes()),
        Verb::Verify { remove } => verify(cx, remove),
        Verb::Gc { derived, dry_run } => collect(cx, derived, !dry_run),
    }
}

fn verify(cx: &Context<'_>, remove: bool) -> Result<()> {
    let hold = cx.store.share()?;
    let total = cx.store.size()?;
    let stage = cx.report.stage("verify", Some(total));
    let broken = cx.store.verify(cx.jobs, &|bytes| stage.advance(bytes))?;
    stage.done(total, false);
    drop(hold);
    if broken.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = broken.iter().map(|path| format!("`{}`", path.display())).collect();
    if remove {
        for path in &broken {
            cx.store.remove(path)?;
        }
    }
    let message = format!("{} files of the store are broken: {}", broken.len(), list.join(", "));
    let hint = if remove {
        "they were removed: a build fetches or makes them again"
    } else {
        "remove them: store verify --remove"
    };
    Err(Error::new(Kind::Found, message).hint(hint))
}

fn collect(cx: &Context<'_>, derived: bool, really: bool) -> Result<()> {
    let roots = cx.store.roots()?;
    // What lay beside their profiles: no lock names it, and `reproduce` may have it from nowhere else.
    let mut keep: BTreeSet<Digest> = cx.store.registered_files()?;
    for root in &roots {
        // A lock that cannot be read may name anything: nothing is removed.
        let Some(lock) = Lock::read(root)? else { continue };
        let sections = lock.image.values().chain(lock.toolchain.values());
        keep.extend(sections.flat_map(fetch::wanted).map(|wanted| wanted.sha256));
    }
    let collected = cx.store.collect(&keep, apt::deb::derived, derived, really)?;
    let done = if really { "removed" } else { "would remove" };
    let (files, bytes) = (collected.files, human(collected.bytes));
    cx.report.say(&format!("{done} {files} files, {bytes}; {} locks are in use", roots.len()));
    Ok(())
}
