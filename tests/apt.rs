//! Archives from end to end: a miniature one made here, its mirrors honest and not.
//!
//! A new test of locking, updating, fetching or downloading goes here; one of a hostile package into
//! `hostile_archive.rs`.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/profile.rs"]
mod profile;
#[path = "common/server.rs"]
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use archive::{Archive, DATE, Deb, Key};
use imagebuild::arch::Arch;
use imagebuild::digest::Digest;
use imagebuild::error::{Kind, Result};
use imagebuild::lock::Lock;
use imagebuild::profile::{Keyring, Origin, Preload, PreloadImage, Profile};
use imagebuild::report::Report;
use imagebuild::source::apt::mirror::Host;
use imagebuild::source::apt::proxy;
use imagebuild::source::corresponding::corresponding;
use imagebuild::source::download::{Job, one};
use imagebuild::source::http::{Client, Patience};
use imagebuild::source::{Context, Update, fetch, resolve};
use imagebuild::store::Store;
use server::{Fault, Server};

/// A store of its own and a silent run.
struct Run {
    folder: tempfile::TempDir,
    report: Report,
}

impl Run {
    fn new() -> Self {
        Run { folder: tempfile::tempdir().unwrap(), report: Report::silent() }
    }

    fn context(&self, offline: bool) -> Context<'_> {
        let store = Store::open(self.folder.path()).unwrap();
        Context { store, report: &self.report, offline, jobs: 2, mirrors: BTreeMap::new() }
    }
}

/// `base` needs `lib`; `lib` has two versions in two suites; `tool` stands beside them.
fn small() -> Archive {
    let mut archive = Archive::default();
    archive.add("one", &mut Deb::new("base", "1.0").field("Depends", "lib (>= 1)").file("/base", 0o644, "base"));
    archive.add("one", &mut Deb::new("lib", "1.0").file("/lib", 0o644, "lib 1"));
    archive.add("one-updates", &mut Deb::new("lib", "1.1").file("/lib", 0o644, "lib 1.1"));
    archive.add("one", &mut Deb::new("tool", "2:3.0-1").arch("all").file("/tool", 0o755, "tool"));
    archive.add_source("one", "prog", "1", &[("prog_1.dsc", b"dsc"), ("prog_1.tar.gz", b"tar")]);
    archive.publish(&["amd64", "arm64"]);
    archive
}

fn asking(archive: &Archive, mirror: &str, packages: &[&str]) -> Profile {
    let keyring = Keyring::File(archive.keyring());
    let source = profile::apt(&["one", "one-updates"], keyring, Some(mirror.to_owned()));
    profile::profile(BTreeMap::from([("debian".to_owned(), source)]), packages)
}

fn versions(lock: &Lock) -> Vec<String> {
    lock.image[&Arch::Amd64].packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect()
}

fn names(names: &[&str]) -> Update {
    Update::Names(names.iter().map(|name| name.to_string()).collect::<BTreeSet<_>>())
}

#[test]
fn a_profile_is_locked_fetched_and_unpacked_from_a_server() {
    let archive = small();
    let server = Server::new(archive.path());
    let mut profile = asking(&archive, &server.url, &["base", "tool"]);
    profile.preload.push(Preload {
        name: "localhost/x:1".to_owned(),
        image: PreloadImage::Assemble {
            packages: vec![profile::package("lib", "debian")],
            include: Vec::new(),
            edits: Vec::new(),
            entrypoint: Vec::new(),
            cmd: Vec::new(),
            env: Vec::new(),
            user: None,
        },
    });
    let run = Run::new();
    let cx = run.context(false);
    let lock = resolve(&profile, None, &Update::Nothing, &cx).unwrap();
    assert_eq!(versions(&lock), ["base 1.0", "lib 1.1", "tool 2:3.0-1"]);
    assert_eq!(lock.epoch.0, DATE);
    assert_eq!(lock.releases.len(), 2);
    let requested: Vec<bool> = lock.image[&Arch::Amd64].packages.iter().map(|package| package.requested).collect();
    assert_eq!(requested, [true, false, true]);

    // As text and back.
    let path = run.folder.path().join("node.lock");
    lock.write(&path).unwrap();
    assert_eq!(Lock::read(&path).unwrap().unwrap(), lock);

    let fetched = fetch(&lock, &profile, Arch::Amd64, Arch::host(), &cx).unwrap();
    assert_eq!(fetched.packages.len(), 3);
    let lib = &lock.image[&Arch::Amd64].packages[1];
    let package = imagebuild::source::apt::deb::unpack(&cx.store, &fetched.packages["lib"], lib).unwrap();
    let texts: Vec<String> = package.members.iter().map(|member| member.path.to_string()).collect();
    assert_eq!(texts, ["/", "/lib"]);
    let imagebuild::source::MemberKind::File(content) = &package.members[1].kind else { panic!("a file") };
    assert_eq!(content.read(100).unwrap(), b"lib 1.1");
    assert_eq!(content.digest(), Some(Digest::of(b"lib 1.1")));
    let input = &lock.image[&Arch::Amd64].inputs[0];
    assert_eq!(input.name, "preload/localhost/x:1/lib");
    let blob = fetched.input(&input.name).unwrap();
    assert_eq!(imagebuild::source::apt::deb::unpack_input(&cx.store, blob, input).unwrap().name, "lib");

    // Once more, from the store alone and without a server.
    drop(server);
    let again = run.context(true);
    assert_eq!(resolve(&profile, Some(&lock), &Update::Nothing, &again).unwrap(), lock);
    fetch(&lock, &profile, Arch::Amd64, Arch::host(), &again).unwrap();
}

#[test]
fn an_offline_run_asks_nobody() {
    let archive = small();
    let server = Server::new(archive.path());
    let profile = asking(&archive, &server.url, &["base"]);
    let run = Run::new();
    let error = resolve(&profile, None, &Update::Nothing, &run.context(true)).unwrap_err();
    assert_eq!(error.kind(), Kind::Source);
    assert!(error.message().contains("network must not be asked"), "{error}");
    let lock = resolve(&profile, None, &Update::Nothing, &run.context(false)).unwrap();
    let asked = server.log().len();
    let error = fetch(&lock, &profile, Arch::Amd64, Arch::host(), &run.context(true)).unwrap_err();
    assert!(error.message().contains("network must not be asked"), "{error}");
    assert_eq!(server.log().len(), asked);
    // A mirror on a disk is no network.
    let profile = asking(&archive, &archive.url(), &["base"]);
    fetch(&lock, &profile, Arch::Amd64, Arch::host(), &run.context(true)).unwrap();
}

#[test]
fn what_was_locked_stays_until_it_is_moved() -> Result<()> {
    let mut archive = small();
    let profile = asking(&archive, &archive.url(), &["base", "tool"]);
    let run = Run::new();
    let cx = run.context(false);
    let first = resolve(&profile, None, &Update::Nothing, &cx)?;
    archive.add("one", &mut Deb::new("base", "1.5").field("Depends", "lib (>= 1)"));
    archive.add("one", &mut Deb::new("lib", "1.9"));
    archive.publish(&["amd64"]);

    assert_eq!(resolve(&profile, Some(&first), &Update::Nothing, &cx)?, first);
    let lib = resolve(&profile, Some(&first), &names(&["lib"]), &cx)?;
    assert_eq!(versions(&lib), ["base 1.0", "lib 1.9", "tool 2:3.0-1"]);
    let all = resolve(&profile, Some(&first), &Update::All, &cx)?;
    assert_eq!(versions(&all), ["base 1.5", "lib 1.9", "tool 2:3.0-1"]);
    let error = resolve(&profile, Some(&first), &names(&["libb"]), &cx).unwrap_err();
    assert_eq!(error.kind(), Kind::User);
    assert_eq!(error.hints(), ["did you mean `lib`?"]);

    // A package less is asked for: the lock does not fit, and what remains stays.
    let less = asking(&archive, &archive.url(), &["base"]);
    let error = first.check(&less, Arch::host()).unwrap_err();
    assert_eq!(error.kind(), Kind::Lock);
    assert!(error.message().contains("`tool` of source `debian` is in it and no longer asked for"), "{error}");
    assert_eq!(versions(&resolve(&less, Some(&first), &Update::Nothing, &cx)?), ["base 1.0", "lib 1.1"]);

    // What is no question to an archive fits.
    let mut same = asking(&archive, &archive.url(), &["base", "tool"]);
    same.kernel.cmdline.push("quiet".to_owned());
    same.image.version = "2".to_owned();
    first.check(&same, Arch::host())
}

#[test]
fn a_package_that_the_archive_forgot_is_kept_from_the_store() -> Result<()> {
    let mut archive = small();
    let profile = asking(&archive, &archive.url(), &["base", "tool"]);
    let run = Run::new();
    let cx = run.context(false);
    let first = resolve(&profile, None, &Update::Nothing, &cx)?;
    archive.suites.clear();
    archive.add("one", &mut Deb::new("base", "2.0").field("Depends", "lib (>= 1)"));
    archive.add("one", &mut Deb::new("lib", "2.0"));
    archive.add("one", &mut Deb::new("tool", "2:4.0-1").arch("all"));
    archive.suites.entry("one-updates".to_owned()).or_default();
    archive.publish(&["amd64"]);
    for old in ["b/base/base_1.0_amd64.deb", "l/lib/lib_1.1_amd64.deb"] {
        std::fs::remove_file(archive.path().join("pool/main").join(old)).unwrap();
    }

    // Not in the store: the error names what is gone and the way on.
    let error = fetch(&first, &profile, Arch::Amd64, Arch::host(), &cx).unwrap_err();
    assert_eq!(error.kind(), Kind::Source);
    assert!(error.message().contains("`base` 1.0 (suite `one` of source `debian`), `lib` 1.1"), "{error}");
    assert_eq!(error.hints()[0], "move just this on: imagebuild update node.toml base lib");

    // In the store: moving `tool` leaves the others as they are.
    let archive = small();
    let profile = asking(&archive, &archive.url(), &["base", "tool"]);
    fetch(&first, &profile, Arch::Amd64, Arch::host(), &cx)?;
    let mut archive = archive;
    archive.suites.clear();
    archive.add("one", &mut Deb::new("base", "2.0").field("Depends", "lib (>= 1)"));
    archive.add("one", &mut Deb::new("lib", "2.0"));
    archive.add("one", &mut Deb::new("tool", "2:4.0-1").arch("all"));
    archive.suites.entry("one-updates".to_owned()).or_default();
    archive.publish(&["amd64"]);
    let moved = resolve(&profile, Some(&first), &names(&["tool"]), &cx)?;
    assert_eq!(versions(&moved), ["base 1.0", "lib 1.1", "tool 2:4.0-1"]);
    fetch(&moved, &profile, Arch::Amd64, Arch::host(), &cx).map(drop)
}

#[test]
fn a_go_program_s_source_and_toolchain_are_locked() -> Result<()> {
    let mut archive = small();
    for arch in ["amd64", "arm64"] {
        archive.add("one", &mut Deb::new("go", "1.19").arch(arch).field("Depends", "go-src"));
        archive.add("one", &mut Deb::new("libc6", "2.36").arch(arch));
    }
    archive.add("one", &mut Deb::new("go-src", "1.19").arch("all"));
    archive.publish(&["amd64", "arm64"]);
    let mut profile = asking(&archive, &archive.url(), &["base"]);
    profile.kubelet.program.origin = Origin::Go(imagebuild::profile::Go {
        source: profile::package("prog", "debian"),
        toolchain: profile::package("go", "debian"),
        package: "p/cmd".to_owned(),
        root: "p".to_owned(),
        version: "v1".to_owned(),
        define: BTreeMap::new(),
    });
    let run = Run::new();
    let cx = run.context(false);
    let lock = resolve(&profile, None, &Update::Nothing, &cx)?;
    let host = Arch::host().unwrap();
    let names = |inputs: &[imagebuild::lock::Input]| inputs.iter().map(|input| input.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&lock.image[&Arch::Amd64].inputs), ["go/kubelet/prog_1.dsc", "go/kubelet/prog_1.tar.gz"]);
    let tools = ["go", "go-src", "libc6"].map(|name| format!("go/kubelet/toolchain/{name}"));
    // Those of every kind of host, so that the lock is the same whoever makes it.
    assert_eq!(lock.toolchain.keys().copied().collect::<Vec<_>>(), Arch::ALL);
    for section in lock.toolchain.values() {
        assert_eq!(names(&section.inputs), tools);
    }
    let fetched = fetch(&lock, &profile, Arch::Amd64, Some(host), &cx)?;
    assert_eq!(std::fs::read(fetched.input("go/kubelet/prog_1.dsc")?.path()).unwrap(), b"dsc");
    assert!(fetched.input("go/kubelet/toolchain/libc6").is_ok());
    // A lock made for another target keeps this one's section.
    let mut other = profile.clone();
    other.image.arch = Arch::Arm64;
    other.kernel.package = profile::package("tool", "debian");
    let both = resolve(&other, Some(&lock), &Update::Nothing, &cx)?;
    assert_eq!(both.image[&Arch::Amd64], lock.image[&Arch::Amd64]);
    assert!(both.image.contains_key(&Arch::Arm64));
    both.check(&profile, Some(host))?;
    both.check(&other, Some(host))?;
    // An archive that has them for one kind of host alone gives those, and a lock that has no others still fits.
    archive.publish(&[host.name()]);
    let one = resolve(&profile, None, &Update::Nothing, &Run::new().context(false))?;
    assert_eq!(one.toolchain.keys().copied().collect::<Vec<_>>(), [host]);
    one.check(&profile, Some(host))
}

#[test]
fn source_packages_of_a_lock_are_had_in_their_very_versions() -> Result<()> {
    let mut archive = small();
    archive.add("one", &mut Deb::new("part", "2+b1").field("Source", "whole (2)"));
    archive.add_source("one", "base", "1.0", &[("base_1.0.dsc", b"base dsc")]);
    archive.add_source("one", "lib", "1.0", &[("lib_1.0.dsc", b"old")]);
    archive.add_source("one-updates", "lib", "1.1", &[("lib_1.1.dsc", b"lib dsc"), ("lib_1.1.tar.xz", b"lib tar")]);
    archive.publish(&["amd64"]);
    let profile = asking(&archive, &archive.url(), &["base", "part"]);
    let run = Run::new();
    let cx = run.context(false);
    let lock = resolve(&profile, None, &Update::Nothing, &cx)?;
    let lock_of = |lock: &Lock| corresponding(lock, &profile, Arch::Amd64, &cx);
    // What is not there is named, and nothing else.
    let error = lock_of(&lock).unwrap_err();
    assert_eq!(error.kind(), imagebuild::error::Kind::Source);
    assert!(error.message().ends_with("these source packages: `whole` 2 of source `debian`"), "{error}");
    archive.add_source("one", "whole", "2", &[("whole_2.dsc", b"whole dsc")]);
    archive.publish(&["amd64"]);
    let found = lock_of(&lock)?;
    let names: Vec<String> = found.of.iter().map(|((name, version), of)| format!("{name} {version}: {of:?}")).collect();
    assert!(names.contains(&"whole 2: {\"part\"}".to_owned()), "{names:?}");
    let files = &found.files[&("lib".to_owned(), "1.1".to_owned())];
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["lib_1.1.dsc", "lib_1.1.tar.xz"]);
    assert_eq!(std::fs::read(files[1].1.path()).unwrap(), b"lib tar");
    assert!(!found.files.contains_key(&("lib".to_owned(), "1.0".to_owned())));
    Ok(())
}

#[test]
fn release_files_that_are_not_to_be_believed() {
    let attempt = |archive: &Archive, profile: &Profile, run: &Run| {
        let _ = archive;
        resolve(profile, None, &Update::Nothing, &run.context(false)).map(drop)
    };
    let refused = |change: &dyn Fn(&mut Archive), word: &str| {
        let mut archive = small();
        let profile = asking(&archive, &archive.url(), &["base"]);
        change(&mut archive);
        let run = Run::new();
        let error = attempt(&archive, &profile, &run).expect_err(word);
        assert_eq!(error.kind(), Kind::Source, "{error}");
        assert!(error.message().contains(word), "expected `{word}`: {error}");
    };
    let inrelease = |archive: &Archive| archive.path().join("dists/one/InRelease");
    let edit = |archive: &Archive, from: &str, to: &str| {
        let text = std::fs::read_to_string(inrelease(archive)).unwrap();
        assert!(text.contains(from));
        std::fs::write(inrelease(archive), text.replacen(from, to, 1)).unwrap();
    };
    refused(&|archive| edit(archive, "Label: Test", "Label: Tost"), "does not fit the text");
    refused(&|archive| edit(archive, "-----BEGIN PGP SIGNED", "Suite: x\n-----BEGIN PGP SIGNED"), "clearsigned");
    refused(
        &|archive| {
            archive.key = Key::new(2);
            archive.publish(&["amd64"]);
        },
        "not in the keyring",
    );
    refused(
        &|archive| {
            archive.suites.get_mut("one").unwrap().lines.push("Valid-Until: Fri, 02 Jan 2026 00:00:00 UTC".to_owned());
            archive.publish(&["amd64"]);
        },
        "valid until",
    );
    refused(
        &|archive| {
            archive.suites.get_mut("one").unwrap().date = Some("Fri, 01 Jan 2100 00:00:00 UTC".to_owned());
            archive.publish(&["amd64"]);
        },
        "future",
    );
    // One suite in the place of another.
    refused(
        &|archive| {
            std::fs::copy(archive.path().join("dists/one-updates/InRelease"), inrelease(archive)).unwrap();
        },
        "is the release file of `one-updates`",
    );
    // An index that the release file does not name.
    refused(
        &|archive| {
            let folder = archive.path().join("dists/one/main/binary-amd64");
            let by_hash = std::fs::read_dir(folder.join("by-hash/SHA256")).unwrap().map(|entry| entry.unwrap().path());
            for path in by_hash.chain([folder.join("Packages.xz")]) {
                let mut bytes = std::fs::read(&path).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                std::fs::write(&path, bytes).unwrap();
            }
        },
        "sha256",
    );
}

#[test]
fn an_older_release_than_the_last_one_is_refused() {
    let mut archive = small();
    let profile = asking(&archive, &archive.url(), &["base"]);
    let run = Run::new();
    let lock = resolve(&profile, None, &Update::Nothing, &run.context(false)).unwrap();
    archive.suites.get_mut("one").unwrap().date = Some("Wed, 31 Dec 2025 00:00:00 UTC".to_owned());
    archive.publish(&["amd64"]);
    let error = resolve(&profile, None, &Update::All, &run.context(false)).unwrap_err();
    assert!(error.message().contains("2026-01-01T00:00:00Z, which was seen before"), "{error}");
    // A store that has seen nothing still has the lock to go by.
    let other = Run::new();
    let error = resolve(&profile, Some(&lock), &Update::All, &other.context(false)).unwrap_err();
    assert!(error.message().contains("older"), "{error}");
    resolve(&profile, None, &Update::All, &other.context(false)).unwrap();
}

/// Seconds where the tool would wait minutes.
fn hasty() -> Client {
    let patience = Patience {
        connect: Duration::from_secs(5),
        stall: Duration::from_millis(300),
        window: Duration::from_millis(400),
        floor: 1 << 16,
        tries: 3,
        pause: Duration::from_millis(1),
    };
    Client::with_patience(false, patience).unwrap()
}

/// A file of 300,000 bytes on a server.
fn served() -> (tempfile::TempDir, Server, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..300_000u32).map(|number| (number / 7) as u8).collect();
    std::fs::write(folder.path().join("file"), &bytes).unwrap();
    let server = Server::new(folder.path());
    (folder, server, bytes)
}

fn job(server: &Server, bytes: &[u8]) -> Job {
    Job {
        name: "file".to_owned(),
        urls: vec![format!("{}/file", server.url)],
        sha256: Digest::of(bytes),
        size: Some(bytes.len() as u64),
    }
}

#[test]
fn what_breaks_off_goes_on_from_there() {
    let bad = [
        vec![Fault::Cut(1000), Fault::Cut(200_000)],
        vec![Fault::Stall(5000, Duration::from_secs(2))],
        vec![Fault::Drip(Duration::from_millis(20))],
        vec![Fault::Status(503), Fault::Status(429)],
        vec![Fault::Cut(1000), Fault::NoRanges],
        vec![Fault::Lie],
        vec![Fault::Oversize(10)],
        vec![Fault::Claim(1 << 40)],
        vec![Fault::Redirect("/file".to_owned())],
        vec![Fault::Cut(100_000), Fault::Lie],
    ];
    for faults in bad {
        let (_folder, server, bytes) = served();
        server.faults("*", faults.clone());
        let run = Run::new();
        let store = run.context(false).store;
        let counted = std::sync::atomic::AtomicU64::new(0);
        let count = |bytes| _ = counted.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        let blob = one(&hasty(), &store, &count, &job(&server, &bytes));
        let blob = blob.unwrap_or_else(|lost| panic!("{faults:?}: {}", lost.error));
        assert_eq!(std::fs::read(blob.path()).unwrap(), bytes, "{faults:?}");
        assert!(counted.into_inner() <= bytes.len() as u64 + 10, "{faults:?}: progress beyond the end");
        assert_eq!(std::fs::read_dir(run.folder.path().join("tmp")).unwrap().count(), 0);
        if matches!(faults[0], Fault::Cut(1000)) && matches!(faults[1], Fault::Cut(_)) {
            assert_eq!(server.log(), ["/file 0", "/file 1000", "/file 201000"]);
        }
    }
}

#[test]
fn what_broke_off_goes_on_in_the_next_run() {
    let (_folder, server, bytes) = served();
    let run = Run::new();
    let again = || one(&hasty(), &run.context(false).store, &|_| {}, &job(&server, &bytes));
    let partial = run.folder.path().join(format!("tmp/{}.part", Digest::of(&bytes)));
    // The first run has 100,000 bytes, then the server is gone for good.
    server.faults("*", [Fault::Cut(100_000), Fault::Status(403), Fault::Status(403)]);
    again().expect_err("a server that is gone");
    assert_eq!(std::fs::metadata(&partial).unwrap().len(), 100_000);
    // The second goes on, the third finds it whole.
    let blob = again().unwrap_or_else(|lost| panic!("{}", lost.error));
    assert_eq!(std::fs::read(blob.path()).unwrap(), bytes);
    assert_eq!(server.log(), ["/file 0", "/file 100000", "/file 100000", "/file 100000"]);
    assert!(!partial.exists());
    again().unwrap_or_else(|lost| panic!("{}", lost.error));
    assert_eq!(server.log().len(), 4, "what is there is not asked for");

    // A damaged beginning is found by the digest, dropped, and all is had anew; so is one that is too long.
    for damaged in
        [vec![7; 1000], bytes[..299_999].iter().map(|byte| byte ^ 1).collect(), vec![7; 400_000], vec![7; 300_000]]
    {
        std::fs::remove_file(blob.path()).unwrap();
        std::fs::write(&partial, &damaged).unwrap();
        let blob = again().unwrap_or_else(|lost| panic!("{} bytes: {}", damaged.len(), lost.error));
        assert_eq!(std::fs::read(blob.path()).unwrap(), bytes);
        assert!(!partial.exists());
    }
    assert!(server.log().ends_with(&["/file 0".to_owned()]));
}

#[test]
fn patience_ends_and_nothing_is_kept() {
    let forever = |fault: Fault| std::iter::repeat_n(fault, 100);
    let bad = [
        (Fault::Cut(0), "tried 3 times"),
        (Fault::Status(503), "503"),
        (Fault::Lie, "sha256"),
        (Fault::Oversize(10), "larger"),
        (Fault::Status(403), "403"),
        (Fault::Redirect("/file".to_owned()), "redirects more than"),
        (Fault::Redirect("ftp://127.0.0.1/x".to_owned()), "unknown scheme"),
        (Fault::Stall(0, Duration::from_millis(800)), ""),
        (Fault::Status(404), "not there"),
    ];
    for (fault, word) in bad {
        let (_folder, server, bytes) = served();
        server.faults("*", forever(fault.clone()));
        let run = Run::new();
        let store = run.context(false).store;
        let lost = one(&hasty(), &store, &|_| {}, &job(&server, &bytes)).expect_err("a fault");
        assert_eq!(lost.error.kind(), Kind::Source, "{fault:?}");
        assert!(lost.error.to_string().contains(word), "{fault:?}: {}", lost.error);
        assert_eq!(lost.gone, matches!(fault, Fault::Status(404)));
        assert!(server.log().len() < 30, "{fault:?}: {} requests", server.log().len());
        assert!(store.blob(&Digest::of(&bytes)).is_none());
        assert_eq!(std::fs::read_dir(run.folder.path().join("tmp")).unwrap().count(), 0);
    }
}

#[test]
fn archives_of_the_host_are_had_through_the_proxy_of_its_apt() {
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("sources.list"), "deb http://archive.test/debian trixie main\n").unwrap();
    // A proxy is asked for whole URLs; this one has them as paths.
    let folder = tempfile::tempdir().unwrap();
    let bytes = b"what only the proxy has".to_vec();
    std::fs::create_dir_all(folder.path().join("http:/archive.test/debian/pool")).unwrap();
    std::fs::write(folder.path().join("http:/archive.test/debian/pool/file"), &bytes).unwrap();
    std::fs::write(folder.path().join("file"), &bytes).unwrap();
    let server = Server::new(folder.path());
    std::fs::write(host.path().join("apt.conf"), format!("Acquire::http::Proxy \"{}\";\n", server.url)).unwrap();
    let detours = |set: &'static [&'static str]| {
        let look = |name: &str| set.contains(&name).then(|| "http://127.0.0.1:1".to_owned());
        proxy::detours(host.path(), &Host::read(host.path()).unwrap(), &look).unwrap()
    };
    let client = hasty().with_detours(detours(&[]));
    let url = "http://archive.test/debian/pool/file";
    assert_eq!(client.get(url, 1000).unwrap(), bytes);
    assert_eq!(server.log(), [format!("{url} 0")]);
    // What the host's apt does not name is asked for as ever.
    assert_eq!(client.get(&format!("{}/file", server.url), 1000).unwrap(), bytes);
    assert_eq!(server.log().last().unwrap(), "/file 0");
    assert_eq!(detours(&["http_proxy"]), [], "the environment wins");
}

#[test]
fn the_second_mirror_helps_out() {
    let (_folder, server, bytes) = served();
    let run = Run::new();
    let mut job = job(&server, &bytes);
    job.urls.insert(0, format!("{}/missing", server.url));
    one(&hasty(), &run.context(false).store, &|_| {}, &job).unwrap();
}

/// apt itself, on the same archive in an empty root, chooses the same packages; gpgv accepts the same signature.
#[test]
fn apt_chooses_the_same() {
    let mut archive = Archive::default();
    archive.key = Key::with_subkey(3);
    for line in [
        "app 1; Multi-Arch: allowed; Depends: libc (>= 2), shell | dash, mta, awk; Recommends: doc; Conflicts: rival",
        "libc 2.41-1; Depends: base-gcc",
        "libc 2.41-1+b1; Depends: base-gcc",
        "base-gcc 14",
        "dash 1; Depends: libc",
        "postfix 3; Provides: mta; Conflicts: mta; Depends: libc",
        "mawk 1; Provides: awk; Pre-Depends: libc",
        "doc 1",
        "rival 1",
        "daemon 2:1.0~rc1; Depends: lib1t (>= 1), app:any | nothing",
        "lib1t 1.5; Breaks: lib1 (<< 2); Replaces: lib1; Provides: lib1 (= 1.5)",
        "lib1 1",
        "user 1; Depends: lib1 (>= 1.2)",
    ] {
        let mut parts = line.split("; ");
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        let mut deb = Deb::new(name, version).field("Priority", "optional");
        for (field, value) in parts.map(|part| part.split_once(": ").unwrap()) {
            deb = deb.field(field, value);
        }
        archive.add("one", &mut deb);
    }
    archive.suites.entry("one-updates".to_owned()).or_default();
    archive.publish(&["amd64"]);

    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name).display().to_string();
    for folder in ["state/lists/partial", "cache/archives/partial", "parts"] {
        std::fs::create_dir_all(path(folder)).unwrap();
    }
    std::fs::write(path("status"), "").unwrap();
    let release = archive.path().join("dists/one/InRelease");
    let gpgv = std::process::Command::new("gpgv").arg("--keyring").arg(archive.keyring()).arg(release).output();
    let gpgv = gpgv.expect("gpgv must be there: install the package gpgv");
    assert!(gpgv.status.success(), "{}", String::from_utf8_lossy(&gpgv.stderr));
    // Trusted, since gpgv has judged the signature: apt asks for details that only its own keyrings give.
    let line = format!("deb [arch=amd64 trusted=yes] {} one main\n", archive.url());
    std::fs::write(path("sources.list"), line).unwrap();
    let config = format!(
        "Dir::State \"{}\"; Dir::State::status \"{}\"; Dir::Cache \"{}\"; Dir::Etc::sourcelist \"{}\"; \
         Dir::Etc::sourceparts \"-\"; Dir::Etc::parts \"{}\"; Dir::Etc::preferences \"-\"; \
         Dir::Etc::preferencesparts \"-\"; APT::Architecture \"amd64\"; APT::Architectures \"amd64\"; \
         APT::Install-Recommends \"false\"; APT::Sandbox::User \"\";",
        path("state"),
        path("status"),
        path("cache"),
        path("sources.list"),
        path("parts"),
    );
    std::fs::write(path("apt.conf"), config).unwrap();
    let apt = |arguments: &[&str]| {
        let mut command = std::process::Command::new("apt-get");
        let output = command.env("APT_CONFIG", path("apt.conf")).env("LC_ALL", "C").args(arguments).output();
        let output = output.expect("apt-get must be there: install the package apt");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    };
    apt(&["update"]);
    for packages in [&["app"][..], &["daemon", "user"], &["postfix", "mawk"], &["libc", "dash", "doc"]] {
        let simulated = apt(&[&["--simulate", "install"], packages].concat());
        let mut theirs: Vec<String> = simulated
            .lines()
            .filter_map(|line| line.strip_prefix("Inst ")?.split_once(" ("))
            .map(|(name, rest)| format!("{name} {}", rest.split(' ').next().unwrap()))
            .collect();
        theirs.sort();
        let run = Run::new();
        let profile = asking(&archive, &archive.url(), packages);
        let lock = resolve(&profile, None, &Update::Nothing, &run.context(false)).unwrap();
        assert_eq!(versions(&lock), theirs, "{packages:?}");
        assert!(!theirs.is_empty());
    }
}

/// The verbs on a lock, as a user types them.
#[test]
fn lock_update_vendor_and_store() {
    let mut archive = small();
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("node.toml");
    let text = |packages: &str| {
        format!(
            "schema = 1\nimage = {{ id = \"t\", version = \"1\", arch = \"amd64\" }}\n\
             [source.test.apt]\nsuites = [\"one\", \"one-updates\"]\nkeyring = {:?}\n\
             [kernel]\napt = \"base\"\n[userland]\npackages = [{packages}]\n[containerd]\napt = \"tool\"\n\
             [kubelet]\napt = \"tool\"\n[cluster]\nstandalone = {{}}\n[[output]]\nformat.raw = {{}}\n",
            archive.keyring()
        )
    };
    let (both, one) = (text("\"lib\", \"tool\""), text("\"lib\""));
    std::fs::write(&profile, &both).unwrap();
    let mirror = format!("test={}", archive.url());
    let run = |code: i32, store: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_imagebuild"));
        command.current_dir(folder.path()).env("IMAGEBUILD_STORE", folder.path().join(store));
        let output = command.args(["--mirror", &mirror]).args(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        (String::from_utf8(output.stdout).unwrap(), error)
    };
    let (_, error) = run(3, "store", &["lock", "node.toml", "--check"]);
    assert!(error.contains("run `imagebuild lock node.toml`"), "{error}");
    run(0, "store", &["lock", "node.toml"]);
    run(0, "store", &["lock", "node.toml", "--check"]);
    let first = std::fs::read_to_string(folder.path().join("node.lock")).unwrap();
    run(0, "store", &["lock", "node.toml"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("node.lock")).unwrap(), first);

    archive.add("one", &mut Deb::new("lib", "1.9"));
    archive.add("one", &mut Deb::new("base", "1.9").field("Depends", "lib"));
    archive.publish(&["amd64"]);
    assert_eq!(run(0, "store", &["update", "node.toml", "lib"]).0, "amd64 lib 1.1 -> 1.9\n");
    run(2, "store", &["update", "node.toml", "nothing"]);
    assert_eq!(run(0, "store", &["update", "node.toml"]).0, "amd64 base 1.0 -> 1.9\n");

    // A folder with all inputs is a store, and nothing else is needed.
    run(0, "store", &["vendor", "node.toml", "-o", "vendored"]);
    run(0, "vendored", &["--offline", "vendor", "node.toml", "-o", "again"]);
    assert_eq!(std::fs::read_dir(folder.path().join("vendored/blobs")).unwrap().count(), 3);
    run(0, "vendored", &["store", "gc"]);
    assert_eq!(std::fs::read_dir(folder.path().join("again/blobs")).unwrap().count(), 3);
    run(0, "vendored", &["store", "verify"]);

    // What the lock no longer names goes, and only that.
    let path = run(0, "store", &["store", "path"]).0;
    assert_eq!(path.trim_end(), folder.path().join("store").display().to_string());
    let count = || {
        let folders = std::fs::read_dir(folder.path().join("store/blobs")).unwrap();
        folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum::<usize>()
    };
    let before = count();
    run(0, "store", &["store", "gc", "--dry-run"]);
    assert_eq!(count(), before);
    run(0, "store", &["store", "gc"]);
    assert_eq!(count(), 3);
    run(0, "store", &["--offline", "vendor", "node.toml", "-o", "again"]);

    std::fs::write(&profile, &one).unwrap();
    run(0, "store", &["lock", "node.toml", "--check"]);
    std::fs::write(&profile, one.replace("\"lib\"", "\"lib\", \"base\", \"nowhere\"")).unwrap();
    let (_, error) = run(3, "store", &["lock", "node.toml", "--check"]);
    assert!(error.contains("package `nowhere` of source `test` is asked for and not in it"), "{error}");
    let (_, error) = run(2, "store", &["lock", "node.toml"]);
    assert!(error.contains("has no package `nowhere`"), "{error}");

    // A broken input is found, removed on demand, and had again.
    let blob = std::fs::read_dir(folder.path().join("store/blobs")).unwrap().next().unwrap().unwrap().path();
    let blob = std::fs::read_dir(blob).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, "garbage").unwrap();
    run(5, "store", &["store", "verify"]);
    run(5, "store", &["store", "verify", "--remove"]);
    run(0, "store", &["store", "verify"]);
}
