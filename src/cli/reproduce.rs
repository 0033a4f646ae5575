//! `reproduce`: whether an image comes of the profile and the lock that it carries.

mod twice;

use std::path::{Path, PathBuf};

use crate::audit::{carried, reproduce};
use crate::bytes::{Bytes, Whole};
use crate::error::{Context as _, Error, Kind, Result};
use crate::report::Report;
use crate::source::Context;
use crate::temp::{TempFolder, beside};
use crate::{Request, build, manifest, output};

/// `imagebuild reproduce node.raw`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild reproduce node.raw                  build it again, compare every byte\n  \
    imagebuild reproduce node.raw --files repo     files beside the profile are found there by their digest\n  \
    imagebuild reproduce node.raw --no-cache       believe nothing that the store derived before\n  \
    imagebuild reproduce node.toml --twice         build twice from scratch, under other conditions\n\n\
    Takes profile and lock out of the image, builds from the store or the archives, and compares. Exits with 5 where\n\
    the images differ, and tells where they do first, in which structure and field, and what such a difference comes\n\
    from.")]
pub struct Args {
    /// The image, of any format; its manifest beside it tells whether it was a fast build. With `--twice` a profile.
    image: PathBuf,
    /// Build the profile twice without derived values, with other threads, zone, locale, folder and home, and compare.
    #[arg(long, conflicts_with_all = ["files", "no_cache"])]
    twice: bool,
    /// A folder with the files that lay beside the profile, whatever their names.
    #[arg(long, value_name = "DIR")]
    files: Option<PathBuf>,
    /// Pack as `build --fast` does.
    #[arg(long)]
    fast: bool,
    /// Ignore derived values in the store; inputs are kept.
    #[arg(long)]
    no_cache: bool,
    /// Build Go programs without the sandbox where the kernel has none.
    #[arg(long)]
    unconfined: bool,
}

/// Builds again and compares.
pub fn run(args: &Args, cx: &Context<'_>) -> Result<()> {
    if args.twice {
        return twice::run(args, cx);
    }
    let doing = || format!("reproducing `{}`", args.image.display());
    let folder = TempFolder::new_in(beside(&args.image)).context(doing)?;
    let profile = carried::lay(&args.image, args.files.as_deref(), folder.path(), &cx.store).context(doing)?;
    let store = if args.no_cache { cx.store.clone().without_derived() } else { cx.store.clone() };
    let cx = cx.with_store(store);
    let out = folder.path().join("out");
    let request = Request {
        profile,
        output: out.clone(),
        locked: true,
        fast: args.fast || was_fast(&args.image),
        unconfined: args.unconfined,
        aside: true,
        ..Request::default()
    };
    let made = build(&request, &cx).map_err(|error| lost(error, &args.image, folder.path())).context(doing)?;
    compare(&args.image, &out, &made, cx.report).context(doing)
}

/// Whether the manifest beside an image says that it was packed in a hurry.
fn was_fast(image: &Path) -> bool {
    manifest::Manifest::read(&image.with_file_name(manifest::NAME)).is_ok_and(|manifest| manifest.fast)
}

/// What is still to be proven where an input is gone.
fn lost(error: Error, image: &Path, folder: &Path) -> Error {
    // What is laid out there is gone with this run: nobody can move its lock on.
    let laid = folder.display().to_string();
    let error = error.without_hints(|hint| hint.contains(&laid));
    match error.kind() {
        Kind::Source => {
            let image = image.display();
            error
                .hint("other stores or mirrors may have it: --store DIR, --mirror NAME=URL")
                .hint(format!(
                    "what can be proven without it: that all blocks of the root are those of its root hash (imagebuild verify {image}), \
                     and that what is installed is what the lock names (imagebuild diff LOCK {image})"
                ))
        }
        _ => error,
    }
}

fn compare(image: &Path, out: &Path, made: &manifest::Manifest, report: &Report) -> Result<()> {
    // Byte by byte: unlike a digest that passes over what a sparse file does not hold.
    let own = Whole::open(image)?;
    for manifest::Artifact { path, size, sha256, .. } in &made.artifacts {
        if *size == own.length() && reproduce::same(&own, &Whole::open(&out.join(path))?)? {
            let event =
                serde_json::json!({ "event": "reproduce", "identical": true, "sha256": sha256, "output": path });
            report.event(&event);
            report.say(&format!("identical: `{}` is the output `{path}`, sha256 {sha256}", image.display()));
            return Ok(());
        }
    }
    let disk = output::open(image)?;
    let mut found: Option<(&str, reproduce::Difference)> = None;
    for artifact in &made.artifacts {
        let Some(again) = reproduce::disk(&out.join(&artifact.path)) else { continue };
        // Another output's disk may be larger, or have words of its own: the nearest one tells the most.
        match reproduce::first(&disk.disk, &again)? {
            None => {
                let message =
                    format!("the disk in it is that of the output `{}`, but the file is another", artifact.path);
                return Err(Error::new(Kind::Found, message)
                    .hint("it was converted, or compressed by another version of the tool"));
            }
            Some(difference) if found.as_ref().is_none_or(|(_, best)| difference.at > best.at) => {
                found = Some((&artifact.path, difference));
            }
            Some(_) => {}
        }
    }
    let (name, difference) = found.ok_or_else(|| Error::user("the record builds no disk"))?;
    tell(name, &difference, report);
    Err(Error::new(Kind::Found, format!("it differs from the output `{name}` first at {difference}"))
        .hint("what differs besides: imagebuild diff IMAGE FOLDER, where FOLDER holds a build from the image's record"))
}

/// The difference for machines.
fn tell(output: &str, difference: &reproduce::Difference, report: &Report) {
    report.event(&serde_json::json!({
        "event": "reproduce",
        "identical": false,
        "output": output,
        "at": difference.at,
        "structure": difference.structure,
        "field": difference.field,
        "image": difference.values.0,
        "again": difference.values.1,
        "cause": difference.cause,
    }));
}
