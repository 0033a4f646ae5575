//! A set of files to the extents of a FAT32 volume.

use std::collections::{BTreeMap, BTreeSet};

use super::directory::{entry, name};
use super::{ARCHIVE, DIRECTORY, END, ENTRY, FIRST, MAX_CLUSTERS, MIN_CLUSTERS, RESERVED, VOLUME};
use crate::disk::Extent;
use crate::epoch::Epoch;
use crate::error::{Error, Result};
use crate::size::Size;
use crate::tree::Content;

/// Bytes of the boot sector and of FSInfo that mean something, whatever the size of a sector.
const HEAD: usize = 512;

/// A volume that holds `files`.
pub struct Volume<'a> {
    /// Files by path, `/` between components; folders follow from them.
    pub files: &'a BTreeMap<String, Content>,
    /// Bytes of the volume.
    pub length: u64,
    /// Bytes of a sector of the disk: 512 or 4096.
    pub sector: u32,
    /// Bytes of a cluster: a power of two, a sector at least.
    pub cluster: u64,
    /// The volume's number.
    pub id: u32,
    /// The volume's name, at most 11 upper-case characters.
    pub label: &'a str,
    /// The moment of every time stamp.
    pub epoch: Epoch,
}

/// A folder on the way to its clusters.
#[derive(Default)]
struct Folder<'a> {
    folders: BTreeMap<&'a str, Folder<'a>>,
    files: BTreeMap<&'a str, &'a Content>,
}

struct Geometry {
    fat_sectors: u64,
    clusters: u64,
}

/// Clusters in the order in which they are given out, and what lies in them.
struct Writer<'a> {
    volume: &'a Volume<'a>,
    geometry: Geometry,
    fat: Vec<u32>,
    extents: Vec<Extent>,
}

impl Volume<'_> {
    /// The volume's extents, from its first byte.
    ///
    /// Errors: names that FAT does not take, files that do not fit, a volume that is too small.
    pub fn extents(&self) -> Result<Vec<Extent>> {
        let mut root = Folder::default();
        for (path, content) in self.files {
            let mut at = &mut root;
            let (folders, file) = path.rsplit_once('/').unwrap_or(("", path));
            for part in folders.split('/').filter(|_| !folders.is_empty()) {
                at = at.folders.entry(part).or_default();
            }
            at.files.insert(file, content);
        }
        let geometry = self.geometry()?;
        // The first two entries of a FAT stand for no cluster.
        let fat = vec![0x0fff_fff8, END];
        let mut writer = Writer { volume: self, geometry, fat, extents: Vec::new() };
        writer.folder(&root, None)?;
        writer.finish()
    }

    fn sector(&self) -> u64 {
        u64::from(self.sector)
    }

    /// Sectors of one FAT and number of clusters: the largest number whose FAT still fits before them.
    fn geometry(&self) -> Result<Geometry> {
        if !self.cluster.is_power_of_two() || !(self.sector()..=64 * self.sector()).contains(&self.cluster) {
            return Err(Error::bug(format!("clusters of {} bytes", self.cluster)));
        }
        let sectors = self.length / self.sector();
        if u32::try_from(sectors).is_err() {
            return Err(
                Error::user(format!("a FAT of {} is too large", Size(self.length))).hint("expected less than 2T")
            );
        }
        let room = sectors.saturating_sub(RESERVED);
        // Each cluster takes 4 bytes in each of two FATs; whole clusters of FAT keep the data aligned.
        let per_cluster = self.cluster / self.sector();
        let fat_sectors = (room / per_cluster + 2).div_ceil(self.sector() / 4).next_multiple_of(per_cluster);
        let clusters = room.saturating_sub(2 * fat_sectors) / per_cluster;
        if !(MIN_CLUSTERS..MAX_CLUSTERS).contains(&clusters) {
            let message = format!("a FAT32 cannot have {clusters} clusters of {}", Size(self.cluster));
            return Err(Error::user(message).hint("expected an ESP of 260M or more"));
        }
        Ok(Geometry { fat_sectors, clusters })
    }
}

impl<'a> Writer<'a> {
    /// Places a folder and all below it; gives its first cluster. `parent` is none for the root.
    fn folder(&mut self, folder: &Folder<'a>, parent: Option<u32>) -> Result<u32> {
        let epoch = self.volume.epoch;
        let mut used = BTreeSet::new();
        let mut names = BTreeSet::new();
        let mut heads = Vec::new();
        for file in folder.folders.keys().chain(folder.files.keys()) {
            if !names.insert(file.to_lowercase()) {
                return Err(Error::user(format!("the name `{file}` is there twice but for its case")));
            }
            if *file == "." || *file == ".." {
                return Err(Error::user("a path with `.` or `..`"));
            }
            heads.push(name(file, &mut used)?);
        }
        let entries = 2 + heads.iter().map(|(_, long)| long.len() + 1).sum::<usize>();
        let own = self.take((entries * ENTRY) as u64)?;
        let mut bytes: Vec<u8> = Vec::with_capacity(entries * ENTRY);
        match parent {
            None => bytes.extend(entry(&self.label()?, VOLUME, epoch, 0, 0)),
            Some(parent) => {
                bytes.extend(entry(b".          ", DIRECTORY, epoch, own, 0));
                // The root is cluster 0 when it is someone's parent.
                let parent = if parent == FIRST { 0 } else { parent };
                bytes.extend(entry(b"..         ", DIRECTORY, epoch, parent, 0));
            }
        }
        let mut heads = heads.into_iter();
        for (below, (short, long)) in folder.folders.values().zip(heads.by_ref()) {
            let cluster = self.folder(below, Some(own))?;
            bytes.extend(long.concat());
            bytes.extend(entry(&short, DIRECTORY, epoch, cluster, 0));
        }
        for (content, (short, long)) in folder.files.values().zip(heads) {
            let size = u32::try_from(content.len()).map_err(|_| Error::user("a file of 4 GiB or more for a FAT"))?;
            let cluster = if size == 0 { 0 } else { self.take(content.len())? };
            if size > 0 {
                self.put(cluster, (*content).clone());
            }
            bytes.extend(long.concat());
            bytes.extend(entry(&short, ARCHIVE, epoch, cluster, size));
        }
        self.put(own, Content::bytes(bytes));
        Ok(own)
    }

    fn label(&self) -> Result<[u8; 11]> {
        let mut out = [b' '; 11];
        let label = self.volume.label.as_bytes();
        if label.len() > 11
            || !label.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ')
        {
            return Err(Error::bug(format!("`{}` is no volume label", self.volume.label)));
        }
        out[..label.len()].copy_from_slice(label);
        Ok(out)
    }

    /// A run of clusters for `bytes`.
    fn take(&mut self, bytes: u64) -> Result<u32> {
        let count = bytes.div_ceil(self.volume.cluster).max(1);
        let first = self.fat.len() as u64;
        let end = first.saturating_add(count);
        if end > self.geometry.clusters + u64::from(FIRST) {
            let message = format!("the files do not fit an ESP of {}", Size(self.volume.length));
            return Err(Error::user(message).hint("a larger `layout.esp` makes room"));
        }
        // Both are below the number of clusters, hence below 2^28.
        self.fat.extend(first as u32 + 1..end as u32);
        self.fat.push(END);
        Ok(first as u32)
    }

    fn data_start(&self) -> u64 {
        (RESERVED + 2 * self.geometry.fat_sectors) * self.volume.sector()
    }

    fn put(&mut self, cluster: u32, content: Content) {
        let at = self.data_start() + u64::from(cluster - FIRST) * self.volume.cluster;
        self.extents.push(Extent { at, content });
    }

    fn finish(mut self) -> Result<Vec<Extent>> {
        let boot = self.boot_sector()?;
        let info = self.info_sector();
        // Sectors 6 and 7 repeat 0 and 1.
        for at in [0, 6] {
            for (sector, bytes) in [(at, boot), (at + 1, info)] {
                let at = sector * self.volume.sector();
                self.extents.push(Extent { at, content: Content::bytes(bytes) });
            }
        }
        let fat: Vec<u8> = self.fat.iter().flat_map(|next| next.to_le_bytes()).collect();
        let fat = Content::bytes(fat);
        for copy in 0..2 {
            let at = (RESERVED + copy * self.geometry.fat_sectors) * self.volume.sector();
            self.extents.push(Extent { at, content: fat.clone() });
        }
        Ok(self.extents)
    }

    fn boot_sector(&self) -> Result<[u8; HEAD]> {
        let mut out = [0; HEAD];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &[0xeb, 0x58, 0x90]);
        // The name that the most readers were tested with.
        put(3, b"MSWIN4.1");
        put(11, &(self.volume.sector as u16).to_le_bytes());
        put(13, &[(self.volume.cluster / self.volume.sector()) as u8]);
        put(14, &(RESERVED as u16).to_le_bytes());
        put(16, &[2]);
        put(21, &[0xf8]);
        // Sectors a track and heads: unused since LBA, but zero confuses old readers.
        put(24, &63u16.to_le_bytes());
        put(26, &255u16.to_le_bytes());
        put(32, &((self.volume.length / self.volume.sector()) as u32).to_le_bytes());
        put(36, &(self.geometry.fat_sectors as u32).to_le_bytes());
        put(44, &FIRST.to_le_bytes());
        put(48, &1u16.to_le_bytes());
        put(50, &6u16.to_le_bytes());
        put(64, &[0x80, 0, 0x29]);
        put(67, &self.volume.id.to_le_bytes());
        put(71, &self.label()?);
        put(82, b"FAT32   ");
        put(510, &[0x55, 0xaa]);
        Ok(out)
    }

    fn info_sector(&self) -> [u8; HEAD] {
        let mut out = [0; HEAD];
        let used = self.fat.len() as u32 - FIRST;
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"RRaA");
        put(484, b"rrAa");
        put(488, &(self.geometry.clusters as u32 - used).to_le_bytes());
        // Where to look for a free cluster next.
        put(492, &(used + FIRST).to_le_bytes());
        put(510, &[0x55, 0xaa]);
        out
    }
}
