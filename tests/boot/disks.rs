//! Which disk is taken, and what becomes of a node whose disk is not as it should be.

use std::path::PathBuf;
use std::process::Command;

use super::disk::{flip, spoil_var};
use super::node::{self, ROOT, boot, hello_pod, run};
use super::{HELLO, TIMEOUT};

/// A disk with a partition that is for /var by type and label, and holds nothing that could be mounted.
pub fn tenant(name: &str) -> PathBuf {
    let path = node::scratch().join(format!("copies/{name}.raw"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(&path).unwrap().set_len(2 << 30).unwrap();
    let kind = "--typecode=1:4d21b016-b534-45c2-a9fb-5c16e091fd2d";
    let status = Command::new("sgdisk").args(["--new=1:0:0", kind, "--change-name=1:var"]).arg(&path).status();
    assert!(status.is_ok_and(|status| status.success()), "sgdisk makes the disk");
    path
}

#[test]
fn neither_a_copy_of_the_disk_nor_the_var_of_another_is_taken() {
    // Attached first: a disk with the very same partitions, its root spoilt, so that verity would refuse
    // it; and a disk whose /var could not be mounted.
    let image = hello_pod();
    let decoy = image.copy("decoy");
    flip(&decoy, image.start(ROOT) + 8);
    let tenant = tenant("tenant");
    let extra = [&decoy, &tenant].map(|path| path.to_str().unwrap());
    let more = ["--disk-size", "4G", "--disk", "nvme", "--extra-disk", extra[0], "--extra-disk", extra[1]];
    boot("decoy", &image.raw, HELLO, TIMEOUT, &more).ended(0).saw(HELLO);
    std::fs::remove_file(decoy).unwrap();
    std::fs::remove_file(tenant).unwrap();
}

#[test]
fn a_disk_that_is_too_small_is_refused_and_says_so() {
    let image = hello_pod();
    let small = ["boot".as_ref(), image.raw.as_os_str(), "--disk-size".as_ref(), "1200M".as_ref()];
    run(2, small);
    // Without a manifest beside it nobody knows; the node itself must tell, and start again.
    let alone = image.copy("alone");
    let booted = boot("small", &alone, HELLO, TIMEOUT, &["--disk-size", "1200M"]);
    booted.ended(5).saw_no(HELLO).saw("imagebuild: the disk does not hold what the image needs");
    std::fs::remove_file(alone).unwrap();
}

#[test]
fn a_var_that_cannot_be_mounted_is_told_and_the_node_starts_again() {
    let spoilt = hello_pod().copy("spoilt-var");
    spoil_var(&spoilt);
    let booted = boot("spoilt-var", &spoilt, HELLO, TIMEOUT, &["--disk-size", "4G"]);
    booted.restarted().saw("imagebuild: /var cannot be mounted").saw_no(HELLO);
    for prompt in ["Press Enter", "Give root password", "login:", "Started kubelet.service"] {
        booted.saw_no(prompt);
    }
    std::fs::remove_file(spoilt).unwrap();
}
