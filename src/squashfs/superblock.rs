//! The superblock: the first 96 bytes of an image (kernel: `fs/squashfs/squashfs_fs.h`).

use crate::error::{Error, Result};

/// Bytes of a superblock.
pub const SIZE: usize = 96;
/// "hsqs", little-endian.
const MAGIC: u32 = 0x7371_7368;
/// The place of a table that is not there.
pub const NONE: u64 = u64::MAX;

/// Bits of [`Superblock::flags`].
pub mod flag {
    /// Inodes and directories are not compressed.
    pub const PLAIN_INODES: u16 = 0x0001;
    /// Data blocks are not compressed.
    pub const PLAIN_DATA: u16 = 0x0002;
    /// Fragment blocks are not compressed.
    pub const PLAIN_FRAGMENTS: u16 = 0x0008;
    /// Every file's tail is in a fragment.
    pub const ALWAYS_FRAGMENTS: u16 = 0x0020;
    /// Files of equal content share their blocks.
    pub const DUPLICATES: u16 = 0x0040;
    /// There is an export table.
    pub const EXPORTABLE: u16 = 0x0080;
    /// Attributes are not compressed.
    pub const PLAIN_XATTRS: u16 = 0x0100;
    /// There are no attributes.
    pub const NO_XATTRS: u16 = 0x0200;
    /// The compressor's options follow the superblock.
    pub const COMPRESSOR_OPTIONS: u16 = 0x0400;
    /// The id table is not compressed.
    pub const PLAIN_IDS: u16 = 0x0800;
}

/// The superblock; places are bytes from the image's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// Inodes.
    pub inodes: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// Bytes of a data block.
    pub block_size: u32,
    /// Fragment blocks.
    pub fragments: u32,
    /// The codec's number.
    pub compressor: u16,
    /// Bits, as `flag` names them.
    pub flags: u16,
    /// Entries of the id table.
    pub ids: u16,
    /// Reference of the root's inode: block's place in the inode table << 16 | offset inside.
    pub root: u64,
    /// Bytes without padding.
    pub bytes_used: u64,
    /// Where the id table's index is.
    pub id_table: u64,
    /// Where the table of attribute sets is.
    pub xattr_table: u64,
    /// Where inodes begin.
    pub inode_table: u64,
    /// Where directories begin.
    pub directory_table: u64,
    /// Where the fragment table's index is.
    pub fragment_table: u64,
    /// Where the export table's index is.
    pub export_table: u64,
}

impl Superblock {
    /// As it stands in the image.
    pub fn to_bytes(&self) -> [u8; SIZE] {
        let mut out = [0; SIZE];
        let words = [MAGIC, self.inodes, self.mtime, self.block_size, self.fragments];
        let halves = [
            self.compressor,
            self.block_size.trailing_zeros() as u16,
            self.flags,
            self.ids,
            4, // major
            0, // minor
        ];
        let longs = [
            self.root,
            self.bytes_used,
            self.id_table,
            self.xattr_table,
            self.inode_table,
            self.directory_table,
            self.fragment_table,
            self.export_table,
        ];
        let bytes = words.iter().flat_map(|word| word.to_le_bytes());
        let bytes = bytes.chain(halves.iter().flat_map(|half| half.to_le_bytes()));
        let bytes = bytes.chain(longs.iter().flat_map(|long| long.to_le_bytes()));
        out.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        out
    }

    /// Reads and checks one.
    pub fn from_bytes(bytes: &[u8; SIZE]) -> Result<Self> {
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| u32::from(half(at)) | u32::from(half(at + 2)) << 16;
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        if word(0) != MAGIC {
            return Err(Error::source("it is no squashfs").hint("expected `hsqs` as its first bytes"));
        }
        let (major, minor) = (half(28), half(30));
        if (major, minor) != (4, 0) {
            return Err(Error::source(format!("its squashfs version is `{major}.{minor}`")).hint("expected 4.0"));
        }
        let (block_size, log) = (word(12), half(22));
        if !(4096..=1 << 20).contains(&block_size) || 1u32.checked_shl(u32::from(log)) != Some(block_size) {
            return Err(Error::source(format!("its block size is `{block_size}`"))
                .hint("expected a power of two from 4096 to 1048576"));
        }
        Ok(Superblock {
            inodes: word(4),
            mtime: word(8),
            block_size,
            fragments: word(16),
            compressor: half(20),
            flags: half(24),
            ids: half(26),
            root: long(32),
            bytes_used: long(40),
            id_table: long(48),
            xattr_table: long(56),
            inode_table: long(64),
            directory_table: long(72),
            fragment_table: long(80),
            export_table: long(88),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back() {
        let one = Superblock {
            inodes: 1,
            mtime: 2,
            block_size: 1 << 17,
            fragments: 3,
            compressor: 6,
            flags: 4,
            ids: 5,
            root: 6,
            bytes_used: 7,
            id_table: 8,
            xattr_table: 9,
            inode_table: 10,
            directory_table: 11,
            fragment_table: 12,
            export_table: 13,
        };
        assert_eq!(Superblock::from_bytes(&one.to_bytes()).unwrap(), one);
        for (at, value) in [(0, 0), (12, 1), (22, 16), (22, 64), (28, 3), (30, 1)] {
            let mut bytes = one.to_bytes();
            bytes[at] = value;
            assert!(Superblock::from_bytes(&bytes).is_err(), "{at}");
        }
    }
}
