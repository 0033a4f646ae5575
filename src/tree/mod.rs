//! The root file system as a plain value: folders, leaves, and what they carry.
//!
//! - Names are sorted, any bytes but `/` and NUL; `..` cannot be said.
//! - A hard link is the same leaf under another name, so counts cannot be wrong.
//! - Ownership, devices and attributes are recorded, never applied; making a tree does no I/O.
//! - Content is a range of a file on disk or bytes of our own, never a copy in memory.

mod content;
mod edit;
mod identity;
mod scan;
pub mod tarball;
mod text;

pub use content::{Content, Extent, Opened};
pub use edit::{Node, NodeRef};
pub use scan::scan;
pub use text::listing;

use std::collections::BTreeMap;
use std::sync::Arc;

/// A whole file system. Edit it through its methods; writers walk `root` and look leaves up.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// The folder `/`.
    pub root: Directory,
    /// Every leaf; a name refers to one by its [`LeafId`]. Leaves that no name refers to
    /// may stay behind after removals: writers number what they reach.
    pub leaves: Vec<Leaf>,
}

/// The index of a leaf in [`Tree::leaves`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafId(pub u32);

/// What a name in a folder stands for.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A folder; has exactly one name.
    Directory(Box<Directory>),
    /// A leaf; may have several names.
    Leaf(LeafId),
}

/// A folder.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    /// Mode, owner, times, attributes.
    pub meta: Meta,
    /// Entries by name, in byte order.
    pub entries: BTreeMap<Box<[u8]>, Entry>,
}

/// Anything that is not a folder.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// Mode, owner, times, attributes.
    pub meta: Meta,
    /// What it is.
    pub kind: Kind,
}

impl Leaf {
    /// The bytes of a regular file; none of anything else.
    pub fn content(&self) -> Option<&Content> {
        match &self.kind {
            Kind::File(content) => Some(content),
            _ => None,
        }
    }
}

/// The kinds of leaf.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A regular file.
    File(Content),
    /// A symbolic link and its target, any bytes.
    Symlink(Box<[u8]>),
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// Extended attributes by full name.
pub type Xattrs = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// What every inode carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Permission bits with setuid, setgid and sticky: at most 0o7777.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// Extended attributes by full name (`security.capability`); none for nearly all.
    pub xattrs: Option<Arc<Xattrs>>,
    /// Who brought it: a package's name, or a step's (`file of the profile`). Not in any output byte.
    pub origin: Option<Arc<str>>,
}

impl Meta {
    /// Owned by root, without attributes.
    pub fn new(mode: u16, mtime: u32) -> Self {
        Meta { mode: mode & 0o7777, uid: 0, gid: 0, mtime, xattrs: None, origin: None }
    }

    /// The same with an owner.
    #[must_use]
    pub fn owned(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    /// The same with its origin.
    #[must_use]
    pub fn from(mut self, origin: &Arc<str>) -> Self {
        self.origin = Some(origin.clone());
        self
    }

    /// Sets one extended attribute.
    pub fn set_xattr(&mut self, name: &[u8], value: &[u8]) {
        let map = self.xattrs.get_or_insert_default();
        Arc::make_mut(map).insert(name.into(), value.into());
    }
}

/// A folder's: 0755, root, 1970.
impl Default for Meta {
    fn default() -> Self {
        Meta::new(0o755, 0)
    }
}
