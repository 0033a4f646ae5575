//! The node of the example says hello, and not one spoilt byte of its root is ever used.

use super::disk::flip;
use super::node::{self, ROOT, VERITY, boot, hello_pod, run};
use super::{HELLO, TIMEOUT, places};

#[test]
fn a_pod_says_hello() {
    let image = hello_pod();
    let before = std::fs::metadata(&image.raw).unwrap().modified().unwrap();
    // Waited for the end of the line: the pod's own control group, which nothing outside the running
    // pod writes in this form.
    let more = ["--disk-size", "4G"];
    let booted = boot("hello", &image.raw, "/kubepods.slice/", TIMEOUT, &more);
    booted.ended(0).saw_no("FATAL");
    let line = booted.console.lines().find(|line| line.contains(HELLO)).expect("the pod's line");
    assert!(line.contains("/kubepods.slice/"), "{line}");
    assert_eq!(std::fs::metadata(&image.raw).unwrap().modified().unwrap(), before, "the image was changed");
}

#[test]
fn the_node_comes_of_what_it_carries() {
    let image = hello_pod();
    run(0, ["--offline".as_ref(), "reproduce".as_ref(), image.raw.as_os_str()]);
    assert_eq!(places::all_are_named(&image.raw), 24);
    let copy = image.copy("not-reproduced");
    flip(&copy, image.start(ROOT) + 9);
    let said = run(5, ["--offline".as_ref(), "reproduce".as_ref(), copy.as_os_str()]);
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("superblock of the squashfs, time:"), "{said}");
    std::fs::remove_file(copy).unwrap();
}

/// One bad block anywhere, and the node starts again instead of living with it.
fn refuses(name: &str, why: &str, at: impl FnOnce(&node::Image) -> u64) {
    let image = hello_pod();
    let copy = image.copy(name);
    flip(&copy, at(&image));
    let verified = run(5, ["verify".as_ref(), copy.as_os_str()]);
    assert!(String::from_utf8_lossy(&verified.stderr).contains("block"), "{verified:?}");
    let booted = boot(name, &copy, HELLO, TIMEOUT, &["--disk-size", "4G"]);
    booted.ended(5).saw_no(HELLO).saw("verity").saw(why);
    std::fs::remove_file(copy).unwrap();
}

#[test]
fn a_spoilt_superblock_is_refused() {
    refuses("bad-superblock", "corrupt block 0 in the root partition", |image| image.start(ROOT) + 8);
}

#[test]
fn a_spoilt_hash_tree_is_refused() {
    // Block 0 is verity's superblock, block 1 the top of the tree.
    refuses("bad-tree", "the tree does not have the root hash of the command line", |image| {
        image.start(VERITY) + 4096 + 100
    });
}

#[test]
fn a_spoilt_kubelet_is_refused() {
    refuses("bad-kubelet", "is corrupted", |image| {
        let root = image.start(ROOT);
        root + node::block_of(&image.raw, root, "/usr/bin/kubelet")
    });
}
