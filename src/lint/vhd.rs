//! The file of a VHD, whatever is in its disk.

use super::finding::{Finding, Rule};
use crate::bytes::{Bytes, be32, be64};
use crate::error::Result;
use crate::size::Size;

/// Rules of this subject.
pub const RULES: [&Rule; 3] = [&FOOTER, &WHOLE, &MIB];

static FOOTER: Rule = Rule {
    id: "vhd-footer",
    required: "a footer with a right checksum in the last 512 bytes of a VHD",
    why: "Microsoft's VHD specification: a file without it was cut off or has something behind it, and imports refuse it",
    mend: "copy the file again, or write it anew: imagebuild convert IMAGE --to vhd",
};
static WHOLE: Rule = Rule {
    id: "vhd-whole",
    required: "as many bytes before the footer of a fixed VHD as its disk has",
    why: "Microsoft's VHD specification: the footer follows the disk at once; Azure refuses anything else",
    mend: "write it anew: imagebuild convert IMAGE --to vhd",
};
static MIB: Rule = Rule {
    id: "vhd-mib",
    required: "a disk of whole MiB in a fixed VHD",
    why: "Azure refuses others, and sizes that were rounded to cylinders cut partitions off",
    mend: "write it anew: imagebuild convert IMAGE --to vhd, or qemu-img with -o force_size=on",
};

const SECTOR: u64 = 512;
const COOKIE: &[u8; 8] = b"conectix";
/// The kind of a fixed disk.
const FIXED: u32 = 2;

/// Checks a file that is, or was, a VHD; others are passed over.
pub fn check(file: &dyn Bytes, out: &mut Vec<Finding>) -> Result<()> {
    let Some(end) = file.length().checked_sub(SECTOR) else { return Ok(()) };
    let (mut head, mut footer) = ([0; SECTOR as usize], [0; SECTOR as usize]);
    file.read_at(&mut head, 0)?;
    file.read_at(&mut footer, end)?;
    if !footer.starts_with(COOKIE) {
        // A dynamic one has a copy in front.
        if head.starts_with(COOKIE) {
            out.push(FOOTER.broken("a copy of it in the first sector, nothing in the last one"));
        }
        return Ok(());
    }
    if be32(&footer, 64) != checksum(&footer) {
        out.push(FOOTER.broken(format!("a checksum of {:#x} instead of {:#x}", be32(&footer, 64), checksum(&footer))));
        return Ok(());
    }
    if be32(&footer, 60) != FIXED {
        return Ok(());
    }
    let size = be64(&footer, 48);
    if size != end {
        out.push(WHOLE.broken(format!("{end} bytes before the footer of a disk of {size}")));
    } else if !size.is_multiple_of(Size::MIB) {
        out.push(MIB.broken(format!("a disk of {size} bytes")));
    }
    Ok(())
}

/// The complement of the sum of all bytes but those of the checksum itself.
fn checksum(footer: &[u8]) -> u32 {
    let bytes = footer.iter().enumerate().filter(|(at, _)| !(64..68).contains(at));
    !bytes.fold(0u32, |sum, (_, byte)| sum.wrapping_add(u32::from(*byte)))
}
