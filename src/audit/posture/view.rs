//! What rules look at: a root that is not packed yet, or one read out of an image, and what its kernel is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::audit::Uki;
use crate::audit::inventory::{Inventory, MAX_TEXT};
use crate::error::Result;
use crate::path::{Followed, Found, RootPath, below};
use crate::record;
use crate::squashfs::NodeKind;
use crate::tree::{Content, Kind as Leaf, Meta, NodeRef, Tree};

/// A root and what starts it.
pub struct View<'a> {
    /// Every name.
    pub nodes: BTreeMap<RootPath, Node<'a>>,
    image: Option<&'a Inventory>,
    /// Who brought what no package did, where an image says it.
    origins: BTreeMap<RootPath, Arc<str>>,
    /// Whether it is known who brought a file.
    pub owners: bool,
    /// The kernel's command line; none where nothing starts the root.
    pub cmdline: Option<String>,
    /// Words that come with a target, behind the command line.
    pub addons: Vec<String>,
    /// Whether dm-verity seals the root; none where nothing tells.
    pub sealed: Option<bool>,
}

/// A name of a root.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// Mode, owner, attributes.
    pub meta: &'a Meta,
    /// What it is.
    pub kind: Kind<'a>,
    /// Names of one file have the same.
    pub number: u32,
}

/// The kinds of node.
#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    /// A folder.
    Directory,
    /// A regular file, its bytes' number, and where they are if it is not packed yet.
    File(u64, Option<&'a Content>),
    /// A link and its target.
    Link(&'a [u8]),
    /// A device.
    Device,
    /// A pipe or a socket.
    Other,
}

impl<'a> View<'a> {
    /// A tree that is to be sealed, and the words that its kernel will be told.
    pub fn of_build(tree: &'a Tree, cmdline: String, addons: Vec<String>) -> Self {
        View { owners: true, cmdline: Some(cmdline), addons, sealed: Some(true), ..Self::of_tree(tree) }
    }

    /// A tree of which nothing else is known.
    pub fn of_tree(tree: &'a Tree) -> Self {
        let node = |node: NodeRef<'a>| match node {
            NodeRef::Directory(folder) => Node { meta: &folder.meta, kind: Kind::Directory, number: u32::MAX },
            NodeRef::Leaf(id, leaf) => {
                let kind = match &leaf.kind {
                    Leaf::File(content) => Kind::File(content.len(), Some(content)),
                    Leaf::Symlink(target) => Kind::Link(target),
                    Leaf::BlockDevice { .. } | Leaf::CharDevice { .. } => Kind::Device,
                    Leaf::Fifo | Leaf::Socket => Kind::Other,
                };
                Node { meta: &leaf.meta, kind, number: id.0 }
            }
        };
        let nodes = tree.walk().into_iter().map(|(path, of)| (path, node(of))).collect();
        View {
            nodes,
            image: None,
            origins: BTreeMap::new(),
            owners: false,
            cmdline: None,
            addons: Vec::new(),
            sealed: None,
        }
    }

    /// The root of an image.
    ///
    /// # Errors
    /// Where what the image says of itself cannot be read.
    pub fn of_image(inventory: &'a Inventory, uki: Option<&Uki>, addons: Vec<String>) -> Result<Self> {
        let node = |node: &'a crate::squashfs::Node| {
            let kind = match &node.kind {
                NodeKind::Directory => Kind::Directory,
                NodeKind::File(size) => Kind::File(*size, None),
                NodeKind::Symlink(target) => Kind::Link(target),
                NodeKind::BlockDevice(..) | NodeKind::CharDevice(..) => Kind::Device,
                NodeKind::Fifo | NodeKind::Socket => Kind::Other,
            };
            Node { meta: &node.meta, kind, number: node.number }
        };
        Ok(View {
            nodes: inventory.nodes.iter().map(|(path, of)| (path.clone(), node(of))).collect(),
            image: Some(inventory),
            origins: inventory.carried(record::ORIGINS)?.map(|text| record::origins(&text)).unwrap_or_default(),
            owners: inventory.has_database(),
            cmdline: uki.map(|uki| uki.cmdline.clone()),
            addons,
            // A root that was found by the hash of its command line is the one that it seals.
            sealed: uki.map(|uki| uki.root_hash().is_ok()),
        })
    }

    /// The node at a path, links in folders and its own followed.
    pub fn find(&self, path: &str) -> Option<(&RootPath, &Node<'a>)> {
        let real = self.resolve(&RootPath::new(path).ok()?)?;
        self.nodes.get_key_value(&real)
    }

    /// Where a path leads when links are followed; none where that is nothing.
    pub fn resolve(&self, path: &RootPath) -> Option<RootPath> {
        let followed = path.follow(true, |path| {
            Ok(match self.nodes.get(path).map(|node| node.kind) {
                Some(Kind::Link(target)) => Found::Link(target.into()),
                Some(_) => Found::There,
                None => Found::Nothing,
            })
        });
        match followed {
            Ok(Followed::There(path)) => Some(path),
            _ => None,
        }
    }

    /// The bytes of a file of at most `limit` bytes; none of anything else.
    pub fn bytes(&self, path: &RootPath, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(node) = self.nodes.get(path) else { return Ok(None) };
        match (node.kind, self.image) {
            (Kind::File(size, Some(content)), _) if size <= limit => content.read(limit).map(Some),
            (Kind::File(size, None), Some(image)) if size <= limit => match image.nodes.get(path) {
                Some(node) => image.bytes(node, limit).map(Some),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// The text of a file, links followed; none where there is no file of at most 4 MiB.
    pub fn text(&self, path: &str) -> Result<Option<String>> {
        let Some((path, _)) = self.find(path) else { return Ok(None) };
        Ok(self.bytes(path, MAX_TEXT)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Everything below a folder, by its own path: no link is followed.
    pub fn below(&self, folder: &str) -> impl Iterator<Item = (&RootPath, &Node<'a>)> {
        below(&self.nodes, &RootPath::new(folder).unwrap_or_else(|_| RootPath::root()))
    }

    /// Files and links in a folder, by name.
    pub fn files(&self, folder: &str) -> BTreeMap<String, RootPath> {
        let here = RootPath::new(folder).ok();
        self.below(folder)
            .filter(|(path, node)| path.parent() == here && !matches!(node.kind, Kind::Directory))
            .map(|(path, _)| (String::from_utf8_lossy(path.name().unwrap_or_default()).into_owned(), path.clone()))
            .collect()
    }

    /// Who brought a file: a package, or a step of the build.
    pub fn origin(&self, path: &RootPath) -> Option<&str> {
        match self.image {
            None => self.nodes.get(path)?.meta.origin.as_deref(),
            Some(image) => {
                image.owner(path).map(|owner| &**owner).or_else(|| self.origins.get(path).map(|origin| &**origin))
            }
        }
    }
}
