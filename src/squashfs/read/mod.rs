//! An image, read: its files with their metadata, and their bytes.
//!
//! Nothing that an image says is trusted: places lie inside it, sizes are bounded, no folder
//! is entered twice, and what is kept in memory does not grow with what is claimed.

mod decode;
mod file;
mod metadata;
mod random;
mod same;
#[cfg(test)]
mod tests;
mod walk;
mod xattr;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

pub use random::OpenFile;
pub use same::{Pair, Scratch};
pub use walk::{Node, NodeKind};

use crate::bytes::{Bytes, Part, Whole};
use crate::error::{Context, Error, Result};
use crate::squashfs::codec::Codec;
use crate::squashfs::metadata::{BLOCK, Place};
use crate::squashfs::superblock::{self, Superblock, flag};
use metadata::Blocks;

/// An open image.
pub struct Image {
    superblock: Superblock,
    blocks: Blocks,
    ids: Vec<u32>,
    sets: xattr::Sets,
    fragments: file::Kept,
}

impl Image {
    /// Opens the image that is the whole of a file.
    pub fn open(path: &Path) -> Result<Self> {
        let opening = || format!("opening `{}`", path.display());
        File::open(path).map_err(Error::from).and_then(|file| Self::part(file, 0, None)).context(opening)
    }

    /// Opens the image that lies at `offset` of a file (a partition of a disk), in `length` bytes or to the end.
    pub fn part(file: File, offset: u64, length: Option<u64>) -> Result<Self> {
        let whole: Arc<dyn Bytes> = Arc::new(Whole::of(file)?);
        let rest = whole.length().saturating_sub(offset);
        Self::new(Box::new(Part::new(whole, offset, length.unwrap_or(rest))?))
    }

    /// Opens an image in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Self::new(Box::new(bytes))
    }

    /// Opens the image that all of `source` is.
    pub fn new(source: Box<dyn Bytes>) -> Result<Self> {
        let mut bytes = [0; superblock::SIZE];
        source.read_at(&mut bytes, 0).context(|| "reading the superblock".into())?;
        let superblock = Superblock::from_bytes(&bytes)?;
        if superblock.bytes_used > source.length() {
            let message = format!("it has {} bytes, its superblock says {}", source.length(), superblock.bytes_used);
            return Err(Error::source(message).hint("it may be cut"));
        }
        let blocks = Blocks::new(source, Codec::from_id(superblock.compressor)?, superblock.bytes_used)?;
        let ids = read_ids(&superblock, &blocks).context(|| "reading the id table".into())?;
        Ok(Image { superblock, blocks, ids, sets: xattr::Sets::default(), fragments: file::Kept::default() })
    }

    /// The codec; as the superblock says it, so gzip of an image that is not compressed.
    pub fn codec(&self) -> Result<Codec> {
        match self.superblock.flags & flag::PLAIN_DATA {
            0 => Codec::from_id(self.superblock.compressor),
            _ => Ok(Codec::None),
        }
    }

    /// The superblock.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// Bytes of a data block.
    pub fn block_size(&self) -> u32 {
        self.superblock.block_size
    }

    /// Inodes, as the superblock says it.
    pub fn inodes(&self) -> u32 {
        self.superblock.inodes
    }

    /// The image's own time, seconds since 1970.
    pub fn epoch(&self) -> u32 {
        self.superblock.mtime
    }

    /// Bytes of the image without padding.
    pub fn bytes_used(&self) -> u64 {
        self.superblock.bytes_used
    }

    fn id(&self, index: u16) -> Result<u32> {
        let id = self.ids.get(usize::from(index)).copied();
        id.ok_or_else(|| Error::source(format!("the owner `{index}` of {}", self.ids.len())))
    }
}

fn read_ids(superblock: &Superblock, blocks: &Blocks) -> Result<Vec<u32>> {
    let mut ids = Vec::with_capacity(superblock.ids.into());
    let per_block = BLOCK / 4;
    for (number, count) in chunk_sizes(superblock.ids.into(), per_block).enumerate() {
        let mut pointer = [0; 8];
        let at = superblock.id_table.checked_add(number as u64 * 8);
        let at = at.ok_or_else(|| Error::source("something of it lies past its end"))?;
        pointer.copy_from_slice(&blocks.raw(at, 8)?);
        let mut cursor = blocks.cursor(u64::from_le_bytes(pointer), Place::default())?;
        for _ in 0..count {
            ids.push(cursor.word()?);
        }
    }
    Ok(ids)
}

/// The sizes of `total` things in groups of `size`.
fn chunk_sizes(total: usize, size: usize) -> impl Iterator<Item = usize> {
    (0..total.div_ceil(size)).map(move |number| size.min(total - number * size))
}
