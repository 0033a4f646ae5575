//! GRUB as it is composed here, compared with what Debian's grub-mkimage makes of the same files.
//!
//! Boots of it are in `tests/boot.rs`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use imagebuild::boot::grub::{self, Files, Grub, Place};
use imagebuild::tree::Content;

/// Bytes of the first stage, and of the decompressor behind it.
const DISKBOOT: usize = 512;
const DECOMPRESSOR: usize = 2848;

fn files() -> Files {
    let folder = Path::new(grub::FOLDER);
    let entries = std::fs::read_dir(folder).expect("grub-pc-bin is installed");
    let mut files = BTreeMap::new();
    for entry in entries.map(|entry| entry.unwrap()).filter(|entry| entry.file_type().unwrap().is_file()) {
        let name = entry.file_name().into_string().unwrap();
        files.insert(name, Content::bytes(std::fs::read(entry.path()).unwrap()));
    }
    Files::new(files)
}

fn word(core: &[u8], at: usize) -> usize {
    u32::from_le_bytes(core[at..at + 4].try_into().unwrap()) as usize
}

/// What the decompressor of a core gives.
fn payload(core: &[u8]) -> Vec<u8> {
    let stream = &core[DISKBOOT + DECOMPRESSOR..];
    assert_eq!(word(core, DISKBOOT + 8), stream.len());
    grub::unpack(stream, word(core, DISKBOOT + 12)).unwrap()
}

fn compare(modules: &[&str], config: &str, prefix: &str) {
    let ours = Grub::compose(&files(), modules, config, prefix).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (core, early) = (folder.path().join("core.img"), folder.path().join("early.cfg"));
    std::fs::write(&early, config).unwrap();
    let mut command = Command::new("grub-mkimage");
    command.args(["-O", "i386-pc", "-p", prefix, "-o"]).arg(&core);
    if !config.is_empty() {
        command.arg("-c").arg(&early);
    }
    let status = command.args(modules).status().expect("grub-common is installed");
    assert!(status.success());
    let theirs = std::fs::read(core).unwrap();
    let ours = ours.core();
    assert!(payload(ours) == payload(&theirs), "kernel, modules, configuration, prefix");
    // The two differ where the encoders differ: in the stream, its length, and the sectors that it takes.
    let differ = |range: std::ops::Range<usize>| ours[range.clone()] != theirs[range];
    assert!(!differ(0..508) && !differ(510..DISKBOOT + 8), "the first stage");
    assert!(!differ(DISKBOOT + 12..DISKBOOT + DECOMPRESSOR), "the decompressor");
    for core in [ours, &theirs] {
        let sectors = usize::from(u16::from_le_bytes([core[508], core[509]]));
        assert_eq!(sectors, (core.len() - DISKBOOT).div_ceil(512));
    }
}

#[test]
fn the_payload_is_that_of_grub_mkimage() {
    let place = Place::Partition(2);
    let config = grub::config(place, "node_1", "boot/vmlinuz", "boot/initrd", "roothash=00 ro console=ttyS0").unwrap();
    compare(&place.modules(), &config, "/boot/grub");
    for (modules, config, prefix) in [
        (&["biosdisk", "part_gpt", "fat", "linux", "search_fs_file"][..], "a\n", ""),
        (&["iso9660", "part_msdos", "echo"], "ab\n", "(hd0)/x"),
        (&["normal"], "abc\n", "/"),
        (&[], "abcd\n", "/a"),
    ] {
        compare(modules, config, prefix);
    }
}

#[test]
fn files_that_are_cut_make_an_error() {
    let whole = Path::new(grub::FOLDER);
    for name in ["kernel.img", "lzma_decompress.img", "diskboot.img", "boot.img"] {
        let mut files = BTreeMap::new();
        for other in ["kernel.img", "lzma_decompress.img", "diskboot.img", "boot.img", "moddep.lst"] {
            let mut bytes = std::fs::read(whole.join(other)).unwrap();
            if other == name {
                bytes.truncate(10);
            }
            files.insert(other.to_owned(), Content::bytes(bytes));
        }
        assert!(Grub::compose(&Files::new(files), &[], "", "").is_err(), "{name}");
    }
}
