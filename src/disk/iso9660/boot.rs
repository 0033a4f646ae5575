//! El Torito: what firmware starts from a CD (El Torito specification 1.0; UEFI 2.10, 13.3.2).

use super::BLOCK;
use crate::bytes::{le16, le32};
use crate::error::{Error, Result};

/// Bytes of an entry of the catalogue.
const ENTRY: usize = 32;
/// The unit of load sizes, in bytes: a virtual sector.
const SECTOR: u64 = 512;
const BOOTABLE: u8 = 0x88;
/// A header of entries, and the last one.
const HEADER: u8 = 0x90;
const LAST_HEADER: u8 = 0x91;
/// More headers and entries are refused.
const MAX_ENTRIES: usize = BLOCK as usize / ENTRY;

/// Whose firmware starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// A PC's BIOS: it loads the bytes and jumps to the first.
    Bios,
    /// UEFI: they are a FAT.
    Uefi,
}

/// Bytes that firmware starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// For whom.
    pub platform: Platform,
    /// First byte on the medium, at a block's start.
    pub at: u64,
    /// Bytes to load; 0 in what was read: up to the end of the volume.
    pub length: u64,
}

impl Platform {
    fn number(self) -> u8 {
        match self {
            Platform::Bios => 0,
            Platform::Uefi => 0xef,
        }
    }

    fn of(number: u8) -> Result<Self> {
        match number {
            0 => Ok(Platform::Bios),
            0xef => Ok(Platform::Uefi),
            other => Err(Error::user(format!("boot entries for an unknown platform {other}"))),
        }
    }
}

/// The catalogue: the first entry is the default one, each further one has a header of its own.
pub(super) fn catalogue(entries: &[Entry]) -> Result<Vec<u8>> {
    let Some((first, rest)) = entries.split_first() else { return Ok(Vec::new()) };
    let mut out = vec![0; ENTRY];
    out[..2].copy_from_slice(&[1, first.platform.number()]);
    out[30..].copy_from_slice(&[0x55, 0xaa]);
    let sum = out.chunks(2).fold(0u16, |sum, pair| sum.wrapping_add(le16(pair, 0)));
    out[28..30].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    out.extend(entry(first)?);
    for (index, other) in rest.iter().enumerate() {
        let mut header = [0; ENTRY];
        let kind = if index + 1 == rest.len() { LAST_HEADER } else { HEADER };
        header[..4].copy_from_slice(&[kind, other.platform.number(), 1, 0]);
        out.extend(header);
        out.extend(entry(other)?);
    }
    Ok(out)
}

fn entry(entry: &Entry) -> Result<[u8; ENTRY]> {
    let block = u32::try_from(entry.at / BLOCK).map_err(|_| Error::bug("a boot entry beyond 8 TiB"))?;
    if !entry.at.is_multiple_of(BLOCK) {
        return Err(Error::bug(format!("a boot entry at byte {}", entry.at)));
    }
    // Sixteen bits count 32 MiB less a sector. What is longer says 0: firmware then takes all up to the end of
    // the volume, which is why the volume is said to be as long as the medium.
    let sectors = u16::try_from(entry.length.div_ceil(SECTOR)).unwrap_or(0);
    let mut out = [0; ENTRY];
    out[0] = BOOTABLE;
    out[6..8].copy_from_slice(&sectors.to_le_bytes());
    out[8..12].copy_from_slice(&block.to_le_bytes());
    Ok(out)
}

/// The entries of a catalogue of anyone's.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Entry>> {
    let bad = || Error::user("the boot catalogue is damaged");
    let rows: Vec<&[u8]> = bytes.chunks_exact(ENTRY).take(MAX_ENTRIES).collect();
    let first = *rows.first().ok_or_else(bad)?;
    let sum = first.chunks(2).fold(0u16, |sum, pair| sum.wrapping_add(le16(pair, 0)));
    if first[0] != 1 || sum != 0 || first[30..] != [0x55, 0xaa] {
        return Err(bad());
    }
    let one = |platform, row: &[u8]| Entry {
        platform,
        at: u64::from(le32(row, 8)) * BLOCK,
        length: u64::from(le16(row, 6)) * SECTOR,
    };
    let mut out = vec![one(Platform::of(first[1])?, rows.get(1).ok_or_else(bad)?)];
    let mut at = 2;
    while let Some(header) = rows.get(at).filter(|row| matches!(row[0], HEADER | LAST_HEADER)) {
        let platform = Platform::of(header[1])?;
        let count = usize::from(le16(header, 2));
        let entries = rows.get(at + 1..at + 1 + count).ok_or_else(bad)?;
        out.extend(entries.iter().map(|row| one(platform, row)));
        at += 1 + count;
        if header[0] == LAST_HEADER {
            break;
        }
    }
    Ok(out)
}
