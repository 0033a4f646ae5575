//! `sources`: the source packages of what an image holds.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::arch::Arch;
use crate::audit::carried;
use crate::digest::Digest;
use crate::error::{Context as _, Error, Kind, Result};
use crate::lock::Lock;
use crate::profile::{self, LoadOptions};
use crate::size::human;
use crate::source::Context;
use crate::source::corresponding::corresponding;
use crate::temp::{TempFolder, beside, write_file};

/// The list of what was built from what, in the folder.
const LIST: &str = "SOURCES";

/// `imagebuild sources node.toml -o sources`
#[derive(clap::Args)]
#[command(
    after_help = "Copyleft licences ask that whoever hands out an image offers the source of what is in it. Collects the source\n\
    packages of the lock, in the very versions that the binary packages were built from, into a folder with SHA256SUMS\n\
    and a list of what came of each. The sources of the compilers are not among them, nor those of files by URL."
)]
pub struct Args {
    /// A profile with its lock, or an image that carries both.
    what: PathBuf,
    /// The folder; it must not be there.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// The target, in place of the profile's.
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    /// A folder with the files that lay beside the image's profile, whatever their names.
    #[arg(long, value_name = "DIR")]
    files: Option<PathBuf>,
}

/// Collects.
pub fn run(args: &Args, cx: &Context<'_>) -> Result<()> {
    if args.output.exists() {
        return Err(Error::user(format!("`{}` is there already", args.output.display())));
    }
    let folder = TempFolder::new_in(beside(&args.output))?;
    let carried = folder.path().join(".record");
    let path = match super::is_profile(&args.what) {
        true => args.what.clone(),
        false => {
            std::fs::create_dir(&carried).context(|| format!("making `{}`", carried.display()))?;
            carried::lay(&args.what, args.files.as_deref(), &carried, &cx.store)?
        }
    };
    let (profile, _) = profile::load(&path, &LoadOptions { arch: args.arch })?;
    let missing = || {
        Error::new(Kind::Lock, format!("there is no lock beside `{}`", path.display()))
            .hint(format!("run `imagebuild lock {}`", path.display()))
    };
    let lock = Lock::read(&Lock::path_for(&path))?.ok_or_else(missing)?;
    lock.check(&profile, None)?;
    let found = corresponding(&lock, &profile, profile.image.arch, cx)?;
    if carried.exists() {
        std::fs::remove_dir_all(&carried).context(|| format!("removing `{}`", carried.display()))?;
    }
    let (mut sums, mut list, mut bytes) = (String::new(), String::new(), 0);
    for (source, files) in &found.files {
        // Versions hold an epoch and a colon now and then, which some file systems do not take.
        let name = format!("{}_{}", source.0, source.1.replace(':', "%3a"));
        let inside = folder.path().join(&name);
        std::fs::create_dir(&inside).context(|| format!("making `{}`", inside.display()))?;
        for (file, blob) in files {
            let to = inside.join(file);
            let doing = || format!("writing `{}`", to.display());
            let mut out = std::fs::File::create(&to).context(doing)?;
            bytes += std::io::copy(&mut blob.open()?, &mut out).context(doing)?;
            let digest = blob.digest().map_or_else(|| Digest::of_reader(blob.open()?).map(|(digest, _)| digest), Ok)?;
            // Writing to a string cannot fail.
            let _ = writeln!(sums, "{digest}  {name}/{file}");
        }
        let of =
            found.of.get(source).map(|names| names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap_or_default();
        let _ = writeln!(list, "{} {}: {}", source.0, source.1, of.join(" "));
    }
    write_file(&folder.path().join(crate::manifest::SUMS), sums.as_bytes())?;
    write_file(&folder.path().join(LIST), list.as_bytes())?;
    folder.persist(&args.output)?;
    cx.report.say(&format!("{}: {} source packages, {}", args.output.display(), found.files.len(), human(bytes)));
    Ok(())
}
