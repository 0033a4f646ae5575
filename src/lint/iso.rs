//! ISO images: what El Torito says of the image that UEFI starts.

use super::finding::{Finding, Rule};
use crate::bytes::{Bytes, le16, le32};
use crate::error::Result;

/// Rules of this subject.
pub const RULES: [&Rule; 1] = [&LOAD];

static LOAD: Rule = Rule {
    id: "iso-el-torito",
    required: "an El Torito entry for UEFI whose load size covers the FAT that it points to, or the primary descriptor's volume size where the load size is 0 or 1",
    why: "El Torito 1.0 counts 512-byte sectors in 16 bits: an image of 32 MiB or more overflows, and firmware then takes the size from the primary descriptor; what lies behind it is not found",
    mend: "an ESP of less than 32 MiB on the medium, or a volume size that covers it; format.iso does so",
};

/// Bytes of a logical sector of a CD.
const SECTOR: u64 = 2048;
/// UEFI, among El Torito's platforms.
const EFI: u8 = 0xef;

/// Whether these bytes are those of a CD's first descriptor.
pub fn is_iso(file: &dyn Bytes) -> bool {
    let mut head = [0; 6];
    file.read_at(&mut head, 16 * SECTOR).is_ok() && head == *b"\x01CD001"
}

/// Checks the boot catalogue of a CD.
pub fn check(file: &dyn Bytes, out: &mut Vec<Finding>) -> Result<()> {
    let sector = |number: u64| -> Option<[u8; SECTOR as usize]> {
        let mut block = [0; SECTOR as usize];
        file.read_at(&mut block, number.checked_mul(SECTOR)?).ok()?;
        Some(block)
    };
    let word = |bytes: &[u8], at: usize| u64::from(le32(bytes, at));
    let volume = sector(16).map_or(0, |block| word(&block, 80) * SECTOR);
    let record = (17..32).filter_map(sector).take_while(|block| block[0] != 255).find(|block| block[0] == 0);
    let Some(record) = record.filter(|record| record[7..30] == *b"EL TORITO SPECIFICATION") else {
        out.push(LOAD.broken("no boot record of El Torito"));
        return Ok(());
    };
    let Some(catalogue) = sector(word(&record, 0x47)) else {
        out.push(LOAD.broken("a boot catalogue that lies behind the end"));
        return Ok(());
    };
    let Some(entry) = entry(&catalogue) else {
        out.push(LOAD.broken("no entry for UEFI in the boot catalogue"));
        return Ok(());
    };
    let (count, first) = (u64::from(le16(&entry, 6)), word(&entry, 8));
    let mut boot = [0; 512];
    if file.read_at(&mut boot, first * SECTOR).is_err() || boot[510..] != [0x55, 0xaa] {
        out.push(LOAD.broken(format!("no FAT at sector {first}, where the entry points to")));
        return Ok(());
    }
    let half = |at: usize| u64::from(le16(&boot, at));
    let sectors = if half(19) == 0 { word(&boot, 32) } else { half(19) };
    let bytes = sectors * half(11);
    let loaded = if count < 2 { volume.saturating_sub(first * SECTOR) } else { count * 512 };
    if loaded < bytes {
        out.push(LOAD.broken(format!("a load size of {count}, which gives {loaded} bytes of a FAT of {bytes}")));
    }
    Ok(())
}

/// The entry for UEFI of a catalogue: the first one, or one of a section.
fn entry(catalogue: &[u8]) -> Option<[u8; 32]> {
    let (entries, _) = catalogue.as_chunks::<32>();
    let (validation, rest) = entries.split_first()?;
    let mut platform = validation[1];
    let mut left = 1;
    for entry in rest {
        if left == 0 {
            // A section: platform and number of its entries.
            if !matches!(entry[0], 0x90 | 0x91) {
                return None;
            }
            platform = entry[1];
            left = le16(entry, 2);
            continue;
        }
        left -= 1;
        if platform == EFI && entry[0] == 0x88 {
            return Some(*entry);
        }
    }
    None
}
