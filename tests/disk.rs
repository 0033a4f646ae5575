//! The disk before others: sgdisk, fsck.fat and mtools must find what was meant. New checks of partition
//! table, ESP and raw file go here.

#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/small.rs"]
mod small;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use imagebuild::arch::Arch;
use imagebuild::artifact::Artifact;
use imagebuild::bytes::{Bytes, Part, Whole};
use imagebuild::digest::Digest;
use imagebuild::disk::{self, BootCode, Layout, Pieces, Role, Sizes};
use imagebuild::guid::Guid;
use imagebuild::profile::{self, Encryption, Image, Raw, Var};
use imagebuild::size::Size;
use imagebuild::tree::Content;

use small::{EPOCH, VAR, image, noise, slots};

fn sizes() -> Sizes {
    Sizes::new(&slots(8, 2), &VAR, false).unwrap()
}

fn root_hash() -> Digest {
    Digest::of(b"root")
}

fn pieces() -> Pieces {
    let mut esp = BTreeMap::from([
        ("EFI/BOOT/BOOTX64.EFI".to_owned(), noise(70_000, 1)),
        ("EFI/Linux/small_1.0.0.efi".to_owned(), noise(3_000_001, 2)),
        ("loader/loader.conf".to_owned(), Content::bytes(*b"timeout 0\n")),
        ("loader/empty".to_owned(), Content::bytes(*b"")),
        ("EFI/Ünïcode ☃ name that is longer than thirteen".to_owned(), noise(4096, 3)),
    ]);
    for number in 0..300 {
        esp.insert(format!("many/a file with a long name {number}.txt"), noise(number * 31, 4));
    }
    Pieces { esp, root: noise(5 << 20, 5), verity: noise(50_000, 6) }
}

fn written(folder: &Path) -> (Artifact, Layout) {
    let layout = Layout::new(&image(), sizes(), &root_hash()).unwrap();
    let (disk, warning) = disk::place(&layout, &pieces(), None, EPOCH).unwrap();
    assert_eq!(warning, None);
    (small::write(&Raw {}, &disk, &folder.join("small.raw")), layout)
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A partition as a file of its own.
fn partition(artifact: &Artifact, layout: &Layout, role: Role) -> PathBuf {
    let place = layout.partition(role).unwrap();
    let path = artifact.path.with_extension(format!("{role:?}"));
    let (from, to) = (format!("if={}", artifact.path.display()), format!("of={}", path.display()));
    let (skip, count) = (format!("skip={}", place.at >> 20), format!("count={}", place.length >> 20));
    run("dd", &[&from, &to, "bs=1M", &skip, &count, "conv=sparse", "status=none"]);
    path
}

#[test]
fn sgdisk_finds_the_partitions() {
    let folder = tempfile::tempdir().unwrap();
    let (artifact, layout) = written(folder.path());
    let path = artifact.path.to_str().unwrap();
    assert!(run("sgdisk", &["-v", path]).contains("No problems found"));
    let all = run("sgdisk", &["-p", path]);
    assert!(all.to_lowercase().contains(&layout.id.to_string()), "{all}");
    for (index, partition) in layout.partitions.iter().enumerate() {
        let text = run("sgdisk", &["-i", &(index + 1).to_string(), path]).to_lowercase();
        for wanted in [
            partition.kind.to_string(),
            partition.id.to_string(),
            format!("first sector: {} ", partition.at / 512),
            format!("partition size: {} sectors", partition.length / 512),
            format!("attribute flags: {:016x}", partition.attributes),
            format!("partition name: '{}'", partition.label),
        ] {
            assert!(text.contains(&wanted), "{wanted}\n{text}");
        }
    }
}

#[test]
fn fsck_and_mtools_read_the_esp() {
    let folder = tempfile::tempdir().unwrap();
    let (artifact, layout) = written(folder.path());
    let esp = partition(&artifact, &layout, Role::Esp);
    let esp = esp.to_str().unwrap();
    let report = run("fsck.fat", &["-n", "-v", esp]);
    assert!(report.contains("4096 bytes per cluster") && report.contains("FATs, 32 bit entries"), "{report}");
    let copy = folder.path().join("copy");
    for (name, content) in pieces().esp {
        // mtools speaks the locale's characters only: `?` stands for any of them.
        let pattern: String = name.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
        run("mcopy", &["-n", "-i", esp, &format!("::/{pattern}"), copy.to_str().unwrap()]);
        assert!(std::fs::read(&copy).unwrap() == content.read(1 << 30).unwrap(), "{name}");
        std::fs::remove_file(&copy).unwrap();
    }
    assert!(run("mdir", &["-i", esp, "::/loader"]).contains("2023-11-14  22:13"));
    assert!(run("mlabel", &["-s", "-i", esp, "::"]).contains("ESP"));
}

#[test]
fn our_own_readers_agree() {
    let folder = tempfile::tempdir().unwrap();
    let (artifact, layout) = written(folder.path());
    let image: Arc<dyn Bytes> = Arc::new(Whole::open(&artifact.path).unwrap());
    let found = disk::gpt::read(&*image).unwrap();
    assert_eq!(found.faults, [""; 0]);
    assert_eq!(found.table.id, layout.id);
    let esp = layout.partition(Role::Esp).unwrap();
    let window = Part::new(image, esp.at, esp.length).unwrap();
    let reader = disk::fat::Reader::new(&window).unwrap();
    let files: BTreeMap<String, Vec<u8>> =
        reader.files().unwrap().iter().map(|file| (file.path.clone(), reader.read(file, 1 << 30).unwrap())).collect();
    let expected: BTreeMap<String, Vec<u8>> =
        pieces().esp.into_iter().map(|(name, content)| (name, content.read(1 << 30).unwrap())).collect();
    assert!(files == expected);
    assert_eq!(reader.faults().unwrap(), [""; 0]);
}

#[test]
fn the_bytes_are_these() {
    let folder = tempfile::tempdir().unwrap();
    let (artifact, _) = written(folder.path());
    // A change of these bytes is a change of every image: say so in the changelog.
    assert_eq!(
        (artifact.size, artifact.sha256.to_string().as_str()),
        (285_212_672, "6b3bbf0ac5ac4056a0f20d8024c98c82996265bbbebd2fc70252d9720d58ed86")
    );
}

#[test]
fn ids_follow_from_seed_and_root_hash() {
    let layout = Layout::new(&image(), sizes(), &root_hash()).unwrap();
    let seed = Guid::seed("small");
    let (root, verity) = Guid::of_root_hash(&root_hash());
    let ids: Vec<Guid> = layout.partitions.iter().map(|partition| partition.id).collect();
    let types = Arch::Amd64.root_types();
    assert_eq!(ids, [seed.partition(&disk::ESP_TYPE, 0), root, verity, seed.partition(&types.signature, 0)]);
    assert_eq!(layout.id, seed.derive("disk-uuid"));
}

#[test]
fn a_bios_has_its_own_partition_and_boot_code() {
    let sizes = Sizes::new(&slots(8, 1), &VAR, true).unwrap();
    let layout = Layout::new(&image(), sizes, &root_hash()).unwrap();
    assert_eq!(layout.partitions[disk::BIOS_ESP as usize - 1].role, Role::Esp);
    let code: Vec<u8> = (0..disk::BOOT_CODE).map(|at| at as u8 | 1).collect();
    let bios = Some(BootCode { code: code.clone(), core: noise(150_001, 9) });
    let (made, _) = disk::place(&layout, &pieces(), bios.as_ref(), EPOCH).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let artifact = small::write(&Raw {}, &made, &folder.path().join("bios.raw"));
    let path = artifact.path.to_str().unwrap();
    assert!(run("sgdisk", &["-v", path]).contains("No problems found"));
    assert!(run("sgdisk", &["-i", "1", path]).contains("BIOS boot partition"));
    let all = std::fs::read(path).unwrap();
    assert_eq!(all[..disk::BOOT_CODE], code);
    assert!(all[1 << 20..][..150_001] == noise(150_001, 9).read(1 << 20).unwrap());
    // One slot only: GRUB names one kernel.
    let error = Sizes::new(&slots(8, 2), &VAR, true).unwrap_err();
    assert_eq!(error.hints(), ["expected `layout.slots = 1`"]);
    assert_eq!(sizes.minimum_disk().unwrap(), (1 + 1 + 260 + (8 + 1 + 1) + 64 + 1) << 20);
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let layout = Layout::new(&image(), sizes(), &root_hash()).unwrap();
    let mut large = pieces();
    large.root = noise((8 << 20) + 1, 7);
    assert_eq!(disk::place(&layout, &large, None, EPOCH).unwrap_err().kind().exit_code(), 2);
    large.root = noise(7 << 20, 7);
    assert!(disk::place(&layout, &large, None, EPOCH).unwrap().1.unwrap().contains("87 %"));
    let mut full = pieces();
    full.esp.insert("EFI/Linux/huge.efi".to_owned(), noise(261 << 20, 8));
    assert_eq!(disk::place(&layout, &full, None, EPOCH).unwrap_err().kind().exit_code(), 2);
    let small = profile::Layout { slot: Size(8 << 20), slots: 2, esp: Size(259 << 20) };
    assert!(Sizes::new(&small, &Var { size: Size(1), encryption: Encryption::None }, false).is_err());
    let long = Image { id: "x".repeat(30), ..image() };
    assert!(Layout::new(&long, sizes(), &root_hash()).is_ok());
    let long = Image { id: "x".repeat(31), ..image() };
    assert_eq!(Layout::new(&long, sizes(), &root_hash()).unwrap_err().kind().exit_code(), 2);
}

#[test]
fn the_node_makes_the_rest() {
    let sizes = sizes();
    assert_eq!(sizes.minimum_disk().unwrap(), (1 + 260 + 2 * (8 + 1 + 1) + 64 + 1) << 20);
    let names: Vec<String> = disk::repart_definitions(&sizes, Arch::Amd64).into_iter().map(|(name, _)| name).collect();
    let expected = [
        "10-esp.conf",
        "20-root-a.conf",
        "21-verity-a.conf",
        "22-sig-a.conf",
        "30-root-b.conf",
        "31-verity-b.conf",
        "32-sig-b.conf",
        "40-var.conf",
    ];
    assert_eq!(names, expected);
    // A full slot of 512 MiB: 131,072 blocks, 1024 + 8 + 1 of hashes, the superblock's.
    assert_eq!(disk::tree_bytes(512 << 20), (1024 + 8 + 1 + 1) * 4096);
}
