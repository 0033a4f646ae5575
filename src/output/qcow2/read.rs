//! A qcow2 file as a disk.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use flate2::{Decompress, FlushDecompress};

use super::{
    CLUSTER_BITS, COMPRESSED, COMPRESSION_TYPE, HEADER_2, MAGIC, MAX_LEVEL_1, OFFSET, SECTOR, WINDOW_BITS, ZERO,
};
use crate::bytes::Bytes;
use crate::error::{Error, Result};

/// Tables of level 2 that are kept; one is as large as a cluster.
const KEPT_TABLES: usize = 32;
/// Unpacked clusters that are kept.
const KEPT_CLUSTERS: usize = 16;
/// Incompatible features that do not change how bytes are read: the counts of a file in use are not up to date.
const DIRTY: u64 = 1;
/// Incompatible feature: the file was found to be damaged.
const CORRUPT: u64 = 1 << 1;

/// A qcow2 file, read as the disk that it holds.
///
/// Backing files, encryption, external data and extended tables are refused; snapshots are not looked at.
#[derive(Debug)]
pub struct Qcow2Disk {
    file: Arc<dyn Bytes>,
    size: u64,
    cluster_bits: u32,
    zstd: bool,
    level_1: Vec<u64>,
    tables: Mutex<HashMap<u64, Arc<Vec<u64>>>>,
    clusters: Mutex<HashMap<u64, Arc<Vec<u8>>>>,
}

/// Where a guest cluster's bytes are.
enum Place {
    Nowhere,
    Plain(u64),
    Compressed(u64, u64),
}

impl Qcow2Disk {
    /// Reads the header and the level 1 table of `file`.
    pub fn new(file: Arc<dyn Bytes>) -> Result<Self> {
        let mut header = [0; HEADER_2 as usize + 40];
        let head = file.length().min(header.len() as u64) as usize;
        file.read_at(&mut header[..head], 0)?;
        let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let long = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 4));
        if head < HEADER_2 as usize || header[..4] != MAGIC {
            return Err(refused("its header is cut"));
        }
        let version = word(4);
        if !(2..=3).contains(&version) {
            return Err(refused(format!("it has version {version}")).hint("versions 2 and 3 are read"));
        }
        if long(8) != 0 {
            return Err(refused("it stands on a backing file").hint("flatten it first: qemu-img convert -O qcow2"));
        }
        let cluster_bits = word(20);
        if !CLUSTER_BITS.contains(&cluster_bits) {
            return Err(refused(format!("clusters of 2^{cluster_bits} bytes")));
        }
        if word(32) != 0 {
            return Err(refused("it is encrypted"));
        }
        let mut features = 0;
        let mut zstd = false;
        if version == 3 {
            if head < 104 || word(100) < 104 {
                return Err(refused("its header is cut"));
            }
            features = long(72);
            if features & COMPRESSION_TYPE != 0 {
                zstd = match (word(100) > 104, header[104]) {
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
        let size = long(24);
        let entries = size.div_ceil(1 << cluster_bits).div_ceil(1 << (cluster_bits - 3));
        let claimed = u64::from(word(36));
        if claimed < entries || entries * 8 > MAX_LEVEL_1 {
            return Err(refused(format!("a level 1 table of {claimed} entries for a disk of {size} bytes")));
        }
        let mut bytes = vec![0; entries as usize * 8];
        file.read_at(&mut bytes, long(40)).map_err(|_| refused("its level 1 table lies past its end"))?;
        let level_1 = words(&bytes);
        Ok(Qcow2Disk { file, size, cluster_bits, zstd, level_1, tables: Mutex::default(), clusters: Mutex::default() })
    }

    fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// The table of level 2 that an entry of level 1 leads to; none where there is none.
    fn table(&self, index: u64) -> io::Result<Option<Arc<Vec<u64>>>> {
        let Some(at) = self.level_1.get(index as usize).map(|entry| entry & OFFSET).filter(|at| *at != 0) else {
            return Ok(None);
        };
        if let Some(table) = lock(&self.tables).get(&at) {
            return Ok(Some(table.clone()));
        }
        let mut bytes = vec![0; self.cluster() as usize];
        self.file.read_at(&mut bytes, at).map_err(|_| bad("a level 2 table lies past the end of the file"))?;
        let table = Arc::new(words(&bytes));
        keep(&self.tables, at, table.clone(), KEPT_TABLES);
        Ok(Some(table))
    }

    fn place(&self, number: u64) -> io::Result<Place> {
        let per_table = self.cluster() / 8;
        let Some(table) = self.table(number / per_table)? else { return Ok(Place::Nowhere) };
        let entry = table.get((number % per_table) as usize).copied().unwrap_or(0);
        if entry & COMPRESSED != 0 {
            let shift = 62 - (self.cluster_bits - 8);
            let at = entry & ((1 << shift) - 1);
            let sectors = (entry & (COMPRESSED - 1)) >> shift;
            return Ok(Place::Compressed(at, (sectors + 1) * SECTOR - at % SECTOR));
        }
        match entry & OFFSET {
            0 => Ok(Place::Nowhere),
            _ if entry & ZERO != 0 => Ok(Place::Nowhere),
            at if at % self.cluster() != 0 => Err(bad("a cluster that is not aligned")),
            at => Ok(Place::Plain(at)),
        }
    }

    fn unpacked(&self, at: u64, length: u64) -> io::Result<Arc<Vec<u8>>> {
        if let Some(cluster) = lock(&self.clusters).get(&at) {
            return Ok(cluster.clone());
        }
        // The last one's sectors may reach past the end of the file.
        let length = length.min(self.file.length().saturating_sub(at));
        let mut packed = vec![0; length as usize];
        self.file.read_at(&mut packed, at).map_err(|_| bad("a compressed cluster lies past the end of the file"))?;
        let mut out = vec![0; self.cluster() as usize];
        match self.zstd {
            true => {
                // Behind the frame there is whatever follows in its last sector.
                let frame = zstd::zstd_safe::find_frame_compressed_size(&packed)
                    .map_err(|_| bad("a compressed cluster is cut"))?;
                let mut unpacker = zstd::bulk::Decompressor::new()?;
                let frame = packed.get(..frame).unwrap_or_default();
                let count = unpacker.decompress_to_buffer(frame, &mut out[..])?;
                if count != out.len() {
                    return Err(bad("a compressed cluster is not whole"));
                }
            }
            false => {
                let mut unpacker = Decompress::new_with_window_bits(false, WINDOW_BITS);
                let done = unpacker.decompress(&packed, &mut out, FlushDecompress::Finish);
                done.map_err(|error| bad(format!("a compressed cluster: {error}")))?;
                if unpacker.total_out() != self.cluster() {
                    return Err(bad("a compressed cluster is not whole"));
                }
            }
        }
        let out = Arc::new(out);
        keep(&self.clusters, at, out.clone(), KEPT_CLUSTERS);
        Ok(out)
    }
}

impl Bytes for Qcow2Disk {
    fn length(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > self.size) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "reading past the end of the disk"));
        }
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let inside = at % self.cluster();
            let count = (self.cluster() - inside).min((buffer.len() - done) as u64) as usize;
            let piece = &mut buffer[done..done + count];
            match self.place(at / self.cluster())? {
                Place::Nowhere => piece.fill(0),
                Place::Plain(host) => self
                    .file
                    .read_at(piece, host + inside)
                    .map_err(|_| bad("a cluster lies past the end of the file"))?,
                Place::Compressed(host, length) => {
                    let cluster = self.unpacked(host, length)?;
                    piece.copy_from_slice(&cluster[inside as usize..inside as usize + count]);
                }
            }
            done += count;
        }
        Ok(())
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        if offset >= self.size {
            return Ok(None);
        }
        let per_table = self.cluster() / 8;
        let count = self.size.div_ceil(self.cluster());
        let is_data = |number| Ok::<_, io::Error>(!matches!(self.place(number)?, Place::Nowhere));
        let mut number = offset / self.cluster();
        while number < count {
            if self.table(number / per_table)?.is_none() {
                number = (number / per_table + 1) * per_table;
            } else if is_data(number)? {
                break;
            } else {
                number += 1;
            }
        }
        if number >= count {
            return Ok(None);
        }
        let start = (number * self.cluster()).max(offset);
        // One table at a time, so that little is looked at twice.
        let last = ((number / per_table + 1) * per_table).min(count);
        number += 1;
        while number < last && is_data(number)? {
            number += 1;
        }
        Ok(Some(start..(number * self.cluster()).min(self.size)))
    }
}

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_be_bytes(*word)).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a value; all are forgotten where there are too many: reading goes front to back.
fn keep<T>(kept: &Mutex<HashMap<u64, T>>, at: u64, value: T, most: usize) {
    let mut kept = lock(kept);
    if kept.len() >= most {
        kept.clear();
    }
    kept.insert(at, value);
}

fn bad(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

fn refused(why: impl Into<String>) -> Error {
    Error::user(format!("a qcow2 file that cannot be read: {}", why.into()))
}
