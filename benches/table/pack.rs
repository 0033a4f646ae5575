//! Packing against mksquashfs: the same codec, level, block size and threads.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Bench;
use crate::hello::{Hello, tool};
use crate::row::{Fallible, compared, measured, ratio, succeed};
use crate::trees;

/// Runs the section.
pub fn run(bench: &Bench) -> Fallible<()> {
    let hello = bench.folder.join("hello-pod-root");
    Hello::new(bench)?.unpack(&hello)?;
    let small = bench.folder.join("small");
    trees::small_files(&small)?;
    for (tree, name) in [(&hello, "hello-pod"), (&small, "100,000 small files")] {
        for level in [15, 3] {
            rows(bench, tree, name, level)?;
        }
    }
    fs::remove_dir_all(hello)?;
    fs::remove_dir_all(small)?;
    Ok(())
}

fn rows(bench: &Bench, tree: &Path, name: &str, level: u32) -> Fallible<()> {
    let (ours, theirs) = (bench.folder.join("ours"), bench.folder.join("theirs"));
    let level_text = level.to_string();
    // Read once, so that the first round has the files in memory as all others.
    let warm = bench.folder.join("warm.tar");
    succeed(Command::new("tar").arg("-cf").arg(&warm).arg("-C").arg(tree).arg("."))?;
    fs::remove_file(warm)?;
    let costs = compared(
        bench.rounds(if level > 10 { 2 } else { 3 }),
        || {
            let mut command = tool(bench);
            measured(command.arg("pack").arg(tree).arg("-o").arg(&ours).args([
                "--level",
                &level_text,
                "--block",
                "128K",
            ]))
        },
        || {
            let mut command = Command::new("mksquashfs");
            command.arg(tree).arg(&theirs).args(["-comp", "zstd", "-Xcompression-level", &level_text, "-b", "131072"]);
            command.args(["-processors", &bench.jobs.to_string(), "-noappend", "-no-progress", "-quiet"]);
            measured(&mut command)
        },
    )?;
    let what = format!("{name}, zstd {level}");
    ratio(&format!("{what}, time"), "s", (costs[0].seconds, costs[1].seconds), 1.0);
    let megabytes = |path: &Path| fs::metadata(path).map(|metadata| metadata.len() as f64 / 1e6);
    ratio(&format!("{what}, size"), "MB", (megabytes(&ours)?, megabytes(&theirs)?), 1.0);
    Ok(())
}
