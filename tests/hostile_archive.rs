//! Packages made to harm: each refused with a reason, none with a panic, none unpacked.
//!
//! A new way to harm is a call of `refused` below, with a word that the error must hold.

#[path = "common/archive.rs"]
mod archive;

use archive::{Deb, Pack, Tar, ar};
use imagebuild::digest::Digest;
use imagebuild::error::{Error, Kind, Result};
use imagebuild::lock;
use imagebuild::source::{MemberKind, Package, apt::deb};
use imagebuild::store::Store;
use tar::EntryType;

fn unpack(bytes: &[u8]) -> Result<Package> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let blob = store.insert(&Digest::of(bytes), bytes.len() as u64, bytes).unwrap();
    let locked = lock::Package {
        name: "p".to_owned(),
        version: "1".to_owned(),
        arch: "amd64".to_owned(),
        from: "debian".to_owned(),
        suite: "one".to_owned(),
        requested: true,
        path: "pool/p.deb".to_owned(),
        size: bytes.len() as u64,
        sha256: Digest::of(bytes),
    };
    let cold = deb::unpack(&store, &blob, &locked);
    // The second time it comes from the store, and is the same.
    let warm = deb::unpack(&store, &blob, &locked);
    match (&cold, &warm) {
        (Ok(cold), Ok(warm)) => assert_eq!(format!("{cold:?}"), format!("{warm:?}")),
        (Err(cold), Err(warm)) => assert_eq!(cold.to_string(), warm.to_string()),
        _ => panic!("once refused, once not"),
    }
    assert_eq!(std::fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    cold.inspect(|package| {
        // Contents lie in a store that is gone when this returns.
        for member in &package.members {
            if let MemberKind::File(content) = &member.kind {
                let bytes = content.read(1 << 20).unwrap();
                assert_eq!(content.digest(), Some(Digest::of(&bytes)));
            }
        }
    })
}

fn refused(bytes: &[u8], word: &str) {
    let error: Error = unpack(bytes).expect_err(word);
    assert_eq!(error.kind(), Kind::Source, "{error}");
    assert!(error.to_string().contains(word), "expected `{word}`: {error}");
}

fn member(kind: EntryType, name: &str, bytes: &[u8]) -> Vec<u8> {
    Deb::new("p", "1")
        .data(|tar| {
            tar.raw(Tar::header(kind, 0o644, bytes.len() as u64), name.as_bytes(), bytes);
        })
        .build()
}

#[test]
fn every_codec_and_kind_of_member_is_read() {
    for pack in [Pack::None, Pack::Xz, Pack::Gzip, Pack::Zstd] {
        let long = format!("/{}/{}", "d".repeat(120), "f".repeat(200));
        let bytes = Deb::new("p", "1")
            .pack(pack)
            .control("postinst", "#!/bin/sh\n")
            .control("conffiles", "/etc/p\nremove-on-upgrade /etc/q\n")
            .control("md5sums", "x  y\n")
            .control("triggers", "interest z\n")
            .directory("/etc", 0o755)
            .file("/etc/p", 0o600, "p")
            .hard_link("/etc/r", "/etc/p")
            .symlink("/etc/s", "p")
            .file(&long, 0o644, "long")
            .file("/empty", 0o644, "")
            .data(|tar| {
                tar.pax(&[("SCHILY.xattr.security.capability", b"\x01\x02"), ("mtime", b"12.5")]);
                tar.file("/usr/bin/ping", 0o4755, b"ping");
            })
            .build();
        let package = unpack(&bytes).unwrap();
        assert_eq!(package.members.len(), 8);
        assert_eq!(package.members[5].path.to_string(), long);
        let ping = &package.members[7];
        assert_eq!((ping.meta.mode, ping.meta.mtime), (0o4755, 12));
        assert_eq!(ping.meta.xattrs.as_ref().unwrap()[&b"security.capability"[..]][..], [1, 2]);
        assert_eq!(ping.owner, (Some("root".to_owned()), Some("root".to_owned())));
        assert!(matches!(&package.members[3].kind, MemberKind::HardLink(to) if to.to_string() == "/etc/p"));
        assert_eq!(package.scripts.len(), 1);
        assert_eq!(package.conffiles.iter().map(|(_, flag)| *flag).collect::<Vec<_>>(), [false, true]);
        assert_eq!((package.triggers.as_str(), package.md5sums.as_str()), ("interest z\n", "x  y\n"));
        assert_eq!(package.field("version"), Some("1"));
    }
}

#[test]
fn members_that_harm() {
    refused(&member(EntryType::Regular, "../evil", b"x"), "holds `.` or `..`");
    refused(&member(EntryType::Regular, "./a/../../evil", b"x"), "holds `.` or `..`");
    refused(&member(EntryType::Regular, "/etc/passwd", b"x"), "absolute");
    refused(&member(EntryType::Regular, "./", b"x"), "in the place of `/`");
    refused(&member(EntryType::GNUSparse, "./x", b""), "sparse");
    refused(&member(EntryType::new(b'Z'), "./x", b""), "unknown kind");
    refused(&member(EntryType::Symlink, "./x", b""), "link to nothing");
    refused(&member(EntryType::Directory, "./x", b"bytes"), "has bytes but is no file");
    let twice = Deb::new("p", "1").file("/x", 0o644, "1").file("/x", 0o644, "2").build();
    refused(&twice, "is there twice");
    let through = Deb::new("p", "1").symlink("/x", "/etc").file("/x/passwd", 0o644, "1").build();
    refused(&through, "which is no directory");
    refused(&Deb::new("p", "1").hard_link("/x", "/etc/passwd").build(), "no file before it");
    let above = Deb::new("p", "1").data(|tar| {
        let mut header = Tar::header(EntryType::Link, 0o644, 0);
        header.as_old_mut().linkname[..9].copy_from_slice(b"../passwd");
        tar.raw(header, b"./x", b"");
    });
    refused(&{ above }.build(), "holds `.` or `..`");
    for (records, word) in [
        (vec![("GNU.sparse.major", &b"1"[..])], "sparse"),
        (vec![("size", b"99")], "disagree"),
        (vec![("uid", b"4294967295")], "no user or group id"),
        (vec![("uid", b"minus")], "not a number"),
        (vec![("path", b"../../x")], "holds `.` or `..`"),
    ] {
        let bytes = Deb::new("p", "1")
            .data(|tar| {
                tar.pax(&records).file("/x", 0o644, b"1");
            })
            .build();
        refused(&bytes, word);
    }
    let huge = Deb::new("p", "1").data(|tar| {
        tar.raw(Tar::header(EntryType::GNULongName, 0o644, 2 << 20), b"././@LongLink", &vec![b'x'; 2 << 20]);
    });
    refused(&{ huge }.build(), "has a header of");
}

#[test]
fn bombs_and_wrecks() {
    // 100 MB of zeros in 15 kB.
    let bomb = Deb::new("p", "1").file("/zeros", 0o644, vec![0u8; 100 << 20]).build();
    assert!(bomb.len() < 1 << 20);
    refused(&bomb, "more than");

    let good = Deb::new("p", "1").file("/x", 0o644, "x").build();
    unpack(&good).unwrap();
    refused(&Deb::new("q", "1").build(), "says of itself that it is `q` 1");
    refused(&Deb::new("p", "2").build(), "says of itself that it is `p` 2");
    refused(b"", "not a package");
    refused(b"!<arch>\n", "`debian-binary` is not where it must be");
    let control = Pack::Xz.pack(&Tar::default().file("/control", 0o644, b"Package: p\n").finish());
    let data = Pack::Xz.pack(&Tar::default().finish());
    let parts = |names: [&str; 3]| ar(&[(names[0], b"2.0\n"), (names[1], &control), (names[2], &data)]);
    refused(&parts(["debian-binary", "control.tar.xz", "data.tar.xz"]), "has no `Version`");
    refused(&parts(["debian-binary", "data.tar.xz", "control.tar.xz"]), "not where it must be");
    refused(&parts(["debian-binary", "control.tar.bz2", "data.tar.xz"]), "compressed by `bz2`");
    refused(&parts(["debian-binary", "control.tar.gz", "data.tar.xz"]), "cannot be decompressed");
    refused(
        &ar(&[("debian-binary", b"3.0\n"), ("control.tar.xz", &control), ("data.tar.xz", &data)]),
        "another format",
    );
    let mut more = good.clone();
    more.extend_from_slice(&ar(&[("extra", b"x")])[8..]);
    refused(&more, "`extra` that no package has");
}

/// Cut anywhere, or any byte changed: an error or the same package, never a panic.
#[test]
fn every_cut_and_many_flips_are_survived() {
    let good = Deb::new("p", "1").pack(Pack::None).control("postinst", "#!/bin/sh\n").file("/x", 0o644, "x").build();
    for length in (0..good.len()).step_by(61) {
        assert!(unpack(&good[..length]).is_err(), "cut at {length}");
    }
    let packed = Deb::new("p", "1").file("/x", 0o644, "some text").build();
    for bytes in [good, packed] {
        for at in (0..bytes.len()).step_by(13) {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x21;
            drop(unpack(&wrong));
        }
    }
}
