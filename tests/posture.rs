//! `posture`: a build stops at a broken rule, a waiver lets it through and shows everywhere, and an image says the same
//! as its profile, whoever made it.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use house::{House, succeed};

/// Asks for two rules besides, and breaks one.
const ASKED: &str = "rules = [\"none\"]\nalso = [\"shell\", \"ssh\"]\n";
const SHELL: &str = "\n[[file]]\npath = \"/usr/bin/sh\"\nmode = \"0755\"\ntext = \"x\"\n";

fn profile(house: &House, more: &str) {
    let text = fs::read_to_string(house.profile()).unwrap();
    let text = text.replace("rules = [\"none\"]\n", ASKED);
    fs::write(house.profile(), format!("{text}{SHELL}{more}")).unwrap();
}

fn build(house: &House) -> Output {
    let mut command = house.tool("store");
    command
        .args(["--mirror", &house.mirror(), "build"])
        .arg(house.profile())
        .arg("-o")
        .arg(house.folder.path().join("out"));
    command.output().unwrap()
}

fn posture(house: &House, what: &Path, more: &[&str]) -> Output {
    house.tool("store").args(["--mirror", &house.mirror(), "posture"]).arg(what).args(more).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// The states of rules by id, without those that are kept.
fn states(report: &Value) -> Vec<String> {
    let rules = report["rules"].as_array().unwrap().iter();
    let state = |rule: &Value| format!("{} {}", rule["id"].as_str().unwrap(), rule["state"].as_str().unwrap());
    rules.map(state).filter(|state| !state.ends_with(" kept")).collect()
}

#[test]
fn a_broken_rule_stops_a_build_before_anything_is_written() {
    let house = House::new();
    house.lock();
    profile(&house, "");
    let output = build(&house);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("the node breaks its posture\n    shell: `/usr/bin/sh`\n"), "{said}");
    assert!(said.contains("or give a rule up: [waive.shell] with a `reason`"), "{said}");
    let out = house.folder.path().join("out");
    assert!(!out.exists() || fs::read_dir(out).unwrap().next().is_none());
}

#[test]
fn a_waiver_shows_wherever_someone_looks() {
    let house = House::new();
    house.lock();
    profile(&house, "\n[waive.shell]\nreason = \"a test\"\nuntil = \"2026-01-01\"\n");
    succeed(&mut {
        let mut command = house.tool("store");
        let out = house.folder.path().join("out");
        command.args(["--mirror", &house.mirror(), "build"]).arg(house.profile()).arg("-o").arg(out);
        command
    });
    let out = house.folder.path().join("out");
    let manifest: Value = serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["posture"]["waived"]["shell"][0], "`/usr/bin/sh`");
    assert_eq!(manifest["posture"]["kept"], 1);
    assert_eq!(manifest["waivers"]["shell"], "a test (until 2026-01-01)");
    let spdx = fs::read_to_string(out.join("sbom.spdx.json")).unwrap();
    assert!(spdx.contains("waived: shell: a test (until 2026-01-01)"));
    let cdx = fs::read_to_string(out.join("sbom.cdx.json")).unwrap();
    assert!(cdx.contains("imagebuild:waiver:shell"));

    // The profile, the folder of its build and an image of it say the same.
    let of = |what: &Path| {
        let output = posture(&house, what, &["--format", "json"]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        json(&output)
    };
    let report = of(&house.profile());
    assert_eq!(states(&report), ["shell waived"]);
    assert_eq!(of(&out), report);
    assert_eq!(of(&out.join("small_1.qcow2")), report);

    // The moment of the lock is that day: a waiver that ended the day before gives nothing up, whatever the clock says.
    let text = fs::read_to_string(house.profile()).unwrap().replace("until = \"2026-01-01\"", "until = \"2025-12-31\"");
    fs::write(house.profile(), text).unwrap();
    let output = build(&house);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("shell: `/usr/bin/sh`"), "{said}");
}

#[test]
fn findings_are_a_log_that_others_read() {
    let house = House::new();
    house.lock();
    profile(&house, "");
    let log = house.folder.path().join("posture.sarif");
    let output = posture(&house, &house.profile(), &["--format", "sarif", "-o", log.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    let reader = "import json, sys\n\
                  from sarif_pydantic import Sarif\n\
                  log = Sarif.model_validate(json.load(open(sys.argv[1])))\n\
                  run = log.runs[0]\n\
                  rules = [rule.id for rule in run.tool.driver.rules]\n\
                  for result in run.results:\n\
                  \x20   place = result.locations[0].physical_location\n\
                  \x20   print(result.rule_id, result.level.value, place.region.start_line)\n\
                  assert rules == [result.rule_id for result in run.results]\n";
    let read =
        Command::new("target/judges/bin/python").args(["-c", reader]).arg(&log).output().expect("tests/run makes it");
    let said = String::from_utf8_lossy(&read.stdout).into_owned();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let line = fs::read_to_string(house.profile()).unwrap();
    let line = line.lines().position(|line| line == "[posture]").unwrap() + 1;
    assert_eq!(said, format!("shell error {line}\nssh none {line}\n"));
}

#[test]
fn a_root_that_others_made_is_held_against_the_same_rules() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    for (path, mode, text) in [
        ("usr/bin/dash", 0o755, "x"),
        ("usr/bin/raise", 0o4755, "x"),
        ("etc/passwd", 0o644, "root:x:0:0::/root:/usr/bin/dash\n"),
        ("etc/shadow", 0o640, "root:$6$salt$hash:::::::\n"),
        ("etc/fstab", 0o644, "/dev/sda3 /var ext4 nodev 0 2\n"),
        ("etc/sysctl.d/10-x.conf", 0o644, "kernel.kptr_restrict = 0\n"),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let squashfs = folder.path().join("root.squashfs");
    let mut mksquashfs = Command::new("mksquashfs");
    succeed(mksquashfs.arg(&root).arg(&squashfs).args(["-quiet", "-no-progress", "-all-root"]));
    let tar = folder.path().join("root.tar");
    succeed(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&tar).args(["--owner=0", "--group=0", "."]));
    let of = |what: &Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_imagebuild"))
            .args(["--quiet", "posture"])
            .arg(what)
            .args(["--rules", "general", "--format", "json"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
        json(&output)
    };
    let report = of(&squashfs);
    let states = states(&report);
    for broken in ["shell", "setuid", "password", "login-shell", "mount-nosuid", "sysctl-kernel-pointers"] {
        assert!(states.contains(&format!("{broken} broken")), "{broken}: {states:?}");
    }
    for unknown in ["unowned", "cmdline-rescue"] {
        assert!(states.contains(&format!("{unknown} unknown")), "{unknown}: {states:?}");
    }
    assert!(!states.iter().any(|state| state.starts_with("mount-nodev") || state.starts_with("ssh")), "{states:?}");
    assert_eq!(of(&tar), report);
}
