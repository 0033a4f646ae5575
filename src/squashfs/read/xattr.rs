//! Attributes, read by the index of their set.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::metadata::{Blocks, Cursor};
use crate::error::{Error, Result};
use crate::squashfs::metadata::{BLOCK, Place};
use crate::squashfs::superblock::{self, Superblock};
use crate::squashfs::xattr::{ELSEWHERE, MAX_VALUE, NONE, PREFIXES};
use crate::tree::Xattrs;

/// As many bytes as all sets of an image may have that are read.
const MAX_BYTES: usize = 64 << 20;

/// The sets that were read.
#[derive(Default)]
pub struct Sets {
    known: Mutex<(HashMap<u32, Arc<Xattrs>>, usize)>,
}

impl Sets {
    /// The set of an index; none for [`NONE`].
    pub fn get(&self, index: u32, superblock: &Superblock, blocks: &Blocks) -> Result<Option<Arc<Xattrs>>> {
        if index == NONE {
            return Ok(None);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (sets, bytes) = &mut *known;
        if let Some(set) = sets.get(&index) {
            return Ok(Some(set.clone()));
        }
        let set = Arc::new(read(index, superblock, blocks, bytes)?);
        sets.insert(index, set.clone());
        Ok(Some(set))
    }
}

fn read(index: u32, superblock: &Superblock, blocks: &Blocks, bytes: &mut usize) -> Result<Xattrs> {
    if superblock.xattr_table == superblock::NONE {
        return Err(Error::source("attributes without a table of them"));
    }
    let header = blocks.raw(superblock.xattr_table, 16)?;
    let long = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let (start, count) = (long(&header[..8]), long(&header[8..12]));
    if u64::from(index) >= count {
        return Err(Error::source(format!("the attributes `{index}` of {count}")));
    }
    let pointer = superblock.xattr_table + 16 + u64::from(index) * 16 / BLOCK as u64 * 8;
    let at = long(&blocks.raw(pointer, 8)?);
    let mut cursor = blocks.cursor(at, Place { block: 0, offset: (u64::from(index) * 16 % BLOCK as u64) as u16 })?;
    let (place, pairs) = (Place::unpacked(cursor.long()?), cursor.word()?);
    let mut cursor = blocks.cursor(start, place)?;
    let mut set = Xattrs::new();
    for _ in 0..pairs {
        let kind = cursor.half()?;
        let prefix = PREFIXES.get(usize::from(kind & !ELSEWHERE));
        let prefix = prefix.ok_or_else(|| Error::source(format!("an attribute of the unknown kind `{kind}`")))?;
        let length = usize::from(cursor.half()?);
        let name = [prefix, &*cursor.bytes(length)?].concat();
        let value = if kind & ELSEWHERE == 0 {
            value(&mut cursor)?
        } else {
            let _length = cursor.word()?;
            let place = Place::unpacked(cursor.long()?);
            value(&mut blocks.cursor(start, place)?)?
        };
        *bytes = bytes.saturating_add(name.len() + value.len());
        if *bytes > MAX_BYTES || set.insert(name.into(), value).is_some() {
            return Err(Error::source("attributes that are too many, or one that is there twice"));
        }
    }
    Ok(set)
}

fn value(cursor: &mut Cursor) -> Result<Box<[u8]>> {
    let length = cursor.word()? as usize;
    if length > MAX_VALUE {
        return Err(Error::source(format!("an attribute of `{length}` bytes")).hint("expected at most 65536"));
    }
    cursor.bytes(length)
}
