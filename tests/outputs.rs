//! Several outputs of one image: what they share, and what each has of its own. The image is made of
//! packages that the test itself makes. What a new kind of output asks of the disk is tested here.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;

use std::fs;
use std::process::Command;

use house::House;
use imagebuild::boot::uki::Pe;
use imagebuild::manifest::{Artifact, Manifest};
use serde_json::Value;

/// A house whose profile has these outputs.
fn house(outputs: &str) -> House {
    let house = House::new();
    let text = fs::read_to_string(house.profile()).unwrap();
    let (before, rest) = text.split_once("[[output]]").unwrap();
    let (_, after) = rest.split_once("# It is made").unwrap();
    fs::write(house.profile(), format!("{before}{outputs}# It is made{after}")).unwrap();
    house.lock();
    house
}

fn artifact<'a>(manifest: &'a Manifest, path: &str) -> &'a Artifact {
    manifest.artifacts.iter().find(|artifact| artifact.path == path).unwrap_or_else(|| panic!("no {path}"))
}

fn inspect(house: &House, file: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_imagebuild"))
        .args(["--json", "inspect"])
        .arg(house.folder.path().join("out").join(file))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn words_of_an_output_lie_in_an_addon_and_all_else_is_shared() {
    let house = house(
        "[[output]]\nformat.raw = {}\n\
         [[output]]\nformat.raw = {}\nname = \"one\"\ncmdline = [\"console=ttyS1\", \"rootdelay=300\"]\n\
         [[output]]\nformat.raw = {}\nname = \"two\"\ncmdline = [\"console=ttyS1\", \"rootdelay=300\"]\n\
         [[output]]\nformat.qcow2 = {}\ncmdline = [\"quiet\"]\n\
         [[output]]\nformat.netboot = {}\ncmdline = [\"imagebuild.var=auto\"]\n",
    );
    house.build("out", |_| ());
    let manifest = Manifest::read(&house.folder.path().join("out/manifest.json")).unwrap();
    let (plain, one, two) = (
        artifact(&manifest, "small_1.raw"),
        artifact(&manifest, "small_1.one.raw"),
        artifact(&manifest, "small_1.two.raw"),
    );
    assert_ne!(one.sha256, two.sha256, "the addon bears the target's name");
    assert_ne!(one.sha256, plain.sha256);
    assert_eq!(one.cmdline, ["console=ttyS1", "rootdelay=300"]);
    assert_eq!(plain.cmdline, [""; 0]);
    let (plain, one) = (inspect(&house, "small_1.raw"), inspect(&house, "small_1.one.raw"));
    assert_eq!(plain["addons"], serde_json::json!([]));
    let addon = |target: &str, words: &str| {
        let path = format!("loader/addons/{target}.addon.efi");
        serde_json::json!([{ "path": path, "cmdline": words }])
    };
    assert_eq!(one["addons"], addon("one", "console=ttyS1 rootdelay=300"));
    assert_eq!(inspect(&house, "small_1.two.raw")["addons"], addon("two", "console=ttyS1 rootdelay=300"));
    assert_eq!(inspect(&house, "small_1.qcow2")["addons"], addon("qcow2", "quiet"));
    // No addon is found over a network: the words are where the rest of the line is.
    let netboot = house.folder.path().join("out/small_1.netboot");
    let script = fs::read_to_string(netboot.join("boot.ipxe")).unwrap();
    assert!(script.contains(" imagebuild.var=auto\ninitrd initrd\n"), "{script}");
    let uki = fs::read(netboot.join("netboot.efi")).unwrap();
    let line = Pe::parse(&uki).unwrap().named(".cmdline").unwrap().to_vec();
    assert!(String::from_utf8(line).unwrap().ends_with(" imagebuild.var=auto"));
    // One UKI, one root.
    assert_eq!(plain["ukis"], one["ukis"]);
    assert_eq!(plain["partitions"], one["partitions"]);
    for name in ["small_1.raw", "small_1.one.raw"] {
        let mut verify = house.tool("store");
        house::succeed(verify.arg("verify").arg(house.folder.path().join("out").join(name)));
    }
}

#[test]
fn words_that_name_the_root_stop_the_build() {
    let house = house("[[output]]\nformat.raw = {}\ncmdline = [\"init=/bin/sh\"]\n");
    let mut build = house.tool("store");
    build.args(["--mirror", &house.mirror(), "build", "--locked"]).arg(house.profile());
    let output = build.arg("-o").arg(house.folder.path().join("out")).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("`init=/bin/sh`") && error.contains("decides what is booted"), "{error}");
    assert!(!house.folder.path().join("out/small_1.raw").exists());
}

const MINE: &str = "title = \"Mine\"\nformat.raw = {}\ndrivers.disk = [\"thing\"]\ndrivers.network = [\"veth\"]\n";

#[test]
fn a_row_decides_size_and_sectors_of_the_disk() {
    let house = house(&format!(
        "[[output]]\nformat.raw = {{}}\n\
         [[output]]\ncloud = \"large\"\n[cloud.large]\n{MINE}size.multiple = \"1G\"\n\
         [[output]]\ncloud = \"four\"\n[cloud.four]\n{MINE}sector = 4096\ncmdline = [\"panic=10\", \"quiet\"]\n"
    ));
    house.build("out", |_| ());
    let out = house.folder.path().join("out");
    let manifest = Manifest::read(&out.join("manifest.json")).unwrap();
    let large = artifact(&manifest, "small_1.large.raw");
    assert_eq!((large.disk, large.size, large.cloud.as_deref()), (1 << 30, 1 << 30, Some("large")));
    // What the UKI says already is not said again.
    assert_eq!(artifact(&manifest, "small_1.four.raw").cmdline, ["quiet"]);
    let addon = serde_json::json!([{ "path": "loader/addons/four.addon.efi", "cmdline": "quiet" }]);
    assert_eq!(inspect(&house, "small_1.four.raw")["addons"], addon);
    for name in ["small_1.large.raw", "small_1.four.raw"] {
        let mut verify = house.tool("store");
        house::succeed(verify.arg("verify").arg(out.join(name)));
    }
    // Judges: the table counts in sectors of 4096 bytes, and so does the file system.
    let file = fs::File::open(out.join("small_1.four.raw")).unwrap();
    let mut head = [0; 8];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut head, 4096).unwrap();
    assert_eq!(&head, b"EFI PART");
    let esp = out.join("esp");
    let bytes = fs::read(out.join("small_1.four.raw")).unwrap();
    fs::write(&esp, &bytes[1 << 20..261 << 20]).unwrap();
    let fsck = Command::new("fsck.fat").args(["-n", "-v"]).arg(&esp).output().expect("fsck.fat");
    let told = String::from_utf8_lossy(&fsck.stdout);
    assert!(fsck.status.success(), "{told}");
    assert!(told.contains("4096 bytes per logical sector"), "{told}");
}

fn refused(outputs: &str) -> String {
    let house = house(outputs);
    let mut build = house.tool("store");
    build.args(["--mirror", &house.mirror(), "build", "--locked"]).arg(house.profile());
    let output = build.arg("-o").arg(house.folder.path().join("out")).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(!house.folder.path().join("out").exists(), "something was written");
    error
}

#[test]
fn a_kernel_without_the_drivers_of_a_cloud_is_refused_by_name() {
    let error = refused("[[output]]\ncloud = \"openstack\"\n");
    for wanted in [
        "`openstack` needs the disk driver `virtio_blk`",
        "besides: `openstack` needs the disk driver `virtio_scsi`",
        "besides: `openstack` needs the network driver `virtio_net`",
    ] {
        assert!(error.contains(wanted), "{wanted}\n{error}");
    }
}

#[test]
fn an_image_that_is_larger_than_a_cloud_takes_is_refused() {
    let error = refused(&format!("[[output]]\ncloud = \"tiny\"\n[cloud.tiny]\n{MINE}size.exact = \"100M\"\n"));
    assert!(error.contains("too large: it must have exactly 100M"), "{error}");
}
