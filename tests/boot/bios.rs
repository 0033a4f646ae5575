//! Machines with a BIOS, and media that start from anywhere.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::disks::tenant;
use super::node::{self, boot, build, hello_pod_text, run};
use super::{HELLO, TIMEOUT};

/// The byte at which a partition of the image begins: there is one more in front than without a BIOS.
fn start(image: &node::Image, label: &str) -> u64 {
    let manifest = image.manifest();
    let partitions = manifest["partitions"].as_array().expect("partitions");
    let found = partitions.iter().find(|one| one["label"].as_str() == Some(label));
    found.expect("the partition")["start"].as_u64().expect("a number")
}

/// That example as a disk and as an ISO image, with a kernel of choice; each built once in this process.
fn hello_bios(name: &str, kernel: &str) -> node::Image {
    static MADE: Mutex<BTreeMap<String, node::Image>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(image) = made.get(name) {
        return image.clone();
    }
    let image = build(name, &format!("{}\n[[output]]\nformat.iso = {{}}\n", text(name, kernel)));
    made.insert(name.to_owned(), image.clone());
    image
}

/// The example for a machine with a BIOS.
pub fn text(name: &str, kernel: &str) -> String {
    hello_pod_text()
        .replace("\"hello-pod\"", &format!("\"{name}\""))
        .replace("\"e2fsprogs\", ", "\"e2fsprogs\", \"grub-pc-bin\", ")
        .replace("linux-image-cloud-", kernel)
        .replace("[layout]\n", "[layout]\nslots = 1\n")
        .replace(
            "[kernel]\n",
            "[boot]\nfirmware = [\"uefi\", \"bios\"]\n\n[userland.without]\n\
             grub-common = \"the builder puts GRUB together\"\n\n[kernel]\n",
        )
}

#[test]
fn a_bios_starts_the_same_node() {
    let image = hello_bios("hello-bios", "linux-image-cloud-");
    let root = imagebuild::squashfs::Image::part(
        std::fs::File::open(&image.raw).unwrap(),
        start(&image, "hello-bios_1"),
        None,
    );
    let grub = root.unwrap().find(&"/usr/lib/grub".parse().unwrap()).unwrap();
    assert!(grub.is_none(), "GRUB's files are no part of the root");
    // VMware's controller, which OVMF has no driver for.
    let more = ["--disk-size", "4G", "--firmware", "bios", "--disk", "pvscsi"];
    let booted = boot("bios", &image.raw, HELLO, TIMEOUT, &more);
    booted.ended(0).saw("Loading hello-bios_1").saw_no("FATAL");
    booted.saw("imagebuild-init: verified and mounted the root of disk sda");
    let cmdline = image.manifest()["boot"]["cmdline"].as_str().unwrap().to_owned();
    // GRUB puts the path of the kernel in front.
    booted.saw(&format!("/boot/vmlinuz {cmdline}"));
}

/// Boots an ISO image: the root is verified, /var is in memory, and the preloaded images of the pod are there.
fn live(name: &str, image: &node::Image, disk: &str, more: &[&str]) {
    let iso = image.raw.with_extension("iso");
    run(0, ["verify".as_ref(), iso.as_os_str()]);
    let booted = boot(name, &iso, "/kubepods.slice/", TIMEOUT, more);
    booted.ended(0).saw(HELLO).saw_no("FATAL");
    booted.saw(&format!("imagebuild-init: verified and mounted the root of disk {disk}"));
    booted.saw("/var in memory");
}

#[test]
fn an_iso_image_starts_from_a_cd_by_uefi() {
    // Nobody asked for the /var of that disk.
    let tenant = tenant("live-tenant");
    let more = ["--cdrom", "--extra-disk", tenant.to_str().unwrap()];
    live("cd-uefi", &hello_bios("hello-bios", "linux-image-cloud-"), "sr0", &more);
    std::fs::remove_file(tenant).unwrap();
}

#[test]
#[ignore = "wide"]
fn an_iso_image_starts_from_a_cd_by_a_bios() {
    let more = ["--cdrom", "--firmware", "bios"];
    live("cd-bios", &hello_bios("hello-bios", "linux-image-cloud-"), "sr0", &more);
}

/// The kernel of clouds knows no USB.
#[test]
#[ignore = "wide"]
fn an_iso_image_starts_from_a_usb_stick() {
    let image = hello_bios("hello-usb", "linux-image-");
    live("usb-uefi", &image, "sda", &["--usb"]);
    live("usb-bios", &image, "sda", &["--usb", "--firmware", "bios"]);
}

/// LSI's MegaRAID of servers, the LSI SAS controller that VMware gives a machine, and Intel's network card, none of
/// which the kernel of clouds knows.
#[test]
#[ignore = "wide"]
fn the_generic_kernel_runs_the_node_on_other_devices() {
    let image = hello_bios("hello-usb", "linux-image-");
    for (disk, driver) in [("megaraid", "megaraid_sas 0000:"), ("mptsas", "mptsas: ioc0: attaching ssp device")] {
        // OVMF has a driver for neither controller.
        let more = ["--disk-size", "4G", "--firmware", "bios", "--disk", disk, "--network", "e1000"];
        let booted = boot(&format!("generic-{disk}"), &image.raw, "/kubepods.slice/", TIMEOUT, &more);
        booted.ended(0).saw(HELLO).saw_no("FATAL");
        booted
            .saw("imagebuild-init: verified and mounted the root of disk sda")
            .saw("e1000: Intel(R) PRO/1000 Network Driver")
            .saw(driver);
    }
}
