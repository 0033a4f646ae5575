//! monolithicSparse: grains as they are, at places that two equal sets of tables tell.

use super::descriptor::descriptor;
use super::{DESCRIPTOR_SECTORS, ENTRIES, GRAIN, Header, NEWLINES, REDUNDANT, SECTOR, TABLE};
use crate::disk::{Disk, Extent};
use crate::error::{Context, Error, Result};
use crate::output::Emit;
use crate::profile::Vmdk;
use crate::size::human;
use crate::tree::Content;

/// The file, itself as a disk.
pub fn file(format: Vmdk, disk: &Disk, how: &Emit<'_>) -> Result<Disk> {
    let tables = disk.len().div_ceil(GRAIN * ENTRIES);
    let directory = (tables * 4).next_multiple_of(SECTOR);
    let redundant_at = (1 + DESCRIPTOR_SECTORS) * SECTOR;
    let directory_at = redundant_at + directory + tables * TABLE;
    let overhead = (directory_at + directory + tables * TABLE).next_multiple_of(GRAIN);
    let header = Header {
        version: 1,
        flags: NEWLINES | REDUNDANT,
        size: disk.len(),
        redundant_at: redundant_at / SECTOR,
        directory_at: directory_at / SECTOR,
        overhead: overhead / SECTOR,
    };
    let grains = disk.chunks(GRAIN, how.jobs).context(|| "looking for zeros".into())?;
    let end = overhead + grains.len() as u64 * GRAIN;
    if end / SECTOR > u64::from(u32::MAX) {
        return Err(Error::user(format!("a disk of {}", human(disk.len()))).hint("a sparse VMDK holds up to 2 TiB"));
    }
    let piece = |at, bytes: Vec<u8>| Extent { at, content: Content::bytes(bytes) };
    let mut extents =
        vec![piece(0, header.bytes().to_vec()), piece(SECTOR, descriptor(format, disk.len(), how.seed, how.name)?)];
    for at in [redundant_at, directory_at] {
        let entries = (0..tables).map(|table| ((at + directory + table * TABLE) / SECTOR) as u32);
        extents.push(piece(at, words(entries)));
    }
    let mut at = overhead;
    for grains in grains.chunk_by(|one, other| one / ENTRIES == other / ENTRIES) {
        let mut table = vec![0; ENTRIES as usize];
        for run in grains.chunk_by(|one, other| one + 1 == *other) {
            for (nth, grain) in run.iter().enumerate() {
                table[(grain % ENTRIES) as usize] = ((at + nth as u64 * GRAIN) / SECTOR) as u32;
            }
            let length = run.len() as u64 * GRAIN;
            extents.extend(disk.slice(run[0] * GRAIN, length, at));
            at += length;
        }
        // Tables without grains are holes.
        let table = Content::bytes(words(table));
        for base in [redundant_at, directory_at] {
            let at = base + directory + grains[0] / ENTRIES * TABLE;
            extents.push(Extent { at, content: table.clone() });
        }
    }
    Disk::new(end, extents)
}

fn words(words: impl IntoIterator<Item = u32>) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}
