//! Whether two files hold the same bytes, of one image or of two.

use std::io;

use super::{Image, Node};
use crate::digest::Hashed;
use crate::error::{Context, Result};
use crate::squashfs::inode::PLAIN;

impl Image {
    /// Whether the file `node` has the bytes of `theirs` in `other`. Blocks that are stored alike are not unpacked,
    /// so that equal files of images of one writer cost their reading only.
    pub fn same_file(&self, node: &Node, other: &Image, theirs: &Node) -> Result<bool> {
        let doing = || format!("comparing `{}`", node.path);
        let (ours, others) = (self.layout(node).context(doing)?, other.layout(theirs).context(doing)?);
        if ours.size != others.size {
            return Ok(false);
        }
        let block = u64::from(self.superblock.block_size);
        let alike = self.superblock.block_size == other.superblock.block_size
            && self.superblock.compressor == other.superblock.compressor
            && ours.blocks.len() == others.blocks.len();
        if !alike {
            let (mut a, mut b) = (Hashed::new(io::sink()), Hashed::new(io::sink()));
            self.copy_file(node, &mut a)?;
            other.copy_file(theirs, &mut b)?;
            return Ok(a.running() == b.running());
        }
        let (mut at, mut there, mut left) = (ours.start, others.start, ours.size);
        for (stored, stored_there) in ours.blocks.iter().zip(&others.blocks) {
            let expected = left.min(block) as usize;
            if !self.same_block((at, *stored), other, (there, *stored_there), expected).context(doing)? {
                return Ok(false);
            }
            at = at.saturating_add(u64::from(stored & !PLAIN));
            there = there.saturating_add(u64::from(stored_there & !PLAIN));
            left = left.saturating_sub(block);
        }
        if left == 0 {
            return Ok(true);
        }
        let (a, b) =
            (self.tail(ours.fragment, left).context(doing)?, other.tail(others.fragment, left).context(doing)?);
        Ok(a == b)
    }

    fn same_block(&self, ours: (u64, u32), other: &Image, theirs: (u64, u32), expected: usize) -> Result<bool> {
        if ours.1 == theirs.1 {
            let length = (ours.1 & !PLAIN) as usize;
            if length == 0 || self.blocks.raw(ours.0, length)? == other.blocks.raw(theirs.0, length)? {
                return Ok(true);
            }
        }
        let bytes = |image: &Image, (at, stored): (u64, u32)| match stored {
            0 => Ok(vec![0; expected]),
            stored => image.data_block(at, stored, expected),
        };
        Ok(bytes(self, ours)? == bytes(other, theirs)?)
    }
}
