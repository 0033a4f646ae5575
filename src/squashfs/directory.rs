//! Directory listings: headers, each with up to 256 entries whose inodes share a metadata block.
//!
//! ```text
//! header  entries - 1 u32, inode block u32, base inode number u32
//! entry   offset in the inode block u16, number - base i16, type u16, name length - 1 u16, name
//! index   bytes from the listing's start u32, directory block u32, name length - 1 u32, name
//! ```
//!
//! The index names the first header in every further metadata block, so that a lookup in a
//! large folder reads one block and not all.

use super::metadata::{BLOCK, Place, Writer};
use crate::error::{Error, Result};

/// As many entries as a header may have.
pub const MAX_RUN: usize = 256;
/// Bytes of a header.
pub const HEADER: usize = 12;

/// One name and the inode behind it.
#[derive(Debug, Clone, Copy)]
pub struct Child<'a> {
    /// The name.
    pub name: &'a [u8],
    /// The basic type.
    pub kind: u16,
    /// Where the inode is.
    pub place: Place,
    /// The inode's number.
    pub number: u32,
}

/// A step of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// Bytes from the listing's start to a header.
    pub at: u32,
    /// The metadata block in which that header begins.
    pub block: u32,
    /// The first name behind that header.
    pub name: Box<[u8]>,
}

impl IndexEntry {
    /// Appends it as extended inodes hold it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let words = [self.at, self.block, (self.name.len() as u32).wrapping_sub(1)];
        out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        out.extend_from_slice(&self.name);
    }
}

/// Where a listing went.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Its first byte.
    pub place: Place,
    /// Its bytes and 3, as inodes count them.
    pub size: u32,
    /// Steps for lookups; none for a small folder.
    pub index: Vec<IndexEntry>,
}

/// Appends the listing of `children` (sorted by name) to the directory table.
pub fn write(children: &[Child], table: &mut Writer) -> Result<Listing> {
    let start = table.place();
    let mut size = 0u64;
    let mut index = Vec::new();
    let mut rest = children;
    let mut last_block = 0;
    let mut run = Vec::new();
    while let Some(first) = rest.first() {
        // Counted from the listing's first metadata block, before compression.
        let here = usize::from(start.offset) as u64 + size;
        let block = here / BLOCK as u64;
        if block != last_block {
            last_block = block;
            // The inode's count of steps is 16 bits wide; without further ones lookups only read more.
            if index.len() < usize::from(u16::MAX) {
                index.push(IndexEntry { at: narrow(size)?, block: table.place().block32()?, name: first.name.into() });
            }
        }
        let room = BLOCK - (here % BLOCK as u64) as usize;
        let count = encode_run(rest, room, &mut run)?;
        table.write(&run)?;
        size += run.len() as u64;
        rest = &rest[count..];
    }
    Ok(Listing { place: start, size: narrow(size + 3)?, index })
}

/// A header and as many of `children` as may follow it: all begin within `room` bytes; how many that are.
fn encode_run(children: &[Child], room: usize, run: &mut Vec<u8>) -> Result<usize> {
    let Some(first) = children.first() else { return Ok(0) };
    run.clear();
    run.extend_from_slice(&[0; HEADER]);
    let mut count = 0;
    for child in children.iter().take(MAX_RUN) {
        let delta = i64::from(child.number) - i64::from(first.number);
        let Ok(delta) = i16::try_from(delta) else { break };
        if child.place.block != first.place.block || (count > 0 && run.len() >= room) {
            break;
        }
        let Some(length) = child.name.len().checked_sub(1).and_then(|length| u8::try_from(length).ok()) else {
            return Err(Error::user(format!("the name `{}` has no place in a folder", child.name.escape_ascii()))
                .hint("expected 1 to 255 bytes"));
        };
        run.extend_from_slice(&child.place.offset.to_le_bytes());
        run.extend_from_slice(&delta.to_le_bytes());
        run.extend_from_slice(&child.kind.to_le_bytes());
        run.extend_from_slice(&u16::from(length).to_le_bytes());
        run.extend_from_slice(child.name);
        count += 1;
    }
    let header = [count as u32 - 1, first.place.block32()?, first.number];
    run.iter_mut().zip(header.iter().flat_map(|word| word.to_le_bytes())).for_each(|(to, from)| *to = from);
    Ok(count)
}

fn narrow(size: u64) -> Result<u32> {
    u32::try_from(size).map_err(|_| Error::user("a folder's listing is larger than 4 GiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn children<'a>(names: &'a [String], places: impl Fn(usize) -> (u64, u32)) -> Vec<Child<'a>> {
        let child = |(at, name): (usize, &'a String)| {
            let (block, number) = places(at);
            Child { name: name.as_bytes(), kind: 2, place: Place { block, offset: 0 }, number }
        };
        names.iter().enumerate().map(child).collect()
    }

    #[test]
    fn runs_end_where_they_must() {
        let names: Vec<String> = (0..600).map(|n| format!("{n:04}")).collect();
        let count = |places: &dyn Fn(usize) -> (u64, u32)| {
            encode_run(&children(&names, places), BLOCK, &mut Vec::new()).unwrap()
        };
        assert_eq!(count(&|at| (0, at as u32 + 1)), 256);
        assert_eq!(count(&|at| (at as u64 / 10, at as u32 + 1)), 10);
        assert_eq!(count(&|at| (0, if at == 5 { 40_000 } else { 1 })), 5);
    }

    #[test]
    fn a_large_folder_has_a_step_for_each_further_block() {
        let names: Vec<String> = (0..3000).map(|n| format!("name-{n:06}")).collect();
        let mut table = Writer::new(None);
        table.write(&[0; 100]).unwrap();
        let listing = write(&children(&names, |at| (0, at as u32 + 1)), &mut table).unwrap();
        assert_eq!(listing.place, Place { block: 0, offset: 100 });
        assert_eq!(listing.index.len(), (100 + listing.size as usize - 3) / BLOCK);
        for (n, entry) in listing.index.iter().enumerate() {
            assert_eq!(entry.block as usize, (n + 1) * (BLOCK + 2));
            assert!((entry.at as usize + 100) / BLOCK == n + 1 && (entry.at as usize + 100) % BLOCK < 300);
        }
    }

    #[test]
    fn names_that_cannot_be() {
        let names = [String::new(), "x".repeat(257)];
        for name in &names {
            let one = std::slice::from_ref(name);
            assert!(write(&children(one, |_| (0, 1)), &mut Writer::new(None)).is_err());
        }
    }
}
