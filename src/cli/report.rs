//! `report`: a build, or what changed between two, as one page.

use std::path::PathBuf;

use crate::audit::report::{self, Build};
use crate::error::Result;
use crate::source::Context;

/// `imagebuild report out -o report.html`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild report out -o report.html            a build: what it is, what is in it, how to verify it\n  \
    imagebuild report node.qcow2 -o report.html     any image\n  \
    imagebuild report old/ new/ -o report.html      with what changed\n\n\
    The page needs nothing beside it and runs nothing. Where the store remembers the build, it tells what was reused and\n\
    why the rest was made anew.")]
pub struct Args {
    /// The folder of a build, or an image of any format; with a second one what it is compared with.
    build: String,
    /// The later build, which the page is of.
    after: Option<String>,
    /// Write into a file [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Writes the page; nothing of the store is changed.
pub fn run(args: &Args, cx: &Context<'_>) -> Result<()> {
    let first = Build::open(&args.build, &cx.store)?;
    let second = args.after.as_ref().map(|after| Build::open(after, &cx.store)).transpose()?;
    let page = match &second {
        Some(second) => report::page(Some(&first), second, cx.jobs)?,
        None => report::page(None, &first, cx.jobs)?,
    };
    super::put(args.output.as_deref(), page.as_bytes())
}
