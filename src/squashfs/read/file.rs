//! The bytes of files.

use std::collections::VecDeque;
use std::io::Write;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Image, Node, decode};
use crate::error::{Context, Error, Result};
use crate::squashfs::inode::{Body, PLAIN};
use crate::squashfs::metadata::{BLOCK, Place};

/// As many blocks as a file may have that is read: a TiB in blocks of 128 KiB.
const MAX_BLOCKS: u64 = 1 << 23;

/// As many bytes of fragment blocks are kept.
const KEPT: usize = 4 << 20;

/// The fragment blocks that were read last, the latest first: files beside each other end in one, or in one of few where a
/// writer sorts them otherwise than their names.
#[derive(Default)]
pub struct Kept(Mutex<VecDeque<(u32, Arc<Vec<u8>>)>>);

impl Kept {
    fn get(&self, index: u32) -> Option<Arc<Vec<u8>>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(number, _)| *number == index)?;
        kept.make_contiguous().get_mut(..=place)?.rotate_right(1);
        kept.front().map(|(_, block)| block.clone())
    }

    fn put(&self, index: u32, block: Arc<Vec<u8>>, block_size: usize) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate((KEPT / block_size.max(1)).max(2) - 1);
        kept.push_front((index, block));
    }
}

/// Where a file's bytes are.
pub(super) struct Layout {
    pub(super) start: u64,
    pub(super) size: u64,
    pub(super) fragment: Option<(u32, u32)>,
    pub(super) blocks: Vec<u32>,
}

impl Image {
    /// The whole of a file; an error above `limit` bytes.
    pub fn read_file(&self, node: &Node, limit: u64) -> Result<Vec<u8>> {
        let size = self.layout(node)?.size;
        if size > limit {
            return Err(Error::source(format!("`{}` is larger than the {limit} bytes that are read", node.path)));
        }
        let mut bytes = Vec::new();
        self.copy_file(node, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes the bytes of a file to `out`, holes as zeros.
    pub fn copy_file(&self, node: &Node, out: &mut dyn Write) -> Result<()> {
        let reading = || format!("reading `{}`", node.path);
        let Layout { start, size, fragment, blocks } = self.layout(node).context(reading)?;
        let block_size = u64::from(self.superblock.block_size);
        let (mut at, mut left) = (start, size);
        let zeros = vec![0; block_size as usize];
        for stored in blocks {
            let expected = left.min(block_size) as usize;
            if stored == 0 {
                out.write_all(&zeros[..expected])?;
            } else {
                let bytes = self.data_block(at, stored, expected).context(reading)?;
                out.write_all(&bytes)?;
            }
            at = at.saturating_add(u64::from(stored & !PLAIN));
            left -= expected as u64;
        }
        if left > 0 {
            out.write_all(&self.tail(fragment, left).context(reading)?)?;
        }
        Ok(())
    }

    /// The last `left` bytes of a file, less than a block.
    pub(super) fn tail(&self, fragment: Option<(u32, u32)>, left: u64) -> Result<Vec<u8>> {
        let Some((index, offset)) = fragment else { return Ok(Vec::new()) };
        let block = self.fragment_block(index)?;
        let offset = offset as usize;
        let tail = block.get(offset..offset.saturating_add(left as usize));
        tail.map(<[u8]>::to_vec).ok_or_else(|| Error::source("a tail past the end of its fragment"))
    }

    /// The first bytes of a file: `count` of them, at most a block, or as many as there are.
    pub fn head(&self, node: &Node, count: usize) -> Result<Vec<u8>> {
        let Layout { start, size, fragment, blocks } = self.layout(node)?;
        let expected = size.min(u64::from(self.superblock.block_size));
        let mut bytes = match blocks.first() {
            None => self.tail(fragment, size)?,
            Some(0) => vec![0; expected as usize],
            Some(stored) => self.data_block(start, *stored, expected as usize)?,
        };
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Where the stored (compressed) bytes of a file are in the image: blocks that are not
    /// holes, then the fragment block of its tail, which other files share.
    pub fn stored(&self, node: &Node) -> Result<Vec<Range<u64>>> {
        let Layout { start, fragment, blocks, .. } = self.layout(node)?;
        let mut at = start;
        let mut ranges = Vec::new();
        for stored in blocks {
            let end = at.saturating_add(u64::from(stored & !PLAIN));
            if end > at {
                ranges.push(at..end);
            }
            at = end;
        }
        if let Some((index, _)) = fragment {
            let (start, stored) = self.fragment_entry(index)?;
            ranges.push(start..start.saturating_add(u64::from(stored & !PLAIN)));
        }
        Ok(ranges)
    }

    pub(super) fn layout(&self, node: &Node) -> Result<Layout> {
        let mut cursor = self.blocks.cursor(self.superblock.inode_table, node.place)?;
        let Body::File { start, size, fragment, .. } = decode::inode(&mut cursor)?.body else {
            return Err(Error::user(format!("`{}` is no regular file", node.path)));
        };
        let block_size = u64::from(self.superblock.block_size);
        let count = if fragment.is_some() { size / block_size } else { size.div_ceil(block_size) };
        if count > MAX_BLOCKS {
            return Err(Error::source(format!("`{}` has {size} bytes, more than are read", node.path)));
        }
        // Grows with what is there, not with what is said.
        let mut blocks = Vec::new();
        for _ in 0..count {
            blocks.push(cursor.word()?);
        }
        Ok(Layout { start, size, fragment, blocks })
    }

    pub(super) fn data_block(&self, at: u64, stored: u32, expected: usize) -> Result<Vec<u8>> {
        let length = stored & !PLAIN;
        if length > self.superblock.block_size {
            return Err(Error::source(format!("a block of `{length}` bytes")));
        }
        let bytes = self.blocks.raw(at, length as usize)?;
        let bytes = if stored & PLAIN == 0 { self.blocks.unpack(&bytes, expected)? } else { bytes };
        match bytes.len() == expected {
            true => Ok(bytes),
            false => Err(Error::source(format!("a block unpacks to {} bytes, not {expected}", bytes.len()))),
        }
    }

    pub(super) fn fragment_entry(&self, index: u32) -> Result<(u64, u32)> {
        if index >= self.superblock.fragments {
            return Err(Error::source(format!("the fragment `{index}` of {}", self.superblock.fragments)));
        }
        let place = u64::from(index) * 16;
        let pointer = self.superblock.fragment_table.checked_add(place / BLOCK as u64 * 8);
        let pointer = pointer.ok_or_else(|| Error::source("something of it lies past its end"))?;
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.blocks.raw(pointer, 8)?);
        let offset = (place % BLOCK as u64) as u16;
        let mut cursor = self.blocks.cursor(u64::from_le_bytes(bytes), Place { block: 0, offset })?;
        Ok((cursor.long()?, cursor.word()?))
    }

    fn fragment_block(&self, index: u32) -> Result<Arc<Vec<u8>>> {
        if let Some(block) = self.fragments.get(index) {
            return Ok(block);
        }
        let (at, stored) = self.fragment_entry(index)?;
        let length = stored & !PLAIN;
        if length == 0 || length > self.superblock.block_size {
            return Err(Error::source(format!("a fragment block of `{length}` bytes")));
        }
        let mut bytes = self.blocks.raw(at, length as usize)?;
        if stored & PLAIN == 0 {
            bytes = self.blocks.unpack(&bytes, self.superblock.block_size as usize)?;
        }
        let block = Arc::new(bytes);
        self.fragments.put(index, block.clone(), self.superblock.block_size as usize);
        Ok(block)
    }
}
