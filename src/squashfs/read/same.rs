//! Whether files of two images hold the same bytes.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use super::file::Layout;
use super::{Image, Node};
use crate::digest::Hashed;
use crate::error::{Context, Result};
use crate::squashfs::inode::PLAIN;

/// Bytes that are compared at once: what a processor's cache holds twice.
const PIECE: usize = 1 << 18;
/// As many pairs of fragment blocks are remembered.
const REMEMBERED: usize = 1 << 16;

/// Two images whose files are compared, by any number of threads.
pub struct Pair<'i> {
    ours: &'i Image,
    theirs: &'i Image,
    /// Whether blocks of one can be those of the other as they are stored.
    alike: bool,
    /// Fragment blocks by their numbers: whether they are stored alike.
    fragments: Mutex<HashMap<(u32, u32), bool>>,
}

/// What a thread reads into.
#[derive(Default)]
pub struct Scratch([Vec<u8>; 2]);

impl<'i> Pair<'i> {
    /// A pair; it is not said which is the older.
    pub fn new(ours: &'i Image, theirs: &'i Image) -> Self {
        let alike = ours.superblock.block_size == theirs.superblock.block_size
            && ours.superblock.compressor == theirs.superblock.compressor;
        Pair { ours, theirs, alike, fragments: Mutex::default() }
    }

    /// Whether the file `node` of ours has the bytes of `other` of theirs. What is stored alike is not unpacked, so that
    /// equal files of images of one writer cost their reading only, and a fragment that many share costs it once.
    pub fn same_file(&self, node: &Node, other: &Node, scratch: &mut Scratch) -> Result<bool> {
        let doing = || format!("comparing `{}`", node.path);
        let (mine, others) = (self.ours.layout(node).context(doing)?, self.theirs.layout(other).context(doing)?);
        if mine.size != others.size {
            return Ok(false);
        }
        if !self.alike || mine.blocks.len() != others.blocks.len() {
            let (mut a, mut b) = (Hashed::new(io::sink()), Hashed::new(io::sink()));
            self.ours.copy_file(node, &mut a)?;
            self.theirs.copy_file(other, &mut b)?;
            return Ok(a.running() == b.running());
        }
        let same = self.same_blocks(&mine, &others, scratch).and_then(|same| match same {
            true => self.same_tail(&mine, &others, scratch),
            false => Ok(false),
        });
        same.context(doing)
    }

    fn same_blocks(&self, mine: &Layout, others: &Layout, scratch: &mut Scratch) -> Result<bool> {
        if mine.blocks == others.blocks {
            let stored = mine.blocks.iter().map(|stored| u64::from(stored & !PLAIN)).sum();
            if self.same_stored(mine.start, others.start, stored, scratch)? {
                return Ok(true);
            }
        }
        let block = u64::from(self.ours.superblock.block_size);
        let (mut at, mut there, mut left) = (mine.start, others.start, mine.size);
        for (stored, stored_there) in mine.blocks.iter().zip(&others.blocks) {
            let expected = left.min(block) as usize;
            if !self.same_block((at, *stored), (there, *stored_there), expected, scratch)? {
                return Ok(false);
            }
            at = at.saturating_add(u64::from(stored & !PLAIN));
            there = there.saturating_add(u64::from(stored_there & !PLAIN));
            left = left.saturating_sub(block);
        }
        Ok(true)
    }

    fn same_block(&self, mine: (u64, u32), others: (u64, u32), expected: usize, scratch: &mut Scratch) -> Result<bool> {
        if mine.1 == others.1 && self.same_stored(mine.0, others.0, u64::from(mine.1 & !PLAIN), scratch)? {
            return Ok(true);
        }
        let bytes = |image: &Image, (at, stored): (u64, u32)| match stored {
            0 => Ok(vec![0; expected]),
            stored => image.data_block(at, stored, expected),
        };
        Ok(bytes(self.ours, mine)? == bytes(self.theirs, others)?)
    }

    fn same_tail(&self, mine: &Layout, others: &Layout, scratch: &mut Scratch) -> Result<bool> {
        let left = mine.size.saturating_sub(mine.blocks.len() as u64 * u64::from(self.ours.superblock.block_size));
        if left == 0 {
            return Ok(true);
        }
        if let (Some((block, offset)), Some((other, there))) = (mine.fragment, others.fragment)
            && offset == there
            && self.same_fragment(block, other, scratch)?
        {
            return Ok(true);
        }
        Ok(self.ours.tail(mine.fragment, left)? == self.theirs.tail(others.fragment, left)?)
    }

    /// Whether fragment blocks are stored alike.
    fn same_fragment(&self, mine: u32, others: u32, scratch: &mut Scratch) -> Result<bool> {
        let known = || self.fragments.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known().get(&(mine, others)) {
            return Ok(*same);
        }
        let (a, b) = (self.ours.fragment_entry(mine)?, self.theirs.fragment_entry(others)?);
        let same = a.1 == b.1 && self.same_stored(a.0, b.0, u64::from(a.1 & !PLAIN), scratch)?;
        let mut known = known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert((mine, others), same);
        Ok(same)
    }

    /// Whether `length` bytes of both images are the same as they are.
    fn same_stored(&self, at: u64, there: u64, length: u64, Scratch([a, b]): &mut Scratch) -> Result<bool> {
        let mut done = 0;
        while done < length {
            let count = (length - done).min(PIECE as u64) as usize;
            for (image, buffer, at) in [(self.ours, &mut *a, at), (self.theirs, &mut *b, there)] {
                if buffer.len() < count {
                    buffer.resize(PIECE, 0);
                }
                image.blocks.raw_into(at.saturating_add(done), &mut buffer[..count])?;
            }
            if a[..count] != b[..count] {
                return Ok(false);
            }
            done += count as u64;
        }
        Ok(true)
    }
}
