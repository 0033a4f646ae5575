//! ISO 9660 with names of Rock Ridge and boot entries of El Torito: one writer, one reader.
//!
//! ```text
//! 0       16      17           18    19         20      21      22
//! | other | PVD   | boot       | end | boot     | path  | path  | folders ... files ...
//! | hands | volume| record     |     | catalogue| table L table M|
//! ```
//!
//! - Blocks of 2048 bytes. What lies in the first 16 is not the file system's business; nor is what
//!   lies behind its files, though the volume is said to be as long as the medium.
//! - Folders follow breadth first, files in the order of their paths, each one run of blocks: where a file lies
//!   depends on names and lengths alone.
//! - All times are one moment in UTC.

mod boot;
mod read;
mod record;
mod write;

pub use boot::{Entry, Platform};
pub use read::{Found, Reader};
pub use write::Volume;

/// Bytes of a block.
pub const BLOCK: u64 = 2048;
/// The first block of the file system.
const FIRST: u64 = 16;
/// Block of the primary volume descriptor, of the boot record, of what ends them, of the catalogue.
const PRIMARY: u64 = FIRST;
const BOOT_RECORD: u64 = FIRST + 1;
const TERMINATOR: u64 = FIRST + 2;
const CATALOGUE: u64 = FIRST + 3;
/// Where path tables begin.
const TABLES: u64 = FIRST + 4;
/// What every descriptor has behind its type.
const MAGIC: &[u8; 6] = b"CD001\x01";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::disk::Disk;
    use crate::epoch::Epoch;
    use crate::tree::Content;

    const LENGTH: u64 = 4 << 20;

    fn files() -> BTreeMap<String, Content> {
        let content = |length: usize| Content::bytes((0..length).map(|at| (at * 7 + length) as u8).collect::<Vec<_>>());
        let mut files = BTreeMap::from([
            ("boot/vmlinuz".to_owned(), content(100_000)),
            ("boot/a-longer.name.of-a.file".to_owned(), content(2048)),
            ("empty".to_owned(), content(0)),
            ("a/b/c/d".to_owned(), content(1)),
        ]);
        for number in 0..100 {
            files.insert(format!("many/file-{number}"), content(number));
        }
        files
    }

    fn volume(files: &BTreeMap<String, Content>) -> Volume<'_> {
        let boot = vec![
            Entry { platform: Platform::Bios, at: 40 * BLOCK, length: 2048 },
            Entry { platform: Platform::Uefi, at: 1 << 20, length: 40 << 20 },
        ];
        Volume { files, boot, label: "SMALL_1", length: LENGTH, epoch: Epoch(1_700_000_000) }
    }

    fn bytes(files: &BTreeMap<String, Content>) -> Vec<u8> {
        let mut out = Vec::new();
        Disk::new(LENGTH, volume(files).extents().unwrap()).unwrap().emit(1, &mut out).unwrap();
        out
    }

    #[test]
    fn what_is_written_reads_back() {
        let files = files();
        let bytes = bytes(&files);
        let reader = Reader::new(&bytes).unwrap();
        assert_eq!((reader.label(), reader.length()), ("SMALL_1", LENGTH));
        let found = reader.files().unwrap();
        assert_eq!(found.iter().map(|file| &file.path).collect::<Vec<_>>(), files.keys().collect::<Vec<_>>());
        for file in &found {
            let content = &files[&file.path];
            assert_eq!(file.length, content.len());
            let at = file.at as usize;
            assert!(bytes[at..at + file.length as usize] == content.read(1 << 20).unwrap(), "{}", file.path);
            assert_eq!(volume(&files).place(&file.path).unwrap(), file.at, "{}", file.path);
        }
        assert_eq!(
            reader.boot().unwrap(),
            [
                Entry { platform: Platform::Bios, at: 40 * BLOCK, length: 2048 },
                // More than the catalogue can say: to the end of the volume.
                Entry { platform: Platform::Uefi, at: 1 << 20, length: 0 },
            ]
        );
    }

    #[test]
    fn what_no_one_could_read_is_refused() {
        for name in ["", "a//b", "a/../b", "x/y\u{e4}", &"x".repeat(65)] {
            let files = BTreeMap::from([(name.to_owned(), Content::bytes(*b"x"))]);
            assert!(volume(&files).extents().is_err(), "{name}");
        }
        let files = BTreeMap::from([("a".to_owned(), Content::bytes(vec![0; LENGTH as usize]))]);
        assert!(volume(&files).extents().is_err());
        let files = BTreeMap::new();
        assert!(Volume { label: "small", ..volume(&files) }.extents().is_err());
    }

    #[test]
    fn folders_whose_paths_have_no_end_are_refused() {
        let mut bytes = bytes(&BTreeMap::new());
        // Each folder has 2048 blocks and begins a block behind the last one, which it is the last record of.
        let (first, length) = (bytes.len(), 4usize << 20);
        for block in 0..2048 + 16 {
            for last in [false, false, false, false, false, false, false, true] {
                let child = if last { (block + 1usize).saturating_sub(2047) } else { 0 };
                let mut record = [b'x'; 234];
                (record[0], record[25], record[32]) = (234, 2, 200);
                record[2..6].copy_from_slice(&((first / 2048 + child) as u32).to_le_bytes());
                record[10..14].copy_from_slice(&(length as u32).to_le_bytes());
                bytes.extend(record);
            }
            bytes.resize(first + (block + 1) * 2048, 0);
        }
        let root = PRIMARY as usize * 2048;
        bytes[root + 158..root + 162].copy_from_slice(&((first / 2048) as u32).to_le_bytes());
        bytes[root + 166..root + 170].copy_from_slice(&(length as u32).to_le_bytes());
        let error = Reader::new(&bytes).unwrap().files().unwrap_err();
        assert!(error.message().contains("too many or too long"), "{error}");
    }

    #[test]
    fn any_change_of_a_sound_volume_is_answered() {
        let files = files();
        let good = bytes(&files);
        for at in (32_768..60_000).step_by(7) {
            let mut bytes = good.clone();
            bytes[at] ^= 0xff;
            if let Ok(reader) = Reader::new(&bytes) {
                let _ = (reader.files(), reader.boot());
            }
        }
        for end in [0, 32_768, 34_000, 40_000, 50_000] {
            let cut = good[..end].to_vec();
            assert!(Reader::new(&cut).and_then(|reader| reader.files()).is_err(), "{end}");
        }
    }
}
