//! The whole node of `examples/hello-pod.toml` before others: every part of the disk is taken out by offset and
//! handed to a program that is not ours. What is judged on small images has tests of its own.

#[path = "common/node.rs"]
mod node;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a foreign program says; its failure is ours.
fn judge(program: &str, words: &[&Path]) -> String {
    let output = Command::new(program).args(words).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words:?}: {text}");
    text
}

/// A part of the disk as a file.
fn part(raw: &Path, place: (u64, u64), to: PathBuf) -> PathBuf {
    let mut disk = File::open(raw).unwrap();
    disk.seek(SeekFrom::Start(place.0)).unwrap();
    let mut file = File::create(&to).unwrap();
    assert_eq!(std::io::copy(&mut disk.take(place.1), &mut file).unwrap(), place.1);
    to
}

#[test]
fn every_part_of_the_node_is_what_its_own_tools_take() {
    let image = node::hello_pod();
    let manifest = image.manifest();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let place = |number: usize| {
        let partition = &manifest["partitions"][number];
        (partition["start"].as_u64().unwrap(), partition["size"].as_u64().unwrap())
    };

    let told = judge("sgdisk", &["-v".as_ref(), &image.raw]);
    assert!(told.contains("No problems found"), "{told}");

    let esp = part(&image.raw, place(0), at("esp"));
    judge("fsck.fat", &["-n".as_ref(), &esp]);
    let uki = at("uki.efi");
    judge("mcopy", &["-i".as_ref(), &esp, "::/EFI/Linux/hello-pod_1.efi".as_ref(), &uki]);
    let told = judge("sbverify", &["--list".as_ref(), &uki]);
    assert!(told.contains("No signature table present"), "{told}");
    let told = judge("objdump", &["-h".as_ref(), &uki]);
    for section in [".osrel", ".cmdline", ".uname", ".initrd", ".linux", ".sbat"] {
        assert!(told.contains(section), "{section}: {told}");
    }

    let root = part(&image.raw, place(1), at("root"));
    let tree = part(&image.raw, place(2), at("verity"));
    let hash = manifest["root"]["root_hash"].as_str().unwrap();
    judge("veritysetup", &["verify".as_ref(), &root, &tree, hash.as_ref()]);
    let inodes = manifest["root"]["inodes"].as_u64().unwrap();
    let told = judge("unsquashfs", &["-s".as_ref(), &root]);
    assert!(told.contains(&format!("Number of inodes {inodes}")), "{told}");
    judge("unsquashfs", &["-q".as_ref(), "-n".as_ref(), "-d".as_ref(), &at("tree"), &root]);

    let packages = manifest["inputs"]["packages"].as_object().unwrap();
    for database in ["var/lib/dpkg", "usr/lib/dpkg-db"] {
        let admin = format!("--admindir={}", at("tree").join(database).display());
        let told = judge("dpkg-query", &[admin.as_ref(), "-W".as_ref(), "-f=${Package} ${Version}\n".as_ref()]);
        for line in told.lines() {
            let (name, version) = line.split_once(' ').unwrap();
            assert_eq!(packages.get(name).and_then(|version| version.as_str()), Some(version), "{database}: {name}");
        }
        assert!(told.lines().count() > 50, "{database}: {told}");
    }
}
