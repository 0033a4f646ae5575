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
