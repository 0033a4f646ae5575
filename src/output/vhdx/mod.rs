//! VHDX, dynamic (Microsoft, MS-VHDX 7.0).
//!
//! ```text
//! identifier | header, header | regions, regions | log | metadata | table | block ...
//! 0            64K     128K     192K     256K      1M    2M         3M
//! ```
//!
//! - All numbers are little-endian, and GUIDs in mixed order. Everything from the log on begins at a whole MiB.
//! - What stands twice is equal but for the number that makes one of the headers the current one.
//! - The log is empty, so that nothing must be replayed before the disk is read.

mod read;
mod write;

pub use read::open;

use crate::guid::Guid;

/// `vhdxfile`
pub const MAGIC: [u8; 8] = *b"vhdxfile";
/// What places and lengths are multiples of.
const MIB: u64 = 1 << 20;
/// Bytes of a header, over which its checksum goes.
const HEADER: usize = 4 << 10;
/// Bytes of a table of regions, or of metadata, and what separates the parts before the log.
const REGION: usize = 64 << 10;
/// Where both headers and both tables of regions are.
const HEADERS: [u64; 2] = [64 << 10, 128 << 10];
const REGIONS: [u64; 2] = [192 << 10, 256 << 10];
/// Sectors that one sector bitmap tells of, and so blocks between two entries for bitmaps.
const CHUNK: u64 = 1 << 23;
/// As large as a disk may be.
const MOST: u64 = 64 << 40;
/// States of a block, the low bits of its entry.
const ZERO: u64 = 2;
const PRESENT: u64 = 6;

/// The two regions, and the five items of metadata that every file has.
const TABLE: Guid = Guid::literal(0x2dc27766_f623_4200_9d64_115e9bfd4a08);
const METADATA: Guid = Guid::literal(0x8b7ca206_4790_4b9a_b8fe_575f050f886e);
const PARAMETERS: Guid = Guid::literal(0xcaa16737_fa36_4d43_b3b6_33f0aa44e76b);
const DISK_SIZE: Guid = Guid::literal(0x2fa54224_cd1b_4876_b211_5dbed83bf4b8);
const DISK_ID: Guid = Guid::literal(0xbeca12ab_b2e6_4523_93ef_c309e000c746);
const LOGICAL_SECTOR: Guid = Guid::literal(0x8141bf1d_a96f_4709_ba47_f233a8faab5f);
const PHYSICAL_SECTOR: Guid = Guid::literal(0xcda348c7_445d_4471_9cc9_e9885251c556);

/// CRC-32C (Castagnoli) of `bytes`, with zeros in place of the checksum at 4.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    static TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            let mut value = at as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { value >> 1 ^ 0x82f6_3b78 } else { value >> 1 };
                bit += 1;
            }
            table[at] = value;
            at += 1;
        }
        table
    };
    let step = |crc: u32, byte: u8| crc >> 8 ^ TABLE[usize::from(crc as u8 ^ byte)];
    let blank = |(at, byte): (usize, &u8)| if (4..8).contains(&at) { 0 } else { *byte };
    !bytes.iter().enumerate().map(blank).fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::{hostile, round_trip};
    use crate::profile::Vhdx;
    use crate::size::Size;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(checksum(b"1234abcd9"), checksum(b"1234\0\0\0\09"));
        // The first by the definition, bit by bit; the second is in RFC 3720, B.4: 32 bytes of zeros.
        assert_eq!(checksum(b"123"), 0x107b_2fb2);
        assert_eq!(checksum(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for block in [2, 32, 256] {
            round_trip(&Vhdx { block: Size(block * Size::MIB) }, 1);
        }
    }

    #[test]
    fn headers_that_lie_are_refused_or_read_within_bounds() {
        let mut file = round_trip(&Vhdx { block: Size(Size::MIB) }, 1);
        // One of each pair alone, with a checksum that fits nothing: refused.
        for at in [HEADERS[0], REGIONS[0]] {
            hostile(&file, at as usize..at as usize + 90);
        }
        hostile(&file, 2 << 20..(2 << 20) + 200);
        hostile(&file, (2 << 20) + REGION..(2 << 20) + REGION + 48);
        hostile(&file, 3 << 20..(3 << 20) + 88);
        // With checksums mended.
        for (at, length) in [(HEADERS[1] as usize, HEADER), (REGIONS[0] as usize, REGION)] {
            for byte in (0..80).filter(|byte| !(4..8).contains(byte)) {
                let good = file.clone();
                file[at + byte] ^= 0x55;
                let sum = checksum(&file[at..at + length]);
                file[at + 4..at + 8].copy_from_slice(&sum.to_le_bytes());
                hostile(&file, at + byte..at + byte + 1);
                file = good;
            }
        }
    }
}
