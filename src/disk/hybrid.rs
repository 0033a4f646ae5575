//! One image for CDs and for USB sticks: ISO 9660 with El Torito in front, a partition table round it.
//!
//! ```text
//! 0        32 KiB                                  1 MiB                            end
//! | MBR,   | ISO 9660: boot entries, kernel and    | ESP | root | verity |          | GPT |
//! | GPT    | initrd for a BIOS                     |     |      |        |          |     |
//!                                 on a medium that installs:              | installer, its verity |
//! ```
//!
//! - UEFI starts the ESP, which a CD's boot catalogue and a stick's partition table both name; a BIOS starts
//!   GRUB, which the catalogue and the MBR both load.
//! - Sectors of the table are of 512 bytes, on a CD too; the init reads it there itself.
//! - Nothing of it is written to: there are no slots and no /var.

use std::collections::BTreeMap;

use super::fat::{self, Volume};
use super::gpt::{Entry, Table};
use super::iso9660;
use super::{ALIGNMENT, BootCode, Disk, ESP_TYPE, Extent, Layout, NO_AUTO, Pieces, READ_ONLY, Role, volume_id};
use crate::epoch::Epoch;
use crate::error::{Context, Error, Result};
use crate::guid::Guid;
use crate::root::Root;
use crate::tree::Content;

/// Type of a partition of Linux that nothing takes by itself.
const GENERIC_TYPE: Guid = Guid::literal(0x0fc63daf_8483_4772_8e79_3d69d8477de4);
/// Bytes of the table's sectors.
const SECTOR: u32 = 512;
/// The least FAT32: 65,525 clusters of 512 bytes and its tables.
const LEAST_ESP: u64 = 34 << 20;

/// What a BIOS starts from a CD, where it lies in the ISO 9660 and how it is told its place.
pub struct CdBoot<'a> {
    /// Its path there.
    pub path: &'a str,
    /// Bytes.
    pub length: u64,
    /// MBR code and file, for the byte at which the file begins.
    pub at: &'a dyn Fn(u64) -> Result<BootCode>,
}

/// What goes onto the medium.
pub struct Hybrid<'a> {
    /// Ids and labels of the partitions are those of this layout.
    pub layout: &'a Layout,
    /// Root and hash tree.
    pub pieces: &'a Pieces,
    /// Files of the ESP.
    pub esp: &'a BTreeMap<String, Content>,
    /// Files of the ISO 9660, what a BIOS starts excepted.
    pub files: BTreeMap<String, Content>,
    /// What a BIOS starts.
    pub bios: Option<CdBoot<'a>>,
    /// A sealed file system beside the root; its partitions are found by its root hash.
    pub installer: Option<&'a Root>,
    /// What ids are derived from.
    pub seed: Guid,
    /// The image's name.
    pub name: &'a str,
    /// The moment of every time stamp.
    pub epoch: Epoch,
}

impl Hybrid<'_> {
    /// The whole medium.
    pub fn disk(&self) -> Result<Disk> {
        let label = label(self.name);
        let mut files = self.files.clone();
        if let Some(bios) = &self.bios {
            // Where it lies depends on its length alone.
            let room = usize::try_from(bios.length).map_err(|_| Error::bug("GRUB of 4 GiB"))?;
            files.insert(bios.path.to_owned(), Content::bytes(vec![0; room]));
        }
        let plan = self.volume(&files, &label, Vec::new(), 0);
        let mut at = plan.end()?.next_multiple_of(ALIGNMENT);
        let place = self.bios.as_ref().map(|bios| plan.place(bios.path)).transpose()?;
        let mut boot = Vec::new();
        let mut code = Vec::new();
        if let (Some(bios), Some(place)) = (&self.bios, place) {
            let made = (bios.at)(place)?;
            // The BIOS loads the first block; what is in it loads the rest.
            boot.push(iso9660::Entry { platform: iso9660::Platform::Bios, at: place, length: iso9660::BLOCK });
            code = made.code;
            files.insert(bios.path.to_owned(), made.core);
        }
        let esp = esp_length(self.esp);
        boot.push(iso9660::Entry { platform: iso9660::Platform::Uefi, at, length: esp });

        let mut entries = Vec::new();
        let mut extents = Vec::new();
        let esp_id = self.seed.derive("iso-esp");
        let fat = Volume {
            files: self.esp,
            length: esp,
            sector: SECTOR,
            cluster: cluster(esp),
            id: volume_id(esp_id),
            label: "ESP",
            epoch: self.epoch,
        };
        let contents = fat.extents().context(|| "making the ESP".to_owned())?;
        let mut put = |kind, id, label: &str, attributes, length: u64, contents: Vec<Extent>| {
            let length = length.next_multiple_of(ALIGNMENT);
            let (first, last) = (at / u64::from(SECTOR), (at + length) / u64::from(SECTOR) - 1);
            entries.push(Entry { kind, id, first, last, attributes, label: label.to_owned() });
            extents.extend(contents.into_iter().map(|extent| Extent { at: at + extent.at, content: extent.content }));
            at += length;
        };
        put(ESP_TYPE, esp_id, "esp", 0, esp, contents);
        for (role, content) in [(Role::Root, &self.pieces.root), (Role::Verity, &self.pieces.verity)] {
            let like = self.layout.partition(role)?;
            let contents = vec![Extent { at: 0, content: content.clone() }];
            put(like.kind, like.id, &like.label, like.attributes, content.len(), contents);
        }
        if let Some(sealed) = self.installer {
            let (data, verity) = Guid::of_root_hash(&sealed.root_hash);
            for (id, label, content) in
                [(data, "installer", &sealed.squashfs), (verity, "installer-verity", &sealed.verity)]
            {
                let content = content.content();
                let contents = vec![Extent { at: 0, content: content.clone() }];
                put(GENERIC_TYPE, id, label, NO_AUTO | READ_ONLY, content.len(), contents);
            }
        }
        let length = at + ALIGNMENT;
        let first_usable = entries.first().map_or(0, |entry| entry.first);
        let sectors = length / u64::from(SECTOR);
        let id = self.seed.derive("iso-disk-uuid");
        extents.extend(Table { id, sector: SECTOR, sectors, first_usable, entries }.extents_with(&code)?);
        extents
            .extend(self.volume(&files, &label, boot, length).extents().context(|| "making the ISO 9660".to_owned())?);
        Disk::new(length, extents)
    }

    fn volume<'a>(
        &self,
        files: &'a BTreeMap<String, Content>,
        label: &'a str,
        boot: Vec<iso9660::Entry>,
        length: u64,
    ) -> iso9660::Volume<'a> {
        iso9660::Volume { files, boot, label, length, epoch: self.epoch }
    }
}

/// Bytes of an ESP that holds `files`, with some room.
fn esp_length(files: &BTreeMap<String, Content>) -> u64 {
    let data: u64 = files.values().map(|content| content.len().next_multiple_of(fat::CLUSTER)).sum();
    // Tables of the smallest clusters are a 64th.
    (data + data / 32 + (2 << 20)).max(LEAST_ESP).next_multiple_of(ALIGNMENT)
}

/// The largest clusters of which an ESP has enough to be a FAT32.
fn cluster(length: u64) -> u64 {
    let mut cluster = fat::CLUSTER;
    while cluster > 512 && length / LEAST_ESP < cluster / 512 {
        cluster /= 2;
    }
    cluster
}

/// The name of a volume: capitals, digits and `_`.
fn label(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    name.chars().map(plain).take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_grow_with_the_volume() {
        for (mib, expected) in [(34, 512), (67, 512), (68, 1024), (136, 2048), (272, 4096), (900, 4096)] {
            assert_eq!(cluster(mib << 20), expected, "{mib}");
            let files = BTreeMap::new();
            let length = mib << 20;
            let volume = Volume {
                files: &files,
                length,
                sector: SECTOR,
                cluster: cluster(length),
                id: 1,
                label: "ESP",
                epoch: Epoch(0),
            };
            assert!(volume.extents().is_ok(), "{mib}");
        }
    }

    #[test]
    fn volumes_have_names_that_all_can_read() {
        assert_eq!(label("my-node_1.0.0"), "MY_NODE_1_0_0");
        assert_eq!(label(&"x".repeat(40)).len(), 32);
    }
}
