//! A disk as a VHDX file.

use super::{
    CHUNK, DISK_ID, DISK_SIZE, HEADER, HEADERS, LOGICAL_SECTOR, MAGIC, METADATA, MIB, MOST, PARAMETERS,
    PHYSICAL_SECTOR, PRESENT, REGION, REGIONS, TABLE, ZERO, checksum,
};
use crate::disk::{Disk, Extent, Sink};
use crate::error::{Context, Error, Result};
use crate::guid::Guid;
use crate::output::{Emit, Format};
use crate::profile::Vhdx;
use crate::size::human;
use crate::tree::Content;

/// Bytes of a sector for the guest, and on the media.
const SECTOR: u64 = 512;
const MEDIA_SECTOR: u32 = 4096;
/// Where log, metadata and table are; each is a MiB but for the table.
const LOG_AT: u64 = MIB;
const METADATA_AT: u64 = 2 * MIB;
const TABLE_AT: u64 = 3 * MIB;
/// Flags of an item: it describes the disk and not the file; who does not know it must not open the file.
const OF_DISK: u32 = 2;
const REQUIRED: u32 = 4;

impl Format for Vhdx {
    fn name(&self) -> &'static str {
        "vhdx"
    }

    fn emit(&self, disk: &Disk, how: &Emit<'_>, sink: &mut dyn Sink) -> Result<()> {
        self.file(disk, how)?.emit(how.jobs, sink)
    }
}

impl Vhdx {
    /// The file, itself as a disk.
    fn file(&self, disk: &Disk, how: &Emit<'_>) -> Result<Disk> {
        let (block, size) = (self.block.bytes(), disk.len().next_multiple_of(SECTOR));
        if !block.is_power_of_two() || !(MIB..=256 * MIB).contains(&block) {
            return Err(Error::bug(format!("no such VHDX: {self:?}")));
        }
        if size > MOST || size == 0 {
            let message = format!("a disk of {}", human(size));
            return Err(Error::user(message).hint("a VHDX holds 1 byte to 64 TiB"));
        }
        let blocks = size.div_ceil(block);
        let chunk = CHUNK * SECTOR / block;
        let entry = |number: u64| number + number / chunk;
        let table_length = ((entry(blocks - 1) + 1) * 8).next_multiple_of(MIB);
        let piece = |at, bytes: Vec<u8>| Extent { at, content: Content::bytes(bytes) };

        let mut identifier = MAGIC.to_vec();
        identifier.extend("imagebuild".encode_utf16().flat_map(u16::to_le_bytes));
        let mut extents = vec![piece(0, identifier), piece(METADATA_AT, self.metadata(size, how.seed))];
        for (at, number) in HEADERS.into_iter().zip(1..) {
            extents.push(piece(at, header(number, how.seed)));
        }
        let regions = regions(table_length)?;
        extents.extend(REGIONS.map(|at| piece(at, regions.clone())));

        let mut table = vec![0; table_length as usize];
        let mut put = |number, value: u64| {
            table[entry(number) as usize * 8..][..8].copy_from_slice(&value.to_le_bytes());
        };
        // Of a block that is not present a reader may make what it likes.
        (0..blocks).for_each(|number| put(number, ZERO));
        let mut at = TABLE_AT + table_length;
        for number in disk.chunks(block, how.jobs).context(|| "looking for zeros".into())? {
            put(number, at | PRESENT);
            extents.extend(disk.slice(number * block, block, at));
            at += block;
        }
        extents.push(piece(TABLE_AT, table));
        Disk::new(at, extents)
    }

    /// The table of metadata and, in a part of its own, what it names.
    fn metadata(&self, size: u64, seed: Guid) -> Vec<u8> {
        let disk = OF_DISK | REQUIRED;
        // The second word of the parameters: blocks may be left out, and there is no parent.
        let items: [(Guid, Vec<u8>, u32); 5] = [
            (PARAMETERS, self.block.bytes().to_le_bytes().to_vec(), REQUIRED),
            (DISK_SIZE, size.to_le_bytes().to_vec(), disk),
            (DISK_ID, seed.derive("vhdx").to_mixed().to_vec(), disk),
            (LOGICAL_SECTOR, (SECTOR as u32).to_le_bytes().to_vec(), disk),
            (PHYSICAL_SECTOR, MEDIA_SECTOR.to_le_bytes().to_vec(), disk),
        ];
        let mut out = b"metadata\0\0".to_vec();
        out.extend((items.len() as u16).to_le_bytes());
        out.resize(32, 0);
        let mut values = Vec::new();
        for (id, value, flags) in items {
            out.extend(id.to_mixed());
            for word in [(REGION + values.len()) as u32, value.len() as u32, flags, 0] {
                out.extend(word.to_le_bytes());
            }
            values.extend(value);
        }
        out.resize(REGION, 0);
        out.extend(values);
        out
    }
}

/// The header whose number is `number`; the log has no id, so it is empty.
fn header(number: u64, seed: Guid) -> Vec<u8> {
    let mut out = b"head\0\0\0\0".to_vec();
    out.extend(number.to_le_bytes());
    out.extend(seed.derive("vhdx-file").to_mixed());
    out.extend(seed.derive("vhdx-data").to_mixed());
    out.extend([0; 16]);
    // Versions of the log and of the format.
    out.extend([0, 0, 1, 0]);
    out.extend((MIB as u32).to_le_bytes());
    out.extend(LOG_AT.to_le_bytes());
    sealed(out, HEADER)
}

fn regions(table_length: u64) -> Result<Vec<u8>> {
    let table_length = u32::try_from(table_length).map_err(|_| Error::bug("a table of 4 GiB"))?;
    let mut out = b"regi\0\0\0\0".to_vec();
    out.extend(2u64.to_le_bytes());
    for (id, at, length) in [(TABLE, TABLE_AT, table_length), (METADATA, METADATA_AT, MIB as u32)] {
        out.extend(id.to_mixed());
        out.extend(at.to_le_bytes());
        out.extend(length.to_le_bytes());
        // Required.
        out.extend(1u32.to_le_bytes());
    }
    Ok(sealed(out, REGION))
}

fn sealed(mut bytes: Vec<u8>, length: usize) -> Vec<u8> {
    bytes.resize(length, 0);
    let sum = checksum(&bytes);
    bytes[4..8].copy_from_slice(&sum.to_le_bytes());
    bytes
}
