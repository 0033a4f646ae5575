//! The sizes of hello-pod's image.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::Bench;
use crate::hello::Hello;
use crate::row::{Fallible, figure, ratio};

/// Runs the section.
pub fn run(bench: &Bench) -> Fallible<()> {
    let hello = Hello::new(bench)?;
    let manifest = hello.manifest()?;
    let size = |of: &str, what: &str| -> Fallible<f64> {
        let size = manifest[of][what].as_u64().ok_or_else(|| format!("the manifest has no {of}.{what}"))?;
        Ok(size as f64 / 1e6)
    };
    let (root, verity, uki) = (size("root", "size")?, size("root", "verity_size")?, size("boot", "uki_size")?);
    figure("root", "MB", root, 110.0);
    figure("UKI", "MB", uki, 14.0);
    figure("initrd", "MB", size("boot", "initrd_size")?, 1.5);
    let metadata = fs::metadata(hello.raw())?;
    // Blocks are 512 bytes here, whatever the file system.
    let taken = metadata.blocks() as f64 * 512.0 / 1e6;
    println!("  the raw file has {:.0} MB", metadata.len() as f64 / 1e6);
    // systemd-boot and the tables of partitions and of the ESP are less than 5 MB.
    ratio("raw file on disk, against what lies in it", "MB", (taken, root + verity + uki + 5.0), 1.0);
    Ok(())
}
