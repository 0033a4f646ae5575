//! Same inputs, same bytes: a small image of packages that the test makes itself, its digests pinned.
//!
//! A new output format gets a line of `tests/bytes/golden.toml` here. `BLESS=1` writes that
//! file anew and fails the run; a change of it needs an entry "Bytes:" in the changelog.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use house::{House, digests, succeed};

#[test]
fn the_digests_are_the_pinned_ones_and_nothing_else_matters() {
    let house = House::new();
    house.lock();
    let first = house.build("out", |_| ());
    pin(&first);

    // One thread; another folder, zone, locale and home; no program to be found; the store warm and cold.
    let elsewhere = tempfile::tempdir().unwrap();
    let odd = house.build("again", |command| {
        command.args(["--jobs", "1", "--no-cache", "--offline"]).current_dir(elsewhere.path());
        command.env("PATH", "").env("TZ", "Asia/Kathmandu").env("LC_ALL", "tr_TR.UTF-8").env("HOME", elsewhere.path());
        command.env("SOURCE_DATE_EPOCH", "1");
    });
    assert_eq!(first, odd);
    let many = house.build("many", |command| {
        command.args(["--jobs", "8", "--no-cache"]);
    });
    assert_eq!(first, many);

    // A year later by the clock, and years ago.
    let at = |moved: &str, store: &str, words: &[&str]| {
        let mut command = Command::new("faketime");
        command.args(["-f", moved, env!("CARGO_BIN_EXE_imagebuild"), "--quiet", "--store"]);
        command.arg(house.folder.path().join(store)).args(["--mirror", &house.mirror()]);
        command.args(words).arg(house.profile()).env_remove("SOURCE_DATE_EPOCH");
        command
    };
    for moved in ["+400d", "-3000d"] {
        let out = house.folder.path().join(moved);
        succeed(at(moved, "store", &["build", "--locked", "--no-cache"]).arg("-o").arg(&out));
        assert_eq!(first, digests(&out), "{moved}");
    }
    // That clock is the one that the tool sees: a signature of today is one of the future then.
    let output = at("-3000d", "another", &["update"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("was made in the future"), "{said}");

    // Another user with another umask, when the test may become one.
    if rustix::process::getuid().is_root() {
        let script = format!(
            "umask 077 && chmod -R a+rwX {0} && exec setpriv --reuid=65534 --regid=65534 --clear-groups {1} --quiet \
             --store {0}/store build --locked --offline {0}/small.toml -o {0}/nobody",
            house.folder.path().display(),
            env!("CARGO_BIN_EXE_imagebuild"),
        );
        succeed(Command::new("sh").arg("-c").arg(script));
        assert_eq!(first, digests(&house.folder.path().join("nobody")));
    }
}

#[test]
fn a_changed_file_changes_the_image_and_fits_the_lock() {
    let house = House::new();
    house.lock();
    let first = house.build("out", |_| ());
    let text = fs::read_to_string(house.profile()).unwrap();
    assert!(text.contains("a small image"));
    fs::write(house.profile(), text.replace("a small image", "another image")).unwrap();
    let second = house.build("changed", |_| ());
    assert_ne!(first["small_1.raw"], second["small_1.raw"]);
}

/// What the image says of itself is enough to make it again, with the store and with what lay beside the profile.
#[test]
fn an_image_is_made_again_from_what_it_carries() {
    let house = House::new();
    let text = fs::read_to_string(house.profile()).unwrap();
    let local = "[[file]]\npath = \"/etc/issue\"\nfile = \"issue\"\n\n[layout]";
    fs::write(house.profile(), text.replace("[layout]", local)).unwrap();
    fs::write(house.folder.path().join("issue"), "an issue\n").unwrap();
    house.lock();
    let first = house.build("out", |_| ());
    let (profile, lock) = record(&house.folder.path().join("out/small_1.raw"));
    let names = [profile.as_str(), lock.as_str(), house.folder.path().to_str().unwrap()];
    assert!(!names[0].contains(names[2]) && !names[1].contains(names[2]), "a path of the host\n{profile}\n{lock}");

    let again = house.folder.path().join("again");
    fs::create_dir_all(again.join("files")).unwrap();
    fs::write(again.join("profile.toml"), &profile).unwrap();
    fs::write(again.join("profile.lock"), &lock).unwrap();
    for name in ["kubelet", "containerd", "archive.gpg", "issue"] {
        let bytes = fs::read(house.folder.path().join(name)).unwrap();
        let digest = imagebuild::digest::Digest::of(&bytes).to_string();
        assert!(profile.contains(&format!("\"files/{digest}\"")), "{name}\n{profile}");
        fs::write(again.join("files").join(digest), bytes).unwrap();
    }
    let mut command = house.tool("store");
    command.args(["--offline", "build", "--locked", "profile.toml", "-o", "out"]).current_dir(&again);
    succeed(&mut command);
    assert_eq!(first, digests(&again.join("out")));

    // Other bytes in a file beside it are another profile.
    fs::write(house.folder.path().join("issue"), "another issue\n").unwrap();
    house.build("changed", |_| ());
    let digest = |out: &str| {
        let text = fs::read_to_string(house.folder.path().join(out).join("manifest.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["inputs"]["profile"].clone()
    };
    assert_eq!(digest("out"), imagebuild::digest::Digest::of(profile.as_bytes()).to_string());
    assert_ne!(digest("out"), digest("changed"));
}

/// The profile and the lock in the root of an image.
fn record(path: &Path) -> (String, String) {
    let image = imagebuild::audit::Image::open(path).unwrap();
    let hash = image.ukis().unwrap()[0].root_hash().unwrap();
    let root = imagebuild::audit::root(&image, image.slot(&hash).unwrap()).unwrap();
    let read = |name: &str| {
        let path = imagebuild::path::RootPath::new(format!("/usr/lib/imagebuild/{name}")).unwrap();
        let node = root.find(&path).unwrap().unwrap();
        assert_eq!(node.meta.mode, 0o444);
        String::from_utf8(root.read_file(&node, 1 << 20).unwrap()).unwrap()
    };
    (read("profile.toml"), read("profile.lock"))
}

/// Compares with `tests/bytes/golden.toml`, or writes it.
fn pin(digests: &BTreeMap<String, String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bytes/golden.toml");
    let mut text = "# sha256 of every file that tests/bytes/small.toml builds. Written by BLESS=1.\n".to_owned();
    for (name, digest) in digests {
        text += &format!("\"{name}\" = \"{digest}\"\n");
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, text).unwrap();
        panic!("blessed: run again without BLESS");
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), text, "the bytes changed");
}
