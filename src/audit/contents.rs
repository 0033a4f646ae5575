//! The root of a disk image, and its files as text.

use super::image::{Image, Slot};
use crate::error::{Context, Result};
use crate::squashfs::{self, Node, NodeKind};

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

/// The line of one node.
pub fn line(node: &Node) -> String {
    let (letter, size, rest) = match &node.kind {
        NodeKind::Directory => ('d', 0, String::new()),
        NodeKind::File(size) => ('-', *size, String::new()),
        NodeKind::Symlink(target) => ('l', 0, format!(" -> {}", target.escape_ascii())),
        NodeKind::BlockDevice(major, minor) => ('b', 0, format!(" {major}:{minor}")),
        NodeKind::CharDevice(major, minor) => ('c', 0, format!(" {major}:{minor}")),
        NodeKind::Fifo => ('p', 0, String::new()),
        NodeKind::Socket => ('s', 0, String::new()),
    };
    let meta = &node.meta;
    // Names come from an image: nothing of them may reach a terminal as it is.
    let path = node.path.as_bytes().escape_ascii();
    format!("{letter}{:04o} {}:{} {size} {path}{rest}", meta.mode, meta.uid, meta.gid)
}
