//! `diff` of what a build made of a small profile: outputs, the lock that has to be made, another archive.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;

use std::fs;

use house::House;

/// A house whose profile has one raw output.
fn house() -> House {
    let house = House::new();
    let text = fs::read_to_string(house.profile()).unwrap();
    let (start, end) = (text.find("[[output]]").unwrap(), text.find("# It is made to be packed").unwrap());
    fs::write(house.profile(), format!("{}[[output]]\nformat.raw = {{}}\n{}", &text[..start], &text[end..])).unwrap();
    house
}

/// What `diff` says, exit 0; and its warnings.
fn diff(house: &House, words: &[&str]) -> String {
    let mut command = house.tool("store");
    command.args(["--mirror", &house.mirror(), "diff"]).args(words).current_dir(house.folder.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{words:?}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn one_output_more() {
    let house = house();
    house.lock();
    house.build("a", |_| ());
    let text = fs::read_to_string(house.profile()).unwrap();
    fs::write(house.profile(), text + "[[output]]\nformat.vhd = {}\n").unwrap();
    let built = house.build("b", |_| ());
    let size = fs::metadata(house.folder.path().join("b/small_1.vhd")).unwrap().len();
    let digest = &built["small_1.vhd"];
    let told = diff(&house, &["a", "b"]);
    let (body, verdict) = told.trim().rsplit_once("\n\n").unwrap();
    let wanted = format!("  + output IMAGE.vhd  vhd, {size} bytes, sha256 {digest}");
    let own: Vec<&str> = body.lines().filter(|line| line.starts_with("  ") && !line.starts_with("    ")).collect();
    assert_eq!(own, [wanted], "{told}");
    assert!(verdict.starts_with("1 difference, "), "{told}");

    // A manifest and a profile, or an image, are compared by what both know.
    let text = fs::read_to_string(house.profile()).unwrap();
    let text = text.replacen("version = \"1\"", "version = \"2\"", 1).replacen("never boots", "seldom boots", 1);
    fs::write(house.profile(), text).unwrap();
    for side in ["a/manifest.json", "a/small_1.raw"] {
        let told = diff(&house, &[side, "small.toml"]);
        assert!(told.contains("  ~ image.version  1 -> 2"), "{side}: {told}");
        assert!(told.contains("  ! waive.kubelet-supported.reason  never boots -> seldom boots"), "{side}: {told}");
    }
    assert!(diff(&house, &["a/manifest.json", "a/small_1.raw"]).ends_with("\nno difference\n"));
}

#[test]
fn a_missing_lock_is_made_in_memory() {
    let house = house();
    house.lock();
    let folder = house.folder.path();
    fs::copy(house.profile(), folder.join("other.toml")).unwrap();
    let listed = || {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = listed();
    let told = diff(&house, &["small.toml", "other.toml"]);
    assert!(
        told.contains("note: `other.toml` has no lock beside it: its versions are those that the archives have now")
    );
    // The same archive gives the same lock.
    assert!(told.ends_with("\nno difference\n"), "{told}");
    let lock = folder.join("small.lock");
    let text = fs::read_to_string(&lock).unwrap();
    fs::write(&lock, text.replacen("name = \"systemd\"\nversion = \"1\"", "name = \"systemd\"\nversion = \"0.9\"", 1))
        .unwrap();
    let told = diff(&house, &["small.toml", "other.toml"]);
    assert!(told.contains("~ systemd  0.9 -> 1 [upgraded"), "{told}");
    assert_eq!(listed(), before);
    let told = diff(&house, &["--offline", "small.toml", "other.toml"]);
    assert!(told.contains("note: `other.toml` has no lock beside it: versions are not compared"), "{told}");
    // An archive that cannot be had is an error and no silence.
    let mut command = house.tool("store");
    command.args(["--mirror", "test=http://127.0.0.1:1/", "diff", "small.toml", "other.toml"]).current_dir(folder);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("`--offline` compares"), "{output:?}");
}
