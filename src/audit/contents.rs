//! The root of a disk image, and its files as text.

use super::image::{Image, Slot};
use crate::error::{Context, Result};
use crate::path::RootPath;
use crate::squashfs::{self, Node, NodeKind};
use crate::tree::{Kind, Meta, NodeRef, Tree};

/// A root's file system.
pub fn root(image: &Image, slot: Slot) -> Result<squashfs::Image> {
    let part = Box::new(image.part(slot.root)?);
    squashfs::Image::new(part).context(|| "reading the root".to_owned())
}

/// `MODE UID:GID SIZE PATH [-> TARGET]`, one line a name, in the order of the root.
pub fn listing(root: &squashfs::Image) -> Result<String> {
    let mut out = String::new();
    root.walk(&mut |node| {
        out.push_str(&line(&node));
        out.push('\n');
        Ok(())
    })?;
    Ok(out)
}

/// The same lines of a tree, in the order of its paths.
pub fn tree_lines(tree: &Tree) -> Vec<String> {
    let root = line_of(&RootPath::root(), &tree.root.meta, &NodeKind::Directory);
    let line = |(path, node): (RootPath, NodeRef<'_>)| {
        let kind = match node {
            NodeRef::Directory(_) => NodeKind::Directory,
            NodeRef::Leaf(_, leaf) => match &leaf.kind {
                Kind::File(content) => NodeKind::File(content.len()),
                Kind::Symlink(target) => NodeKind::Symlink(target.clone()),
                Kind::BlockDevice { major, minor } => NodeKind::BlockDevice(*major, *minor),
                Kind::CharDevice { major, minor } => NodeKind::CharDevice(*major, *minor),
                Kind::Fifo => NodeKind::Fifo,
                Kind::Socket => NodeKind::Socket,
            },
        };
        line_of(&path, node.meta(), &kind)
    };
    std::iter::once(root).chain(tree.walk().into_iter().map(line)).collect()
}

/// The line of one node.
pub fn line(node: &Node) -> String {
    line_of(&node.path, &node.meta, &node.kind)
}

fn line_of(path: &RootPath, meta: &Meta, kind: &NodeKind) -> String {
    let (letter, size, rest) = match kind {
        NodeKind::Directory => ('d', 0, String::new()),
        NodeKind::File(size) => ('-', *size, String::new()),
        NodeKind::Symlink(target) => ('l', 0, format!(" -> {}", target.escape_ascii())),
        NodeKind::BlockDevice(major, minor) => ('b', 0, format!(" {major}:{minor}")),
        NodeKind::CharDevice(major, minor) => ('c', 0, format!(" {major}:{minor}")),
        NodeKind::Fifo => ('p', 0, String::new()),
        NodeKind::Socket => ('s', 0, String::new()),
    };
    // Names come from an image: nothing of them may reach a terminal as it is.
    let path = path.as_bytes().escape_ascii();
    format!("{letter}{:04o} {}:{} {size} {path}{rest}", meta.mode, meta.uid, meta.gid)
}
