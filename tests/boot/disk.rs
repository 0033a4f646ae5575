//! Changes to a copy of a disk, made with the tools that others have for it.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::copy;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::node::{ESP, Image, ROOT, VERITY, scratch};

/// Type of a partition for /var.
pub const VAR: &str = "4d21b016-b534-45c2-a9fb-5c16e091fd2d";

/// Runs a tool that is a part of what the tests install; fails the test unless it succeeds.
pub fn run(program: &str, arguments: &[&dyn AsRef<OsStr>]) {
    let mut command = Command::new(program);
    command.args(arguments.iter().map(|argument| argument.as_ref())).stdin(Stdio::null());
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let words = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{command:?}\n{}", words.concat());
}

/// One bit of the byte at `at`, the other way round.
pub fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
}

/// Gives a copy of an image a disk of 4 GiB, whose last 2 GiB are a partition for /var that holds garbage.
pub fn spoil_var(disk: &Path) {
    let file = OpenOptions::new().write(true).open(disk).unwrap();
    file.set_len(4 << 30).unwrap();
    let kind = format!("--typecode=9:{VAR}");
    run("sgdisk", &[&"--move-second-header", &"--new=9:-2G:0", &kind, &"--change-name=9:var", &disk]);
    file.write_all_at(&[0xa5; 1 << 20], 2 << 30).unwrap();
}

/// Puts files on the ESP of a disk, which begins at the byte `at`; folders are made as needed.
pub fn put_on_esp(at: u64, disk: &Path, files: &[(String, Vec<u8>)]) {
    let volume = format!("{}@@{at}", disk.display());
    for (path, bytes) in files {
        let mut folder = String::from("::");
        let (parents, _) = path.rsplit_once('/').expect("a folder");
        for name in parents.split('/') {
            folder = format!("{folder}/{name}");
            // Fails where it is there; where it is not and cannot be made, mcopy fails.
            drop(Command::new("mmd").args(["-D", "s", "-i", &volume, &folder]).output());
        }
        let host = scratch().join("copies/for-the-esp");
        std::fs::write(&host, bytes).unwrap();
        run("mcopy", &[&"-o", &"-i", &volume, &host, &format!("::/{path}")]);
        std::fs::remove_file(host).unwrap();
    }
}

/// Where the partitions of slot B begin: after the four of the image.
const SLOT_B: usize = 4;

/// Puts another release into slot B of a disk that an older one has started from, as an update does:
/// root and hash tree with their ids, and the UKI beside the older one's.
pub fn place_release(disk: &Path, old: &Image, new: &Image, name: &str) {
    let manifest = new.manifest();
    let mut source = File::open(&new.raw).unwrap();
    let mut target = OpenOptions::new().read(true).write(true).open(disk).unwrap();
    for number in [ROOT, VERITY] {
        let partition = &manifest["partitions"][number - 1];
        let at = SLOT_B + number - 1;
        let id = format!("--partition-guid={at}:{}", partition["id"].as_str().unwrap());
        let label = format!("--change-name={at}:{}", partition["label"].as_str().unwrap());
        run("sgdisk", &[&id, &label, &disk]);
        source.seek(SeekFrom::Start(new.start(number))).unwrap();
        target.seek(SeekFrom::Start(first_byte(disk, at))).unwrap();
        let size = partition["size"].as_u64().unwrap();
        assert_eq!(copy(&mut (&mut source).take(size), &mut target).unwrap(), size);
    }
    target.flush().unwrap();
    let volume = format!("{}@@{}", new.raw.display(), new.start(ESP));
    let uki = scratch().join("copies/uki");
    drop(std::fs::remove_file(&uki));
    run("mcopy", &[&"-i", &volume, &format!("::/EFI/Linux/{name}.efi"), &uki]);
    let bytes = std::fs::read(&uki).unwrap();
    std::fs::remove_file(uki).unwrap();
    put_on_esp(old.start(ESP), disk, &[(format!("EFI/Linux/{name}.efi"), bytes)]);
}

/// The byte at which a partition of a disk begins, as sgdisk reads the table.
pub fn first_byte(disk: &Path, number: usize) -> u64 {
    let output = Command::new("sgdisk").arg(format!("--info={number}")).arg(disk).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("First sector: ")).expect("sgdisk tells the sector");
    line.split(' ').next().unwrap().parse::<u64>().unwrap() * 512
}
