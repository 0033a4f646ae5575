//! The node of `examples/hello-pod.toml` in each format that QEMU attaches, and without a disk: booted to its pod.
//! What is `#[ignore = "wide"]` is run by `tests/run --wide` (tests/README.md).

#[path = "common/node.rs"]
mod node;

use std::path::PathBuf;
use std::sync::OnceLock;

use node::{Boot, boot, build, hello_pod_text};

/// Seconds for a boot under emulation on a machine that others use, too.
const TIMEOUT: u32 = 600;

/// Every output of one build: the raw disk is there for all, since the helper looks for it.
fn outputs() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let text = || {
        hello_pod_text()
            + "\n[[output]]\nformat.qcow2 = { codec = \"zstd\" }\n[[output]]\nformat.vhd = { kind = \"dynamic\" }\n\
               [[output]]\nformat.vhdx = {}\n[[output]]\nformat.vmdk = {}\n[[output]]\nformat.netboot = {}\n\
               [[output]]\ncloud = \"large-sectors\"\n\
               [cloud.large-sectors]\ntitle = \"Disks with sectors of 4096 bytes\"\nformat.raw = {}\nsector = 4096\n"
    };
    FOLDER.get_or_init(|| build("formats", &text()).folder).clone()
}

/// The pod's own line ends with its control group, which nothing outside of the running pod writes in this form.
fn says_hello(name: &str, file: &str, more: &[&str]) -> Boot {
    let booted = boot(name, &outputs().join(file), "/kubepods.slice/", TIMEOUT, more);
    booted.ended(0).saw("hello from a pod").saw_no("FATAL");
    booted
}

#[test]
fn a_qcow2_boots() {
    says_hello("qcow2", "hello-pod_1.qcow2", &[]);
}

#[test]
#[ignore = "wide"]
fn a_vhd_boots() {
    says_hello("vhd", "hello-pod_1.vhd", &[]);
}

#[test]
#[ignore = "wide"]
fn a_vhdx_boots() {
    says_hello("vhdx", "hello-pod_1.vhdx", &["--disk", "scsi"]);
}

#[test]
#[ignore = "wide"]
fn a_vmdk_boots() {
    says_hello("vmdk", "hello-pod_1.vmdk", &["--disk", "nvme"]);
}

#[test]
fn a_disk_with_large_sectors_boots() {
    let file = std::fs::read_dir(outputs()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let file = file.into_iter().find(|name| name.ends_with("large-sectors.raw")).expect("the disk of the row");
    says_hello("large-sectors", &file, &["--disk", "nvme"]);
}

/// UEFI fetches the UKI over HTTP; by TFTP it does in `boot/kept.rs`.
#[test]
fn a_machine_without_a_disk_boots() {
    let netboot = "hello-pod_1.netboot";
    says_hello("netboot", netboot, &["--over", "http"]).saw("URI: http://10.0.2.2:");
}

/// iPXE reads the script, and fetches kernel and initrds one by one, over HTTP.
#[test]
#[ignore = "wide"]
fn a_machine_without_a_disk_boots_by_a_bios() {
    says_hello("ipxe", "hello-pod_1.netboot", &["--firmware", "bios", "--over", "http"]);
}
