//! Comparing, looking, listing what is in an image, and making it again.
//!
//! The pair is two images of some 550 MB each: the node of hello-pod with the generic kernel and Debian packages of mixed
//! kinds (modules, libraries, headers, fonts), of which two files differ by a line. diffoscope gets the two roots as
//! squashfs files, which it unpacks and compares file by file; of whole disks it would compare hexadecimal dumps. Ours
//! gets the whole disks.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Bench;
use crate::hello::{Hello, scratch, tool};
use crate::row::{Cost, Fallible, compared, figure, measured, ratio};

/// Programs, and their packages.
pub const NEEDS: &[(&str, &str)] =
    &[("diffoscope", "diffoscope-minimal"), ("unsquashfs", "squashfs-tools"), ("dpkg-deb", "dpkg")];
/// Bytes that a run may hold.
const MEMORY: f64 = 300e6;
/// What makes the node large: some 15,000 files of all sizes.
const PACKAGES: &str =
    "\"fonts-noto-cjk\", \"fonts-noto-extra\", \"libboost1.83-dev\", \"libclang-cpp19\", \"libstd-rust-dev\",";
/// What the second of the pair has besides another line in its pod.
const FILE: &str = "\n[[file]]\npath = \"/etc/motd\"\ntext = \"another one\\n\"\n";

/// Runs the section.
pub fn run(bench: &Bench) -> Fallible<()> {
    let large = Hello::with(bench, "large", &|text| {
        let text = text.replace("linux-image-cloud-", "linux-image-").replace("slot = \"512M\"", "slot = \"768M\"");
        text.replace("\"base-files\",", &format!("\"base-files\", {PACKAGES}"))
    })?;
    let pair = Pair::new(bench, &large)?;
    diff(bench, &large, &pair)?;
    inspect(bench, &large, &pair)?;
    sbom(bench, &large, &pair)?;
    pair.remove()?;
    let hello = Hello::new(bench)?;
    reproduce(bench, &hello)
}

/// Two disks, and the root of each by itself.
struct Pair {
    disks: [PathBuf; 2],
    roots: [PathBuf; 2],
    /// The profile of the second.
    profile: PathBuf,
}

impl Pair {
    fn new(bench: &Bench, large: &Hello) -> Fallible<Self> {
        let at = |name: &str| bench.folder.join(name);
        let pair = Pair {
            disks: [at("before.raw"), at("after.raw")],
            roots: [at("before.squashfs"), at("after.squashfs")],
            profile: large.profile.with_file_name("changed.toml"),
        };
        let keep = |number: usize| -> Fallible<()> {
            // The manifest at hand is that of the last build.
            let at = large.partition(1)?.0;
            let length = large.manifest()?["root"]["size"].as_u64().ok_or("the manifest tells no size of the root")?;
            let mut raw = File::open(large.raw())?;
            raw.seek(SeekFrom::Start(at))?;
            std::io::copy(&mut raw.take(length), &mut File::create(&pair.roots[number])?)?;
            Ok(fs::rename(large.raw(), &pair.disks[number])?)
        };
        keep(0)?;
        fs::write(&pair.profile, large.changed()? + FILE)?;
        fs::copy(large.lock(), pair.profile.with_extension("lock"))?;
        let mut command = tool(bench);
        measured(command.args(["build", "--offline"]).arg(&pair.profile).arg("-o").arg(&large.output))?;
        keep(1)?;
        Ok(pair)
    }

    fn remove(self) -> Fallible<()> {
        Ok(self.disks.iter().chain(&self.roots).try_for_each(fs::remove_file)?)
    }
}

fn memory(cost: Cost) {
    figure("the same, memory", "MB", cost.memory as f64 / 1e6, MEMORY / 1e6);
}

fn diff(bench: &Bench, large: &Hello, pair: &Pair) -> Fallible<()> {
    let size = fs::metadata(&pair.roots[0])?.len();
    println!("  the roots of the pair have {:.0} MB each", size as f64 / 1e6);
    let costs = compared(
        bench.rounds(2),
        || measured(tool(bench).arg("diff").args(&pair.disks)),
        || {
            // It ends with 1 where it found something.
            let mut command = Command::new("sh");
            command.args(["-c", "diffoscope --text /dev/null \"$@\"; test $? -eq 1", "sh"]);
            measured(command.args(&pair.roots))
        },
    )?;
    ratio("diff of two disks, against diffoscope", "s", (costs[0].seconds, costs[1].seconds), 0.01);
    figure("the same, seconds", "s", costs[0].seconds, 3.0);
    memory(costs[0]);
    for (name, ending) in [("two locks", "lock"), ("two profiles, locked", "toml")] {
        let files = [&large.profile, &pair.profile].map(|path| path.with_extension(ending));
        let mut best = measured(tool(bench).arg("diff").args(&files))?;
        for _ in 1..bench.rounds(5) {
            best = best.with(measured(tool(bench).arg("diff").args(&files))?);
        }
        figure(&format!("diff of {name}"), "ms", best.seconds * 1e3, 100.0);
    }
    Ok(())
}

fn inspect(bench: &Bench, large: &Hello, pair: &Pair) -> Fallible<()> {
    let start = large.partition(1)?.0.to_string();
    let image = &pair.disks[1];
    let costs = compared(
        bench.rounds(5),
        || measured(tool(bench).args(["inspect", "--files"]).arg(image)),
        || measured(Command::new("unsquashfs").args(["-ll", "-o", &start]).arg(image)),
    )?;
    ratio("inspect --files, against unsquashfs -ll", "s", (costs[0].seconds, costs[1].seconds), 1.0);
    memory(costs[0]);
    Ok(())
}

/// Against unpacking every package of the lock once, to nowhere.
fn sbom(bench: &Bench, large: &Hello, pair: &Pair) -> Fallible<()> {
    let lock: toml::Table = fs::read_to_string(large.lock())?.parse()?;
    let packages = lock["image"]["amd64"]["package"].as_array().ok_or("the lock holds no packages")?;
    let digests = packages.iter().filter_map(|package| package["sha256"].as_str());
    let blobs: Vec<PathBuf> =
        digests.map(|digest| scratch().join("store/blobs").join(&digest[..2]).join(digest)).collect();
    let costs = compared(
        bench.rounds(3),
        || measured(tool(bench).args(["sbom", "--format", "spdx"]).arg(&pair.disks[1])),
        || {
            let each = "for f; do dpkg-deb --fsys-tarfile \"$f\" > /dev/null || exit; done";
            measured(Command::new("sh").args(["-c", each, "sh"]).args(&blobs))
        },
    )?;
    ratio("sbom, against unpacking every package", "s", (costs[0].seconds, costs[1].seconds), 1.0);
    figure("the same, seconds", "s", costs[0].seconds, 2.0);
    memory(costs[0]);
    Ok(())
}

/// Against building without anything derived.
fn reproduce(bench: &Bench, hello: &Hello) -> Fallible<()> {
    let image = bench.folder.join("again.raw");
    fs::copy(hello.raw(), &image)?;
    let again =
        |more: &[&str]| measured(tool(bench).args(["--offline", "reproduce"]).args(more).arg(Path::new(&image)));
    // Without derived values it does the build's own work, and the comparison besides.
    let costs = compared(bench.rounds(2), || again(&["--no-cache"]), || hello.build(bench, &["--no-cache"]))?;
    let mut warm = again(&[])?;
    for _ in 1..bench.rounds(2) {
        warm = warm.with(again(&[])?);
    }
    ratio("reproduce, warm store, against --no-cache", "s", (warm.seconds, costs[1].seconds), 1.2);
    memory(warm);
    ratio("reproduce --no-cache, against --no-cache", "s", (costs[0].seconds, costs[1].seconds), 1.2);
    memory(costs[0]);
    Ok(fs::remove_file(image)?)
}
