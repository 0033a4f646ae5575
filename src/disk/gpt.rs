//! GUID partition tables: protective MBR, both copies of header and entries (UEFI 2.10, 5.2 and 5.3).
//!
//! The writer turns a [`Table`] into extents; the reader takes bytes of any origin, bounds every
//! size, and says of each copy whether its checksums hold.

use super::Extent;
use crate::bytes::{Bytes, le16, le32, le64};
use crate::error::{Error, Result};
use crate::guid::Guid;
use crate::tree::Content;

/// Bytes of the protective MBR that a BIOS runs: all up to the disk's signature.
pub const BOOT_CODE: usize = 440;
/// Slots of the table that is written; the number that every tool expects.
const ENTRIES: u32 = 128;
/// Bytes of one slot.
const ENTRY: usize = 128;
/// Bytes of the header that are covered by its checksum.
const HEADER: usize = 92;
/// A table of more slots is refused.
const MAX_ENTRIES: u32 = 1024;
const SIGNATURE: &[u8; 8] = b"EFI PART";

/// A partition table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The disk's id.
    pub id: Guid,
    /// Bytes of a logical sector: 512 or 4096.
    pub sector: u32,
    /// Sectors of the disk.
    pub sectors: u64,
    /// First sector that a partition may have.
    pub first_usable: u64,
    /// The used slots, in slot order.
    pub entries: Vec<Entry>,
}

/// One slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Type.
    pub kind: Guid,
    /// Unique id.
    pub id: Guid,
    /// First sector.
    pub first: u64,
    /// Last sector, inclusive.
    pub last: u64,
    /// Attribute bits.
    pub attributes: u64,
    /// Name, at most 36 UTF-16 units.
    pub label: String,
}

impl Table {
    /// Sectors that one copy of the entries takes.
    fn entry_sectors(&self) -> u64 {
        (u64::from(ENTRIES) * ENTRY as u64).div_ceil(u64::from(self.sector))
    }

    /// Last sector that a partition may have.
    pub fn last_usable(&self) -> u64 {
        self.sectors.saturating_sub(2 + self.entry_sectors())
    }

    /// MBR, primary and backup table as extents of the disk.
    pub fn extents(&self) -> Result<Vec<Extent>> {
        self.extents_with(&[])
    }

    /// The same with `code` at the start of the MBR, [`BOOT_CODE`] bytes at most.
    pub fn extents_with(&self, code: &[u8]) -> Result<Vec<Extent>> {
        self.check()?;
        if code.len() > BOOT_CODE {
            return Err(Error::bug(format!("{} bytes of boot code", code.len())));
        }
        let sector = u64::from(self.sector);
        let entries = self.entry_bytes()?;
        let last = self.sectors - 1;
        let backup_entries = last - self.entry_sectors();
        let mut front = self.protective_mbr();
        front[..code.len()].copy_from_slice(code);
        front.resize(sector as usize, 0);
        front.extend(self.header(&entries, 1, last, 2));
        front.resize(2 * sector as usize, 0);
        front.extend(&entries);
        let mut back = entries.clone();
        back.resize((self.entry_sectors() * sector) as usize, 0);
        back.extend(self.header(&entries, last, 1, backup_entries));
        back.resize(((self.entry_sectors() + 1) * sector) as usize, 0);
        Ok(vec![
            Extent { at: 0, content: Content::bytes(front) },
            Extent { at: backup_entries * sector, content: Content::bytes(back) },
        ])
    }

    fn check(&self) -> Result<()> {
        let bug = |what: String| Err(Error::bug(format!("a partition table {what}")));
        if ![512, 4096].contains(&self.sector) {
            return bug(format!("with sectors of {} bytes", self.sector));
        }
        if self.entries.len() > ENTRIES as usize
            || self.last_usable() < self.first_usable
            || self.first_usable < 2 + self.entry_sectors()
        {
            return bug("that does not fit its disk".to_owned());
        }
        for entry in &self.entries {
            if entry.first < self.first_usable || entry.last > self.last_usable() || entry.first > entry.last {
                return bug(format!("with `{}` outside of the disk", entry.label));
            }
        }
        Ok(())
    }

    fn entry_bytes(&self) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(ENTRIES as usize * ENTRY);
        for entry in &self.entries {
            out.extend(entry.kind.to_mixed());
            out.extend(entry.id.to_mixed());
            out.extend(entry.first.to_le_bytes());
            out.extend(entry.last.to_le_bytes());
            out.extend(entry.attributes.to_le_bytes());
            let mut name: Vec<u8> = entry.label.encode_utf16().flat_map(u16::to_le_bytes).collect();
            if name.len() > ENTRY - 56 {
                return Err(Error::bug(format!("the partition name `{}` is too long", entry.label)));
            }
            name.resize(ENTRY - 56, 0);
            out.extend(name);
        }
        out.resize(ENTRIES as usize * ENTRY, 0);
        Ok(out)
    }

    fn header(&self, entries: &[u8], own: u64, other: u64, entries_at: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER);
        out.extend(SIGNATURE);
        out.extend(0x0001_0000u32.to_le_bytes());
        out.extend((HEADER as u32).to_le_bytes());
        out.extend([0; 8]);
        for sector in [own, other, self.first_usable, self.last_usable()] {
            out.extend(sector.to_le_bytes());
        }
        out.extend(self.id.to_mixed());
        out.extend(entries_at.to_le_bytes());
        out.extend(ENTRIES.to_le_bytes());
        out.extend((ENTRY as u32).to_le_bytes());
        out.extend(crc32(entries).to_le_bytes());
        let crc = crc32(&out);
        out[16..20].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// One entry of type 0xee that covers the disk, so that old tools keep their hands off.
    fn protective_mbr(&self) -> Vec<u8> {
        let mut out = vec![0; 512];
        let length = u32::try_from(self.sectors - 1).unwrap_or(u32::MAX);
        out[446..462].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0]);
        out[458..462].copy_from_slice(&length.to_le_bytes());
        out[510..].copy_from_slice(&[0x55, 0xaa]);
        out
    }
}

/// What a disk says of its partitions.
#[derive(Debug)]
pub struct Found {
    /// The table: the primary copy where it is whole, else the backup.
    pub table: Table,
    /// What is wrong with either copy.
    pub faults: Vec<String>,
}

/// Reads both copies of a disk's table. An error where neither is whole.
pub fn read(disk: &dyn Bytes) -> Result<Found> {
    let mut faults = Vec::new();
    for sector in [512u32, 4096] {
        let sectors = disk.length() / u64::from(sector);
        let mut header = vec![0; HEADER];
        if sectors < 3 || disk.read_at(&mut header, u64::from(sector)).is_err() || &header[..8] != SIGNATURE {
            continue;
        }
        let primary = copy(disk, sector, 1);
        let last = sectors - 1;
        let backup_at = primary.as_ref().map_or(last, |copy| copy.other);
        if backup_at != last {
            faults.push(format!("the backup table is at sector {backup_at}, the disk ends at {last}"));
        }
        let backup = copy(disk, sector, backup_at);
        for (name, result) in [("primary", &primary), ("backup", &backup)] {
            if let Err(error) = result {
                faults.push(format!("{name} partition table: {}", error.message()));
            }
        }
        if let (Ok(primary), Ok(backup)) = (&primary, &backup)
            && primary.table != backup.table
        {
            faults.push("the two partition tables differ".to_owned());
        }
        let table =
            primary.or(backup).map_err(|error| Error::user(error.message()).context("reading the partition table"))?;
        return Ok(Found { table: table.table, faults });
    }
    // A damaged primary signature: the backup is in the last sector.
    for sector in [512u32, 4096] {
        let sectors = disk.length() / u64::from(sector);
        if let Some(Ok(backup)) = sectors.checked_sub(1).filter(|last| *last > 1).map(|last| copy(disk, sector, last)) {
            return Ok(Found { table: backup.table, faults: vec!["primary partition table: no signature".to_owned()] });
        }
    }
    Err(Error::user("no GUID partition table").hint("expected a raw disk image, not compressed"))
}

/// One copy of a table whose checksums hold; nothing else of it is known to be sound.
#[derive(Debug)]
pub struct Copy {
    /// The table; its entries may lie anywhere.
    pub table: Table,
    /// The sector where it says that the other copy is.
    pub other: u64,
    /// The last sector that it lets partitions have.
    pub last_usable: u64,
}

/// Bytes of a logical sector of a disk, by where a signature of a table is; none where there is no table.
pub fn sector_size(disk: &dyn Bytes) -> Option<u32> {
    let signed = |sector: u32, at: u64| {
        let mut head = [0; SIGNATURE.len()];
        at.checked_mul(u64::from(sector)).is_some_and(|at| disk.read_at(&mut head, at).is_ok()) && head == *SIGNATURE
    };
    let last = |sector: u32| (disk.length() / u64::from(sector)).saturating_sub(1);
    let front = [512, 4096].into_iter().find(|sector| signed(*sector, 1));
    front.or_else(|| [512, 4096].into_iter().find(|sector| signed(*sector, last(*sector))))
}

/// The copy of a table at the sector `at`, partitions as they are.
pub fn look(disk: &dyn Bytes, sector: u32, at: u64) -> Result<Copy> {
    let size = u64::from(sector);
    let sectors = disk.length() / size;
    let bad = |what: &str| Error::user(what);
    let offset = at.checked_mul(size).filter(|_| at < sectors).ok_or_else(|| bad("lies outside of the disk"))?;
    let mut block = vec![0; sector as usize];
    disk.read_at(&mut block, offset)?;
    if &block[..8] != SIGNATURE {
        return Err(bad("no signature"));
    }
    let length = le32(&block, 12) as usize;
    if !(HEADER..=sector as usize).contains(&length) {
        return Err(bad("its header has an impossible length"));
    }
    let mut header = block[..length].to_vec();
    header[16..20].fill(0);
    if crc32(&header) != le32(&block, 16) {
        return Err(bad("the checksum of its header does not hold"));
    }
    if le64(&block, 24) != at {
        return Err(bad("it says that it lies elsewhere"));
    }
    let (count, bytes) = (le32(&block, 80), le32(&block, 84));
    if count > MAX_ENTRIES || bytes != ENTRY as u32 {
        return Err(bad("its number or size of entries is not supported"));
    }
    let mut entries = vec![0; count as usize * ENTRY];
    let entries_at = le64(&block, 72).checked_mul(size).ok_or_else(|| bad("its entries lie outside of the disk"))?;
    disk.read_at(&mut entries, entries_at).map_err(|_| bad("its entries lie outside of the disk"))?;
    if crc32(&entries) != le32(&block, 88) {
        return Err(bad("the checksum of its entries does not hold"));
    }
    let mut id = [0; 16];
    id.copy_from_slice(&block[56..72]);
    let table = Table {
        id: Guid::from_mixed(id),
        sector,
        sectors,
        first_usable: le64(&block, 40),
        entries: parse_entries(&entries),
    };
    Ok(Copy { table, other: le64(&block, 32), last_usable: le64(&block, 48) })
}

/// A copy whose partitions lie on the disk and apart.
fn copy(disk: &dyn Bytes, sector: u32, at: u64) -> Result<Copy> {
    let copy = look(disk, sector, at)?;
    let entries = &copy.table.entries;
    if let Some(entry) = entries.iter().find(|entry| entry.first > entry.last || entry.last >= copy.table.sectors) {
        return Err(Error::user(format!("the partition `{}` lies outside of the disk", entry.label)));
    }
    let mut sorted: Vec<(u64, u64)> = entries.iter().map(|entry| (entry.first, entry.last)).collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[1].0 <= pair[0].1) {
        return Err(Error::user("two partitions overlap"));
    }
    Ok(copy)
}

fn parse_entries(bytes: &[u8]) -> Vec<Entry> {
    let mut out: Vec<Entry> = Vec::new();
    for chunk in bytes.chunks_exact(ENTRY) {
        let guid = |at: usize| {
            let mut id = [0; 16];
            id.copy_from_slice(&chunk[at..at + 16]);
            Guid::from_mixed(id)
        };
        if chunk[..16] == [0; 16] {
            continue;
        }
        let units: Vec<u16> =
            chunk[56..].chunks_exact(2).map(|pair| le16(pair, 0)).take_while(|unit| *unit != 0).collect();
        let entry = Entry {
            kind: guid(0),
            id: guid(16),
            first: le64(chunk, 32),
            last: le64(chunk, 40),
            attributes: le64(chunk, 48),
            label: String::from_utf16_lossy(&units),
        };
        out.push(entry);
    }
    out
}

/// CRC-32 as GPT uses it (ISO 3309, reflected, polynomial 0xedb88320).
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    fn table(sector: u32) -> Table {
        let id = Guid::seed("t");
        let entry = |first, last, label: &str| Entry {
            kind: id.derive("kind"),
            id: id.derive(label),
            first,
            last,
            attributes: 1 << 60,
            label: label.to_owned(),
        };
        Table {
            id,
            sector,
            sectors: 8192,
            first_usable: 2048,
            entries: vec![entry(2048, 4095, "one"), entry(4096, 6143, "zwei_ü")],
        }
    }

    fn image(table: &Table) -> Vec<u8> {
        let disk = Disk::new(table.sectors * u64::from(table.sector), table.extents().unwrap()).unwrap();
        let mut out = Vec::new();
        disk.emit(1, &mut out).unwrap();
        out
    }

    #[test]
    fn crc_of_the_check_string() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_is_written_reads_back() {
        for sector in [512, 4096] {
            let table = table(sector);
            let found = read(&image(&table)[..].to_vec()).unwrap();
            assert_eq!(found.table, table);
            assert_eq!(found.faults, [""; 0]);
        }
    }

    #[test]
    fn either_copy_can_be_lost_and_the_loss_is_seen() {
        let table = table(512);
        for at in [512, 600, 1024, 8191 * 512, 8191 * 512 - 16384] {
            let mut bytes = image(&table);
            bytes[at] ^= 1;
            let found = read(&bytes).unwrap();
            assert_eq!(found.table, table, "byte {at}");
            assert_eq!(found.faults.len(), 1, "byte {at}: {:?}", found.faults);
        }
        let mut bytes = image(&table);
        bytes[600] ^= 1;
        bytes[8191 * 512 + 60] ^= 1;
        assert!(read(&bytes).is_err());
        assert!(read(&vec![0; 100]).is_err());
    }

    #[test]
    fn partitions_outside_of_the_disk_are_refused() {
        let mut table = table(512);
        table.entries[1].last = 8191;
        assert!(table.extents().is_err());
    }
}
