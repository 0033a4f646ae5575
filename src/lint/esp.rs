//! The EFI system partition: its FAT, what firmware looks for, and the room for further kernels.

use super::finding::{Finding, Rule};
use crate::arch::Arch;
use crate::boot::loader_path;
use crate::bytes::{Bytes, Part, le16, le32};
use crate::disk::fat::{File, Reader};
use crate::disk::{ESP_MINIMUM, ESP_TYPE, gpt::Table};
use crate::error::Result;
use crate::size::human;

/// Rules of this subject.
pub const RULES: [&Rule; 8] = [&ONE, &TYPE, &CLUSTERS, &SECTOR, &LEAST_4K, &SOUND, &LOADER, &ROOM];

static ONE: Rule = Rule {
    id: "esp-one",
    required: "one EFI system partition",
    why: "UEFI 2.10, 13.3.1: firmware starts what lies on it; with two of them it is open which",
    mend: "give other partitions another type",
};
static TYPE: Rule = Rule {
    id: "fat-type",
    required: "a FAT32 in the EFI system partition",
    why: "UEFI 2.10, 13.3.1.1: FAT12 and FAT16 are for removable media; some firmware reads no other",
    mend: "make it anew: mkfs.fat -F 32, in a partition of 260 MiB or more",
};
static CLUSTERS: Rule = Rule {
    id: "fat-clusters",
    required: "65,525 clusters or more in a FAT32",
    why: "firmware derives the type from the count alone (UEFI 2.10, 13.3; Microsoft's FAT specification): a FAT32 of fewer is read as a FAT16, and does not boot",
    mend: "a larger partition, or smaller clusters: mkfs.fat -F 32 -s 1",
};
static SECTOR: Rule = Rule {
    id: "fat-sector",
    required: "a FAT whose sectors are as large as those of the partition table",
    why: "Linux and firmware mount no FAT whose sectors are smaller than the disk's",
    mend: "make it anew: mkfs.fat -S 4096 on a disk with sectors of 4096 bytes, -S 512 on others",
};
static LEAST_4K: Rule = Rule {
    id: "fat-4k-minimum",
    required: "260 MiB or more for the EFI system partition of a disk with sectors of 4096 bytes",
    why: "there no cluster is smaller than 4096 bytes, and a FAT32 needs 65,525 of them and its tables",
    mend: "a larger partition: `layout.esp = \"260M\"`",
};
static SOUND: Rule = Rule {
    id: "fat-sound",
    required: "a FAT whose sizes, folders and chains fit, and two equal tables",
    why: "which of two different tables counts depends on the reader",
    mend: "fsck.fat, or make it anew",
};
static LOADER: Rule = Rule {
    id: "esp-loader",
    required: "a program at EFI/BOOT/BOOT<ARCH>.EFI",
    why: "UEFI 2.10, 3.5.1.1: a machine that sees the disk for the first time has no boot entry and starts this path alone",
    mend: "put the boot manager or the UKI there as well",
};
static ROOM: Rule = Rule {
    id: "esp-room",
    required: "free room for as many further UKIs as were asked for",
    why: "an update lays its UKI beside the one that runs; where it does not fit, the node cannot be updated any more",
    mend: "a larger `layout.esp`, or a smaller kernel or initrd",
};

/// The EFI system partition, its files, and the programs on it that firmware or the boot manager starts.
pub struct Esp {
    /// Its bytes.
    pub part: Part,
    /// Every file.
    pub files: Vec<File>,
    /// Free bytes, and bytes of a cluster.
    pub free: (u64, u64),
}

/// Checks the partition; gives it where its files can be read.
pub fn check(disk: &std::sync::Arc<dyn Bytes>, table: &Table, out: &mut Vec<Finding>) -> Result<Option<Esp>> {
    let esps: Vec<_> = table.entries.iter().filter(|entry| entry.kind == ESP_TYPE).collect();
    if esps.len() != 1 {
        out.push(ONE.broken(format!("{} of them", esps.len())));
    }
    let Some(entry) = esps.first() else { return Ok(None) };
    let sector = u64::from(table.sector);
    let length = (entry.last - entry.first + 1) * sector;
    let part = Part::new(disk.clone(), entry.first * sector, length)?;
    if table.sector == 4096 && length < ESP_MINIMUM {
        out.push(LEAST_4K.broken(human(length)));
    }
    if !geometry(&part, sector, out)? {
        return Ok(None);
    }
    let read = |part: &Part| -> Result<_> {
        let reader = Reader::new(part)?;
        Ok((reader.files()?, reader.free()?, reader.faults()?))
    };
    let (files, free, faults) = match read(&part) {
        Ok(read) => read,
        Err(error) => {
            out.push(SOUND.broken(error.message()));
            return Ok(None);
        }
    };
    out.extend(faults.into_iter().map(|fault| SOUND.broken(fault)));
    let is_loader = |arch: &Arch| files.iter().any(|file| file.path.eq_ignore_ascii_case(&loader_path(*arch)));
    if !Arch::ALL.iter().any(is_loader) {
        let there: Vec<_> = files.iter().map(|file| file.path.escape_debug().to_string()).take(8).collect();
        out.push(LOADER.broken(format!("{} files: {}", files.len(), there.join(", "))));
    }
    Ok(Some(Esp { part, files, free }))
}

/// Whether the boot sector is that of a FAT32 which is worth reading.
fn geometry(part: &Part, sector: u64, out: &mut Vec<Finding>) -> Result<bool> {
    let mut boot = [0; 512];
    part.read_at(&mut boot, 0)?;
    let half = |at: usize| u64::from(le16(&boot, at));
    let word = |at: usize| u64::from(le32(&boot, at));
    let (own, per_cluster) = (half(11), u64::from(boot[13]));
    if boot[510..] != [0x55, 0xaa] || own == 0 || per_cluster == 0 {
        out.push(TYPE.broken("no boot sector of a FAT"));
        return Ok(false);
    }
    // Only a FAT32 has no fixed root folder and no 16-bit size of its tables.
    if half(17) != 0 || half(22) != 0 {
        out.push(TYPE.broken("a FAT12 or FAT16"));
        return Ok(false);
    }
    if own != sector {
        out.push(SECTOR.broken(format!("sectors of {own} bytes on a disk with sectors of {sector}")));
    }
    let (sectors, tables) = (word(32), u64::from(boot[16]) * word(36));
    let clusters = sectors.saturating_sub(half(14) + tables) / per_cluster;
    if clusters < 65_525 {
        out.push(CLUSTERS.broken(format!("a FAT32 of {clusters} clusters")));
        return Ok(false);
    }
    Ok(true)
}

/// Checks the room for `more` UKIs as large as the largest one there.
pub fn room(esp: &Esp, largest: u64, more: u64, out: &mut Vec<Finding>) {
    let (free, cluster) = esp.free;
    let each = largest.next_multiple_of(cluster.max(1));
    let needed = each.saturating_mul(more);
    if free < needed {
        let (free, largest) = (human(free), human(largest));
        out.push(ROOM.broken(format!("{free} free, the largest UKI has {largest}, {more} more were asked for")));
    }
}
