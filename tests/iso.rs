//! ISO images before others: xorriso, isoinfo and sgdisk must find what was meant. New checks of ISO 9660, El Torito
//! and of what makes one image start from CDs and sticks go here; boots are in `tests/boot.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use imagebuild::arch::Arch;
use imagebuild::artifact::{self, Writing};
use imagebuild::boot::grub::{self, Files, Grub, Place};
use imagebuild::bytes::{Bytes, Part, Whole};
use imagebuild::digest::Digest;
use imagebuild::disk::{self, CdBoot, Hybrid, Layout, Pieces, Sizes, iso9660};
use imagebuild::epoch::Epoch;
use imagebuild::guid::Guid;
use imagebuild::output::Emit;
use imagebuild::profile::{self, Encryption, Image, Raw, Var};
use imagebuild::size::Size;
use imagebuild::tree::Content;

const EPOCH: Epoch = Epoch(1_700_000_000);
const GRUB: &str = "boot/grub.img";

/// Bytes without a pattern that could hide a shift.
fn bytes(length: usize, seed: u32) -> Content {
    let mut state = seed | 1;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    Content::bytes(std::iter::repeat_with(next).take(length).collect::<Vec<u8>>())
}

fn grub() -> Grub {
    let entries = std::fs::read_dir(grub::FOLDER).expect("grub-pc-bin is installed").map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, Content::bytes(std::fs::read(path).unwrap()))
    };
    let files = Files::new(entries.filter(|path| path.is_file()).map(read).collect());
    let config = grub::config(Place::Medium, "small_1", "boot/vmlinuz", "boot/initrd", "roothash=00").unwrap();
    Grub::compose(&files, &Place::Medium.modules(), &config, "").unwrap()
}

fn files() -> BTreeMap<String, Content> {
    let mut files = BTreeMap::from([
        ("boot/vmlinuz".to_owned(), bytes(300_001, 1)),
        ("boot/initrd".to_owned(), bytes(2048, 2)),
        ("about.txt".to_owned(), Content::bytes(*b"small\n")),
        ("deep/er/still/file.with.dots-and_more".to_owned(), bytes(1, 3)),
    ]);
    for number in 0..60 {
        files.insert(format!("many/a-long-name-{number}.txt"), bytes(number * 31, 4));
    }
    files
}

/// The medium as a file, with or without what a BIOS starts.
fn written(folder: &Path, bios: bool) -> PathBuf {
    let image = Image { id: "small".to_owned(), version: "1".to_owned(), arch: Arch::Amd64 };
    let layout = profile::Layout { slot: Size(8 << 20), slots: 1, esp: Size(260 << 20) };
    let var = Var { size: Size(64 << 20), encryption: Encryption::None };
    let sizes = Sizes::new(&layout, &var, bios).unwrap();
    let layout = Layout::new(&image, sizes, &Digest::of(b"root")).unwrap();
    let esp = BTreeMap::from([
        ("EFI/BOOT/BOOTX64.EFI".to_owned(), bytes(70_000, 5)),
        ("EFI/Linux/small_1.efi".to_owned(), bytes(3_000_001, 6)),
    ]);
    let pieces = Pieces { esp: esp.clone(), root: bytes(5 << 20, 7), verity: bytes(50_000, 8) };
    let grub = grub();
    let at = |at: u64| grub.on_cd(at);
    let hybrid = Hybrid {
        layout: &layout,
        pieces: &pieces,
        esp: &esp,
        files: files(),
        bios: bios.then(|| CdBoot { path: GRUB, length: grub.cd_length(), at: &at }),
        seed: Guid::seed("small"),
        name: "small_1",
        epoch: EPOCH,
    };
    let how = Emit { jobs: 2, seed: Guid::seed("small"), epoch: EPOCH, name: "small_1", spool: folder };
    let writing = Writing { format: &Raw {}, compress: None, how };
    artifact::write(&writing, &hybrid.disk().unwrap(), &folder.join("small.iso"), None).unwrap().path
}

fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}\n{said}");
    output.stdout
}

fn text(program: &str, arguments: &[&str]) -> String {
    String::from_utf8_lossy(&run(program, arguments)).into_owned()
}

/// Words of each line, so that columns do not matter.
fn has(report: &str, line: &str) {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert!(report.lines().any(|found| words(found) == words(line)), "`{line}` is not in\n{report}");
}

#[test]
fn xorriso_finds_every_way_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), true);
    let image: Arc<dyn Bytes> = Arc::new(Whole::open(&path).unwrap());
    let table = disk::gpt::read(&*image).unwrap();
    assert_eq!(table.faults, [""; 0]);
    let esp = &table.table.entries[0];
    let reader = iso9660::Reader::new(&*image).unwrap();
    let core = reader.files().unwrap().into_iter().find(|file| file.path == GRUB).unwrap();
    let report = ["-report_el_torito", "plain", "-report_system_area", "plain"];
    let report = text("xorriso", &[&["-indev", path.to_str().unwrap()], &report[..]].concat());
    has(&report, &format!("El Torito boot img : 1 BIOS y none 0x0000 0x00 4 {}", core.at / 2048));
    has(&report, &format!("El Torito boot img : 2 UEFI y none 0x0000 0x00 0 {}", esp.first / 4));
    has(&report, &format!("El Torito img path : 1 /{GRUB}"));
    // It knows GRUB's own patches: the table in the file, the sector in the MBR.
    has(&report, "El Torito img opts : 1 boot-info-table grub2-boot-info");
    has(&report, "System area summary: MBR protective-msdos-label grub2-mbr cyl-align-off GPT");
    has(&report, &format!("ISO image size/512 : {}", image.length() / 512));
    for (index, entry) in table.table.entries.iter().enumerate() {
        let size = entry.last - entry.first + 1;
        has(&report, &format!("GPT start and size : {} {} {size}", index + 1, entry.first));
    }
    assert!(text("sgdisk", &["-v", path.to_str().unwrap()]).contains("No problems found"));
}

#[test]
fn without_a_bios_there_is_one_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), false);
    let report = text("xorriso", &["-indev", path.to_str().unwrap(), "-report_el_torito", "plain"]);
    assert!(report.contains("UEFI") && !report.contains("BIOS"), "{report}");
    let mbr = std::fs::read(&path).unwrap()[..440].to_vec();
    assert!(mbr.iter().all(|byte| *byte == 0), "no code");
}

#[test]
fn isoinfo_reads_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), true);
    let path = path.to_str().unwrap();
    let about = text("isoinfo", &["-d", "-i", path]);
    has(&about, "Volume id: SMALL_1");
    has(&about, &format!("Volume size is: {}", std::fs::metadata(path).unwrap().len() / 2048));
    assert!(about.contains("Rock Ridge signatures version 1 found"), "{about}");
    let mut expected = files();
    let listed = text("isoinfo", &["-R", "-f", "-i", path]);
    let listed: Vec<&str> = listed.lines().filter_map(|line| line.strip_prefix('/')).collect();
    for (name, content) in &expected {
        assert!(listed.contains(&name.as_str()), "{name}: {listed:?}");
        let read = run("isoinfo", &["-R", "-i", path, "-x", &format!("/{name}")]);
        assert!(read == content.read(1 << 20).unwrap(), "{name}");
    }
    expected.insert(GRUB.to_owned(), Content::bytes(*b""));
    let folders = ["boot", "deep", "deep/er", "deep/er/still", "many"];
    assert_eq!(listed.len(), expected.len() + folders.len());
    let long = text("isoinfo", &["-R", "-l", "-i", path]);
    assert!(long.contains("dr-xr-xr-x") && long.contains("-r--r--r--") && long.contains("Nov 14 2023"), "{long}");
    // Without Rock Ridge, too.
    assert!(text("isoinfo", &["-f", "-i", path]).lines().any(|line| line == "/BOOT/VMLINUZ.;1"));
}

#[test]
fn the_partitions_hold_esp_and_root() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), true);
    let image: Arc<dyn Bytes> = Arc::new(Whole::open(&path).unwrap());
    let entries = disk::gpt::read(&*image).unwrap().table.entries;
    let part = |index: usize| {
        let entry: &disk::gpt::Entry = &entries[index];
        Part::new(image.clone(), entry.first * 512, (entry.last - entry.first + 1) * 512).unwrap()
    };
    // Sectors of a CD have 2048 bytes.
    assert!(entries.iter().all(|entry| entry.first % 4 == 0 && (entry.last + 1) % 4 == 0));
    let esp = folder.path().join("esp");
    let mut bytes_of = vec![0; part(0).length() as usize];
    part(0).read_at(&mut bytes_of, 0).unwrap();
    std::fs::write(&esp, &bytes_of).unwrap();
    assert!(text("fsck.fat", &["-n", "-v", esp.to_str().unwrap()]).contains("FATs, 32 bit entries"));
    let uki = run("mtype", &["-i", esp.to_str().unwrap(), "::/EFI/Linux/small_1.efi"]);
    assert!(uki == bytes(3_000_001, 6).read(1 << 30).unwrap());
    for (index, expected) in [(1, bytes(5 << 20, 7)), (2, bytes(50_000, 8))] {
        let mut found = vec![0; expected.len() as usize];
        part(index).read_at(&mut found, 0).unwrap();
        assert!(found == expected.read(1 << 30).unwrap(), "partition {}", index + 1);
    }
}

#[test]
fn the_bytes_are_these() {
    let folder = tempfile::tempdir().unwrap();
    // Without GRUB, whose bytes are the host's.
    let path = written(folder.path(), false);
    let digest = Digest::of(&std::fs::read(path).unwrap());
    assert_eq!(digest.to_string(), "fd23fe8e7ec8f16a332bb1c76af9366138926e688dbbd57b8c344e1501c53663");
}
