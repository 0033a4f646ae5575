//! The most memory that is ever held, as the kernel counts it.

use crate::Bench;
use crate::hello::{Hello, tool};
use crate::row::{Cost, Fallible, figure, measured};
use crate::trees;

/// Bytes that a run may take, and what each inode may add.
const BASE: u64 = 300_000_000;
const EACH: u64 = 300;

/// Runs the section.
pub fn run(bench: &Bench) -> Fallible<()> {
    let hello = Hello::new(bench)?;
    let inodes = hello.manifest()?["root"]["inodes"].as_u64().ok_or("the manifest counts no inodes")?;
    row("build of hello-pod, --no-cache", hello.build(bench, &["--no-cache"])?, inodes);
    row("build of hello-pod, one line changed", hello.build_changed(bench)?, inodes);
    let (archive, image) = (bench.folder.join("tiny.tar"), bench.folder.join("tiny.squashfs"));
    for count in [100_000, 1_000_000] {
        let inodes = trees::tiny_files(&archive, count)?;
        let cost = measured(tool(bench).arg("pack").arg(&archive).arg("-o").arg(&image))?;
        row(&format!("pack of {count} tiny files"), cost, inodes);
    }
    [archive, image].iter().try_for_each(std::fs::remove_file)?;
    Ok(())
}

fn row(name: &str, cost: Cost, inodes: u64) {
    figure(name, "MB", cost.memory as f64 / 1e6, (BASE + EACH * inodes) as f64 / 1e6);
}
