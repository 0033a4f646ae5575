//! Building from a warm store: everything anew against the bare compressor, and one changed line.

use std::process::Command;

use crate::Bench;
use crate::hello::Hello;
use crate::row::{Fallible, compared, measured, ratio, succeed};

/// Runs the section.
pub fn run(bench: &Bench) -> Fallible<()> {
    let hello = Hello::new(bench)?;
    let manifest = hello.manifest()?;
    let level = manifest["root"]["codec"].as_str().and_then(|codec| codec.strip_prefix("zstd "));
    let level = level.ok_or("the example is not packed with zstd")?.to_owned();
    let (tree, tar) = (bench.folder.join("root"), bench.folder.join("root.tar"));
    hello.unpack(&tree)?;
    succeed(Command::new("tar").arg("-cf").arg(&tar).arg("-C").arg(&tree).arg("."))?;
    std::fs::remove_dir_all(&tree)?;
    let packed = bench.folder.join("root.tar.zst");
    let costs = compared(
        bench.rounds(2),
        || hello.build(bench, &["--no-cache"]),
        || {
            let mut command = Command::new("zstd");
            command.args(["-q", "-f", &format!("-{level}"), &format!("-T{}", bench.jobs)]);
            measured(command.arg(&tar).arg("-o").arg(&packed))
        },
    )?;
    let all = costs[0].seconds;
    ratio(&format!("--no-cache, against zstd -{level} of the tree"), "s", (all, costs[1].seconds), 1.25);
    // What the store derived is there for both.
    hello.build(bench, &[])?;
    let mut least = f64::INFINITY;
    for _ in 0..bench.rounds(3) {
        least = least.min(hello.build_changed(bench)?.seconds);
    }
    ratio("one line changed, against --no-cache", "s", (least, all), 0.1);
    [tar, packed].iter().try_for_each(std::fs::remove_file)?;
    Ok(())
}
