//! Inodes: the basic form where it holds all, else the extended one.

use std::borrow::Cow;

use super::directory::IndexEntry;
use super::metadata::Place;
use super::xattr;
use crate::error::Result;

/// No fragment, as inodes say it.
pub const NO_FRAGMENT: u32 = u32::MAX;
/// The bit of a data block's size for a block that is not compressed.
pub const PLAIN: u32 = 1 << 24;

/// Types of the basic form; the extended one is 7 more. Directory entries use the basic type.
pub mod kind {
    /// A folder.
    pub const DIRECTORY: u16 = 1;
    /// A regular file.
    pub const FILE: u16 = 2;
    /// A symbolic link.
    pub const SYMLINK: u16 = 3;
    /// A block device.
    pub const BLOCK_DEVICE: u16 = 4;
    /// A character device.
    pub const CHAR_DEVICE: u16 = 5;
    /// A named pipe.
    pub const FIFO: u16 = 6;
    /// A socket.
    pub const SOCKET: u16 = 7;
    /// What the extended form adds.
    pub const EXTENDED: u16 = 7;
}

/// An inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inode<'a> {
    /// Permission bits.
    pub mode: u16,
    /// Index of the owner in the id table.
    pub uid: u16,
    /// Index of the group in the id table.
    pub gid: u16,
    /// Seconds since 1970.
    pub mtime: u32,
    /// From 1.
    pub number: u32,
    /// Names; of a folder 2 and one for each folder in it.
    pub links: u32,
    /// Index of the set of attributes, [`xattr::NONE`] for none.
    pub xattrs: u32,
    /// What differs by type.
    pub body: Body<'a>,
}

/// What differs by type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// A folder.
    Directory {
        /// Where its listing begins in the directory table.
        place: Place,
        /// Bytes of the listing and 3, for the `.` and `..` that are not there.
        size: u32,
        /// Number of the parent's inode; of the root one more than there are inodes.
        parent: u32,
        /// The listing's index, for large folders.
        index: Cow<'a, [IndexEntry]>,
    },
    /// A regular file.
    File {
        /// Where its first block is in the image.
        start: u64,
        /// Bytes.
        size: u64,
        /// Bytes of blocks that are holes.
        sparse: u64,
        /// The fragment block and the offset in it of the tail.
        fragment: Option<(u32, u32)>,
        /// Sizes of its blocks; 0 is a hole, [`PLAIN`] marks one that is not compressed.
        blocks: Cow<'a, [u32]>,
    },
    /// A symbolic link's target.
    Symlink(Cow<'a, [u8]>),
    /// A device.
    Device {
        /// Block, not character.
        block: bool,
        /// Major and minor as [`device`] packs them.
        number: u32,
    },
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// Major and minor in 32 bits as Linux packs them (`new_encode_dev`): 12 bits and 20 bits.
pub fn device(major: u32, minor: u32) -> Option<u32> {
    (major < 1 << 12 && minor < 1 << 20).then_some((minor & 0xff) | major << 8 | (minor & !0xff) << 12)
}

/// Major and minor of a packed number.
pub fn major_minor(number: u32) -> (u32, u32) {
    (number >> 8 & 0xfff, number & 0xff | number >> 12 & 0xfff00)
}

impl Body<'_> {
    /// The basic type.
    pub fn kind(&self) -> u16 {
        match self {
            Body::Directory { .. } => kind::DIRECTORY,
            Body::File { .. } => kind::FILE,
            Body::Symlink(_) => kind::SYMLINK,
            Body::Device { block: true, .. } => kind::BLOCK_DEVICE,
            Body::Device { block: false, .. } => kind::CHAR_DEVICE,
            Body::Fifo => kind::FIFO,
            Body::Socket => kind::SOCKET,
        }
    }
}

impl Inode<'_> {
    /// Appends it in the smallest form that holds all.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let extended = self.xattrs != xattr::NONE
            || match &self.body {
                Body::Directory { size, index, .. } => *size > u32::from(u16::MAX) || !index.is_empty(),
                Body::File { start, size, sparse, .. } => {
                    self.links > 1 || *sparse > 0 || start.max(size) > &u64::from(u32::MAX)
                }
                _ => false,
            };
        let kind = self.body.kind() + if extended { kind::EXTENDED } else { 0 };
        for half in [kind, self.mode, self.uid, self.gid] {
            out.extend_from_slice(&half.to_le_bytes());
        }
        words(out, &[self.mtime, self.number]);
        match &self.body {
            Body::Directory { place, size, parent, index } if extended => {
                words(out, &[self.links, *size, place.block32()?, *parent]);
                out.extend_from_slice(&(index.len() as u16).to_le_bytes());
                out.extend_from_slice(&place.offset.to_le_bytes());
                words(out, &[self.xattrs]);
                index.iter().for_each(|entry| entry.encode(out));
            }
            Body::Directory { place, size, parent, .. } => {
                words(out, &[place.block32()?, self.links]);
                out.extend_from_slice(&(*size as u16).to_le_bytes());
                out.extend_from_slice(&place.offset.to_le_bytes());
                words(out, &[*parent]);
            }
            Body::File { start, size, sparse, fragment, blocks } => {
                let (fragment, offset) = fragment.unwrap_or((NO_FRAGMENT, 0));
                if extended {
                    [start, size, sparse].iter().for_each(|long| out.extend_from_slice(&long.to_le_bytes()));
                    words(out, &[self.links, fragment, offset, self.xattrs]);
                } else {
                    words(out, &[*start as u32, fragment, offset, *size as u32]);
                }
                words(out, blocks);
            }
            Body::Symlink(target) => {
                words(out, &[self.links, target.len() as u32]);
                out.extend_from_slice(target);
            }
            Body::Device { number, .. } => words(out, &[self.links, *number]),
            Body::Fifo | Body::Socket => words(out, &[self.links]),
        }
        if extended && !matches!(self.body, Body::Directory { .. } | Body::File { .. }) {
            words(out, &[self.xattrs]);
        }
        Ok(())
    }
}

fn words(out: &mut Vec<u8>, words: &[u32]) {
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_pack_as_linux_does() {
        assert_eq!(device(8, 1), Some(0x801));
        assert_eq!(device(0xfff, 0xfffff), Some(0xffff_ffff));
        assert_eq!(device(0x1000, 0), None);
        assert_eq!(device(0, 1 << 20), None);
        for pair in [(8, 1), (1, 300), (4095, 1_048_575)] {
            assert_eq!(major_minor(device(pair.0, pair.1).unwrap()), pair);
        }
    }

    #[test]
    fn the_smallest_form_is_taken() {
        let mut inode = Inode {
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: 0,
            number: 1,
            links: 1,
            xattrs: xattr::NONE,
            body: Body::File { start: 96, size: 5, sparse: 0, fragment: Some((0, 0)), blocks: Cow::Borrowed(&[]) },
        };
        let length = |inode: &Inode| {
            let mut out = Vec::new();
            inode.encode(&mut out).unwrap();
            (out[0], out.len())
        };
        assert_eq!(length(&inode), (2, 32));
        inode.links = 2;
        assert_eq!(length(&inode), (9, 56));
        inode.links = 1;
        inode.xattrs = 0;
        assert_eq!(length(&inode), (9, 56));
        inode.body = Body::Symlink(Cow::Borrowed(b"abc"));
        assert_eq!(length(&inode), (10, 16 + 8 + 3 + 4));
        inode.xattrs = xattr::NONE;
        assert_eq!(length(&inode), (3, 16 + 8 + 3));
    }
}
