//! ISO images before others: xorriso, isoinfo and sgdisk must find what was meant. New checks of ISO 9660, El Torito
//! and of what makes one image start from CDs and sticks go here; boots are in `tests/boot.rs`.

#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/small.rs"]
mod small;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use imagebuild::boot::grub::{self, Files, Grub, Place};
use imagebuild::bytes::{Bytes, Part, Whole};
use imagebuild::digest::Digest;
use imagebuild::disk::{self, CdBoot, Hybrid, Layout, Pieces, Sizes, iso9660};
use imagebuild::guid::Guid;
use imagebuild::profile::{Image, Raw};
use imagebuild::tree::Content;

use small::{EPOCH, VAR, image, noise, slots};

const GRUB: &str = "boot/grub.img";

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
        ("boot/vmlinuz".to_owned(), noise(300_001, 1)),
        ("boot/initrd".to_owned(), noise(2048, 2)),
        ("about.txt".to_owned(), Content::bytes(*b"small\n")),
        ("deep/er/still/file.with.dots-and_more".to_owned(), noise(1, 3)),
    ]);
    for number in 0..60 {
        files.insert(format!("many/a-long-name-{number}.txt"), noise(number * 31, 4));
    }
    files
}

/// The medium as a file, with or without what a BIOS starts.
fn written(folder: &Path, bios: bool) -> PathBuf {
    let image = Image { version: "1".to_owned(), ..image() };
    let layout = Layout::new(&image, Sizes::new(&slots(8, 1), &VAR, bios).unwrap(), &Digest::of(b"root")).unwrap();
    let esp = BTreeMap::from([
        ("EFI/BOOT/BOOTX64.EFI".to_owned(), noise(70_000, 5)),
        ("EFI/Linux/small_1.efi".to_owned(), noise(3_000_001, 6)),
    ]);
    let pieces = Pieces { esp: esp.clone(), root: noise(5 << 20, 7), verity: noise(50_000, 8) };
    let grub = grub();
    let at = |at: u64| grub.on_cd(at);
    let hybrid = Hybrid {
        layout: &layout,
        pieces: &pieces,
        esp: &esp,
        files: files(),
        bios: bios.then(|| CdBoot { path: GRUB, length: grub.cd_length(), at: &at }),
        installer: None,
        seed: Guid::seed("small"),
        name: "small_1",
        epoch: EPOCH,
    };
    small::write(&Raw {}, &hybrid.disk().unwrap(), &folder.join("small.iso")).path
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
    assert!(uki == noise(3_000_001, 6).read(1 << 30).unwrap());
    for (index, expected) in [(1, noise(5 << 20, 7)), (2, noise(50_000, 8))] {
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
