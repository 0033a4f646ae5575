//! A disk as a VHD file.

use super::{BLOCK, DYNAMIC, FIXED, HEADER, HEADER_MAGIC, LARGEST, MAGIC, MOST, NOWHERE, SECTOR, checksum};
use crate::disk::{Disk, Extent, Sink};
use crate::error::{Context, Error, Result};
use crate::output::{Emit, Format};
use crate::profile::{Vhd, VhdKind};
use crate::size::human;
use crate::tree::Content;

/// 2000-01-01T00:00:00Z, from which the format counts seconds.
const YEAR_2000: u32 = 946_684_800;
/// Bytes of the sector bitmap in front of a block: one bit a sector.
const BITMAP: u64 = BLOCK / SECTOR / 8;

impl Format for Vhd {
    fn name(&self) -> &'static str {
        "vhd"
    }

    fn measure(&self, disk: &Disk) -> Option<u64> {
        (self.kind == VhdKind::Fixed).then(|| self.size(disk) + SECTOR)
    }

    fn emit(&self, disk: &Disk, how: &Emit<'_>, sink: &mut dyn Sink) -> Result<()> {
        let size = self.size(disk);
        if size > MOST {
            return Err(Error::user(format!("a disk of {}", human(size))).hint("a VHD holds up to 2040 GiB; VHDX more"));
        }
        let footer = self.footer(size, how);
        match self.kind {
            VhdKind::Fixed => {
                disk.rounded(self.align.bytes()).emit(how.jobs, sink)?;
                Ok(sink.write_all(&footer)?)
            }
            VhdKind::Dynamic => dynamic(disk, size, &footer, how)?.emit(how.jobs, sink),
        }
    }
}

impl Vhd {
    /// Bytes of the disk in the file.
    fn size(&self, disk: &Disk) -> u64 {
        disk.len().next_multiple_of(self.align.bytes().max(SECTOR))
    }

    fn footer(&self, size: u64, how: &Emit<'_>) -> [u8; SECTOR as usize] {
        let (kind, next) = match self.kind {
            VhdKind::Fixed => (FIXED, u64::MAX),
            VhdKind::Dynamic => (DYNAMIC, SECTOR),
        };
        let (cylinders, heads, sectors) = geometry(size / SECTOR);
        let mut out = [0; SECTOR as usize];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        // Features: the bit that is always set. Version of the format: 1.0.
        put(8, &2u32.to_be_bytes());
        put(12, &0x1_0000u32.to_be_bytes());
        put(16, &next.to_be_bytes());
        put(24, &how.epoch.0.saturating_sub(YEAR_2000).to_be_bytes());
        put(28, b"win ");
        put(32, &0x6_0003u32.to_be_bytes());
        put(36, b"Wi2k");
        // As it was made, and as it is.
        put(40, &size.to_be_bytes());
        put(48, &size.to_be_bytes());
        put(56, &cylinders.to_be_bytes());
        put(58, &[heads, sectors]);
        put(60, &kind.to_be_bytes());
        put(68, &how.seed.derive("vhd").0);
        let sum = checksum(&out, 64);
        out[64..68].copy_from_slice(&sum.to_be_bytes());
        out
    }
}

/// The file of a dynamic disk, itself as a disk: blocks of zeros are nowhere.
fn dynamic(disk: &Disk, size: u64, footer: &[u8], how: &Emit<'_>) -> Result<Disk> {
    let entries = size.div_ceil(BLOCK);
    let table_at = SECTOR + HEADER as u64;
    let mut header = [0; HEADER];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &HEADER_MAGIC);
    put(8, &u64::MAX.to_be_bytes());
    put(16, &table_at.to_be_bytes());
    put(24, &0x1_0000u32.to_be_bytes());
    put(28, &(entries as u32).to_be_bytes());
    put(32, &(BLOCK as u32).to_be_bytes());
    let sum = checksum(&header, 36);
    header[36..40].copy_from_slice(&sum.to_be_bytes());

    let blocks = disk.chunks(BLOCK, how.jobs).context(|| "looking for zeros".into())?;
    let mut table = vec![u8::MAX; (entries * 4).next_multiple_of(SECTOR) as usize];
    let mut at = table_at + table.len() as u64;
    let piece = |at, bytes: &[u8]| Extent { at, content: Content::bytes(bytes) };
    let mut extents = vec![piece(0, footer), piece(SECTOR, &header)];
    // All sectors of a block are in the file.
    let bitmap = Content::bytes([u8::MAX; BITMAP as usize]);
    for number in blocks {
        let entry = u32::try_from(at / SECTOR).ok().filter(|entry| *entry != NOWHERE);
        let entry = entry.ok_or_else(|| Error::bug("a block of a VHD behind the last sector"))?;
        table[number as usize * 4..][..4].copy_from_slice(&entry.to_be_bytes());
        extents.push(Extent { at, content: bitmap.clone() });
        extents.extend(disk.slice(number * BLOCK, BLOCK, at + BITMAP));
        at += BITMAP + BLOCK;
    }
    extents.push(piece(table_at, &table));
    extents.push(piece(at, footer));
    Disk::new(at + SECTOR, extents)
}

/// Cylinders, heads and sectors of a track for so many sectors (the specification's appendix).
fn geometry(sectors: u64) -> (u16, u8, u8) {
    let (cylinders, heads, most) = LARGEST;
    let sectors = sectors.min(cylinders * heads * most);
    let (heads, track) = if sectors >= 65_535 * 16 * 63 {
        (16, 255)
    } else {
        let heads = (sectors / 17).div_ceil(1024).max(4);
        if sectors / 17 < heads * 1024 && heads <= 16 {
            (heads, 17)
        } else if sectors / 31 < 16 * 1024 {
            (16, 31)
        } else {
            (16, 63)
        }
    };
    ((sectors / track / heads) as u16, heads as u8, track as u8)
}
