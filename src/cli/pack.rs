//! `imagebuild pack`: a folder or an archive as a squashfs, and its hash tree where asked.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::input::Input;
use crate::bytes::Whole;
use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::guid::Guid;
use crate::profile::Codec;
use crate::report::{Mode, Report};
use crate::size::{Size, human};
use crate::squashfs::{self, Options};
use crate::temp::{Temp, beside};
use crate::tree;
use crate::verity::{self, Parameters};

/// Packs a folder or a tar archive as a squashfs image.
#[derive(clap::Args)]
pub struct Args {
    /// A folder, or a tar archive (plain, gzip, xz or zstd; `-` for standard input).
    #[arg(value_name = "DIR-or-TAR")]
    input: PathBuf,
    /// The image to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Codec.
    #[arg(long, value_name = "CODEC", value_parser = codec, default_value = "zstd")]
    codec: Codec,
    /// Level of compression [default: 15 of zstd, 6 of xz, 9 of gzip].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    level: Option<i32>,
    /// Bytes of a block, a power of two from 4K to 1M.
    #[arg(long, value_name = "SIZE", default_value = "128K")]
    block: Size,
    /// Time of the image itself, seconds since 1970; files keep theirs.
    #[arg(long, value_name = "SECONDS", env = "SOURCE_DATE_EPOCH", default_value_t = 0)]
    time: u32,
    /// Also write the dm-verity hash tree to FILE and print the root hash.
    #[arg(long, value_name = "FILE")]
    verity: Option<PathBuf>,
    /// What salt and id of the hash tree are derived from.
    #[arg(long, value_name = "GUID", requires = "verity")]
    seed: Option<Guid>,
}

/// Runs the verb with `jobs` threads.
pub fn run(args: &Args, report: &Report, jobs: usize) -> Result<()> {
    let block_size = u32::try_from(args.block.bytes()).unwrap_or(u32::MAX);
    let level = args.level.or_else(|| args.codec.levels().map(|(_, default)| default)).unwrap_or(0);
    let options = Options { codec: args.codec, level, block_size, epoch: args.time, jobs };
    options.check()?;
    if args.level.is_some() && args.codec.levels().is_none() {
        return Err(Error::user(format!("{} has no levels", args.codec.name())).hint("leave `--level` out"));
    }
    let packing = || format!("packing `{}`", args.input.display());
    let input = Input::read(&args.input, beside(&args.output), report).context(packing)?;
    let tree = input.tree();
    let mut image = Temp::new_in(beside(&args.output))?;
    let content = tree.leaves.iter().map(tree::Leaf::content).map(|content| content.map_or(0, tree::Content::len));
    let stage = report.stage("pack", Some(content.sum()));
    let summary = squashfs::write(tree, &options, &mut image, None, &|bytes| stage.advance(bytes)).context(packing)?;
    stage.done(summary.content, false);
    let sealed = match &args.verity {
        Some(path) => Some(seal(args, path, &image, jobs)?),
        None => None,
    };
    image.persist(&args.output, 0o644)?;
    tell(args, report, &summary, sealed)
}

fn seal(args: &Args, path: &Path, image: &Temp, jobs: usize) -> Result<Digest> {
    let sealing = || format!("sealing `{}`", args.output.display());
    let seed = args.seed.unwrap_or_else(|| Guid::seed(""));
    let mut hashes = Temp::new_in(beside(path))?;
    let data = Whole::of(image.file().and_then(File::try_clone).context(sealing)?)?;
    let sealed = verity::format(&data, &Parameters::of_seed(&seed), jobs, &mut hashes).context(sealing)?;
    hashes.persist(path, 0o644)?;
    Ok(sealed.root_hash)
}

fn tell(args: &Args, report: &Report, summary: &squashfs::Summary, root_hash: Option<Digest>) -> Result<()> {
    let size = fs::metadata(&args.output).context(|| format!("measuring `{}`", args.output.display()))?.len();
    if report.mode() == Mode::Json {
        report.event(&serde_json::json!({
            "event": "packed",
            "path": args.output.to_string_lossy(),
            "bytes": size,
            "inodes": summary.inodes,
            "content": summary.content,
            "root_hash": root_hash,
        }));
        return Ok(());
    }
    let mut text = format!(
        "{}: {size} bytes ({}), {} inodes, {} of content\n",
        args.output.display(),
        human(size),
        summary.inodes,
        human(summary.content)
    );
    if let Some(root_hash) = root_hash {
        text += &format!("root hash: {root_hash}\n");
    }
    super::print(text.as_bytes())
}

fn codec(text: &str) -> Result<Codec, String> {
    let all = [Codec::Zstd, Codec::Xz, Codec::Gzip, Codec::Lz4, Codec::None];
    let found = all.into_iter().find(|codec| codec.name() == text);
    found.ok_or_else(|| "expected zstd, xz, gzip, lz4 or none".to_owned())
}
