//! `build --explain`: what was reused, and why what was not was made anew.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use house::House;

fn output(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A build, and what it tells.
fn explained(house: &House, words: &[&str]) -> String {
    let mut command = house.tool("store");
    command.current_dir(house.folder.path()).args(["--mirror", &house.mirror(), "build", "--explain", "--locked"]);
    command.args(words).args(["small.toml", "-o", "out"]);
    String::from_utf8(output(command).stdout).unwrap()
}

/// The lines of a stage, and of the causes below them.
fn stage<'a>(told: &'a str, name: &str) -> Vec<&'a str> {
    let mut inside = false;
    let mut out = Vec::new();
    for line in told.lines() {
        if !line.starts_with(' ') {
            inside = line.split_whitespace().next() == Some(name);
        }
        if inside {
            out.push(line.trim());
        }
    }
    out
}

#[test]
fn every_value_says_why_it_is_new() {
    let house = House::new();
    house.few();
    house.lock();
    let told = explained(&house, &[]);
    assert!(stage(&told, "fetch")[1].ends_with("because not in the store"), "{told}");
    assert!(
        stage(&told, "pack")[1].ends_with("because nothing is remembered of an earlier build of this image"),
        "{told}"
    );

    // The second time everything is there, and what is not kept comes out the same.
    let again = explained(&house, &[]);
    assert!(!again.contains(" anew ") && !again.contains("because"), "{again}");
    assert_eq!(again.matches("came out as the last time").count(), 2, "{again}");
    assert!(stage(&again, "unpack")[0].contains("reused  base-files, linux-image-test, systemd, systemd-boot-efi"));
    assert_eq!(again, explained(&house, &[]), "it is told otherwise");

    // A line of the profile: the tree, the root and what carries its hash, and nothing besides.
    house.change("a small image", "another image");
    let told = explained(&house, &[]);
    let line = fs::read_to_string(house.profile()).unwrap().lines().position(|line| line.contains("another")).unwrap();
    let cause =
        format!("~ profile file[/etc/motd].text  a small image\\n -> another image\\n  <- small.toml:{}", line + 1);
    assert_eq!(stage(&told, "assemble")[1..], [cause.as_str()], "{told}");
    assert!(stage(&told, "pack")[0].contains("1 of 1 blocks compressed anew"), "{told}");
    assert!(stage(&told, "pack")[1].starts_with("~ tree "), "{told}");
    assert!(stage(&told, "boot")[0].contains("reused  initrd"), "{told}");
    assert!(stage(&told, "boot")[2].starts_with("~ command line: roothash "), "{told}");
    assert!(stage(&told, "write").iter().any(|line| line.contains("small_1.oci, small_1.raw")), "{told}");
    for reused in ["resolve", "fetch", "unpack", "modules"] {
        assert!(stage(&told, reused).len() == 1 && stage(&told, reused)[0].contains(" reused "), "{told}");
    }

    // A file beside the profile, by the line that names it.
    fs::write(house.folder.path().join("kubelet"), "another kubelet").unwrap();
    let told = explained(&house, &[]);
    let cause = stage(&told, "assemble")[1];
    assert!(cause.starts_with("~ file kubelet  ") && cause.contains("<- small.toml:"), "{told}");
    assert_eq!(stage(&told, "assemble").len(), 2, "{told}");

    // Options of the packing alone.
    let told = explained(&house, &["--fast"]);
    assert_eq!(stage(&told, "pack")[1..], ["~ level  15 -> 3"], "{told}");
    assert!(stage(&told, "assemble")[0].ends_with("came out as the last time"), "{told}");
    let told = explained(&house, &[]);
    assert!(stage(&told, "pack")[0].ends_with("made by a build before the last one"), "{told}");
    let told = explained(&house, &["--no-cache"]);
    assert_eq!(stage(&told, "unpack")[1..], ["because --no-cache"], "{told}");
    assert!(stage(&told, "fetch")[0].contains(" reused "), "{told}");

    // What is gone from the store is what is made anew.
    let store = house.folder.path().join("store");
    let mut command = house.tool("store");
    command.args(["store", "path"]);
    assert_eq!(String::from_utf8(output(command).stdout).unwrap().trim(), store.to_str().unwrap());
    let derived = house::digests(&store.join("derived"));
    for path in derived.keys() {
        fs::remove_file(store.join("derived").join(path)).unwrap();
    }
    let told = explained(&house, &[]);
    assert_eq!(stage(&told, "unpack")[1..], ["because the store no longer has it"], "{told}");

    // What is remembered is believed in nothing.
    for entry in fs::read_dir(store.join("builds")).unwrap() {
        fs::write(entry.unwrap().path(), "{\"schema\":1,\"values\":[{}]}").unwrap();
    }
    let told = explained(&house, &[]);
    assert!(stage(&told, "assemble")[1].contains("nothing is remembered"), "{told}");
    assert!(stage(&told, "pack")[0].contains(" reused "), "{told}");
}

#[test]
fn machines_are_told_line_by_line() {
    let house = House::new();
    house.few();
    house.lock();
    explained(&house, &[]);
    house.change("a small image", "another image");
    // `--json` is said in place of `--quiet`.
    let mut command = Command::new(env!("CARGO_BIN_EXE_imagebuild"));
    command.env_clear().current_dir(house.folder.path()).args(["--store", "store", "--json", "--offline"]);
    command.args(["build", "--explain", "--locked", "small.toml", "-o", "out"]);
    let text = String::from_utf8(output(command).stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps: Vec<&Value> = lines.iter().filter(|line| line["event"] == "explain").collect();
    let tree = steps.iter().find(|step| step["stage"] == "assemble").unwrap();
    assert_eq!((&tree["fate"], &tree["same"]), (&"always".into(), &false.into()), "{tree}");
    let why = &tree["why"][0];
    assert_eq!((&why["what"], &why["after"]), (&"profile file[/etc/motd].text".into(), &"another image\n".into()));
    assert!(why["at"].as_str().unwrap().starts_with("small.toml:"), "{why}");
    let packages = steps.iter().filter(|step| step["stage"] == "unpack" && step["fate"] == "reused").count();
    assert_eq!(packages, 4, "{text}");
}
