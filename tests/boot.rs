//! What must boot boots, what must not does not: QEMU is the judge, one machine at a time.
//!
//! A new test goes here if it needs a running node; keep each to one or two boots, since each takes a
//! minute or two under software emulation.

#[path = "common/node.rs"]
mod node;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use node::{boot, build, hello_pod, hello_pod_text, run};

/// Seconds; generous, since machines are slow and shared.
const TIMEOUT: u32 = 400;
const HELLO: &str = "hello from a pod";

/// The byte at which a partition of the image begins.
fn start(image: &node::Image, end_of_label: &str) -> u64 {
    let manifest = image.manifest();
    let partitions = manifest["partitions"].as_array().expect("partitions");
    let found = partitions.iter().find(|one| one["label"].as_str().is_some_and(|label| label.ends_with(end_of_label)));
    found.expect("the partition")["start"].as_u64().expect("a number")
}

fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
}

#[test]
fn a_pod_says_hello() {
    let image = hello_pod();
    let before = std::fs::metadata(&image.raw).unwrap().modified().unwrap();
    let booted = boot("hello", &image.raw, HELLO, TIMEOUT, &["--disk-size", "4G"]);
    booted.ended(0).saw(HELLO).saw_no("FATAL");
    assert_eq!(std::fs::metadata(&image.raw).unwrap().modified().unwrap(), before, "the image was changed");
    // The line names the pod's own control group, which nothing outside the running pod knows.
    let line = booted.console.lines().find(|line| line.contains(HELLO)).unwrap();
    assert!(line.contains("kubepods"), "{line}");
}

/// One bad block anywhere, and the node starts again instead of living with it.
fn refuses(name: &str, at: impl FnOnce(&node::Image) -> u64) {
    let image = hello_pod();
    let copy = image.copy(name);
    flip(&copy, at(&image));
    let verified = run(5, ["verify".as_ref(), copy.as_os_str()]);
    assert!(String::from_utf8_lossy(&verified.stderr).contains("block"), "{verified:?}");
    let booted = boot(name, &copy, HELLO, TIMEOUT, &["--disk-size", "4G"]);
    booted.ended(5).saw_no(HELLO).saw("verity").saw("corrupted");
    std::fs::remove_file(copy).unwrap();
}

#[test]
fn a_spoilt_superblock_is_refused() {
    refuses("bad-superblock", |image| start(image, "hello-pod_1.0.0") + 8);
}

#[test]
fn a_spoilt_hash_tree_is_refused() {
    // Block 0 is verity's superblock, block 1 the top of the tree.
    refuses("bad-tree", |image| start(image, "_verity") + 4096 + 100);
}

#[test]
fn a_spoilt_kubelet_is_refused() {
    refuses("bad-kubelet", |image| {
        let root = start(image, "hello-pod_1.0.0");
        root + node::block_of(&image.raw, root, "/usr/bin/kubelet")
    });
}
