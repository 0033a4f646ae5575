//! `reproduce`: an image comes of what it carries; one with a byte changed does not, and the structure, the field and
//! both values are named. Every structure of a disk has a place here.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use imagebuild::audit::{Image, reproduce};
use imagebuild::bytes::{Bytes, Whole};
use imagebuild::disk::fat;
use imagebuild::path::RootPath;

use house::House;

fn run(house: &House, code: i32, words: &[&str]) -> String {
    let mut command = house.tool("store");
    let output =
        command.arg("--offline").arg("reproduce").args(words).current_dir(house.folder.path()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{words:?}\n{error}");
    error
}

/// A copy of an image whose byte at `at` is another one.
fn spoilt(image: &Path, at: u64) -> PathBuf {
    let path = image.with_file_name("spoilt.raw");
    let status = Command::new("cp").arg("--sparse=always").arg(image).arg(&path).status().unwrap();
    assert!(status.success());
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x41], at).unwrap();
    path
}

#[test]
fn an_image_comes_of_what_it_carries_and_a_changed_one_does_not() {
    let house = House::new();
    house.lock();
    house.build("out", |_| ());
    let raw = house.folder.path().join("out/small_1.raw");
    run(&house, 0, &["out/small_1.raw"]);
    run(&house, 0, &["--no-cache", "out/small_1.raw"]);
    // Nothing is left beside the image.
    let left = fs::read_dir(raw.parent().unwrap()).unwrap();
    assert!(left.flatten().all(|entry| !entry.file_name().to_string_lossy().starts_with('.')));

    let table = Image::open(&raw).unwrap();
    let (root, _) = table.place(&table.table.entries[1]);
    spoilt(&raw, root + 8);
    let said = run(&house, 5, &["out/spoilt.raw"]);
    assert!(said.contains("superblock of the squashfs, time:") && said.contains("the lock's moment"), "{said}");
}

#[test]
fn a_profile_built_twice_is_built_the_same() {
    let house = House::new();
    house.lock();
    // So that the inputs are in the store.
    house.build("out", |_| ());
    run(&house, 0, &["--twice", "small.toml"]);
    run(&house, 2, &["--twice", "--no-cache", "small.toml"]);
}

#[test]
fn what_is_gone_is_named() {
    let house = House::new();
    house.lock();
    house.build("out", |_| ());
    let bytes = fs::read(house.folder.path().join("kubelet")).unwrap();
    let digest = imagebuild::digest::Digest::of(&bytes).to_string();
    fs::remove_file(house.folder.path().join(format!("store/blobs/{}/{digest}", &digest[..2]))).unwrap();
    let said = run(&house, 4, &["out/small_1.raw"]);
    assert!(said.contains(&digest) && said.contains("--files DIR"), "{said}");
    // The folder that the profile lies in has it, under another name.
    run(&house, 0, &["--files", ".", "out/small_1.raw"]);
}

#[test]
fn every_structure_of_a_disk_is_named() {
    let house = House::new();
    house.lock();
    house.build("out", |_| ());
    let raw = house.folder.path().join("out/small_1.raw");
    let sound: Arc<dyn Bytes> = Arc::new(Whole::open(&raw).unwrap());
    let image = Image::open(&raw).unwrap();
    let place = |number: usize| image.place(&image.table.entries[number]);
    let (esp, root, tree) = (place(0), place(1), place(2));
    let part = image.part(esp).unwrap();
    let reader = fat::Reader::new(&part).unwrap();
    let files = reader.files().unwrap();
    let file = |end: &str| {
        let file = files.iter().find(|file| file.path.ends_with(end)).unwrap();
        esp.0 + reader.clusters(file).unwrap()[0].start
    };
    let hash = image.ukis().unwrap()[0].root_hash().unwrap();
    let squashfs = imagebuild::audit::root(&image, image.slot(&hash).unwrap()).unwrap();
    let superblock = squashfs.superblock().clone();
    let node = squashfs.find(&RootPath::new("/usr/bin/kubelet").unwrap()).unwrap().unwrap();
    let content = root.0 + squashfs.stored(&node).unwrap()[0].start;
    let end = sound.length();
    let cases: [(u64, &str); 24] = [
        (3, "first sector (MBR), boot code"),
        (450, "first sector (MBR), partitions"),
        (512 + 17, "header of the partition table, checksum of the header"),
        (512 + 60, "header of the partition table, id of the disk"),
        (1024 + 128 + 17, "entry 2 of the partition table, id"),
        (1024 + 128 + 60, "entry 2 of the partition table, name"),
        (1024 + 2 * 128 + 33, "entry 3 of the partition table, first sector"),
        (end - 512 + 41, "header of the backup of the partition table, first usable sector"),
        (end - 512 - 128 * 128 + 3, "entry 1 of the backup of the partition table, type"),
        (esp.0 + 68, "boot sector of the FAT, serial number"),
        (esp.0 + reader.tables().start + 9, "tables of the FAT"),
        (file("small_1.efi") + 100, "file `EFI/Linux/small_1.efi` of the ESP"),
        (file("BOOTX64.EFI") + 7, "of the ESP"),
        (root.0 + 9, "superblock of the squashfs, time"),
        (root.0 + 21, "superblock of the squashfs, codec"),
        // Small files lie in one block.
        (content + 2, "more that share the block"),
        (root.0 + superblock.inode_table + 3, "inodes of the squashfs"),
        (root.0 + superblock.directory_table + 3, "folders of the squashfs"),
        (root.0 + superblock.id_table + 1, "owners of the squashfs"),
        (root.0 + superblock.bytes_used + 4096, "padding behind the squashfs"),
        (tree.0 + 90, "superblock of the hash tree, salt"),
        (tree.0 + 1000, "padding of the superblock of the hash tree"),
        (tree.0 + 4096 + 5, "block 1 of the hash tree"),
        (esp.0 - 3, "between partitions"),
    ];
    for (at, wanted) in cases {
        let other: Arc<dyn Bytes> = Arc::new(Whole::open(&spoilt(&raw, at)).unwrap());
        let found = reproduce::first(&other, &sound).unwrap().unwrap();
        assert_eq!(found.at, at);
        assert!(found.to_string().contains(wanted), "{at}: {found}, not {wanted}");
        assert_ne!(found.values.0, found.values.1, "{found}");
    }
    assert_eq!(reproduce::first(&sound, &sound).unwrap(), None);
    let path = raw.with_file_name("longer.raw");
    fs::copy(&raw, &path).unwrap();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(end + 512).unwrap();
    let longer: Arc<dyn Bytes> = Arc::new(Whole::open(&path).unwrap());
    let found = reproduce::first(&longer, &sound).unwrap().unwrap();
    assert!(found.to_string().contains("the disk, length"), "{found}");
}
