//! Disk formats against qemu-img, ISO images against xorriso: the same bytes in, the same options and threads.
//!
//! - Both write a file that was not there, and both times end when it is on the disk: ours calls fsync itself,
//!   theirs is called for it, since by themselves they leave the file in memory.
//! - qemu-img writes as it does by default and out of order, which is its fastest; with its cache mode
//!   `writeback` it flushes after each change of a table.
//! - A time counts only after `qemu-img compare` found the source's disk in both files.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::Bench;
use crate::hello::{Hello, tool};
use crate::medium;
use crate::row::{Cost, Fallible, compared, figure, measured, ratio, succeed};
use crate::sparse;

/// A format with options: those of `convert`, and qemu-img's.
pub struct Case {
    name: &'static str,
    /// As `[[output]]` and `--to` have it, and its options.
    format: &'static str,
    options: &'static [(&'static str, &'static str)],
    /// QEMU's name of it, and the words that make the same file.
    qemu: &'static str,
    words: &'static [&'static str],
}

/// Every format that both write.
pub const CASES: [Case; 8] = [
    Case { name: "qcow2", format: "qcow2", options: &[], qemu: "qcow2", words: &[] },
    Case { name: "qcow2, deflate", format: "qcow2", options: &[("codec", "deflate")], qemu: "qcow2", words: &["-c"] },
    Case {
        name: "qcow2, zstd",
        format: "qcow2",
        options: &[("codec", "zstd")],
        qemu: "qcow2",
        words: &["-c", "-o", "compression_type=zstd"],
    },
    Case {
        name: "vhd, fixed",
        format: "vhd",
        options: &[("kind", "fixed")],
        qemu: "vpc",
        words: &["-o", "subformat=fixed,force_size=on"],
    },
    Case {
        name: "vhd, dynamic",
        format: "vhd",
        options: &[("kind", "dynamic")],
        qemu: "vpc",
        words: &["-o", "subformat=dynamic,force_size=on"],
    },
    Case { name: "vhdx", format: "vhdx", options: &[], qemu: "vhdx", words: &[] },
    Case {
        name: "vmdk, stream",
        format: "vmdk",
        options: &[("kind", "stream")],
        qemu: "vmdk",
        words: &["-o", "subformat=streamOptimized"],
    },
    Case {
        name: "vmdk, sparse",
        format: "vmdk",
        options: &[("kind", "sparse")],
        qemu: "vmdk",
        words: &["-o", "subformat=monolithicSparse"],
    },
];

impl Case {
    /// For people.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where a file of it goes.
    fn path(&self, bench: &Bench, whose: &str) -> PathBuf {
        bench.folder.join(format!("{whose}-{}", self.name.replace(", ", "-")))
    }

    /// Ours, from `image` to `to`.
    pub fn convert(&self, bench: &Bench, image: &Path, to: &Path) -> Fallible<Cost> {
        let options = self.options.iter().map(|(key, value)| format!("-O{key}={value}"));
        gone(to)?;
        let mut command = tool(bench);
        command.arg("convert").arg(image).args(["--to", self.format]).args(options);
        measured(command.arg("-o").arg(to))
    }

    /// Whether the disk in `file` is that of `raw`.
    fn verify(&self, raw: &Path, file: &Path) -> Fallible<()> {
        same(raw, file, self.qemu)
    }

    fn output(&self) -> String {
        let options: Vec<_> = self.options.iter().map(|(key, value)| format!("{key} = \"{value}\"")).collect();
        let name = self.name.replace(", ", "-");
        format!("[[output]]\nname = \"{name}\"\nformat.{} = {{ {} }}\n", self.format, options.join(", "))
    }
}

/// Runs the section.
pub fn run(bench: &Bench) -> Fallible<()> {
    let hello = Hello::new(bench)?;
    let raw = hello.raw();
    let mut sum = 0.0;
    for case in &CASES {
        let (ours, theirs) = (case.path(bench, "ours"), case.path(bench, "theirs"));
        let costs = compared(
            bench.rounds(3),
            || case.convert(bench, &raw, &ours),
            || qemu(bench, &[&["-f", "raw", "-O", case.qemu], case.words].concat(), &raw, &theirs),
        )?;
        [&ours, &theirs].iter().try_for_each(|file| case.verify(&raw, file))?;
        sum += costs[1].seconds;
        ratio(&format!("to {}", case.name), "s", (costs[0].seconds, costs[1].seconds), 0.7);
        let size = |path| fs::metadata(path).map(|metadata| metadata.len() as f64 / 1e6);
        ratio(&format!("to {}, size", case.name), "MB", (size(&ours)?, size(&theirs)?), 1.02);
        fs::remove_file(theirs)?;
    }
    let mut least = f64::INFINITY;
    let outputs: String = CASES.iter().map(Case::output).collect();
    for _ in 0..bench.rounds(3) {
        least = least.min(hello.build_as(bench, &outputs)?.seconds);
    }
    ratio("a build of all of them, against the sum", "s", (least, sum), 0.5);
    read(bench, &raw)?;
    let manifest = hello.manifest()?;
    let piece = |number: usize, what: &str| -> Fallible<(u64, u64)> {
        let length = manifest["root"][what].as_u64().ok_or_else(|| format!("the manifest has no root.{what}"))?;
        Ok((hello.partition(number)?.0, length))
    };
    medium::run(bench, &raw, [piece(1, "size")?, piece(2, "verity_size")?])?;
    sparse::run(bench)
}

/// Each of our files back to a raw disk.
fn read(bench: &Bench, raw: &Path) -> Fallible<()> {
    let (ours, theirs) = (bench.folder.join("ours.raw"), bench.folder.join("theirs.raw"));
    for case in &CASES {
        let file = case.path(bench, "ours");
        let costs = compared(
            bench.rounds(3),
            || {
                gone(&ours)?;
                measured(tool(bench).arg("convert").arg(&file).args(["--to", "raw", "-o"]).arg(&ours))
            },
            || qemu(bench, &["-f", case.qemu, "-O", "raw"], &file, &theirs),
        )?;
        [&ours, &theirs].iter().try_for_each(|file| same(raw, file, "raw"))?;
        ratio(&format!("{} to raw", case.name), "s", (costs[0].seconds, costs[1].seconds), 1.0);
        fs::remove_file(file)?;
    }
    [ours, theirs].iter().try_for_each(|file| gone(file))
}

/// What qemu-img takes for the same, until the file is on the disk.
fn qemu(bench: &Bench, words: &[&str], from: &Path, to: &Path) -> Fallible<Cost> {
    gone(to)?;
    let mut command = Command::new("qemu-img");
    command.args(["convert", "-m", &bench.jobs.to_string(), "-W"]).args(words).arg(from).arg(to);
    stored(measured(&mut command)?, to)
}

/// What it took, and what fsync of the file takes then.
pub fn stored(cost: Cost, file: &Path) -> Fallible<Cost> {
    let start = Instant::now();
    File::open(file)?.sync_all()?;
    Ok(Cost { seconds: cost.seconds + start.elapsed().as_secs_f64(), ..cost })
}

/// Removes a file that may be there.
pub fn gone(file: &Path) -> Fallible<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn same(raw: &Path, file: &Path, format: &str) -> Fallible<()> {
    succeed(Command::new("qemu-img").args(["compare", "-f", "raw", "-F", format]).arg(raw).arg(file))
}

/// A row of what a run holds at most.
pub fn memory(name: &str, cost: Cost) {
    figure(name, "MB", cost.memory as f64 / 1e6, 300.0);
}
