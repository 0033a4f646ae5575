//! Disks: image files, partition tables, FAT, hash trees. What a checksum guards is signed anew, so that the checks behind it are reached.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::bytes::Bytes;
use crate::disk::fat::{Reader, Volume};
use crate::disk::{Disk, ESP_MINIMUM, gpt as tables};
use crate::epoch::Epoch;
use crate::init::cmdline::RootHash;
use crate::init::crc32::Crc32;
use crate::init::gpt as own;
use crate::init::guid::Guid;
use crate::init::verity::Superblock;
use crate::output::open;
use crate::output::packed::Unpack;
use crate::size::Size;
use crate::tree::Content;

/// Sectors of the disk that [`gpt`] makes.
const SECTORS: u64 = 128;

fn crc(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc32::new();
    crc.update(bytes);
    crc.value().to_le_bytes()
}

/// A disk of [`SECTORS`]: one byte of choices, then header and entries of both tables, their checksums mended.
///
/// Choices: bit 0 sectors of 4096, bit 1 no primary table, bit 2 no backup, bit 3 checksums as they are.
fn disk(bytes: &[u8]) -> Option<(u32, Vec<u8>)> {
    let (choice, rest) = bytes.split_first()?;
    let sector: usize = if choice & 1 == 0 { 512 } else { 4096 };
    let (header, entries) = rest.split_at_checked(92)?;
    let mut disk = vec![0; sector * SECTORS as usize];
    let entries = &entries[..entries.len().min(256 * 128)];
    for (absent, at, other, entries_at) in [(2, 1, SECTORS - 1, 2), (4, SECTORS - 1, 1, SECTORS - 90)] {
        if choice & absent != 0 {
            continue;
        }
        let mut header = header.to_vec();
        let from = entries_at as usize * sector;
        let room = (disk.len() - sector).saturating_sub(from);
        disk[from..from + entries.len().min(room)].copy_from_slice(&entries[..entries.len().min(room)]);
        if choice & 8 == 0 {
            let count = u32::from_le_bytes([header[80], header[81], header[82], header[83]]).min(256) as usize;
            for (place, value) in [(24, at), (32, other), (72, entries_at)] {
                header[place..place + 8].copy_from_slice(&value.to_le_bytes());
            }
            header[..8].copy_from_slice(b"EFI PART");
            header[12..16].copy_from_slice(&92u32.to_le_bytes());
            header[88..92].copy_from_slice(&crc(disk.get(from..from + count * 128)?));
            header[16..20].fill(0);
            let sum = crc(&header);
            header[16..20].copy_from_slice(&sum);
        }
        disk[at as usize * sector..][..92].copy_from_slice(&header);
    }
    Some((sector as u32, disk))
}

/// A partition table, read by the tool and by the initrd: where both find a partition, it is the same one.
pub fn gpt(bytes: &[u8]) {
    let Some((sector, disk)) = disk(bytes) else { return };
    let read = tables::read(&disk);
    let asked: Vec<Guid> = bytes.get(93..).unwrap_or_default().chunks_exact(128).take(4).map(id).collect();
    let mut source = |offset: u64, buffer: &mut [u8]| disk.read_at(buffer, offset).is_ok();
    for wanted in asked {
        let Ok([Some(found)]) = own::find(&mut source, sector, SECTORS, &[wanted]) else { continue };
        let end = found.start.checked_add(found.size).expect("its end");
        assert!(found.size > 0 && end <= disk.len() as u64, "a partition outside of the disk");
        if let Ok(table) = &read
            && table.faults.is_empty()
            && table.table.sector == sector
        {
            let size = u64::from(sector);
            let same = |entry: &tables::Entry| {
                entry.id.0 == wanted.0
                    && entry.first * size == found.start
                    && (entry.last - entry.first + 1) * size == found.size
            };
            assert!(table.table.entries.iter().any(same), "two readers find different partitions");
        }
    }
}

fn id(entry: &[u8]) -> Guid {
    let mut id = [0; 16];
    id.copy_from_slice(&entry[16..32]);
    Guid::from_mixed(id)
}

/// An image file of any format as a disk: what is said to be data lies on the disk, and goes on.
pub fn image(bytes: &[u8]) {
    let unpack = Unpack { limit: Size(Size::MIB), folder: Path::new(".") };
    let Ok(opened) = open::of(Arc::new(bytes.to_vec()), unpack) else { return };
    walk(&*opened.disk);
}

/// Reads a disk that came out of a file at the ends of what it says is data.
pub(super) fn walk(disk: &dyn Bytes) {
    let mut buffer = vec![0; 4096];
    let (mut at, mut rounds) = (0, 0);
    while let Ok(Some(data)) = disk.next_data(at)
        && rounds < 100
    {
        assert!(at <= data.start && data.start < data.end && data.end <= disk.length(), "data outside of the disk");
        for offset in [data.start, data.end.saturating_sub(4096).max(data.start)] {
            let count = (data.end - offset).min(4096) as usize;
            let _ = disk.read_at(&mut buffer[..count], offset);
        }
        (at, rounds) = (data.end, rounds + 1);
    }
    assert!(disk.read_at(&mut buffer, disk.length()).is_err(), "bytes behind the end");
}

/// Bytes of ours with others laid over them, the last on top.
#[derive(Debug)]
pub(super) struct Patched {
    /// Ours.
    pub base: &'static Vec<u8>,
    /// Place and bytes.
    pub patches: Vec<(u64, Vec<u8>)>,
}

impl Bytes for Patched {
    fn length(&self) -> u64 {
        self.base.length()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.base.read_at(buffer, offset)?;
        let end = offset + buffer.len() as u64;
        for (at, patch) in &self.patches {
            let (from, to) = (offset.max(*at), end.min(at + patch.len() as u64));
            if from < to {
                let part = &patch[(from - at) as usize..(to - at) as usize];
                buffer[(from - offset) as usize..(to - offset) as usize].copy_from_slice(part);
            }
        }
        Ok(())
    }
}

fn volume() -> &'static Vec<u8> {
    static VOLUME: OnceLock<Vec<u8>> = OnceLock::new();
    VOLUME.get_or_init(|| {
        let names = [("EFI/BOOT/BOOTX64.EFI", 700), ("EFI/Linux/hello-pod_1.efi", 1500), ("loader/loader.conf", 9)];
        let files: BTreeMap<String, Content> =
            names.iter().map(|(name, length)| ((*name).to_owned(), Content::bytes(vec![7; *length]))).collect();
        let volume = Volume {
            files: &files,
            length: ESP_MINIMUM,
            sector: 512,
            cluster: 4096,
            id: 1,
            label: "ESP",
            epoch: Epoch(1_700_000_000),
        };
        let mut out = Vec::new();
        let extents = volume.extents().expect("a volume");
        Disk::new(ESP_MINIMUM, extents).and_then(|disk| disk.emit(1, &mut out)).expect("its bytes");
        out
    })
}

/// A FAT of ours, changed. Records of: where (0 boot sector, 1 first table, 2 data; u8), offset there (u16), length (u8), bytes.
pub fn fat(bytes: &[u8]) {
    let base = volume();
    let word = |at: usize| u64::from(u16::from_le_bytes([base[at], base[at + 1]]));
    let (first, tables) = (word(14) * 512, (word(36) | word(38) << 16) * 512);
    let starts = [0, first, first + 2 * tables];
    let mut patches = Vec::new();
    let mut rest = bytes;
    while let Some(([place, low, high, length], after)) = rest.split_first_chunk::<4>()
        && patches.len() < 200
    {
        let (patch, after) = after.split_at(after.len().min(usize::from(*length)));
        let at = starts[usize::from(place % 3)] + u64::from(u16::from_le_bytes([*low, *high]));
        patches.push((at, patch.to_vec()));
        rest = after;
    }
    let disk = Patched { base, patches };
    let Ok(reader) = Reader::new(&disk) else { return };
    let Ok(files) = reader.files() else { return };
    for file in files.iter().take(20) {
        assert!(!file.path.starts_with('/') && !file.path.is_empty(), "`{}` is no path of a file", file.path);
        if let Ok(read) = reader.read(file, 1 << 20) {
            assert_eq!(read.len() as u64, u64::from(file.size), "`{}` has another size", file.path);
        }
    }
    // The tables are some hundred kilobytes; once is enough to see that reading them ends.
    if bytes.len() < 64 {
        let _ = reader.faults();
    }
}

/// A hash partition: the superblock, then a tree over 16 blocks of data.
pub fn verity(bytes: &[u8]) {
    let Some((head, _)) = bytes.split_first_chunk::<512>() else { return };
    let mut head = *head;
    // What every superblock must have; the rest is the fuzzer's.
    head[..16].copy_from_slice(b"verity\0\0\x01\0\0\0\x01\0\0\0");
    head[32..40].copy_from_slice(b"sha256\0\0");
    head[64..72].copy_from_slice(b"\0\x10\0\0\0\x10\0\0");
    let data = vec![5u8; 16 * 4096];
    let mut hash = bytes.to_vec();
    hash.resize(bytes.len().max(2 * 4096), 0);
    for (data_size, hash_size) in [(data.len() as u64, hash.len() as u64), (u64::MAX, u64::MAX)] {
        let Ok(superblock) = Superblock::parse(&head, data_size, hash_size) else { continue };
        let root = RootHash([7; 32]);
        assert!(superblock.salt().len() <= 256);
        assert!(superblock.table((254, 0), (254, 1), &root).whole(), "the kernel's table is cut");
        let mut data = |offset: u64, buffer: &mut [u8]| data.read_at(buffer, offset).is_ok();
        let mut hash = |offset: u64, buffer: &mut [u8]| hash.read_at(buffer, offset).is_ok();
        assert!(superblock.check(&root, &mut data, &mut hash).is_err(), "a hash was guessed");
    }
}
