//! The same node on a machine with a BIOS, by the GRUB that the tool composes.

use super::node::{self, boot, build, hello_pod_text};
use super::{HELLO, TIMEOUT};

/// The byte at which a partition of the image begins: there is one more in front than without a BIOS.
fn start(image: &node::Image, label: &str) -> u64 {
    let manifest = image.manifest();
    let partitions = manifest["partitions"].as_array().expect("partitions");
    let found = partitions.iter().find(|one| one["label"].as_str() == Some(label));
    found.expect("the partition")["start"].as_u64().expect("a number")
}

/// The example for a machine with a BIOS, built once in this process.
fn hello_bios() -> node::Image {
    let text = hello_pod_text()
        .replace("\"hello-pod\"", "\"hello-bios\"")
        .replace("\"e2fsprogs\", ", "\"e2fsprogs\", \"grub-pc-bin\", ")
        .replace("[layout]\n", "[layout]\nslots = 1\n")
        .replace(
            "[kernel]\n",
            "[boot]\nfirmware = [\"uefi\", \"bios\"]\n\n[userland.without]\n\
            grub-common = \"the builder puts GRUB together\"\n\n[kernel]\n",
        );
    build("hello-bios", &text)
}

#[test]
fn a_bios_starts_the_same_node() {
    let image = hello_bios();
    let root = imagebuild::squashfs::Image::part(
        std::fs::File::open(&image.raw).unwrap(),
        start(&image, "hello-bios_1"),
        None,
    );
    let grub = root.unwrap().find(&"/usr/lib/grub".parse().unwrap()).unwrap();
    assert!(grub.is_none(), "GRUB's files are no part of the root");
    let booted = boot("bios", &image.raw, HELLO, TIMEOUT, &["--disk-size", "4G", "--firmware", "bios"]);
    booted.ended(0).saw("Loading hello-bios_1").saw_no("FATAL");
    let cmdline = image.manifest()["boot"]["cmdline"].as_str().unwrap().to_owned();
    // GRUB puts the path of the kernel in front.
    booted.saw(&format!("/boot/vmlinuz {cmdline}"));
}
