//! `sources`: the source packages of a profile and of its image are the same, whole, and listed.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;

use std::fs;
use std::process::Command;

use house::{House, succeed};

fn sources(house: &House, code: i32, words: &[&str]) -> String {
    let mut command = house.tool("store");
    command.args(["--mirror", &house.mirror(), "sources"]).args(words).current_dir(house.folder.path());
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{words:?}\n{error}");
    error
}

#[test]
fn a_profile_and_its_image_have_the_same_sources() {
    let house = House::new();
    house.lock();
    house.build("out", |_| ());
    sources(&house, 0, &["small.toml", "-o", "of-profile"]);
    sources(&house, 0, &["out/small_1.raw", "-o", "of-image"]);
    let folder = house.folder.path();
    let list = fs::read_to_string(folder.join("of-profile/SOURCES")).unwrap();
    assert!(list.lines().any(|line| line == "systemd 1: systemd"), "{list}");
    for name in ["SOURCES", "SHA256SUMS", "systemd_1/systemd_1.dsc"] {
        let read = |of: &str| fs::read(folder.join(of).join(name)).unwrap();
        assert_eq!(read("of-profile"), read("of-image"), "{name}");
    }
    succeed(
        Command::new("sha256sum")
            .args(["--check", "--quiet", "--strict", "SHA256SUMS"])
            .current_dir(folder.join("of-image")),
    );
    // Every file is in the list of digests, and nothing else is there but that and the list.
    let sums = fs::read_to_string(folder.join("of-image/SHA256SUMS")).unwrap();
    let folders =
        fs::read_dir(folder.join("of-image")).unwrap().flatten().filter(|entry| entry.path().is_dir()).count();
    assert_eq!((sums.lines().count(), folders, list.lines().count()), (4, 4, 4), "{sums}");
    assert_eq!(fs::read_dir(folder.join("of-image")).unwrap().count(), folders + 2);

    assert!(sources(&house, 2, &["small.toml", "-o", "of-image"]).contains("is there already"));
    assert!(!folder.join("none").exists());
    fs::remove_file(folder.join("small.lock")).unwrap();
    assert!(sources(&house, 3, &["small.toml", "-o", "none"]).contains("imagebuild lock"));
    assert!(!folder.join("none").exists());
}
