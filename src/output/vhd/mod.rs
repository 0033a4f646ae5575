//! VHD, fixed and dynamic (Microsoft, Virtual Hard Disk Image Format Specification 1.0).
//!
//! ```text
//! fixed:    the disk | footer
//! dynamic:  footer | header | table | (sector bitmap | block) ... | footer
//! ```
//!
//! - All numbers are big-endian. Places in the table count sectors.
//! - Readers disagree on what tells the size: Virtual PC multiplies the geometry out, all others take the
//!   footer's current size. Which of them a file means shows in the name of its creator: ours is Hyper-V's,
//!   so that QEMU, Hyper-V and Azure take the size, and no geometry changes it.

mod read;
mod write;

pub use read::{is_footer, open};

/// `conectix`
pub const MAGIC: [u8; 8] = *b"conectix";
/// `cxsparse`
const HEADER_MAGIC: [u8; 8] = *b"cxsparse";
/// Bytes of a sector and of the footer.
const SECTOR: u64 = 512;
/// Bytes of the header of a dynamic disk.
const HEADER: usize = 1024;
/// Types of disks.
const FIXED: u32 = 2;
const DYNAMIC: u32 = 3;
/// An entry of the table whose block is nowhere.
const NOWHERE: u32 = u32::MAX;
/// Bytes of a block of a dynamic disk: what every reader expects.
const BLOCK: u64 = 2 << 20;
/// As large as a disk may be: 2040 GiB.
const MOST: u64 = 2040 << 30;
/// Creators by whose files the geometry tells the size.
const BY_GEOMETRY: [[u8; 4]; 2] = [*b"vpc ", *b"qemu"];
/// Cylinders, heads and sectors of a disk that is too large for them.
const LARGEST: (u64, u64, u64) = (65_535, 16, 255);

/// One's complement of the sum of all bytes, the four of the checksum itself at `at` left out.
pub(crate) fn checksum(bytes: &[u8], at: usize) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    !sum(&bytes[..at]).wrapping_add(sum(&bytes[at + 4..]))
}

#[cfg(test)]
mod tests {
    use crate::output::tests::{hostile, round_trip};
    use crate::profile::{Vhd, VhdKind};
    use crate::size::Size;

    #[test]
    fn what_is_written_is_read_again() {
        for kind in [VhdKind::Fixed, VhdKind::Dynamic] {
            for align in [512, Size::MIB] {
                round_trip(&Vhd { kind, align: Size(align) }, align as usize);
            }
        }
    }

    #[test]
    fn headers_that_lie_are_refused_or_read_within_bounds() {
        let format = |kind| Vhd { kind, align: Size(512) };
        hostile(&round_trip(&format(VhdKind::Dynamic), 512), 0..1560);
        let fixed = round_trip(&format(VhdKind::Fixed), 512);
        hostile(&fixed, fixed.len() - 512..fixed.len());
    }
}
