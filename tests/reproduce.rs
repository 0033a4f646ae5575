//! `reproduce`: an image comes of what it carries; one with a byte changed does not, and the structure, the field and
//! both values are named. Every structure of a disk has a place in `common/places.rs`.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;
#[path = "common/places.rs"]
mod places;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use imagebuild::audit::{Image, reproduce};
use imagebuild::bytes::{Bytes, Whole};

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
fn packages_that_are_gone_are_all_named_and_what_is_left_to_prove() {
    let house = House::new();
    house.lock();
    house.build("out", |_| ());
    let lock = imagebuild::lock::Lock::read(&house.folder.path().join("small.lock")).unwrap().unwrap();
    let packages = &lock.image.values().next().unwrap().packages;
    for package in packages {
        let digest = package.sha256.to_string();
        fs::remove_file(house.folder.path().join(format!("store/blobs/{}/{digest}", &digest[..2]))).unwrap();
    }
    // Without the mirror: nothing can be asked.
    let mut command = house.tool("store");
    command.current_dir(&house.folder).args(["--offline", "--mirror", "test=http://127.0.0.1:9/", "reproduce"]);
    let output = command.arg("out/small_1.raw").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    for package in packages {
        assert!(said.contains(&package.name), "{} is not in: {said}", package.name);
    }
    assert!(
        said.contains("what can be proven without it:") && said.contains("imagebuild verify out/small_1.raw"),
        "{said}"
    );
    assert!(!said.contains("imagebuild update"), "the folder that it names is gone: {said}");
}

#[test]
fn every_structure_of_a_disk_is_named() {
    let house = House::new();
    house.lock();
    house.build("out", |_| ());
    let raw = house.folder.path().join("out/small_1.raw");
    assert_eq!(places::all_are_named(&raw), 24);
    let sound: Arc<dyn Bytes> = Arc::new(Whole::open(&raw).unwrap());
    assert_eq!(reproduce::first(&sound, &sound).unwrap(), None);
    let path = raw.with_file_name("longer.raw");
    fs::copy(&raw, &path).unwrap();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(sound.length() + 512).unwrap();
    let longer: Arc<dyn Bytes> = Arc::new(Whole::open(&path).unwrap());
    let found = reproduce::first(&longer, &sound).unwrap().unwrap();
    assert!(found.to_string().contains("the disk, length"), "{found}");
}

#[test]
fn a_collection_leaves_what_lay_beside_the_profile() {
    let house = House::new();
    house.lock();
    house.build("out", |_| ());
    let mut command = house.tool("store");
    house::succeed(command.args(["store", "gc"]));
    run(&house, 0, &["out/small_1.raw"]);
    // The files of a build before the last are the repository's to keep.
    fs::write(house.folder.path().join("kubelet"), b"another kubelet").unwrap();
    house.build("later", |_| ());
    house::succeed(house.tool("store").args(["store", "gc"]));
    run(&house, 0, &["later/small_1.raw"]);
    run(&house, 4, &["out/small_1.raw"]);
    fs::remove_file(house.folder.path().join("small.lock")).unwrap();
    house::succeed(house.tool("store").args(["store", "gc"]));
    run(&house, 4, &["later/small_1.raw"]);
}

/// Whoever made an image wrote the profile in it: it reaches for nothing but files by their digests.
#[test]
fn a_record_that_names_other_files_is_refused() {
    let house = House::new();
    house.lock();
    fs::write(house.folder.path().join("secret"), "mine").unwrap();
    let image = house.folder.path().join("made.squashfs");
    let root = house.folder.path().join("root/usr/lib/imagebuild");
    fs::create_dir_all(&root).unwrap();
    let text = fs::read_to_string(house.profile()).unwrap();
    let secret = house.folder.path().join("secret");
    for file in ["../../secret", secret.to_str().unwrap(), "files/../../secret", "files/abc"] {
        let text = text.replace("text = \"a small image\\n\"", &format!("file = \"{file}\""));
        fs::write(root.join("profile.toml"), text).unwrap();
        fs::copy(house.folder.path().join("small.lock"), root.join("profile.lock")).unwrap();
        house::succeed(house.tool("store").arg("pack").arg(house.folder.path().join("root")).arg("-o").arg(&image));
        let said = run(&house, 2, &["made.squashfs"]);
        assert!(said.contains("expected `files/` and a sha256"), "{file}: {said}");
    }
}
