//! Outputs of several files before others: sha256sum, fsck.fat, unsquashfs, veritysetup and skopeo must take them.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;

use std::fs;
use std::path::Path;
use std::process::Command;

use house::House;

fn judge(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn others_take_what_is_in_the_folders() {
    let house = House::new();
    house.lock();
    house.build("out", |_| ());
    let out = house.folder.path().join("out");
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    let hash = manifest["root"]["root_hash"].as_str().unwrap();

    // Every file of the manifest is there with the digest that it says.
    for artifact in manifest["artifacts"].as_array().unwrap() {
        let path = out.join(artifact["path"].as_str().unwrap());
        let told = judge(Command::new("sha256sum").arg(&path));
        assert!(told.starts_with(artifact["sha256"].as_str().unwrap()), "{told}");
    }

    let split = out.join("small_1.split");
    judge(Command::new("fsck.fat").arg("-n").arg(split.join("esp.fat")));
    judge(Command::new("unsquashfs").arg("-s").arg(split.join("root.squashfs")));
    let words = [split.join("root.squashfs"), split.join("root.verity"), hash.into()];
    judge(Command::new("veritysetup").arg("verify").args(&words));
    let cmdline = fs::read_to_string(split.join("cmdline")).unwrap();
    assert!(cmdline.contains(&format!("roothash={hash}")), "{cmdline}");
    let raw = fs::read(out.join("small_1.raw")).unwrap();
    let (esp, start) = (fs::read(split.join("esp.fat")).unwrap(), manifest["partitions"][0]["start"].as_u64().unwrap());
    assert!(raw[start as usize..][..esp.len()] == esp, "the ESP is that of the disk");

    let update = out.join("small_1.update");
    let told = judge(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&update));
    assert_eq!(told.lines().count(), 3, "{told}");
    assert!(update.join(format!("small_1_{}.root", &hash[..32])).is_file());
    assert!(update.join(format!("small_1_{}.verity", &hash[32..])).is_file());
    assert_eq!(fs::read(update.join("small_1.efi")).unwrap(), fs::read(split.join("uki.efi")).unwrap());
    let transfer = judge(
        Command::new("unsquashfs")
            .arg("-cat")
            .arg(split.join("root.squashfs"))
            .arg("usr/lib/sysupdate.d/20-root.transfer"),
    );
    assert!(transfer.contains("Path=https://example.org/small/"), "{transfer}");
}

/// One partition of an image as a file, by the place that sgdisk tells.
fn partition(image: &Path, number: usize, to: &Path) {
    let told = judge(Command::new("sgdisk").arg(format!("--info={number}")).arg(image));
    let sector = |what: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(what)).expect("sgdisk tells the sector");
        line.trim().split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    let bytes = fs::read(image).unwrap();
    fs::write(to, &bytes[sector("First sector:") * 512..(sector("Last sector:") + 1) * 512]).unwrap();
}

/// The digest of what is installed is in the addon, and what it stands for is the disk of the same build.
#[test]
fn what_a_medium_installs_is_sealed_by_the_addon_of_its_esp() {
    let house = House::new();
    house.lock();
    house.build("out", |_| ());
    let out = house.folder.path().join("out");
    let iso = out.join("small_1.installer.iso");
    let at = |name: &str| house.folder.path().join(name);
    for (number, name) in [(1, "esp"), (4, "installer"), (5, "tree")] {
        partition(&iso, number, &at(name));
    }
    let addon = "::/loader/addons/installer.addon.efi";
    judge(Command::new("mcopy").arg("-i").arg(at("esp")).arg(addon).arg(at("addon")));
    judge(Command::new("objcopy").args(["-O", "binary", "--only-section=.cmdline"]).args([at("addon"), at("words")]));
    let words = fs::read_to_string(at("words")).unwrap();
    let words: Vec<&str> = words.trim_end_matches('\0').split(' ').collect();
    let [hash, "imagebuild.install=auto"] = words[..] else { panic!("{words:?}") };
    let hash = hash.strip_prefix("imagebuild.installer=").expect("the hash");
    judge(Command::new("veritysetup").arg("verify").args([at("installer"), at("tree"), hash.into()]));
    judge(Command::new("unsquashfs").arg("-q").arg("-d").arg(at("files")).arg(at("installer")));
    let files = at("files");

    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    let raw = fs::read(out.join("small_1.raw")).unwrap();
    let esp = fs::read(files.join("esp.img")).unwrap();
    let start = manifest["partitions"][0]["start"].as_u64().unwrap() as usize;
    assert!(raw[start..][..esp.len()] == esp, "the ESP is that of the disk");
    let rest = &raw[start + esp.len()..manifest["partitions"][1]["start"].as_u64().unwrap() as usize];
    assert!(rest.iter().all(|byte| *byte == 0), "what is left out is empty");
    assert_eq!(fs::read(files.join("root.verity")).unwrap(), fs::read(out.join("small_1.split/root.verity")).unwrap());
    let mut definitions: Vec<_> =
        fs::read_dir(files.join("repart.d")).unwrap().map(|one| one.unwrap().path()).collect();
    definitions.sort();
    assert_eq!(definitions.len(), 4);
    for (definition, partition) in definitions.iter().zip(manifest["partitions"].as_array().unwrap()) {
        let text = fs::read_to_string(definition).unwrap();
        for (key, value) in [("Type", "kind"), ("UUID", "id"), ("Label", "label")] {
            let line = format!("{key}={}\n", partition[value].as_str().unwrap());
            assert!(text.contains(&line), "{line} is not in {text}");
        }
        assert!(text.contains(&format!("SizeMaxBytes={}\n", partition["size"])), "{text}");
    }
}

#[test]
fn skopeo_copies_image_and_artifact() {
    let house = House::new();
    house.lock();
    house.build("out", |_| ());
    let out = house.folder.path().join("out");
    let copy = |folder: &Path, reference: &str, to: &Path| {
        // skopeo checks every digest and size on the way.
        let from = format!("oci:{}:{reference}", folder.display());
        judge(
            Command::new("skopeo").args(["--insecure-policy", "copy"]).arg(from).arg(format!("dir:{}", to.display())),
        );
        let manifest: serde_json::Value = serde_json::from_slice(&fs::read(to.join("manifest.json")).unwrap()).unwrap();
        manifest["layers"].as_array().unwrap().clone()
    };
    let to = house.folder.path().join("image");
    let layers = copy(&out.join("small_1.oci"), "small:1", &to);
    assert_eq!(layers.len(), 1);
    let layer = to.join(layers[0]["digest"].as_str().unwrap().trim_start_matches("sha256:"));
    let told = judge(Command::new("tar").args(["--numeric-owner", "-tvf"]).arg(&layer));
    assert!(told.contains("107/107") && told.contains("disk/small_1.qcow2"), "{told}");
    let unpacked = house.folder.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    judge(Command::new("tar").arg("-xf").arg(&layer).arg("-C").arg(&unpacked));
    let disk = unpacked.join("disk/small_1.qcow2");
    judge(Command::new("qemu-img").args(["compare", "-F", "qcow2"]).arg(out.join("small_1.raw")).arg(&disk));

    let layers = copy(&out.join("small_1.all.oci"), "all:1", &house.folder.path().join("artifact"));
    let titles: Vec<&str> =
        layers.iter().map(|layer| layer["annotations"]["org.opencontainers.image.title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["disk.qcow2", "root.squashfs", "root.verity", "uki.efi", "vmlinuz", "initrd", "cmdline"]);
}
