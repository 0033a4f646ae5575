//! FAT32, as firmware reads it: one writer, one reader.
//!
//! ```text
//! boot sector, FSInfo, their copies at 6 and 7 | FAT | FAT | cluster 2: root directory ... files ...
//! |<------------- 32 sectors ----------------->|
//! ```
//!
//! - Sectors as the disk has them (512 or 4096 bytes), clusters of 4 KiB on disks, smaller ones
//!   on media that hold little; every file and folder is one run of clusters.
//! - All times are one moment in UTC; folders before files, both in the order of their names.

mod directory;
mod read;
mod write;

pub use read::{File, Reader};
pub use write::Volume;

/// Bytes of a cluster on disks: firmware follows short chains, and no disk has larger sectors.
pub const CLUSTER: u64 = 4096;
/// Sectors before the first FAT.
const RESERVED: u64 = 32;
/// A volume of fewer clusters is taken for a FAT16 by everyone.
const MIN_CLUSTERS: u64 = 65_525;
/// Cluster numbers from here on have meanings of their own.
const MAX_CLUSTERS: u64 = 0x0fff_fff5;
/// The first cluster; it holds the root directory.
const FIRST: u32 = 2;
/// Bytes of a directory entry.
const ENTRY: usize = 32;
/// Ends a chain.
const END: u32 = 0x0fff_ffff;
/// Attributes of directory entries.
const VOLUME: u8 = 0x08;
const DIRECTORY: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
/// An entry with a piece of a long name.
const LONG: u8 = 0x0f;

/// The checksum of a short name that its long name's entries carry.
fn checksum(short: &[u8; 11]) -> u8 {
    short.iter().fold(0u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bytes::Bytes;
    use crate::disk::{Disk, ESP_MINIMUM};
    use crate::epoch::Epoch;
    use crate::tree::Content;

    pub fn volume(files: &[(&str, usize)], sector: u32) -> Vec<u8> {
        let content =
            |length: &usize| Content::bytes((0..*length).map(|at| (at * 7 + length) as u8).collect::<Vec<_>>());
        let files: BTreeMap<String, Content> =
            files.iter().map(|(name, length)| ((*name).to_owned(), content(length))).collect();
        let epoch = Epoch(1_700_000_000);
        let volume = Volume {
            files: &files,
            length: ESP_MINIMUM,
            sector,
            cluster: CLUSTER,
            id: 0x1234_5678,
            label: "ESP",
            epoch,
        };
        let mut out = Vec::new();
        Disk::new(ESP_MINIMUM, volume.extents().unwrap()).unwrap().emit(1, &mut out).unwrap();
        out
    }

    #[test]
    fn what_is_written_reads_back() {
        let names =
            [("EFI/BOOT/BOOTX64.EFI", 5000), ("EFI/Linux/a very long name_1.2.3.efi", 100_000), ("loader/empty", 0)];
        for sector in [512, 4096] {
            let bytes = volume(&names, sector);
            let reader = Reader::new(&bytes).unwrap();
            let files = reader.files().unwrap();
            assert_eq!(files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), names.map(|(name, _)| name));
            for (file, (_, length)) in files.iter().zip(names) {
                let expected: Vec<u8> = (0..length).map(|at| (at * 7 + length) as u8).collect();
                assert_eq!(reader.read(file, 1 << 20).unwrap(), expected);
            }
            assert_eq!(reader.faults().unwrap(), [""; 0]);
        }
    }

    #[test]
    fn chains_in_a_circle_end_in_an_error() {
        let mut bytes = volume(&[("a", 20_000)], 512);
        let first_fat = (RESERVED * 512) as usize;
        // The file's first cluster is 3: its chain leads back to itself.
        bytes[first_fat + 12..first_fat + 16].copy_from_slice(&3u32.to_le_bytes());
        let reader = Reader::new(&bytes).unwrap();
        let file = reader.files().unwrap().remove(0);
        assert!(reader.read(&file, 1 << 20).is_err());
        // And the root directory's.
        bytes[first_fat + 8..first_fat + 12].copy_from_slice(&2u32.to_le_bytes());
        assert!(Reader::new(&bytes).unwrap().files().is_err());
    }

    /// Where the root's entries begin: with the volume's name.
    fn root(bytes: &[u8]) -> usize {
        bytes.windows(12).rposition(|window| window == b"ESP        \x08").unwrap()
    }

    /// An entry of a folder: a short name, attributes, the first cluster.
    fn short(name: &[u8; 11], attributes: u8, cluster: u16) -> [u8; ENTRY] {
        let mut entry = [0; ENTRY];
        entry[..11].copy_from_slice(name);
        entry[11] = attributes;
        entry[26..28].copy_from_slice(&cluster.to_le_bytes());
        entry
    }

    #[test]
    fn a_file_that_is_cut_is_an_error() {
        let mut bytes = volume(&[("a", 20_000)], 512);
        let first_fat = (RESERVED * 512) as usize;
        bytes[first_fat + 12..first_fat + 16].copy_from_slice(&END.to_le_bytes());
        let reader = Reader::new(&bytes).unwrap();
        let file = reader.files().unwrap().remove(0);
        let error = reader.read(&file, 1 << 20).unwrap_err();
        assert!(error.message().contains("its chain in the FAT is shorter"), "{error}");
    }

    #[test]
    fn a_file_without_a_name_is_an_error() {
        let mut bytes = volume(&[("a", 1)], 512);
        // The entry that follows the volume's name.
        let data = root(&bytes) + ENTRY;
        bytes[data..data + ENTRY].copy_from_slice(&short(b"           ", 0x20, 3));
        let error = Reader::new(&bytes).unwrap().files().unwrap_err();
        assert!(error.message().contains("a file without a name"), "{error}");
    }

    /// Counts the bytes that are read.
    #[derive(Debug)]
    struct Counted(Vec<u8>, std::sync::atomic::AtomicU64);

    impl Bytes for Counted {
        fn length(&self) -> u64 {
            self.0.length()
        }

        fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
            self.1.fetch_add(buffer.len() as u64, std::sync::atomic::Ordering::Relaxed);
            self.0.read_at(buffer, offset)
        }
    }

    #[test]
    fn a_folder_that_holds_itself_is_not_read_for_ever() {
        let mut bytes = volume(&[("a", 60_000)], 512);
        let first_fat = (RESERVED * 512) as usize;
        let data = root(&bytes);
        // The root goes on in the clusters of the file; all are full of folders that are the root again.
        bytes[first_fat + 8..first_fat + 12].copy_from_slice(&3u32.to_le_bytes());
        for entry in bytes[data..data + 14 * CLUSTER as usize].chunks_exact_mut(ENTRY) {
            entry.copy_from_slice(&short(b"LOOP       ", 0x10, 2));
        }
        let disk = Counted(bytes, Default::default());
        let error = Reader::new(&disk).unwrap().files().unwrap_err();
        assert!(error.message().contains("too many or too deep"), "{error}");
        let read = disk.1.into_inner();
        assert!(read < 64 << 20, "{read} bytes were read");
    }

    #[test]
    fn names_that_no_firmware_finds_are_refused() {
        let refused = |names: &[&str]| {
            let files = names.iter().map(|name| ((*name).to_owned(), Content::bytes(*b"x"))).collect();
            let (length, epoch) = (ESP_MINIMUM, Epoch(0));
            let volume = Volume { files: &files, length, sector: 512, cluster: CLUSTER, id: 1, label: "ESP", epoch };
            volume.extents().is_err()
        };
        for name in ["", "a//b", "a/../b", "a?b", "end.", "end ", &"x".repeat(256)] {
            assert!(refused(&[name]), "{name}");
        }
        assert!(refused(&["a", "A"]));
        assert!(!refused(&["a", "B"]));
    }
}
