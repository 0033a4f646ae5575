//! A qcow2 file as a disk.

use std::io;
use std::sync::Arc;

use flate2::{Decompress, FlushDecompress};

use super::{
    CLUSTER_BITS, COMPRESSED, COMPRESSION_TYPE, HEADER_2, MAGIC, MAX_LEVEL_1, OFFSET, SECTOR, WINDOW_BITS, ZERO,
};
use crate::bytes::{Bytes, be32, be64};
use crate::error::{Error, Result};
use crate::output::mapped::{Kept, Map, Mapped, Place, bad};

/// Incompatible features that do not change how bytes are read: the counts of a file in use are not up to date.
const DIRTY: u64 = 1;
/// Incompatible feature: the file was found to be damaged.
const CORRUPT: u64 = 1 << 1;

/// The disk of a qcow2 file.
///
/// Backing files, encryption, external data and extended tables are refused; snapshots are not looked at.
pub fn open(file: Arc<dyn Bytes>) -> Result<Arc<dyn Bytes>> {
    let clusters = Clusters::read(&*file)?;
    Ok(Arc::new(Mapped::new(file, clusters)))
}

/// Where the clusters are.
#[derive(Debug)]
struct Clusters {
    size: u64,
    cluster_bits: u32,
    zstd: bool,
    level_1: Vec<u64>,
    /// Of level 2; each is as large as a cluster.
    tables: Kept<Vec<u64>>,
}

impl Clusters {
    /// Reads the header and the level 1 table of `file`.
    fn read(file: &dyn Bytes) -> Result<Self> {
        let mut header = [0; HEADER_2 as usize + 40];
        let head = file.length().min(header.len() as u64) as usize;
        file.read_at(&mut header[..head], 0)?;
        if head < HEADER_2 as usize || header[..4] != MAGIC {
            return Err(refused("its header is cut"));
        }
        let version = be32(&header, 4);
        if !(2..=3).contains(&version) {
            return Err(refused(format!("it has version {version}")).hint("versions 2 and 3 are read"));
        }
        if be64(&header, 8) != 0 {
            return Err(refused("it stands on a backing file").hint("flatten it first: qemu-img convert -O qcow2"));
        }
        let cluster_bits = be32(&header, 20);
        if !CLUSTER_BITS.contains(&cluster_bits) {
            return Err(refused(format!("clusters of 2^{cluster_bits} bytes")));
        }
        if be32(&header, 32) != 0 {
            return Err(refused("it is encrypted"));
        }
        let mut features = 0;
        let mut zstd = false;
        if version == 3 {
            if head < 104 || be32(&header, 100) < 104 {
                return Err(refused("its header is cut"));
            }
            features = be64(&header, 72);
            if features & COMPRESSION_TYPE != 0 {
                zstd = match (be32(&header, 100) > 104, header[104]) {
                    (true, 1) => true,
                    (true, 0) => false,
                    _ => return Err(refused("it is compressed in a way that is not known")),
                };
            }
        }
        if features & CORRUPT != 0 {
            return Err(refused("it says itself that it is damaged").hint("mend it: qemu-img check -r all"));
        }
        if features & !(DIRTY | COMPRESSION_TYPE) != 0 {
            return Err(refused(format!("it has features that are not known: {features:#x}"))
                .hint("external data files and extended tables of level 2 are not read"));
        }
        let size = be64(&header, 24);
        let entries = size.div_ceil(1 << cluster_bits).div_ceil(1 << (cluster_bits - 3));
        let claimed = u64::from(be32(&header, 36));
        if claimed < entries || entries * 8 > MAX_LEVEL_1 {
            return Err(refused(format!("a level 1 table of {claimed} entries for a disk of {size} bytes")));
        }
        let mut bytes = vec![0; entries as usize * 8];
        file.read_at(&mut bytes, be64(&header, 40)).map_err(|_| refused("its level 1 table lies past its end"))?;
        let level_1 = words(&bytes);
        Ok(Clusters { size, cluster_bits, zstd, level_1, tables: Kept::default() })
    }

    /// Entries of a table of level 2.
    fn per_table(&self) -> u64 {
        self.block() / 8
    }

    /// Where the table of level 2 lies that an entry of level 1 leads to; none where there is none.
    fn table_at(&self, index: u64) -> Option<u64> {
        self.level_1.get(index as usize).map(|entry| entry & OFFSET).filter(|at| *at != 0)
    }

    /// Where a compressed cluster begins, and the bytes of all sectors that it reaches into from there.
    fn packed(&self, entry: u64) -> (u64, u64) {
        let shift = 62 - (self.cluster_bits - 8);
        let at = entry & ((1 << shift) - 1);
        let sectors = (entry & (COMPRESSED - 1)) >> shift;
        (at, (sectors + 1) * SECTOR - at % SECTOR)
    }
}

impl Map for Clusters {
    fn size(&self) -> u64 {
        self.size
    }

    fn block(&self) -> u64 {
        1 << self.cluster_bits
    }

    fn place(&self, file: &dyn Bytes, number: u64) -> io::Result<Place> {
        let Some(at) = self.table_at(number / self.per_table()) else { return Ok(Place::Nowhere) };
        let table = self.tables.get(at, || {
            let mut bytes = vec![0; self.block() as usize];
            file.read_at(&mut bytes, at).map_err(|_| bad("a level 2 table lies past the end of the file"))?;
            Ok(words(&bytes))
        })?;
        let entry = table.get((number % self.per_table()) as usize).copied().unwrap_or(0);
        if entry & COMPRESSED != 0 {
            return Ok(Place::Packed(entry));
        }
        match entry & OFFSET {
            0 => Ok(Place::Nowhere),
            _ if entry & ZERO != 0 => Ok(Place::Nowhere),
            at if at % self.block() != 0 => Err(bad("a cluster that is not aligned")),
            at => Ok(Place::Plain(at)),
        }
    }

    fn absent_up_to(&self, _: &dyn Bytes, number: u64) -> io::Result<u64> {
        let table = number / self.per_table();
        let none =
            (table..self.level_1.len() as u64).take_while(|index| self.table_at(*index).is_none()).count() as u64;
        Ok(if none == 0 { number + 1 } else { (table + none) * self.per_table() })
    }

    fn unpack(&self, file: &dyn Bytes, entry: u64, out: &mut [u8]) -> io::Result<()> {
        let (at, length) = self.packed(entry);
        // The last one's sectors may reach past the end of the file.
        let length = length.min(file.length().saturating_sub(at));
        let mut packed = vec![0; length as usize];
        file.read_at(&mut packed, at).map_err(|_| bad("a compressed cluster lies past the end of the file"))?;
        let count = match self.zstd {
            true => {
                // Behind the frame there is whatever follows in its last sector.
                let frame = zstd::zstd_safe::find_frame_compressed_size(&packed)
                    .map_err(|_| bad("a compressed cluster is cut"))?;
                let frame = packed.get(..frame).unwrap_or_default();
                zstd::bulk::Decompressor::new()?.decompress_to_buffer(frame, out)? as u64
            }
            false => {
                let mut unpacker = Decompress::new_with_window_bits(false, WINDOW_BITS);
                let done = unpacker.decompress(&packed, out, FlushDecompress::Finish);
                done.map_err(|error| bad(format!("a compressed cluster: {error}")))?;
                unpacker.total_out()
            }
        };
        if count != self.block() {
            return Err(bad("a compressed cluster is not whole"));
        }
        Ok(())
    }
}

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_be_bytes(*word)).collect()
}

fn refused(why: impl Into<String>) -> Error {
    Error::user(format!("a qcow2 file that cannot be read: {}", why.into()))
}
