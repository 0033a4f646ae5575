//! A VHD file as a disk.

use std::io;
use std::sync::Arc;

use super::{BY_GEOMETRY, DYNAMIC, FIXED, HEADER, HEADER_MAGIC, LARGEST, MAGIC, MOST, NOWHERE, SECTOR, checksum};
use crate::bytes::{Bytes, Part, be32, be64};
use crate::error::{Error, Result};
use crate::output::mapped::{Map, Mapped, Place, bad};

/// Bytes of a table that are read: 2040 GiB in blocks of 512 KiB.
const MOST_TABLE: u64 = 16 << 20;

/// Whether these bytes, the last 512 of a file, are a footer that is sound.
pub fn is_footer(bytes: &[u8]) -> bool {
    bytes.len() == SECTOR as usize && bytes[..8] == MAGIC && be32(bytes, 64) == checksum(bytes, 64)
}

/// The disk of a VHD, fixed or dynamic.
pub fn open(file: Arc<dyn Bytes>) -> Result<Arc<dyn Bytes>> {
    let refused = |why: String| Error::source(format!("a VHD that cannot be read: {why}"));
    let end = file.length().checked_sub(SECTOR).ok_or_else(|| refused("it is cut".into()))?;
    // The copy in front, which a dynamic disk has, serves where the end of the file is damaged.
    let mut footer = [0; SECTOR as usize];
    file.read_at(&mut footer, end)?;
    if !is_footer(&footer) {
        file.read_at(&mut footer, 0)?;
    }
    if !is_footer(&footer) {
        return Err(refused("its footer is damaged".into()));
    }
    let (cylinders, heads, sectors) =
        (u64::from(footer[56]) << 8 | u64::from(footer[57]), u64::from(footer[58]), u64::from(footer[59]));
    let by_geometry = BY_GEOMETRY.contains(&[footer[28], footer[29], footer[30], footer[31]]);
    let size = match by_geometry && (cylinders, heads, sectors) != LARGEST {
        true => cylinders * heads * sectors * SECTOR,
        false => be64(&footer, 48),
    };
    if size > MOST {
        return Err(refused(format!("a disk of {size} bytes")));
    }
    match be32(&footer, 60) {
        FIXED if size <= end => Ok(Arc::new(Part::new(file, 0, size)?)),
        FIXED => Err(refused("it is cut".into())),
        DYNAMIC => {
            let table = Table::read(&*file, be64(&footer, 16), size).map_err(|why| refused(why.to_string()))?;
            Ok(Arc::new(Mapped::new(file, table)))
        }
        4 => Err(refused("it holds only the differences to another file".into())
            .hint("flatten it first: qemu-img convert -f vpc -O vpc -o force_size=on")),
        kind => Err(refused(format!("a disk of type {kind}"))),
    }
}

/// Where the blocks of a dynamic disk are.
#[derive(Debug)]
struct Table {
    size: u64,
    block: u64,
    /// Bytes of the bitmap in front of each block.
    bitmap: u64,
    entries: Vec<u32>,
}

impl Table {
    fn read(file: &dyn Bytes, at: u64, size: u64) -> io::Result<Self> {
        let mut header = [0; HEADER];
        file.read_at(&mut header, at).map_err(|_| bad("its header lies past its end"))?;
        if header[..8] != HEADER_MAGIC || be32(&header, 36) != checksum(&header, 36) {
            return Err(bad("its header is damaged"));
        }
        let block = u64::from(be32(&header, 32));
        if !block.is_power_of_two() || block < 8 * SECTOR {
            return Err(bad("its blocks have a size that is none"));
        }
        let needed = size.div_ceil(block);
        if u64::from(be32(&header, 28)) < needed || needed * 4 > MOST_TABLE {
            return Err(bad("its table does not fit the disk"));
        }
        let mut bytes = vec![0; needed as usize * 4];
        file.read_at(&mut bytes, be64(&header, 16)).map_err(|_| bad("its table lies past its end"))?;
        let entries = bytes.as_chunks::<4>().0.iter().map(|entry| u32::from_be_bytes(*entry)).collect();
        Ok(Table { size, block, bitmap: (block / SECTOR / 8).next_multiple_of(SECTOR), entries })
    }
}

impl Map for Table {
    fn size(&self) -> u64 {
        self.size
    }

    fn block(&self) -> u64 {
        self.block
    }

    fn place(&self, _: &dyn Bytes, number: u64) -> io::Result<Place> {
        Ok(match self.entries.get(number as usize) {
            None | Some(&NOWHERE) => Place::Nowhere,
            // As QEMU does: what the bitmap leaves out is zeros in the block as well.
            Some(entry) => Place::Plain(u64::from(*entry) * SECTOR + self.bitmap),
        })
    }
}
