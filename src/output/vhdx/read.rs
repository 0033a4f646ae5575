//! A VHDX file as a disk.

use std::io;
use std::sync::Arc;

use super::{
    CHUNK, DISK_SIZE, HEADER, HEADERS, LOGICAL_SECTOR, METADATA, MIB, MOST, PARAMETERS, PRESENT, REGION, REGIONS,
    TABLE, checksum,
};
use crate::bytes::{Bytes, le16, le32, le64};
use crate::error::{Error, Result};
use crate::guid::Guid;
use crate::output::mapped::{Map, Mapped, Place, bad};

/// Entries of the table that are read: 8 TiB in blocks of 1 MiB, 64 TiB in blocks of 8 MiB.
const MOST_ENTRIES: u64 = 8 << 20;
/// Entries that a table of regions or metadata may have.
const MOST_ITEMS: usize = 2047;

/// The disk of a VHDX, fixed or dynamic.
pub fn open(file: Arc<dyn Bytes>) -> Result<Arc<dyn Bytes>> {
    let blocks = Blocks::read(&*file).map_err(|why| Error::source(format!("a VHDX that cannot be read: {why}")))?;
    Ok(Arc::new(Mapped::new(file, blocks)))
}

/// Where the blocks are.
#[derive(Debug)]
struct Blocks {
    size: u64,
    block: u64,
    /// Blocks between two entries of the table that are for bitmaps.
    chunk: u64,
    table: Vec<u64>,
}

impl Blocks {
    fn read(file: &dyn Bytes) -> io::Result<Self> {
        let headers = HEADERS.iter().filter_map(|at| sealed(file, *at, HEADER, b"head"));
        let header = headers.max_by_key(|header| le64(header, 8)).ok_or_else(|| bad("both its headers are damaged"))?;
        if header[66..68] != [1, 0] {
            return Err(bad("it has a version that is not known"));
        }
        if header[48..64] != [0; 16] {
            return Err(bad("it was not closed, so that its log must be replayed first: qemu-img check -r all"));
        }
        let regions = REGIONS.iter().find_map(|at| sealed(file, *at, REGION, b"regi"));
        let regions = regions.ok_or_else(|| bad("both its tables of regions are damaged"))?;
        let (mut table, mut metadata) = (None, None);
        for entry in entries(&regions, 16, le32(&regions, 8) as usize)? {
            let found = (le64(entry, 16), u64::from(le32(entry, 24)));
            match guid(entry) {
                TABLE => table = Some(found),
                METADATA => metadata = Some(found.0),
                _ if le32(entry, 28) & 1 == 0 => {}
                other => return Err(bad(format!("it has a region that is not known: {other}"))),
            }
        }
        let (Some((table_at, table_length)), Some(metadata_at)) = (table, metadata) else {
            return Err(bad("it has no table or no metadata"));
        };
        let (size, block, sector) = metadata_of(file, metadata_at)?;
        let chunk = CHUNK * sector / block;
        let blocks = size.div_ceil(block);
        let count = blocks + blocks.saturating_sub(1) / chunk;
        if count > MOST_ENTRIES || count * 8 > table_length {
            return Err(bad(format!("its table does not fit a disk of {size} bytes")));
        }
        if table_at.checked_add(count * 8).is_none_or(|end| end > file.length()) {
            return Err(bad("its table lies past its end"));
        }
        let mut bytes = vec![0; count as usize * 8];
        file.read_at(&mut bytes, table_at)?;
        let table = bytes.as_chunks::<8>().0.iter().map(|entry| u64::from_le_bytes(*entry)).collect();
        Ok(Blocks { size, block, chunk, table })
    }
}

impl Map for Blocks {
    fn size(&self) -> u64 {
        self.size
    }

    fn block(&self) -> u64 {
        self.block
    }

    fn place(&self, _: &dyn Bytes, number: u64) -> io::Result<Place> {
        let entry = self.table.get((number + number / self.chunk) as usize).copied().unwrap_or(0);
        match entry & 7 {
            // Not present, undefined, zero, unmapped: no byte of them is in the file. 5 meant unmapped once.
            0..=3 | 5 => Ok(Place::Nowhere),
            PRESENT => Ok(Place::Plain(entry / MIB * MIB)),
            state => Err(bad(format!("a block is in state {state}"))),
        }
    }
}

/// Bytes of the disk, of a block and of a sector, out of the metadata at `at`.
fn metadata_of(file: &dyn Bytes, at: u64) -> io::Result<(u64, u64, u64)> {
    let cut = |_| bad("its metadata lies past its end");
    let mut bytes = vec![0; REGION];
    file.read_at(&mut bytes, at).map_err(cut)?;
    if bytes[..8] != *b"metadata" {
        return Err(bad("its metadata is damaged"));
    }
    let count = usize::from(le16(&bytes, 10));
    let (mut size, mut parameters, mut sector) = (None, None, None);
    for entry in entries(&bytes, 32, count)? {
        let slot = match guid(entry) {
            DISK_SIZE => &mut size,
            PARAMETERS => &mut parameters,
            LOGICAL_SECTOR => &mut sector,
            // The others say nothing of where bytes are.
            _ => continue,
        };
        let length = (le32(entry, 20) as usize).min(8);
        let mut value = [0; 8];
        let place = at.checked_add(u64::from(le32(entry, 16))).ok_or_else(|| bad("its metadata lies past its end"))?;
        file.read_at(&mut value[..length], place).map_err(cut)?;
        *slot = Some(u64::from_le_bytes(value));
    }
    let (Some(size), Some(parameters), Some(sector)) = (size, parameters, sector) else {
        return Err(bad("its metadata is not whole"));
    };
    let (block, flags) = (parameters & u64::from(u32::MAX), parameters >> 32);
    if flags & 2 != 0 {
        return Err(bad("it holds only the differences to another file"));
    }
    if !block.is_power_of_two() || !(MIB..=256 * MIB).contains(&block) || !matches!(sector, 512 | 4096) {
        return Err(bad(format!("blocks of {block} bytes, sectors of {sector}")));
    }
    if size == 0 || size > MOST || !size.is_multiple_of(sector) {
        return Err(bad(format!("a disk of {size} bytes")));
    }
    Ok((size, block, sector))
}

/// The `length` bytes at `at`, if they begin with `magic` and their checksum is right.
fn sealed(file: &dyn Bytes, at: u64, length: usize, magic: &[u8; 4]) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.read_at(&mut bytes, at).ok()?;
    (bytes[..4] == *magic && le32(&bytes, 4) == checksum(&bytes)).then_some(bytes)
}

/// The entries of 32 bytes behind a head of `head` bytes.
fn entries(bytes: &[u8], head: usize, count: usize) -> io::Result<impl Iterator<Item = &[u8]>> {
    let whole = bytes.get(head..).unwrap_or_default().as_chunks::<32>().0;
    match count > MOST_ITEMS || count > whole.len() {
        true => Err(bad(format!("a table of {count} entries"))),
        false => Ok(whole[..count].iter().map(|entry| &entry[..])),
    }
}

fn guid(entry: &[u8]) -> Guid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&entry[..16]);
    Guid::from_mixed(bytes)
}
