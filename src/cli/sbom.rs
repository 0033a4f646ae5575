//! `sbom`: everything that an image holds, for scanners and lawyers.

use std::path::PathBuf;

use crate::Request;
use crate::arch::Arch;
use crate::audit::sbom::{Bom, Format};
use crate::audit::{Opened, sbom};
use crate::error::{Context as _, Result};
use crate::report::Report;
use crate::source::Context;

/// `imagebuild sbom out/node_1.0.0.raw --format spdx`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild sbom node.qcow2 --format spdx            any image, whoever made it\n  \
    imagebuild sbom out --format cyclonedx -o sbom.json    what a build wrote\n  \
    imagebuild sbom node.toml --format spdx             what a build would write, without its outputs\n\n\
    `build` leaves both forms beside the manifest.")]
pub struct Args {
    /// An image of any format, a squashfs, the folder of a build, or a profile (`.toml`).
    what: PathBuf,
    /// The form.
    #[arg(long, value_name = "FORM")]
    format: Format,
    /// Where to [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The target, in place of the profile's.
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    /// Refuse to change the profile's lock: exit 3 if it does not fit.
    #[arg(long)]
    locked: bool,
}

impl Args {
    /// Whether a profile is given, which takes a store.
    pub fn of_profile(&self) -> bool {
        super::is_profile(&self.what)
    }
}

/// Of a profile.
pub fn of_profile(args: &Args, cx: &Context<'_>) -> Result<()> {
    let request = Request { profile: args.what.clone(), arch: args.arch, locked: args.locked, ..Request::default() };
    let (root, boot) = crate::sealed(&request, cx)?;
    let documents = sbom::of_build(&root, &boot, cx)?;
    let document = documents.into_iter().find(|(format, _)| *format == args.format);
    super::put(args.output.as_deref(), &document.map(|(_, bytes)| bytes).unwrap_or_default())
}

/// Of an image.
pub fn of_image(args: &Args, report: &Report) -> Result<()> {
    let opened = Opened::open(&args.what)?;
    if opened.others > 0 {
        report.warn(format!("the image has {} more roots, which are not looked into", opened.others));
    }
    let doing = || format!("looking into `{}`", args.what.display());
    let bom = Bom::read(&opened.root, opened.uki.as_ref()).context(doing)?;
    bom.warnings.iter().for_each(|warning| report.warn(warning));
    super::put(args.output.as_deref(), bom.write(args.format)?.as_bytes())
}
