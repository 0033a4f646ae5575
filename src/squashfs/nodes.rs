//! Inodes and directories of a whole tree.
//!
//! A folder's children are written in one run and numbered in one run, so that its listing
//! needs few headers; before them comes all that lies below the folders among them.

use std::borrow::Cow;
use std::io::Write;

use super::codec::Method;
use super::directory::{self, Child, Listing};
use super::id::Ids;
use super::inode::{Body, Inode, device, kind};
use super::metadata::{Place, Writer};
use super::placement::Placement;
use super::plan::Plan;
use super::xattr::Sets;
use crate::error::{Context, Error, Result};
use crate::tree::{Directory, Entry, Kind, LeafId, Meta, Tree};

/// Inodes are written out when so much has gathered.
const GATHER: usize = 1 << 20;
/// An inode that is not written yet.
const UNWRITTEN: u64 = u64::MAX;

/// What the rest of the image needs.
pub struct Written {
    /// Bytes of the inode table, which is written.
    pub inode_bytes: u64,
    /// The directory table.
    pub listings: Vec<u8>,
    /// Owners and groups.
    pub ids: Ids,
    /// Attributes.
    pub sets: Sets,
    /// References of all inodes by number.
    pub references: Vec<u64>,
    /// Where the root's inode is.
    pub root: Place,
}

/// Writes the inode table to `out` and gathers the tables that come behind it.
pub fn write(tree: &Tree, plan: &Plan, placement: &Placement, method: &Method, out: &mut dyn Write) -> Result<Written> {
    let mut nodes = Nodes {
        tree,
        plan,
        placement,
        out,
        block: u64::from(method.block),
        inodes: Writer::new(method.compressor()?),
        listings: Writer::new(method.compressor()?),
        ids: Ids::default(),
        sets: Sets::default(),
        references: Vec::with_capacity(plan.inodes as usize),
        numbers: vec![0; tree.leaves.len()],
        encoded: Vec::new(),
    };
    let number = nodes.number();
    let (listing, links) = nodes.directory(&tree.root, number)?;
    // The root's parent is a number that no inode has.
    let body = directory_body(listing, plan.inodes + 1);
    let root = nodes.inode(&tree.root.meta, number, links, body)?;
    let Nodes { inodes, listings, ids, sets, references, .. } = nodes;
    let taken = inodes.taken();
    let rest = inodes.finish()?;
    out.write_all(&rest).context(|| "writing the image".into())?;
    let inode_bytes = taken + rest.len() as u64;
    Ok(Written { inode_bytes, listings: listings.finish()?, ids, sets, references, root })
}

struct Nodes<'t, 'o> {
    tree: &'t Tree,
    plan: &'t Plan<'t>,
    placement: &'t Placement,
    out: &'o mut dyn Write,
    block: u64,
    inodes: Writer,
    listings: Writer,
    ids: Ids,
    sets: Sets,
    references: Vec<u64>,
    /// Numbers of leaves by id; 0 where there is none yet.
    numbers: Vec<u32>,
    encoded: Vec<u8>,
}

impl<'t> Nodes<'t, '_> {
    /// Writes all that lies below a folder, then its listing; the folder's count of links.
    fn directory(&mut self, directory: &'t Directory, number: u32) -> Result<(Listing, u32)> {
        let mut children = Vec::with_capacity(directory.entries.len());
        for (name, entry) in &directory.entries {
            let number = match entry {
                Entry::Directory(_) => self.number(),
                Entry::Leaf(id) => match self.numbers.get(id.0 as usize).copied() {
                    Some(0) => {
                        let number = self.number();
                        self.numbers[id.0 as usize] = number;
                        number
                    }
                    Some(number) => number,
                    None => return Err(Error::bug("a name leads to no leaf")),
                },
            };
            children.push(Child { name, kind: kind::DIRECTORY, place: Place::default(), number });
        }
        let mut below = Vec::new();
        for (entry, child) in directory.entries.values().zip(&children) {
            if let Entry::Directory(directory) = entry {
                below.push(self.directory(directory, child.number)?);
            }
        }
        let links = 2u32.saturating_add(below.len() as u32);
        let mut below = below.into_iter();
        for (entry, child) in directory.entries.values().zip(&mut children) {
            match entry {
                Entry::Directory(directory) => {
                    let (listing, links) = below.next().unwrap_or_default();
                    let body = directory_body(listing, number);
                    child.place = self.inode(&directory.meta, child.number, links, body)?;
                }
                Entry::Leaf(id) => (child.place, child.kind) = self.leaf(*id, child)?,
            }
        }
        if children.is_empty() {
            return Ok((Listing { size: 3, ..Listing::default() }, links));
        }
        Ok((directory::write(&children, &mut self.listings)?, links))
    }

    /// Writes a leaf unless it was reached by another name; where it is and its type.
    fn leaf(&mut self, id: LeafId, child: &Child) -> Result<(Place, u16)> {
        let leaf = self.tree.leaves.get(id.0 as usize).ok_or_else(|| Error::bug("a name leads to no leaf"))?;
        let body = self.body(id, &leaf.kind).context(|| format!("packing `{}`", child.name.escape_ascii()))?;
        let kind = body.kind();
        let known = self.references.get(child.number as usize - 1).copied().unwrap_or(UNWRITTEN);
        if known != UNWRITTEN {
            return Ok((Place::unpacked(known), kind));
        }
        let links = self.plan.links.get(id.0 as usize).copied().unwrap_or(1);
        Ok((self.inode(&leaf.meta, child.number, links, body)?, kind))
    }

    fn body(&self, id: LeafId, kind: &'t Kind) -> Result<Body<'t>> {
        let numbered = |block, major, minor| {
            let number = device(major, minor).ok_or_else(|| {
                Error::user(format!("the device number `{major}:{minor}` is too large"))
                    .hint("expected at most 4095:1048575")
            })?;
            Ok(Body::Device { block, number })
        };
        match kind {
            Kind::File(content) => {
                let file = self.plan.file_of(id).ok_or_else(|| Error::bug("a file is not in the plan"))?;
                let placed = self.placement.of(file)?;
                Ok(Body::File {
                    start: placed.start,
                    size: content.len(),
                    sparse: placed.blocks.iter().filter(|size| **size == 0).count() as u64 * self.block,
                    fragment: placed.fragment,
                    blocks: Cow::Borrowed(placed.blocks),
                })
            }
            Kind::Symlink(target) => Ok(Body::Symlink(Cow::Borrowed(target))),
            Kind::BlockDevice { major, minor } => numbered(true, *major, *minor),
            Kind::CharDevice { major, minor } => numbered(false, *major, *minor),
            Kind::Fifo => Ok(Body::Fifo),
            Kind::Socket => Ok(Body::Socket),
        }
    }

    fn inode(&mut self, meta: &Meta, number: u32, links: u32, body: Body) -> Result<Place> {
        let place = self.inodes.place();
        let (uid, gid) = (self.ids.add(meta.uid)?, self.ids.add(meta.gid)?);
        let xattrs = self.sets.add(meta.xattrs.as_ref())?;
        let mode = meta.mode & 0o7777;
        let inode = Inode { mode, uid, gid, mtime: meta.mtime, number, links, xattrs, body };
        self.encoded.clear();
        inode.encode(&mut self.encoded)?;
        self.inodes.write(&self.encoded)?;
        if self.inodes.waiting() > GATHER {
            let blocks = self.inodes.take();
            self.out.write_all(&blocks).context(|| "writing the image".into())?;
        }
        if let Some(reference) = self.references.get_mut(number as usize - 1) {
            *reference = place.packed();
        }
        Ok(place)
    }

    /// The next number, from 1.
    fn number(&mut self) -> u32 {
        self.references.push(UNWRITTEN);
        self.references.len() as u32
    }
}

fn directory_body<'a>(listing: Listing, parent: u32) -> Body<'a> {
    let Listing { place, size, index } = listing;
    Body::Directory { place, size, parent, index: Cow::Owned(index) }
}
