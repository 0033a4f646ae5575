//! Archives and what is packed in them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;

use super::folder;
use crate::digest::Digest;
use crate::error::Error;
use crate::lock::{Input, Location};
use crate::path::RootPath;
use crate::profile::{Origin, Program};
use crate::report::Report;
use crate::source::apt::{deb as debs, package};
use crate::source::codec::Codec;
use crate::source::{MemberKind, archive, go};
use crate::squashfs::Image;
use crate::store::Store;
use crate::tree::tarball as tars;

/// As much as a target reads of what it found.
const SOME: u64 = 1 << 20;

/// A package: its members read twice, once while it is unpacked and once from what was kept.
pub fn deb(bytes: &[u8]) {
    let folder = folder();
    let store = Store::open(folder.path()).expect("a store");
    let blob = store.insert_new(u64::MAX, bytes).expect("a blob");
    let input = Input {
        name: "deb/hello".to_owned(),
        location: Location::Url("file:///hello.deb".to_owned()),
        size: None,
        sha256: Digest::of(bytes),
    };
    let mut names = 0;
    let walked = debs::payload(&blob, |_, bytes| {
        names += 1;
        std::io::copy(&mut bytes.take(SOME), &mut std::io::sink())?;
        Ok(())
    });
    let Ok(package) = debs::unpack_input(&store, &blob, &input) else { return };
    assert!(walked.is_ok(), "unpacked, but not walked");
    assert_eq!(package.members.len(), names, "two ways to read give different members");
    for member in &package.members {
        if let MemberKind::File(content) = &member.kind
            && content.len() <= SOME
        {
            let read = content.read(SOME).expect("a member inside its package");
            assert_eq!(content.digest(), Some(Digest::of(&read)), "`{}` has another digest", member.path);
        }
    }
    assert!(debs::control(&store, &blob).is_ok(), "a package without a control file");
}

/// The control archive of a package, without its compression.
pub fn control(bytes: &[u8]) {
    if let Ok(files) = package::control_files(bytes) {
        assert!(files.keys().all(|name| !name.contains('/')), "a control file in a folder");
    }
}

/// A compressed stream; the first byte chooses the codec. Never more comes out than is allowed.
pub fn codec(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let codec = [Codec::Gzip, Codec::Xz, Codec::Zstd, Codec::None][usize::from(choice % 4)];
    let Ok(mut reader) = codec.decode(bytes, SOME) else { return };
    let mut sum = 0;
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        sum += count as u64;
        assert!(sum <= SOME, "more came out than is allowed");
    }
}

/// An archive of programs of which a profile takes some.
pub fn program(bytes: &[u8]) {
    let folder = folder();
    let store = Store::open(folder.path()).expect("a store");
    let blob = store.insert_new(u64::MAX, bytes).expect("a blob");
    let path = |text: &str| RootPath::new(text).expect("a path");
    let unpack = BTreeMap::from([("**".to_owned(), path("/usr/bin"))]);
    let program = Program { origin: Origin::Apt(Vec::new()), version: None, path: path("/usr/bin/x"), unpack };
    for member in archive::program("x", &program, &blob, &store).unwrap_or_default() {
        assert!(member.path.starts_with(&path("/usr/bin")), "`{}` lies elsewhere", member.path);
        if let MemberKind::File(content) = &member.kind
            && content.len() <= SOME
        {
            content.read(SOME).expect("a member inside its archive");
        }
    }
}

/// A tar archive as a tree whose contents can be read.
pub fn tarball(bytes: &[u8]) {
    let folder = folder();
    let path = folder.path().join("archive");
    fs::write(&path, bytes).expect("a temporary file");
    let Ok(archive) = tars::read(&path, folder.path(), &Report::silent()) else { return };
    for content in archive.tree.leaves.iter().filter_map(|leaf| leaf.content()) {
        content.read(u64::MAX).expect("a member inside its archive");
    }
}

/// A squashfs: names, attributes and files.
pub fn squashfs(bytes: &[u8]) {
    let Ok(image) = Image::from_bytes(bytes.to_vec()) else { return };
    let mut nodes = Vec::new();
    let _ = image.walk(&mut |node| {
        nodes.push(node);
        if nodes.len() > 1000 { Err(Error::source("enough")) } else { Ok(()) }
    });
    for node in nodes.iter().take(50) {
        let _ = image.read_file(node, SOME);
        let _ = image.stored(node);
    }
}

/// A patch of a source package: whatever it does, it does below the source's folder.
pub fn patch(bytes: &[u8]) {
    let folder = folder();
    let root = folder.path().join("source");
    fs::create_dir_all(root.join("dir")).expect("a folder");
    fs::write(root.join("a.txt"), "one\ntwo\nthree\nfour\nfive\n").expect("a file");
    fs::write(root.join("dir/b.txt"), "no line end").expect("a file");
    let _ = go::patch::apply(&root, bytes);
    let names = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(names, 1, "a file beside the source's folder");
}
