//! squashfs 4.0: a tree written as an image, an image read as a tree.
//!
//! - The writer holds everything that the format holds: all kinds of inode, attributes, hard
//!   links, fragments, holes, indexes, ids of 32 bits, names of any bytes.
//! - Files of equal content are stored once, and compressed once; so are the blocks of files
//!   that differ in their tails only.
//! - The bytes depend on the tree and the options alone, not on the number of threads, nor on
//!   whether blocks came from a cache or digests were known.
//! - The reader takes nothing on trust: sizes are bounded, places checked, nothing recurses on
//!   what an image says.

mod codec;
mod data;
mod directory;
mod id;
mod inode;
mod metadata;
mod nodes;
mod originals;
mod placement;
mod plan;
mod read;
mod superblock;
mod table;
mod work;
mod write;
mod xattr;

pub use codec::Codec;
pub use read::{Image, Node, NodeKind, OpenFile, Pair, Scratch};
pub use superblock::{SIZE as SUPERBLOCK, Superblock};
pub use write::write;

use serde::{Deserialize, Serialize};

use codec::Method;

use crate::error::{Error, Result};

/// How an image is written; all but `jobs` decides about its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The codec.
    pub codec: Codec,
    /// Its level; see [`Codec::levels`].
    pub level: i32,
    /// Bytes of a data block: a power of two, 4096 to 1048576.
    pub block_size: u32,
    /// The superblock's time, seconds since 1970.
    pub epoch: u32,
    /// Threads that compress.
    pub jobs: usize,
}

/// zstd 15, blocks of 128 KiB, 1970, one thread.
impl Default for Options {
    fn default() -> Self {
        Options { codec: Codec::Zstd, level: 15, block_size: 1 << 17, epoch: 0, jobs: 1 }
    }
}

impl Options {
    /// An error where a value has no place in the format.
    pub fn check(&self) -> Result<()> {
        if !self.block_size.is_power_of_two() || !(1 << 12..=1 << 20).contains(&self.block_size) {
            return Err(Error::user(format!("unknown block size `{}`", self.block_size))
                .hint("expected a power of two from 4K to 1M"));
        }
        match self.codec.levels() {
            Some((levels, _)) if !levels.contains(&self.level) => Err(Error::user(format!(
                "unknown level `{}` of {}",
                self.level,
                self.codec.name()
            ))
            .hint(format!("expected {} to {}", levels.start(), levels.end()))),
            _ => Ok(()),
        }
    }

    fn method(&self) -> Method {
        Method { codec: self.codec, level: self.level, block: self.block_size }
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Bytes of the image, padding included.
    pub bytes: u64,
    /// Inodes.
    pub inodes: u32,
    /// Bytes of all files, each counted once.
    pub content: u64,
    /// Files whose content another one has too.
    pub duplicates: u64,
    /// Fragment blocks.
    pub fragments: u32,
}
