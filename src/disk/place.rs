//! Layout and contents to one disk.

use std::collections::BTreeMap;

use super::fat::{self, Volume};
use super::gpt::{Entry, Table};
use super::{ALIGNMENT, Disk, Extent, Layout, Role, check_root};
use crate::bytes::be32;
use crate::epoch::Epoch;
use crate::error::{Context, Error, Result};
use crate::tree::Content;

/// What goes into the partitions.
#[derive(Debug, Clone)]
pub struct Pieces {
    /// Files of the ESP by path: `EFI/BOOT/BOOTX64.EFI`.
    pub esp: BTreeMap<String, Content>,
    /// The root file system.
    pub root: Content,
    /// Its hash tree, superblock included.
    pub verity: Content,
}

/// What a BIOS runs.
#[derive(Debug, Clone)]
pub struct BootCode {
    /// The first bytes of the disk, at most [`super::BOOT_CODE`]; they load the core by its place.
    pub code: Vec<u8>,
    /// What lies at the start of the BIOS boot partition.
    pub core: Content,
}

impl Layout {
    /// The partition table.
    pub fn table(&self) -> Table {
        let sector = u64::from(self.sector);
        let entries = self.partitions.iter().map(|partition| Entry {
            kind: partition.kind,
            id: partition.id,
            first: partition.at / sector,
            last: (partition.at + partition.length) / sector - 1,
            attributes: partition.attributes,
            label: partition.label.clone(),
        });
        Table {
            id: self.id,
            sector: self.sector,
            sectors: self.length / sector,
            // The gap before the first partition is no place for one that the node adds.
            first_usable: ALIGNMENT / sector,
            entries: entries.collect(),
        }
    }
}

/// The whole disk, and a warning where the root leaves little room for later releases; `bios` where one
/// boots it, as the layout has it.
///
/// A root that does not fit its slot is the user's error; nothing was written then.
pub fn place(
    layout: &Layout,
    pieces: &Pieces,
    bios: Option<&BootCode>,
    epoch: Epoch,
) -> Result<(Disk, Option<String>)> {
    let warning = check_root(&layout.sizes, pieces.root.len(), pieces.verity.len())?;
    let code = bios.map_or(&[][..], |bios| &bios.code);
    let mut extents = layout.table().extents_with(code)?;
    let at = layout.partition(Role::Esp)?.at;
    for extent in esp(layout, &pieces.esp, epoch)? {
        extents.push(Extent { at: at + extent.at, content: extent.content });
    }
    let core = bios.map(|bios| (Role::Bios, &bios.core));
    for (role, content) in core.into_iter().chain([(Role::Root, &pieces.root), (Role::Verity, &pieces.verity)]) {
        let partition = layout.partition(role)?;
        if content.len() > partition.length {
            return Err(Error::bug(format!("{role:?} of {} bytes in {}", content.len(), partition.length)));
        }
        extents.push(Extent { at: partition.at, content: content.clone() });
    }
    Ok((Disk::new(layout.length, extents)?, warning))
}

/// The ESP's bytes, from the start of its partition.
pub fn esp(layout: &Layout, files: &BTreeMap<String, Content>, epoch: Epoch) -> Result<Vec<Extent>> {
    let partition = layout.partition(Role::Esp)?;
    let (length, id) = (partition.length, volume_id(partition.id));
    let volume = Volume { files, length, sector: layout.sector, cluster: fat::CLUSTER, id, label: "ESP", epoch };
    volume.extents().context(|| "making the ESP".to_owned())
}

/// As systemd-repart gives it: the first 32 bits of the file system's id.
pub(super) fn volume_id(partition: crate::guid::Guid) -> u32 {
    let id = partition.derive("file-system-uuid").0;
    be32(&id, 0)
}
