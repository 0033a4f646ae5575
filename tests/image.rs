//! `inspect` and `verify` on a small image: what is in it is told, and every kind of damage is found. New checks
//! of the two verbs go here.

#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/small.rs"]
mod small;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use imagebuild::artifact::Artifact;
use imagebuild::disk::{self, Role};
use imagebuild::path::RootPath;
use imagebuild::profile::Raw;
use imagebuild::tree::{Meta, Tree};

use small::{EPOCH, RELEASE, Small, put};

const STATUS: &str = "\
Package: base-files
Status: install ok installed
Version: 13.8
Architecture: amd64

Package: alpha
Status: install ok installed
Version: 1:2-3
Architecture: all
Description: short
 long
";

struct Made {
    small: Small,
    artifact: Artifact,
}

fn tree() -> Tree {
    let mut tree = small::tree(&["dm-verity", "squashfs"]);
    put(&mut tree, "/usr/lib/dpkg-db/status", STATUS.as_bytes().to_vec());
    // Not to be compressed, so that the hash tree has two levels.
    let mut state = 1u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    put(&mut tree, "/usr/share/noise", noise.take(1 << 20).collect());
    tree.put_link(&RootPath::new("/lib").unwrap(), Meta::new(0o777, EPOCH.0), b"usr/lib").unwrap();
    tree
}

fn make() -> Made {
    made(tree())
}

fn made(tree: Tree) -> Made {
    let small = Small::new(tree);
    let (disk, _) = disk::place(&small.layout, &small.pieces(), None, EPOCH).unwrap();
    let out = small.folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let artifact = small::write(&Raw {}, &disk, &out.join("small_1.0.0.raw"));
    Made { small, artifact }
}

fn tool(code: i32, arguments: &[&str], image: &Path) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_imagebuild"))
        .args(arguments)
        .arg(image)
        .stdin(Stdio::null())
        .output()
        .expect("the tool starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n--- stdout\n{out}\n--- stderr\n{err}");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A copy whose byte at `at` is another one.
fn spoilt(made: &Made, at: u64) -> PathBuf {
    let path = made.small.folder.path().join("spoilt.raw");
    let status = Command::new("cp").arg("--sparse=always").arg(&made.artifact.path).arg(&path).status().unwrap();
    assert!(status.success());
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
    path
}

#[test]
fn inspect_tells_what_is_there() {
    let made = make();
    let mut out = text(&tool(0, &["inspect"], &made.artifact.path).stdout);
    let files = text(&tool(0, &["inspect", "--files"], &made.artifact.path).stdout);
    assert!(!out.contains("/usr/share/noise") && !files.contains("partition"), "{files}");
    out += &files;
    let hash = made.small.root.root_hash.to_string();
    for wanted in [
        &made.small.layout.id.to_string(),
        &made.small.layout.partitions[3].id.to_string(),
        &made.small.boot.cmdline,
        &hash,
        "EFI/Linux/small_1.0.0.efi",
        "kernel 6.12.0-test",
        ".osrel",
        "packages 2\n  alpha 1:2-3 all\n  base-files 13.8 amd64\n",
        "-0644 0:0 1048576 /usr/share/noise\n",
        "l0777 0:0 0 /lib -> usr/lib\n",
        "enter-initrd:leave-initrd:sysinit:ready",
    ] {
        assert!(out.contains(wanted), "{wanted}\n{out}");
    }
    let value: serde_json::Value =
        serde_json::from_slice(&tool(0, &["--json", "inspect"], &made.artifact.path).stdout).unwrap();
    assert_eq!(value["ukis"][0]["root_hash"], hash);
    assert_eq!(value["ukis"][0]["sha256"], made.small.boot.uki_digest.to_string());
    assert_eq!(value["ukis"][0]["packages"][1]["name"], "base-files");
    assert_eq!(value["partitions"][1]["start"], made.small.layout.partitions[1].at);
}

#[test]
fn parts_are_told_by_themselves() {
    let mut tree = tree();
    put(&mut tree, "/etc/passwd", b"root:x:0:0::/root:/usr/sbin/nologin\n".to_vec());
    put(&mut tree, "/etc/group", b"root:x:0:\n".to_vec());
    put(&mut tree, "/usr/lib/kubernetes/kubelet.json", b"{\"a\x1b\": 1}\n".to_vec());
    let link = RootPath::new("/etc/systemd/system/multi-user.target.wants/kubelet.service").unwrap();
    tree.put_link(&link, Meta::new(0o777, EPOCH.0), b"/usr/lib/systemd/system/kubelet.service").unwrap();
    let made = made(tree);
    let told = |words: &[&str]| text(&tool(0, &[&["inspect"], words].concat(), &made.artifact.path).stdout);
    let uki = "uki EFI/Linux/small_1.0.0.efi\n";
    let expected = [
        ("--packages", "packages 2\n  alpha 1:2-3 all\n  base-files 13.8 amd64\n"),
        ("--units", "units 1\n  kubelet.service: enabled, wanted by multi-user.target\n"),
        ("--users", "accounts 2\n  user root:x:0:0::/root:/usr/sbin/nologin\n  group root:x:0:\n"),
        ("--config", "configuration /usr/lib/kubernetes/kubelet.json\n  {\"a\u{fffd}\": 1}\n"),
    ];
    for (word, wanted) in expected {
        assert_eq!(told(&[word]), format!("{uki}{wanted}"));
    }
    assert_eq!(told(&["--cmdline"]), format!("{uki}  command line {}\n", made.small.boot.cmdline));
    assert!(told(&["--partitions"]).ends_with(uki) && told(&["--partitions"]).starts_with("disk "));
    let both = told(&["--units", "--uki"]);
    assert!(both.contains("root hash") && both.contains("units 1") && !both.contains("partition"), "{both}");
    let value: serde_json::Value =
        serde_json::from_slice(&tool(0, &["--json", "inspect", "--units"], &made.artifact.path).stdout).unwrap();
    assert_eq!(value["ukis"][0]["units"][0]["unit"], "kubelet.service");
    assert_eq!(value.get("partitions"), None);
}

/// The same root as the other verbs take it: in a squashfs, a folder, an archive, the folder of a build.
#[test]
fn a_root_by_itself_is_told_as_that_of_a_disk_is() {
    let mut tree = tree();
    put(&mut tree, "/etc/passwd", b"root:x:0:0::/root:/usr/sbin/nologin\n".to_vec());
    put(&mut tree, "/etc/group", b"root:x:0:\n".to_vec());
    put(&mut tree, "/etc/containerd/config.toml", b"version = 2\n".to_vec());
    for (name, target) in [("multi-user.target.wants/kubelet.service", "../kubelet.service"), ("x.timer", "/dev/null")]
    {
        let link = RootPath::new(format!("/etc/systemd/system/{name}")).unwrap();
        tree.put_link(&link, Meta::new(0o777, EPOCH.0), target.as_bytes()).unwrap();
    }
    let made = made(tree);
    let folder = made.small.folder.path();
    let bare = folder.join("root.squashfs");
    std::fs::write(&bare, made.small.root.squashfs.content().read(1 << 30).unwrap()).unwrap();
    // Another tool unpacks it: owners and modes stay.
    let loose = folder.join("root");
    let unpacked = Command::new("unsquashfs").args(["-q", "-n", "-d"]).args([&loose, &bare]).output().unwrap();
    assert!(unpacked.status.success(), "{unpacked:?}");
    let archive = folder.join("root.tar");
    let packed =
        Command::new("tar").arg("-C").arg(&loose).args(["--numeric-owner", "-cf"]).arg(&archive).arg(".").status();
    assert!(packed.unwrap().success());
    let told = |words: &[&str], path: &Path| text(&tool(0, &[&["inspect"], words].concat(), path).stdout);
    let roots = [("a squashfs", &bare), ("a folder", &loose), ("an archive", &archive)];
    for word in ["--packages", "--files", "--units", "--users", "--config"] {
        let of_disk = told(&[word], &made.artifact.path);
        let (_, wanted) = of_disk.split_once('\n').unwrap();
        assert!(wanted.lines().count() > 1, "{word} {wanted}");
        for (lies, path) in roots {
            assert_eq!(told(&[word], path), format!("root in {lies}\n{wanted}"), "{word}");
        }
    }
    let json = |path: &Path| -> serde_json::Value {
        serde_json::from_slice(&tool(0, &["--json", "inspect"], path).stdout).unwrap()
    };
    for (lies, path) in roots {
        assert_eq!(
            told(&[], path),
            format!("root in {lies}\npackages 2\n  alpha 1:2-3 all\n  base-files 13.8 amd64\n")
        );
        let value = json(path);
        assert_eq!(value["root"]["in"], lies.split(' ').nth(1).unwrap());
        assert_eq!(value["root"]["packages"], json(&made.artifact.path)["ukis"][0]["packages"]);
        for (word, part) in [("--partitions", "partition"), ("--uki", "UKI"), ("--cmdline", "command line")] {
            let error = text(&tool(2, &["inspect", "--units", word], path).stderr);
            let wanted = format!("`{word}`: a root in {lies} by itself has no {part}\n");
            assert!(error.contains(&wanted) && error.contains(path.to_str().unwrap()), "{error}");
        }
    }
    // The folder of a build is its disk.
    let manifest = manifest_of(&made);
    std::fs::write(folder.join("out/manifest.json"), manifest.to_string()).unwrap();
    let of_folder = tool(0, &["inspect"], &folder.join("out"));
    assert_eq!(text(&of_folder.stdout), told(&[], &made.artifact.path));
    let file = folder.join("out").join(made.artifact.path.file_name().unwrap());
    assert_eq!(text(&of_folder.stderr), format!("looking into `{}`\n", file.display()));
    assert_eq!(json(&folder.join("out")), json(&made.artifact.path));
}

#[test]
fn a_whole_image_verifies_and_each_damage_is_named() {
    let made = make();
    tool(0, &["verify"], &made.artifact.path);
    let at = |role: Role| made.small.layout.partition(role).unwrap().at;
    let (root, verity, esp) = (at(Role::Root), at(Role::Verity), at(Role::Esp));
    let backup = made.small.layout.length - 512;
    let cases = [
        (512 + 60, "primary partition table"),
        (1024 + 60, "primary partition table"),
        (backup + 60, "backup partition table"),
        (backup - 16384 + 60, "backup partition table"),
        // The second FAT: 32 reserved sectors, then 520 of the first one.
        (esp + (32 + 520) * 512 + 40, "tables of the FAT differ"),
        (root, "block 0 of the root"),
        (root + 100 * 4096 + 4095, "block 100 of the root"),
        (verity + 8, "block 0 of the hash tree"),
        (verity + 90, "block 1 of the hash tree"),
        (verity + 4096, "block 1 of the hash tree"),
        (verity + 2 * 4096 + 40, "block 2 of the hash tree"),
    ];
    for (place, wanted) in cases {
        let error = text(&tool(5, &["verify"], &spoilt(&made, place)).stderr);
        assert!(error.contains(wanted), "byte {place}: {wanted}\n{error}");
    }
}

#[test]
fn what_is_no_image_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.raw");
    for bytes in [vec![], vec![0; 100], vec![0; 1 << 20], vec![0xff; 1 << 20]] {
        std::fs::write(&path, bytes).unwrap();
        for verb in ["inspect", "verify"] {
            let error = text(&tool(2, &[verb], &path).stderr);
            assert!(error.contains("no GUID partition table"), "{error}");
        }
    }
    tool(1, &["verify"], &folder.path().join("none.raw"));
    tool(2, &["verify"], folder.path());
}

/// The manifest of such a build.
fn manifest_of(made: &Made) -> serde_json::Value {
    let partitions: Vec<_> = (made.small.layout.partitions.iter())
        .map(|part| {
            serde_json::json!({ "label": part.label, "kind": part.kind, "id": part.id, "start": part.at, "size": part.length })
        })
        .collect();
    let zero = "0".repeat(64);
    serde_json::json!({
        "schema": 1,
        "imagebuild": "0",
        "image": { "id": "small", "version": "1.0.0", "arch": "amd64" },
        "fast": false,
        "epoch": EPOCH.0,
        "inputs": { "profile": zero, "lock": zero, "tree": zero, "packages": {} },
        "root": { "root_hash": made.small.root.root_hash, "salt": "", "size": 0, "verity_size": 0, "codec": "", "inodes": 0 },
        "boot": {
            "kernel": RELEASE,
            "cmdline": made.small.boot.cmdline,
            "initrd_size": made.small.boot.initrd.len(),
            "uki_size": made.small.boot.uki.len(),
            "uki": made.small.boot.uki_digest,
        },
        "partitions": partitions,
        "minimum_disk": 0,
        "scripts": {},
        "waivers": {},
        "warnings": [],
        "artifacts": [
            { "path": "small_1.0.0.raw", "format": "raw", "size": made.artifact.size, "sha256": made.artifact.sha256 },
        ],
    })
}

#[test]
fn another_manifest_is_noticed() {
    let made = make();
    let zero = "0".repeat(64);
    let mut manifest = manifest_of(&made);
    let path = made.artifact.path.with_file_name("manifest.json");
    let check = |code: i32, manifest: &serde_json::Value| {
        std::fs::write(&path, manifest.to_string()).unwrap();
        text(&tool(code, &["verify"], &made.artifact.path).stderr)
    };
    check(0, &manifest);
    manifest["artifacts"][0]["sha256"] = zero.clone().into();
    assert!(check(5, &manifest).contains("the sha256 is"));
    manifest["artifacts"][0]["sha256"] = made.artifact.sha256.to_string().into();
    manifest["root"]["root_hash"] = zero.into();
    assert!(check(5, &manifest).contains("the root hash is"));
    manifest["partitions"][0]["size"] = 1.into();
    assert!(check(5, &manifest).contains("besides: the partitions"));
}

#[test]
fn ls_and_cat_follow_links_within_the_image() {
    let mut tree = tree();
    for (path, target) in [
        ("/etc/os-release", "../usr/lib/os-release"),
        ("/out", "../../../usr/lib/os-release"),
        ("/a", "b"),
        ("/b", "a"),
    ] {
        tree.put_link(&RootPath::new(path).unwrap(), Meta::new(0o777, EPOCH.0), target.as_bytes()).unwrap();
    }
    let small = Small::new(tree);
    let squashfs = small.root.squashfs.path().to_owned();
    let run = |code: i32, verb: &str, path: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imagebuild"));
        let output = command.arg(verb).arg(&squashfs).arg(path).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{verb} {path}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    for path in ["/usr/lib/os-release", "etc/os-release", "/out", "/lib/os-release", "/usr/../usr/./lib/os-release"] {
        if path.contains("..") {
            // The path that a user gives is taken as it is; only links lead up.
            run(2, "cat", path);
        } else {
            assert_eq!(run(0, "cat", path), "ID=test\n", "{path}");
        }
    }
    for path in ["/a", "/none", "/etc", "/etc/os-release/x"] {
        run(2, "cat", path);
    }
    assert_eq!(run(0, "ls", "/etc"), "l0777 0:0 0 /etc/os-release -> ../usr/lib/os-release\n");
    assert!(run(0, "ls", "/lib").contains("-0644 0:0 8 /usr/lib/os-release\n"));
    assert_eq!(run(0, "ls", "/usr/share/noise"), "-0644 0:0 1048576 /usr/share/noise\n");
    assert_eq!(run(0, "ls", "/a"), "l0777 0:0 0 /a -> b\n");
    // A disk image is looked into by its UKI.
    let made = make();
    let status = tool(0, &["ls"], &made.artifact.path);
    assert!(text(&status.stdout).contains(" /usr\n"));
}
