//! A tar archive as a disk: headers, contents where they are, holes.

use super::{BLOCK, ENTRY, FURTHER_ENTRIES, FURTHER_MORE, MAP, MAP_ENTRIES, MORE, REAL_SIZE};
use crate::disk::{Disk, Extent};
use crate::epoch::Epoch;
use crate::error::{Error, Result};
use crate::tree::Content;

/// Bytes that an archive's length is a multiple of (`tar --blocking-factor=20`).
pub const RECORD: u64 = 20 * BLOCK;

/// An archive of members, each with the header that stands in front of it; it is whole `unit`s long.
pub fn archive(members: impl IntoIterator<Item = (Vec<u8>, Disk)>, unit: u64) -> Result<Disk> {
    let mut extents = Vec::new();
    let mut at = 0;
    for (header, content) in members {
        let length = header.len() as u64;
        extents.push(Extent { at, content: Content::bytes(header) });
        extents.extend(content.slice(0, content.len(), at + length));
        at += length + content.len().next_multiple_of(BLOCK);
    }
    // Two blocks of zeros are the end.
    Disk::new((at + 2 * BLOCK).next_multiple_of(unit), extents)
}

/// What the header of a member says.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The path; of a folder with a slash at its end.
    pub name: &'a str,
    /// File or folder.
    pub kind: tar::EntryType,
    /// The bits of its rights.
    pub mode: u32,
    /// User and group.
    pub owner: u64,
    /// Bytes that are stored of it.
    pub size: u64,
    /// When it was made.
    pub epoch: Epoch,
}

impl<'a> Head<'a> {
    /// A plain file: root's, readable by all.
    pub fn file(name: &'a str, size: u64, epoch: Epoch) -> Self {
        Head { name, kind: tar::EntryType::Regular, mode: 0o644, owner: 0, size, epoch }
    }

    /// The header as ustar has it; an error where the name is too long for it.
    pub fn bytes(self) -> Result<Vec<u8>> {
        Ok(self.put(tar::Header::new_ustar())?.as_bytes().to_vec())
    }

    fn put(self, mut header: tar::Header) -> Result<tar::Header> {
        let name = self.name;
        header.set_path(name).map_err(|error| Error::user(format!("`{name}` cannot be in a tar archive: {error}")))?;
        header.set_entry_type(self.kind);
        header.set_mode(self.mode);
        header.set_uid(self.owner);
        header.set_gid(self.owner);
        header.set_mtime(u64::from(self.epoch.0));
        header.set_size(self.size);
        header.set_cksum();
        Ok(header)
    }
}

/// The headers of a file of which only `runs` (first byte and length, sorted, of whole blocks) are stored.
pub fn sparse(name: &str, size: u64, runs: &[(u64, u64)], epoch: Epoch) -> Result<Vec<u8>> {
    // As GNU tar has it: an entry without bytes at the end, so that a hole before it is told.
    let mut entries: Vec<(u64, u64)> = runs.to_vec();
    if runs.last().is_none_or(|(at, length)| at + length < size) {
        entries.push((size, 0));
    }
    let stored = runs.iter().map(|(_, length)| length).sum();
    let head = Head { kind: tar::EntryType::GNUSparse, ..Head::file(name, stored, epoch) };
    let mut header = head.put(tar::Header::new_gnu())?;
    let bytes = header.as_mut_bytes();
    let (first, rest) = entries.split_at(entries.len().min(MAP_ENTRIES));
    put_entries(&mut bytes[MAP..], first);
    bytes[MORE] = u8::from(!rest.is_empty());
    bytes[REAL_SIZE..REAL_SIZE + 12].copy_from_slice(&number(size));
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    let mut further = rest.chunks(FURTHER_ENTRIES).peekable();
    while let Some(entries) = further.next() {
        let mut block = [0; BLOCK as usize];
        put_entries(&mut block, entries);
        block[FURTHER_MORE] = u8::from(further.peek().is_some());
        out.extend(block);
    }
    Ok(out)
}

fn put_entries(bytes: &mut [u8], entries: &[(u64, u64)]) {
    for (place, (at, length)) in bytes.as_chunks_mut::<ENTRY>().0.iter_mut().zip(entries) {
        place[..12].copy_from_slice(&number(*at));
        place[12..].copy_from_slice(&number(*length));
    }
}

/// Octal digits and a NUL; from 8 GiB on the bytes themselves behind a set bit, as GNU has it.
fn number(value: u64) -> [u8; 12] {
    let mut out = [0; 12];
    if value < 1 << 33 {
        out[..11].copy_from_slice(format!("{value:011o}").as_bytes());
    } else {
        out[0] = 0x80;
        out[4..].copy_from_slice(&value.to_be_bytes());
    }
    out
}
