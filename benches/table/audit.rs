//! Comparing and looking, against diffoscope and unsquashfs.
//!
//! diffoscope gets the two roots as squashfs files, which it unpacks and compares file by file; of whole disks it
//! would compare hexadecimal dumps. Ours gets the whole disks.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Bench;
use crate::hello::{Hello, tool};
use crate::row::{Fallible, compared, figure, measured, ratio};

/// Bytes that a comparison may hold.
const MEMORY: f64 = 300e6;

/// Runs the section.
pub fn run(bench: &Bench) -> Fallible<()> {
    let hello = Hello::new(bench)?;
    let (before, after) = (bench.folder.join("before"), bench.folder.join("after"));
    fs::create_dir(&before)?;
    fs::create_dir(&after)?;
    let keep = |folder: &Path| -> Fallible<(PathBuf, PathBuf)> {
        let (disk, root) = (folder.join("node.raw"), folder.join("root.squashfs"));
        // The manifest at hand is that of the last build.
        let (at, length) = hello.partition(1)?;
        let mut raw = File::open(hello.raw())?;
        raw.seek(SeekFrom::Start(at))?;
        std::io::copy(&mut raw.take(length), &mut File::create(&root)?)?;
        fs::rename(hello.raw(), &disk)?;
        Ok((disk, root))
    };
    let (old, old_root) = keep(&before)?;
    hello.build_changed(bench)?;
    let (new, new_root) = keep(&after)?;
    let costs = compared(
        bench.rounds(3),
        || measured(tool(bench).arg("diff").arg(&old).arg(&new)),
        || {
            // It ends with 1 where it found something.
            let mut command = Command::new("sh");
            command.args(["-c", "diffoscope --text /dev/null \"$@\"; test $? -eq 1", "sh"]);
            measured(command.arg(&old_root).arg(&new_root))
        },
    )?;
    ratio("diff of two disks, against diffoscope", "s", (costs[0].seconds, costs[1].seconds), 0.01);
    figure("the same, seconds", "s", costs[0].seconds, 3.0);
    figure("the same, memory", "MB", costs[0].memory as f64 / 1e6, MEMORY / 1e6);
    let lock = hello.lock();
    let locks = measured(tool(bench).arg("diff").arg(&lock).arg(&lock))?;
    figure("diff of two locks", "ms", locks.seconds * 1e3, 100.0);
    let start = hello.partition(1)?.0.to_string();
    let costs = compared(
        bench.rounds(5),
        || measured(tool(bench).args(["inspect", "--files"]).arg(&new)),
        || measured(Command::new("unsquashfs").args(["-ll", "-o", &start]).arg(&new)),
    )?;
    ratio("inspect --files, against unsquashfs -ll", "s", (costs[0].seconds, costs[1].seconds), 1.0);
    figure("the same, memory", "MB", costs[0].memory as f64 / 1e6, MEMORY / 1e6);
    fs::remove_dir_all(before)?;
    fs::remove_dir_all(after)?;
    Ok(())
}
