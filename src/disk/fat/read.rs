//! A reader of FAT32 that believes nothing: every number is bounded, every chain ends.

use std::collections::BTreeMap;
use std::ops::Range;

use super::directory::UNITS;
use super::{DIRECTORY, ENTRY, FIRST, LONG, MIN_CLUSTERS, VOLUME, checksum};
use crate::bytes::{Bytes, le16, le32};
use crate::error::{Error, Result};

/// Folders deeper than this are refused.
const MAX_DEPTH: usize = 16;
/// More files and folders than this are refused.
const MAX_FILES: usize = 65_536;
/// A folder of more bytes is refused.
const MAX_FOLDER: u64 = 4 << 20;
/// All folders together have at most so many bytes, and so have the paths of all files: a folder that holds
/// itself would else be read over and over.
const MAX_TOTAL: usize = 32 << 20;

/// A volume whose geometry was checked.
pub struct Reader<'a> {
    bytes: &'a dyn Bytes,
    sector: u64,
    cluster: u64,
    fat_at: u64,
    fat_bytes: u64,
    data_at: u64,
    clusters: u64,
    root: u32,
}

/// A file of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// `/` between components, none in front.
    pub path: String,
    /// Bytes.
    pub size: u32,
    cluster: u32,
}

impl<'a> Reader<'a> {
    /// Checks the boot sector.
    pub fn new(bytes: &'a dyn Bytes) -> Result<Self> {
        let bad = |what: &str| Error::user(format!("not a FAT32: {what}"));
        let mut boot = vec![0; 512];
        bytes.read_at(&mut boot, 0).map_err(|_| bad("too short"))?;
        let u16_at = |at: usize| u64::from(le16(&boot, at));
        let u32_at = |at: usize| u64::from(le32(&boot, at));
        let (sector, per_cluster) = (u16_at(11), u64::from(boot[13]));
        if boot[510..] != [0x55, 0xaa] || ![512, 4096].contains(&sector) || !per_cluster.is_power_of_two() {
            return Err(bad("its first sector is no boot sector"));
        }
        let (sectors, fat_sectors) = (u32_at(32), u32_at(36));
        if u16_at(17) != 0 || u16_at(22) != 0 || boot[16] != 2 {
            return Err(bad("it is a FAT12 or FAT16, or has no two tables"));
        }
        // All are below 2^33: no overflow.
        let data = u16_at(14) + 2 * fat_sectors;
        let clusters = sectors.checked_sub(data).ok_or_else(|| bad("its tables do not fit"))? / per_cluster;
        if sectors * sector > bytes.length() || clusters < MIN_CLUSTERS || (clusters + 2) * 4 > fat_sectors * sector {
            return Err(bad("its sizes contradict each other"));
        }
        Ok(Reader {
            bytes,
            sector,
            cluster: sector * per_cluster,
            fat_at: u16_at(14) * sector,
            fat_bytes: fat_sectors * sector,
            data_at: data * sector,
            clusters,
            root: u32_at(44) as u32,
        })
    }

    /// Every file, sorted by path.
    pub fn files(&self) -> Result<Vec<File>> {
        let mut walk = Walk::default();
        self.below("", self.root, 0, &mut walk)?;
        Ok(walk.files.into_values().collect())
    }

    /// The whole of a file; an error above `limit` bytes.
    pub fn read(&self, file: &File, limit: u64) -> Result<Vec<u8>> {
        let size = u64::from(file.size);
        if size > limit {
            return Err(Error::user(format!("`{}` has {size} bytes, more than the {limit} that are read", file.path)));
        }
        let mut out = self.chain(file.cluster, size)?;
        if (out.len() as u64) < size {
            return Err(short(file));
        }
        out.truncate(size as usize);
        Ok(out)
    }

    /// Bytes of a sector.
    pub fn sector(&self) -> u64 {
        self.sector
    }

    /// Where both tables lie.
    pub fn tables(&self) -> Range<u64> {
        self.fat_at..self.data_at
    }

    /// Where a file's clusters lie, in the order of its bytes.
    pub fn clusters(&self, file: &File) -> Result<Vec<Range<u64>>> {
        let size = u64::from(file.size);
        let places = self.follow(file.cluster, size)?;
        if (places.len() as u64) * self.cluster < size {
            return Err(short(file));
        }
        Ok(places.into_iter().map(|place| place..place + self.cluster).collect())
    }

    /// Bytes of clusters that nothing uses, and bytes of one of them.
    pub fn free(&self) -> Result<(u64, u64)> {
        let end = (self.clusters + u64::from(FIRST)) * 4;
        let mut buffer = vec![0; 1 << 16];
        let (mut at, mut count) = (u64::from(FIRST) * 4, 0);
        while at < end {
            let length = (end - at).min(1 << 16) as usize;
            self.bytes.read_at(&mut buffer[..length], self.fat_at + at)?;
            let entries = buffer[..length].chunks_exact(4);
            // The upper four bits are no part of an entry.
            count += entries.filter(|entry| entry[..3] == [0; 3] && entry[3] & 0x0f == 0).count() as u64;
            at += length as u64;
        }
        Ok((count * self.cluster, self.cluster))
    }

    /// What is wrong with the tables: they must be equal.
    pub fn faults(&self) -> Result<Vec<String>> {
        let mut pair = [vec![0; 1 << 16], vec![0; 1 << 16]];
        let mut at = 0;
        while at < self.fat_bytes {
            let count = (self.fat_bytes - at).min(1 << 16) as usize;
            for (copy, buffer) in pair.iter_mut().enumerate() {
                self.bytes.read_at(&mut buffer[..count], self.fat_at + copy as u64 * self.fat_bytes + at)?;
            }
            if pair[0][..count] != pair[1][..count] {
                return Ok(vec![format!("the two tables of the FAT differ in the 64 KiB from byte {at}")]);
            }
            at += count as u64;
        }
        Ok(Vec::new())
    }

    fn below(&self, prefix: &str, cluster: u32, depth: usize, walk: &mut Walk) -> Result<()> {
        let too_many = || Error::user("too many or too deep folders in a FAT");
        walk.folders += 1;
        if depth > MAX_DEPTH || walk.folders + walk.files.len() > MAX_FILES {
            return Err(too_many());
        }
        let bytes = self.chain(cluster, MAX_FOLDER)?;
        walk.read += bytes.len();
        if walk.read > MAX_TOTAL {
            return Err(too_many());
        }
        let mut long = LongName::default();
        for chunk in bytes.chunks_exact(ENTRY) {
            let attributes = chunk[11];
            match chunk[0] {
                0 => break,
                0xe5 => {
                    long = LongName::default();
                    continue;
                }
                b'.' => continue,
                _ if attributes & 0x3f == LONG => {
                    long.take(chunk);
                    continue;
                }
                _ => {}
            }
            let mut short = [0; 11];
            short.copy_from_slice(&chunk[..11]);
            let name = std::mem::take(&mut long).name(&short).unwrap_or_else(|| plain(&short));
            if attributes & VOLUME != 0 {
                continue;
            }
            if name.is_empty() {
                return Err(Error::user(format!("a file without a name in the folder `/{prefix}` of a FAT")));
            }
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            walk.names += path.len();
            if walk.names > MAX_TOTAL {
                return Err(too_many());
            }
            let cluster = u32::from(le16(chunk, 20)) << 16 | u32::from(le16(chunk, 26));
            if attributes & DIRECTORY != 0 {
                self.below(&path, cluster, depth + 1, walk)?;
            } else {
                let size = le32(chunk, 28);
                walk.files.insert(path.clone(), File { path, size, cluster });
            }
        }
        Ok(())
    }

    /// The bytes of the clusters from `first` on, as many as `most` bytes need at most.
    fn chain(&self, first: u32, most: u64) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut block = vec![0; self.cluster as usize];
        for place in self.follow(first, most)? {
            self.bytes.read_at(&mut block, place)?;
            out.extend_from_slice(&block);
        }
        Ok(out)
    }

    /// Where the clusters from `first` on lie, as many as `most` bytes need at most.
    fn follow(&self, first: u32, most: u64) -> Result<Vec<u64>> {
        let mut out = Vec::new();
        let mut at = first;
        while (out.len() as u64) * self.cluster < most {
            if at >= 0x0fff_fff8 && !out.is_empty() {
                return Ok(out);
            }
            let index = u64::from(at).checked_sub(u64::from(FIRST)).filter(|index| *index < self.clusters);
            let index = index.ok_or_else(|| Error::user(format!("a chain of the FAT leads to cluster {at}")))?;
            if out.len() as u64 >= self.clusters {
                return Err(circle());
            }
            out.push(self.data_at + index * self.cluster);
            let mut next = [0; 4];
            self.bytes.read_at(&mut next, self.fat_at + u64::from(at) * 4)?;
            let next = u32::from_le_bytes(next) & 0x0fff_ffff;
            if next == at {
                return Err(circle());
            }
            at = next;
        }
        Ok(out)
    }
}

/// What was found so far, and what it cost.
#[derive(Default)]
struct Walk {
    files: BTreeMap<String, File>,
    folders: usize,
    read: usize,
    names: usize,
}

fn short(file: &File) -> Error {
    Error::user(format!("`{}` has {} bytes, but its chain in the FAT is shorter", file.path, file.size))
}

fn circle() -> Error {
    Error::user("a chain of the FAT leads in a circle")
}

/// The pieces of a long name seen so far; they come last first.
#[derive(Default)]
struct LongName {
    units: Vec<u16>,
    sum: u8,
    next: u8,
}

impl LongName {
    fn take(&mut self, chunk: &[u8]) {
        let number = chunk[0] & 0x1f;
        if chunk[0] & 0x40 != 0 {
            *self = LongName { units: Vec::new(), sum: chunk[13], next: number };
        }
        if number == 0 || number != self.next || chunk[13] != self.sum {
            *self = LongName::default();
            return;
        }
        let piece = UNITS.map(|at| le16(chunk, at));
        self.units.splice(0..0, piece);
        self.next -= 1;
    }

    fn name(self, short: &[u8; 11]) -> Option<String> {
        let whole = !self.units.is_empty() && self.next == 0 && self.sum == checksum(short);
        let end = self.units.iter().position(|unit| *unit == 0).unwrap_or(self.units.len());
        let name = String::from_utf16_lossy(self.units.get(..end)?);
        // A name is printed as it is.
        let name = name.replace(char::is_control, "\u{fffd}");
        (whole && !name.contains('/')).then_some(name)
    }
}

fn plain(short: &[u8; 11]) -> String {
    let part = |bytes: &[u8]| bytes.escape_ascii().to_string().trim_end().replace('/', "_");
    let (stem, extension) = (part(&short[..8]), part(&short[8..]));
    if extension.is_empty() { stem } else { format!("{stem}.{extension}") }
}
