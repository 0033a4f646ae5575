//! Any bytes as a tar archive: a tree whose contents can be read, or an error.
#![no_main]

use std::fs;

use imagebuild::report::Report;
use imagebuild::tree::tarball;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("archive");
    fs::write(&path, bytes).expect("a temporary file");
    let Ok(archive) = tarball::read(&path, folder.path(), &Report::silent()) else { return };
    for content in archive.tree.leaves.iter().filter_map(|leaf| leaf.content()) {
        content.read(u64::MAX).expect("a member inside its archive");
    }
});
