//! Media that install, and the disks that they made.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::bios;
use super::disk::{first_byte, put_on_esp};
use super::node::{self, Boot, boot, build, hello_pod_text, run};
use super::{HELLO, TIMEOUT};

/// Bytes of code in the first sector of a disk; the table of its partitions follows.
const BOOT_CODE: usize = 440;
/// What an installer says last.
const INSTALLED: &str = "imagebuild: installed: the machine is switched off";
/// Onto the one disk that there is.
const ONE_DISK: &str = "disk = \"auto\", then = \"poweroff\"";

/// A profile as a medium that installs.
fn medium(name: &str, text: &str, install: &str) -> (node::Image, PathBuf) {
    let image = build(name, &format!("{text}\n[[output]]\nformat.iso = {{ install = {{ {install} }} }}\n"));
    let iso = image.raw.with_extension("iso");
    (image, iso)
}

fn disk(name: &str, size: u64) -> PathBuf {
    let path = node::scratch().join(format!("copies/{name}.raw"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(&path).unwrap().set_len(size).unwrap();
    path
}

/// Runs a medium in a CD drive until `until`; `more`: what else the machine is.
fn start(name: &str, iso: &Path, onto: &Path, until: &str, more: &[&str]) -> Boot {
    let onto = ["--cdrom", "--install-to", onto.to_str().unwrap()];
    boot(name, iso, until, TIMEOUT, &[&onto[..], more].concat())
}

/// Sealed root, hash tree, ESP and whatever else the raw disk of the same build has are on a disk at the same places.
fn holds_all_of(image: &node::Image, disk: &Path) {
    let [one, other] = [&*image.raw, disk].map(|path| File::open(path).unwrap());
    for partition in image.manifest()["partitions"].as_array().unwrap() {
        let number = |key: &str| partition[key].as_u64().unwrap();
        same(&one, &other, number("start"), number("size"));
    }
    run(0, ["verify".as_ref(), disk.as_os_str()]);
}

/// The bytes at both places are the same.
fn same(one: &File, other: &File, at: u64, length: u64) {
    let [mut a, mut b] = [vec![0; 1 << 20], vec![0; 1 << 20]];
    for at in (at..at + length).step_by(1 << 20) {
        one.read_exact_at(&mut a, at).unwrap();
        other.read_exact_at(&mut b, at).unwrap();
        assert!(a == b, "the MiB at byte {at}");
    }
}

#[test]
fn a_medium_installs_a_disk_that_boots_alone_and_takes_none_with_data() {
    let text = hello_pod_text().replace("\"hello-pod\"", "\"hello-install\"");
    let (image, iso) = medium("hello-install", &text, ONE_DISK);
    run(0, ["verify".as_ref(), iso.as_os_str()]);
    let minimum = image.manifest()["minimum_disk"].as_u64().expect("a size");
    let target = disk("installed", minimum);
    let booted = start("install", &iso, &target, INSTALLED, &[]);
    booted.ended(0).saw("imagebuild-init: installs onto disk vda").saw_no(HELLO);

    holds_all_of(&image, &target);
    boot("installed", &target, HELLO, TIMEOUT, &[]).ended(0).saw(HELLO);

    // One byte near its end is data.
    let full = disk("full", minimum);
    OpenOptions::new().write(true).open(&full).unwrap().write_all_at(b"x", minimum - 1).unwrap();
    let refused = "disk vda holds data and is left as it is";
    start("install-refused", &iso, &full, refused, &[]).ended(0).saw_no("installs onto");
    for path in [target, full] {
        std::fs::remove_file(path).unwrap();
    }
}

/// GRUB starts the medium, and then the disk: the code in its first sector and the core in its own partition were written
/// there, too. The disk held the same release, so that but for the installer nothing tells the two apart.
#[test]
#[ignore = "wide"]
fn a_bios_starts_a_medium_that_installs_anew_what_a_bios_starts() {
    let name = "hello-bios-install";
    let (image, iso) = medium(name, &bios::text(name, "linux-image-cloud-"), &format!("{ONE_DISK}, erase = true"));
    let minimum = image.manifest()["minimum_disk"].as_u64().expect("a size");
    let path = image.copy(name);
    let other = OpenOptions::new().write(true).open(&path).unwrap();
    other.set_len(minimum).unwrap();
    // Boot code and core that start nothing.
    other.write_all_at(&[0xcd; BOOT_CODE], 0).unwrap();
    other.write_all_at(&[0xcd; 4096], 1 << 20).unwrap();

    let booted = start("bios-install", &iso, &path, INSTALLED, &["--firmware", "bios"]);
    booted.ended(0).saw(&format!("Loading {name}_1")).saw("imagebuild-init: installs onto disk vda").saw_no(HELLO);

    holds_all_of(&image, &path);
    let code = [&image.raw, &path].map(|path| {
        let mut code = [0; BOOT_CODE];
        File::open(path).unwrap().read_exact_at(&mut code, 0).unwrap();
        code
    });
    assert_eq!(code[0], code[1], "the code in the first sector");
    boot("bios-installed", &path, HELLO, TIMEOUT, &["--firmware", "bios"]).ended(0).saw(HELLO);
    std::fs::remove_file(path).unwrap();
}

/// The same medium runs the node, or installs where a file on the stick says so; the kernel of clouds knows no USB.
#[test]
#[ignore = "wide"]
fn a_stick_with_an_order_on_it_installs() {
    let name = "hello-stick";
    let text = hello_pod_text().replace("\"hello-pod\"", &format!("\"{name}\""));
    let (image, iso) = medium(name, &text.replace("linux-image-cloud-", "linux-image-"), "");
    let path = disk(name, image.manifest()["minimum_disk"].as_u64().expect("a size"));
    let stick = path.with_extension("iso");
    std::fs::copy(&iso, &stick).unwrap();
    let order = ("loader/credentials/imagebuild.install.cred".to_owned(), b"/dev/vda,poweroff\n".to_vec());
    put_on_esp(first_byte(&stick, 1), &stick, &[order]);

    let more = ["--usb", "--install-to", path.to_str().unwrap()];
    let booted = boot(name, &stick, INSTALLED, TIMEOUT, &more);
    booted.ended(0).saw("imagebuild-init: installs onto disk vda").saw_no(HELLO);
    run(0, ["verify".as_ref(), path.as_os_str()]);
    for path in [path, stick] {
        std::fs::remove_file(path).unwrap();
    }
}
