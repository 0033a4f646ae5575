//! The partition table.

use std::collections::BTreeSet;

use super::finding::{Finding, Rule};
use crate::bytes::Bytes;
use crate::disk::gpt::{self, Table};
use crate::disk::{ALIGNMENT, is_zero};
use crate::error::Result;

/// Rules of this subject.
pub const RULES: [&Rule; 7] = [&PRIMARY, &BACKUP, &SAME, &MBR, &BOUNDS, &ALIGNED, &UNIQUE];

static PRIMARY: Rule = Rule {
    id: "gpt-primary",
    required: "a GUID partition table in sector 1 whose checksums hold",
    why: "UEFI 2.10, 5.3.2: firmware takes a disk without one for unpartitioned, or falls back to the copy",
    mend: "restore it from the copy at the end of the disk: sgdisk --load-backup, or gdisk (r, d, w)",
};
static BACKUP: Rule = Rule {
    id: "gpt-backup",
    required: "the copy of the table in the very last sector, its checksums right",
    why: "UEFI 2.10, 5.3.2: importers and firmware refuse or rewrite a disk whose copy is missing; a file that was cut off or enlarged has lost it",
    mend: "copy the file again if it was cut off; after enlarging it: sgdisk --move-second-header",
};
static SAME: Rule = Rule {
    id: "gpt-same",
    required: "both copies of the table tell the same, and where the other one is",
    why: "UEFI 2.10, 5.3.2: which of them counts depends on the firmware",
    mend: "write the table anew, so that both copies are made of one",
};
static MBR: Rule = Rule {
    id: "gpt-mbr",
    required: "a protective MBR: one entry of type 0xEE from sector 1 on",
    why: "UEFI 2.10, 5.2.3: without it the table does not count, and old tools take the disk for empty",
    mend: "write the table anew; a hybrid MBR is none",
};
static BOUNDS: Rule = Rule {
    id: "gpt-bounds",
    required: "partitions apart from each other, within the sectors that the table has for them",
    why: "UEFI 2.10, 5.3.3: what overlaps destroys each other",
    mend: "lay the partitions out anew",
};
static ALIGNED: Rule = Rule {
    id: "gpt-aligned",
    required: "every partition begins at a whole MiB",
    why: "SSDs, RAID and disks with sectors of 4096 bytes: a partition that begins elsewhere is slow, or unusable on them",
    mend: "lay the partitions out anew",
};
static UNIQUE: Rule = Rule {
    id: "gpt-unique",
    required: "an id for the disk and for each partition, none twice",
    why: "UEFI 2.10, 5.3.3: boot entries, dm-verity and mounts find partitions by id alone",
    mend: "give new ids: sgdisk --randomize-guids, or another `image.id`",
};

/// Checks the table; gives it where a copy of it can be read.
pub fn check(disk: &dyn Bytes, out: &mut Vec<Finding>) -> Result<Option<Table>> {
    let Some(sector) = gpt::sector_size(disk) else {
        out.push(PRIMARY.broken("no signature of a table in sector 1, nor in the last one"));
        return Ok(None);
    };
    let last = (disk.length() / u64::from(sector)).saturating_sub(1);
    let primary = gpt::look(disk, sector, 1);
    let backup = gpt::look(disk, sector, last);
    if let Err(error) = &primary {
        out.push(PRIMARY.broken(error.message()));
    }
    if let Err(error) = &backup {
        let elsewhere = primary.as_ref().ok().map(|primary| primary.other).filter(|other| *other != last);
        let told = elsewhere.map(|at| format!("; the first table says that the copy is in sector {at}"));
        out.push(BACKUP.broken(format!("in sector {last}: {}{}", error.message(), told.unwrap_or_default())));
    }
    if let (Ok(primary), Ok(backup)) = (&primary, &backup) {
        let same = primary.table == backup.table && primary.last_usable == backup.last_usable;
        if !same || (primary.other, backup.other) != (last, 1) {
            let what = if same { "a copy that says that the other one is elsewhere" } else { "two tables that differ" };
            out.push(SAME.broken(what));
        }
    }
    let Some(copy) = primary.ok().or(backup.ok()) else { return Ok(None) };
    let table = copy.table;
    mbr(disk, out)?;
    let sound = bounds(&table, copy.last_usable, out);
    let unit = u64::from(sector);
    for entry in &table.entries {
        let at = entry.first.saturating_mul(unit);
        if !at.is_multiple_of(ALIGNMENT) {
            out.push(ALIGNED.broken(format!("the partition `{}` begins at byte {at}", entry.label.escape_debug())));
        }
    }
    let mut ids = BTreeSet::from([table.id]);
    for entry in &table.entries {
        if !ids.insert(entry.id) || entry.id.0 == [0; 16] {
            out.push(UNIQUE.broken(format!("the partition `{}` has the id {}", entry.label.escape_debug(), entry.id)));
        }
    }
    if table.id.0 == [0; 16] {
        out.push(UNIQUE.broken("the disk has no id"));
    }
    Ok(sound.then_some(table))
}

fn mbr(disk: &dyn Bytes, out: &mut Vec<Finding>) -> Result<()> {
    let mut mbr = [0; 512];
    disk.read_at(&mut mbr, 0)?;
    let entries: Vec<&[u8]> = mbr[446..510].chunks_exact(16).collect();
    let protective = entries[0][4] == 0xee && entries[0][8..12] == [1, 0, 0, 0];
    if mbr[510..] != [0x55, 0xaa] || !protective || !entries[1..].iter().all(|entry| is_zero(entry)) {
        let kinds: Vec<String> = entries.iter().map(|entry| format!("{:#04x}", entry[4])).collect();
        out.push(MBR.broken(format!("an MBR with entries of the types {}", kinds.join(", "))));
    }
    Ok(())
}

/// Whether every partition is where it may be.
fn bounds(table: &Table, last_usable: u64, out: &mut Vec<Finding>) -> bool {
    let before = out.len();
    for entry in &table.entries {
        if entry.first > entry.last
            || entry.first < table.first_usable
            || entry.last > last_usable
            || entry.last >= table.sectors
        {
            let (label, first, last) = (entry.label.escape_debug(), entry.first, entry.last);
            let usable = format!("{} to {last_usable}", table.first_usable);
            out.push(BOUNDS.broken(format!("the partition `{label}` has the sectors {first} to {last} of {usable}")));
        }
    }
    let mut sorted: Vec<_> = table.entries.iter().collect();
    sorted.sort_by_key(|entry| entry.first);
    for pair in sorted.windows(2).filter(|pair| pair[1].first <= pair[0].last) {
        let (one, two) = (pair[0].label.escape_debug(), pair[1].label.escape_debug());
        out.push(BOUNDS.broken(format!("the partitions `{one}` and `{two}` overlap")));
    }
    out.len() == before
}
