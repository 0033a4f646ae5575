//! Every name of an image, folders before what they hold, in byte order.

use std::collections::HashSet;

use super::Image;
use super::decode::{self, Listing};
use crate::error::{Context, Error, Result};
use crate::path::RootPath;
use crate::squashfs::inode::{Body, Inode, major_minor};
use crate::squashfs::metadata::Place;
use crate::tree::Meta;

/// As many names as a walk tells; listings may share bytes, so an image's size bounds nothing.
const MAX_NAMES: u64 = 1 << 24;

/// A name and what it stands for.
#[derive(Debug, Clone)]
pub struct Node {
    /// The path.
    pub path: RootPath,
    /// Mode, owner, times, attributes.
    pub meta: Meta,
    /// The inode's number: names of one file have the same.
    pub number: u32,
    /// Names, as the inode counts them.
    pub links: u32,
    /// What it is.
    pub kind: NodeKind,
    pub(super) place: Place,
}

/// The kinds of node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A folder.
    Directory,
    /// A regular file and its bytes' number.
    File(u64),
    /// A symbolic link and its target.
    Symlink(Box<[u8]>),
    /// A block device: major, minor.
    BlockDevice(u32, u32),
    /// A character device: major, minor.
    CharDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// A folder whose entries are to be told.
struct Open<'i> {
    path: RootPath,
    listing: Option<Listing<'i>>,
}

impl Image {
    /// Tells `tell` every node, the root first.
    pub fn walk(&self, tell: &mut dyn FnMut(Node) -> Result<()>) -> Result<()> {
        let mut entered = HashSet::new();
        let mut names = 0;
        let (root, listing) = self.node(RootPath::root(), Place::unpacked(self.superblock.root))?;
        if root.kind != NodeKind::Directory {
            return Err(Error::source("its root is no folder"));
        }
        entered.insert(root.place.packed());
        tell(root)?;
        let mut open = vec![Open { path: RootPath::root(), listing }];
        while let Some(folder) = open.last_mut() {
            let reading = || format!("reading `{}`", folder.path);
            let child = match &mut folder.listing {
                Some(listing) => listing.next().context(reading)?,
                None => None,
            };
            let Some(child) = child else {
                open.pop();
                continue;
            };
            names += 1;
            if names > MAX_NAMES {
                return Err(Error::source(format!("it has more than {MAX_NAMES} names")));
            }
            let path = folder.path.join(&child.name).map_err(|error| Error::source(error.message()))?;
            let reading = || format!("reading `{path}`");
            let (node, listing) = self.node(path.clone(), child.place).context(reading)?;
            if node.kind.number() != child.kind {
                return Err(Error::source(format!("its type is not what its folder says: `{}`", child.kind)))
                    .context(reading);
            }
            if node.kind == NodeKind::Directory {
                if !entered.insert(node.place.packed()) {
                    return Err(Error::source("a folder has two names")).context(reading);
                }
                open.push(Open { path, listing });
            }
            tell(node)?;
        }
        Ok(())
    }

    /// Every node, the root first; an error where there are more than `limit`.
    pub fn nodes(&self, limit: usize) -> Result<Vec<Node>> {
        let mut nodes = Vec::new();
        self.walk(&mut |node| {
            if nodes.len() == limit {
                return Err(Error::source(format!("it has more than {limit} names")));
            }
            nodes.push(node);
            Ok(())
        })?;
        Ok(nodes)
    }

    /// What a folder holds, in byte order; nothing where it is none.
    pub fn entries(&self, folder: &Node) -> Result<Vec<Node>> {
        let mut out = Vec::new();
        let (_, mut listing) = self.node(folder.path.clone(), folder.place)?;
        while let Some(child) = listing.as_mut().map(|listing| listing.next()).transpose()?.flatten() {
            if out.len() as u64 == MAX_NAMES {
                return Err(Error::source(format!("it has more than {MAX_NAMES} names")));
            }
            let path = folder.path.join(&child.name).map_err(|error| Error::source(error.message()))?;
            out.push(self.node(path, child.place)?.0);
        }
        Ok(out)
    }

    /// The node at `path`, links not followed.
    pub fn find(&self, path: &RootPath) -> Result<Option<Node>> {
        let (mut node, mut listing) = self.node(RootPath::root(), Place::unpacked(self.superblock.root))?;
        for name in path.components() {
            let Some(mut names) = listing.take() else { return Ok(None) };
            let child = loop {
                match names.next()? {
                    Some(child) if *child.name == *name => break child,
                    Some(_) => {}
                    None => return Ok(None),
                }
            };
            (node, listing) = self.node(node.path.join(name)?, child.place)?;
        }
        Ok(Some(node))
    }

    /// The inode at a place as a node, and a folder's listing (none of an empty one).
    fn node(&self, path: RootPath, place: Place) -> Result<(Node, Option<Listing<'_>>)> {
        let mut cursor = self.blocks.cursor(self.superblock.inode_table, place)?;
        let Inode { mode, uid, gid, mtime, number, links, xattrs, body } = decode::inode(&mut cursor)?;
        let mut meta = Meta::new(mode, mtime).owned(self.id(uid)?, self.id(gid)?);
        meta.xattrs = self.sets.get(xattrs, &self.superblock, &self.blocks)?;
        let mut listing = None;
        let kind = match body {
            Body::Directory { place, size, .. } => {
                if size > 3 {
                    let cursor = self.blocks.cursor(self.superblock.directory_table, place)?;
                    listing = Some(Listing::new(cursor, size));
                }
                NodeKind::Directory
            }
            Body::File { size, .. } => NodeKind::File(size),
            Body::Symlink(target) => NodeKind::Symlink(target.into_owned().into()),
            Body::Device { block, number } => {
                let (major, minor) = major_minor(number);
                if block { NodeKind::BlockDevice(major, minor) } else { NodeKind::CharDevice(major, minor) }
            }
            Body::Fifo => NodeKind::Fifo,
            Body::Socket => NodeKind::Socket,
        };
        Ok((Node { path, meta, number, links, kind, place }, listing))
    }
}

impl NodeKind {
    /// The basic type.
    fn number(&self) -> u16 {
        use crate::squashfs::inode::kind;
        match self {
            NodeKind::Directory => kind::DIRECTORY,
            NodeKind::File(_) => kind::FILE,
            NodeKind::Symlink(_) => kind::SYMLINK,
            NodeKind::BlockDevice(..) => kind::BLOCK_DEVICE,
            NodeKind::CharDevice(..) => kind::CHAR_DEVICE,
            NodeKind::Fifo => kind::FIFO,
            NodeKind::Socket => kind::SOCKET,
        }
    }
}
