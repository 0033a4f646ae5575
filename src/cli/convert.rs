//! `convert`: a disk image in another format.

use std::path::{Path, PathBuf};

use crate::artifact::{self, Writing};
use crate::disk::{Disk, gpt};
use crate::epoch::Epoch;
use crate::error::{Context, Error, Result};
use crate::guid::Guid;
use crate::output::{self, Emit, Maker};
use crate::profile::{self, Compression};
use crate::report::{Mode, Report};
use crate::size::{Size, human};
use crate::temp::beside;

/// `imagebuild convert node.raw --to qcow2`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild convert node.raw --to qcow2                           node.qcow2 beside it\n  \
    imagebuild convert node.raw --to qcow2 -O codec=zstd -o n.qcow2  with an option of the format\n  \
    imagebuild convert node.qcow2 --to raw --compress zst            any format that can be read\n\n\
    The options of a format are those of `[[output]]` in a profile: docs/profile.md.")]
pub struct Args {
    /// The image; what it is shows in its bytes.
    image: PathBuf,
    /// The format to write.
    #[arg(long, value_name = "FORMAT")]
    to: String,
    /// An option of the format, in TOML; text needs no quotes, but for a size without a unit.
    #[arg(short = 'O', long = "option", value_name = "KEY=VALUE")]
    options: Vec<String>,
    /// Compress the whole file.
    #[arg(long, value_name = "KIND")]
    compress: Option<Compression>,
    /// The file to write [default: beside the image, with the format's extension].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Bytes that a compressed image is unpacked to at most, beside it in a file without a name.
    #[arg(long, value_name = "SIZE", default_value_t = output::LIMIT)]
    limit: Size,
    /// What ids inside of the file are derived from [default: the id of the disk's partition table].
    #[arg(long, value_name = "UUID")]
    seed: Option<Guid>,
    /// Seconds since 1970, for formats that hold a time; 2000-01-01 by default.
    #[arg(long, value_name = "SECONDS", default_value_t = 946_684_800)]
    epoch: u32,
}

/// Converts with `jobs` threads.
pub fn run(args: &Args, jobs: usize, report: &Report) -> Result<()> {
    let doing = || format!("converting `{}`", args.image.display());
    let output = profile::load_output("--to", &table(args)?)?;
    let maker = output::of(&output.format);
    let Maker::File(format) = &maker else {
        return Err(Error::user(format!("`{}` needs more than a disk", maker.name()))
            .hint("name it as an output of a profile: imagebuild build"));
    };
    let opened = output::open_within(&args.image, args.limit)?;
    let seed = match args.seed {
        Some(seed) => seed,
        // A disk without a table gets the same ids as any other such disk.
        None => gpt::read(&*opened.disk).map_or(Guid::seed(""), |found| found.table.id),
    };
    let disk = Disk::of(opened.disk).context(doing)?;
    let stem = args.image.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let path = match &args.output {
        Some(path) => path.clone(),
        None => args.image.with_file_name(format!("{stem}{}", output::suffix(&output, &maker))),
    };
    if same(&args.image, &path) {
        return Err(Error::user(format!("`{}` would replace what it is made of", path.display()))
            .hint("expected another file: -o FILE"));
    }
    let folder = beside(&path);
    // What a build calls the image: the file's name without what the format puts behind it.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(&output::suffix(&output, &maker)).unwrap_or(&stem);
    let how = Emit { jobs, seed, epoch: Epoch(args.epoch), name, spool: folder };
    let writing = Writing { format: &**format, compress: output.compress, how };
    let stage = report.stage("convert", Some(disk.len()));
    let size = artifact::convert(&writing, &disk, &path, Some(&stage)).context(doing)?;
    stage.done(size, false);
    match report.mode() {
        Mode::Json => report.event(&serde_json::json!({
            "event": "converted",
            "from": opened.kind.name(),
            "format": format.name(),
            "path": path.to_string_lossy(),
            "disk": disk.len(),
            "size": size,
        })),
        _ => report.say(&format!("{}  {}", path.display(), human(size))),
    }
    Ok(())
}

/// The output as a profile has it.
fn table(args: &Args) -> Result<String> {
    let mut options = Vec::new();
    for option in &args.options {
        let (key, value) = option.split_once('=').ok_or_else(|| {
            Error::user(format!("`-O {option}` has no value")).hint("expected -O KEY=VALUE, as -O cluster=64K")
        })?;
        // A number, a word in quotes, a table: as it is; anything else is text.
        let value = match format!("x = {value}").parse::<toml::Table>() {
            Ok(_) => value.to_owned(),
            Err(_) => toml::Value::String(value.to_owned()).to_string(),
        };
        options.push(format!("{} = {value}", key_text(key)));
    }
    let compress = args.compress.map(|compress| format!("compress = \"{}\"\n", compress.extension()));
    Ok(format!("{}format.{} = {{ {} }}\n", compress.unwrap_or_default(), key_text(&args.to), options.join(", ")))
}

/// A key as TOML writes it.
fn key_text(key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match !key.is_empty() && key.bytes().all(bare) {
        true => key.to_owned(),
        false => toml::Value::String(key.to_owned()).to_string(),
    }
}

fn same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
