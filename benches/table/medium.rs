//! An ISO image against xorriso's: of the same ESP, root and hash tree, as partitions behind an ISO 9660.
//!
//! xorriso gets the ESP ready, which ours makes of its files, and makes no digest, which ours does.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use imagebuild::arch::Arch;
use imagebuild::artifact::{self, Writing};
use imagebuild::bytes::{Bytes, Part, Whole};
use imagebuild::digest::Digest;
use imagebuild::disk::fat::Reader;
use imagebuild::disk::gpt::{self, Entry};
use imagebuild::disk::{Hybrid, Layout, Pieces, Sizes};
use imagebuild::epoch::Epoch;
use imagebuild::guid::Guid;
use imagebuild::output::Emit;
use imagebuild::profile::{self, Encryption, Image, Raw, Var};
use imagebuild::size::Size;
use imagebuild::tree::Content;

use crate::Bench;
use crate::outputs::{gone, stored};
use crate::row::{Fallible, compared, measured, ratio, succeed};

/// The verb of the process that writes one ISO image, so that its time is its own.
pub const CHILD: &str = "iso-child";
/// The pieces, as files of a folder.
const PIECES: [&str; 3] = ["esp.img", "root.img", "verity.img"];
const FILES: &str = "esp";
/// The one file of the ISO 9660.
const ABOUT: &str = "about.txt";
/// GUIDs of the partitions' types: ESP, and Linux' data twice.
const TYPES: [&str; 3] =
    ["c12a7328f81f11d2ba4b00a0c93ec93b", "a2a0d0ebe5b9334487c068b6b72699c7", "a2a0d0ebe5b9334487c068b6b72699c7"];

/// Writes the ISO image: FOLDER of the pieces, FILE, JOBS.
pub fn child(arguments: &[String]) -> Fallible<()> {
    let [folder, out, jobs] = arguments else { return Err("expected FOLDER FILE JOBS".into()) };
    let folder = Path::new(folder);
    let image = Image { id: "bench".to_owned(), version: "1".to_owned(), arch: Arch::Amd64 };
    let sizes = profile::Layout { slot: Size(1 << 30), slots: 1, esp: Size(512 << 20) };
    let sizes = Sizes::new(&sizes, &Var { size: Size(64 << 20), encryption: Encryption::None }, false)?;
    let layout = Layout::new(&image, sizes, &Digest::of(b"bench"))?;
    let content = |path: PathBuf| -> Fallible<Content> {
        let length = fs::metadata(&path)?.len();
        Ok(Content::range(path.into(), 0, length, None))
    };
    let mut esp = BTreeMap::new();
    let mut folders = vec![folder.join(FILES)];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder.join(FILES))?.to_string_lossy().into_owned();
                esp.insert(name, content(path)?);
            }
        }
    }
    let pieces = Pieces { esp, root: content(folder.join(PIECES[1]))?, verity: content(folder.join(PIECES[2]))? };
    let (seed, epoch, name) = (Guid::seed("bench"), Epoch(1_700_000_000), "bench_1");
    let files = BTreeMap::from([(ABOUT.to_owned(), Content::bytes(*b"a bench\n"))]);
    let hybrid = Hybrid {
        layout: &layout,
        pieces: &pieces,
        esp: &pieces.esp,
        files,
        bios: None,
        installer: None,
        seed,
        name,
        epoch,
    };
    let how = Emit { jobs: jobs.parse()?, seed, epoch, name, spool: folder };
    artifact::write(&Writing { format: &Raw {}, compress: None, how }, &hybrid.disk()?, out.as_ref(), None)?;
    Ok(())
}

/// Runs the row.
pub fn run(bench: &Bench, raw: &Path, pieces: [(u64, u64); 2]) -> Fallible<()> {
    let folder = bench.folder.join("medium");
    fs::create_dir_all(folder.join("tree"))?;
    fs::write(folder.join("tree").join(ABOUT), "a bench\n")?;
    unpack(raw, &folder.join(FILES))?;
    for (name, (at, length)) in PIECES[1..].iter().zip(pieces) {
        cut(raw, at, length, &folder.join(name))?;
    }
    let (ours, theirs) = (bench.folder.join("ours.iso"), bench.folder.join("theirs.iso"));
    let our = || {
        gone(&ours)?;
        let mut command = Command::new(std::env::current_exe()?);
        measured(command.arg(CHILD).arg(&folder).arg(&ours).arg(bench.jobs.to_string()))
    };
    our()?;
    let (at, length) = place(&partitions(&ours)?[0]);
    cut(&ours, at, length, &folder.join(PIECES[0]))?;
    let costs = compared(bench.rounds(3), our, || {
        gone(&theirs)?;
        let mut command = Command::new("xorriso");
        command.args(["-as", "mkisofs", "--stdio_sync", "off", "-quiet", "-V", "BENCH_1", "-o"]).arg(&theirs);
        for (number, (name, kind)) in (2..).zip(PIECES.iter().zip(TYPES)) {
            command.args(["-append_partition", &number.to_string(), kind]).arg(folder.join(name));
        }
        command.args(["-appended_part_as_gpt", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot"]);
        stored(measured(command.arg(folder.join("tree")))?, &theirs)
    })?;
    for iso in [&ours, &theirs] {
        verify(iso, &folder)?;
    }
    ratio("ISO image, against xorriso", "s", (costs[0].seconds, costs[1].seconds), 0.7);
    fs::remove_dir_all(folder)?;
    [ours, theirs].iter().try_for_each(|file| gone(file))
}

/// The files of a disk's ESP, below `folder`.
fn unpack(raw: &Path, folder: &Path) -> Fallible<()> {
    let disk = Whole::shared(raw)?;
    let (at, length) = place(&partitions(raw)?[0]);
    let esp = Part::new(disk, at, length)?;
    let reader = Reader::new(&esp)?;
    for file in reader.files()? {
        let path = folder.join(&file.path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, reader.read(&file, 1 << 30)?)?;
    }
    Ok(())
}

fn partitions(image: &Path) -> Fallible<Vec<Entry>> {
    Ok(gpt::read(&*Whole::shared(image)?)?.table.entries)
}

/// First byte and length, in sectors of 512 bytes.
fn place(entry: &Entry) -> (u64, u64) {
    (entry.first * 512, (entry.last - entry.first + 1) * 512)
}

fn cut(image: &Path, at: u64, length: u64, to: &Path) -> Fallible<()> {
    let mut image = File::open(image)?;
    image.seek(SeekFrom::Start(at))?;
    io::copy(&mut image.take(length), &mut File::create(to)?)?;
    Ok(())
}

/// Whether every piece, and the file, is in the image.
fn verify(iso: &Path, folder: &Path) -> Fallible<()> {
    let image: Arc<dyn Bytes> = Whole::shared(iso)?;
    let entries = partitions(iso)?;
    for name in PIECES {
        let piece: Arc<dyn Bytes> = Whole::shared(&folder.join(name))?;
        let mut found = false;
        for entry in &entries {
            let (at, length) = place(entry);
            found |= length >= piece.length() && equal(&*piece, &Part::new(image.clone(), at, piece.length())?)?;
        }
        if !found {
            return Err(format!("{name} is in no partition of {}", iso.display()).into());
        }
    }
    let (out, about) = (folder.join("extracted"), format!("/{ABOUT}"));
    gone(&out)?;
    let mut command = Command::new("xorriso");
    succeed(command.args(["-osirrox", "on", "-indev"]).arg(iso).args(["-extract", &about]).arg(&out))?;
    match fs::read(out)? == fs::read(folder.join("tree").join(ABOUT))? {
        true => Ok(()),
        false => Err(format!("{ABOUT} of {} is another one", iso.display()).into()),
    }
}

/// Whether both hold the same; a piece at a time, since what this program holds counts as its children's.
fn equal(one: &dyn Bytes, other: &dyn Bytes) -> Fallible<bool> {
    let mut buffers = [vec![0; 1 << 20], vec![0; 1 << 20]];
    let mut at = 0;
    while at < one.length() {
        let count = (one.length() - at).min(1 << 20) as usize;
        let [left, right] = &mut buffers;
        one.read_at(&mut left[..count], at)?;
        other.read_at(&mut right[..count], at)?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
        at += count as u64;
    }
    Ok(true)
}
