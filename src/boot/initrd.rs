//! The initrd: one program, the modules that it loads, and nothing else; newc cpio in zstd.

use std::io::Write;

use super::cpio::{CONSOLE, Cpio, DIRECTORY, FILE, PROGRAM};
use super::parts::{Loaded, Parts};
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::{Context, Result};
use crate::store::{Key, Store};
use crate::tree::Content;

/// Changes whenever the same inputs give another initrd.
const INITRD_VERSION: u32 = 1;
/// A module of the initrd is smaller.
const MAX_MODULE: u64 = 64 << 20;
/// Slow to pack, quick to unpack; the bytes depend on it.
const LEVEL: i32 = 19;
/// The kernel's own limit for an initramfs is 128 MiB; this is more than enough.
const WINDOW_LOG: u32 = 23;

/// Packs `init` and `modules`; kept in the store by the digest of all of them.
pub fn make(parts: &Parts, modules: &[Loaded], init: &[u8], epoch: Epoch, store: &Store) -> Result<Content> {
    let mut key = Key::new("initrd", INITRD_VERSION).of("initrd");
    key = key.part("moment", &epoch.0).part("init", &Digest::of(init));
    let mut files = Vec::with_capacity(modules.len());
    for module in modules {
        let bytes = module.content.read(MAX_MODULE).context(|| format!("reading `{}`", module.path))?;
        key = key.with(&module.path).part(&format!("module {}", module.path), &Digest::of(&bytes));
        files.push((module.path.as_str(), bytes));
    }
    let (blob, _) = store.derived(key.part("release", parts.release.as_str()), |out| {
        let archive = archive(&files, init, epoch)?;
        compress(&archive, out)
    })?;
    Ok(blob.content())
}

/// The cpio archive.
fn archive(modules: &[(&str, Vec<u8>)], init: &[u8], epoch: Epoch) -> Result<Vec<u8>> {
    let mut cpio = Cpio::new(epoch);
    for folder in ["dev", "proc", "run", "sys", "sysroot"] {
        cpio.entry(folder, DIRECTORY, (0, 0), &[])?;
    }
    // So that the kernel can give PID 1 its three files before /dev is mounted.
    cpio.entry("dev/console", CONSOLE, (5, 1), &[])?;
    cpio.entry("init", PROGRAM, (0, 0), init)?;
    let list: String = modules.iter().map(|(path, _)| format!("/{path}\n")).collect();
    cpio.entry("modules", FILE, (0, 0), list.as_bytes())?;
    let mut folders = std::collections::BTreeSet::new();
    for (path, bytes) in modules {
        for (at, _) in path.match_indices('/') {
            if folders.insert(&path[..at]) {
                cpio.entry(&path[..at], DIRECTORY, (0, 0), &[])?;
            }
        }
        cpio.entry(path, FILE, (0, 0), bytes)?;
    }
    cpio.finish()
}

/// One frame with a checksum and its size, made by one thread.
fn compress(bytes: &[u8], out: &mut dyn Write) -> Result<()> {
    let mut encoder = zstd::Encoder::new(out, LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.window_log(WINDOW_LOG)?;
    encoder.set_pledged_src_size(Some(bytes.len() as u64))?;
    encoder.write_all(bytes)?;
    encoder.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_setting_one_result() {
        let modules = [("lib/modules/6/kernel/a.ko.xz", vec![7; 1000]), ("lib/modules/6/kernel/b.ko.xz", vec![9; 10])];
        let archive = archive(&modules, b"init", Epoch(1_700_000_000)).unwrap();
        assert_eq!(archive.len() % 4, 0);
        let mut packed = Vec::new();
        compress(&archive, &mut packed).unwrap();
        assert_eq!(zstd::decode_all(&packed[..]).unwrap(), archive);
        // Bytes decide the image: whoever changes them says so here.
        assert_eq!(
            Digest::of(&archive).to_string(),
            "7ae01257677cb9eda164a47c3b46c7e2272d0e701d77298c092ce8114fc6867a"
        );
    }
}
