//! `diff --plan`: what a build would do, which is then what it does; and nothing is done.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use archive::Deb;
use house::{House, digests};

/// The tool with words, and what it prints.
fn run(house: &House, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imagebuild"));
    command.env_clear().env("SOURCE_DATE_EPOCH", "1767225600").current_dir(house.folder.path());
    let output = command.args(["--store", "store", "--mirror", &house.mirror()]).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The plan, which changes no file.
fn plan(house: &House) -> Value {
    let before = digests(house.folder.path());
    let text = run(house, &["diff", "--plan", "small.toml", "--format", "json"]);
    assert_eq!(before, digests(house.folder.path()), "a plan wrote something");
    serde_json::from_str(&text).unwrap()
}

/// What became of every value.
fn fates<'a>(steps: impl Iterator<Item = &'a Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    steps.map(|step| (format!("{} {}", text(&step["stage"]), text(&step["value"])), text(&step["fate"]))).collect()
}

/// The plan, held against the build that follows.
fn kept(house: &House, what: &str) -> Value {
    let plan = plan(house);
    let told = run(house, &["--json", "build", "--explain", "small.toml", "-o", "out"]);
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let done = fates(told.iter().filter(|line| line["event"] == "explain"));
    assert!(done.len() > 16, "{done:?}");
    assert_eq!(fates(plan["steps"].as_array().unwrap().iter()), done, "{what}");
    plan
}

fn step<'a>(plan: &'a Value, stage: &str, value: &str) -> &'a Value {
    let mut steps = plan["steps"].as_array().unwrap().iter();
    steps.find(|step| step["stage"] == stage && step["value"] == value).unwrap_or(&Value::Null)
}

#[test]
fn a_build_does_what_was_planned() {
    let mut house = House::new();
    house.few();
    let nothing = plan(&house);
    assert!(nothing["lock"][0].as_str().unwrap().starts_with("there is no lock"), "{nothing}");
    assert!(nothing["notes"][0].as_str().unwrap().contains("imagebuild lock"), "{nothing}");
    assert_eq!(nothing["outputs"].as_array().unwrap().len(), 3);
    assert!(!house.folder.path().join("store").exists());

    run(&house, &["lock", "small.toml"]);
    let first = kept(&house, "the first build");
    let fetch = first["fetch"].as_array().unwrap();
    assert_eq!(fetch.len(), 4, "{first}");
    let kernel = &fetch[1];
    assert_eq!((&kernel["name"], &kernel["version"]), (&"linux-image-test".into(), &"1".into()), "{kernel}");
    assert_eq!(kernel["from"], "test test");
    assert!(kernel["size"].as_u64() > Some(0) && kernel["urls"][0].as_str().unwrap().ends_with(".deb"), "{kernel}");

    let again = kept(&house, "the same again");
    assert_eq!(again["fetch"].as_array().unwrap().len(), 0);
    assert_eq!(step(&again, "assemble", "root")["same"], true);

    house.change("a small image", "another image");
    let line = kept(&house, "a line of the profile");
    let why = &step(&line, "assemble", "root")["why"][0];
    assert!(why["at"].as_str().unwrap().starts_with("small.toml:"), "{why}");

    // Another version of a package, by the lock.
    house.publish(Deb::new("systemd", "2").file("/usr/lib/systemd/systemd", 0o755, "another systemd").file(
        "/usr/lib/sysusers.d/basic.conf",
        0o644,
        "u root 0 - /root\ng adm 4\ng shadow 42\ng utmp 43\n",
    ));
    run(&house, &["update", "small.toml", "systemd"]);
    let upgrade = kept(&house, "a package's upgrade");
    let why = &step(&upgrade, "unpack", "systemd")["why"][0];
    assert_eq!((&why["what"], &why["before"], &why["after"]), (&"package systemd".into(), &"1".into(), &"2".into()));
    assert_eq!(upgrade["fetch"][0]["version"], "2", "{upgrade}");

    // What is asked for besides: the lock must move.
    house.change("\"systemd\", ", "\"systemd\", \"linux-image-test\", \"extra\", ");
    let moved = plan(&house);
    let why = moved["lock"].to_string();
    assert!(why.contains("`extra`") && step(&moved, "resolve", "")["fate"] == "anew", "{moved}");

    // For people.
    let text = run(&house, &["diff", "--plan", "small.toml"]);
    assert!(text.starts_with("a build of small.toml (small_1 amd64) would do this\n"), "{text}");
    assert!(text.contains("\nto be written: 3\n  small_1.raw  raw\n"), "{text}");
}

#[test]
fn other_forms_are_refused() {
    let house = House::new();
    let mut command = house.tool("store");
    let output = command.args(["diff", "--plan"]).arg(house.profile()).args(["--format", "html"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("text and json"));
}
