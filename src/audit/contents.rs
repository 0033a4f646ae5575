//! What a root holds, read out of a disk image: packages and files.

use super::image::{Image, Slot};
use crate::error::{Context, Result};
use crate::squashfs::{self, Node, NodeKind};

/// Where the package database may be; the first that is there counts.
const STATUS: [&[u8]; 2] = [b"/usr/lib/dpkg-db/status", b"/var/lib/dpkg/status"];
/// A database of 10,000 packages has some 10 MB.
const MAX_STATUS: u64 = 64 << 20;

/// A package of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture as the format names it.
    pub arch: String,
}

/// A root's file system.
pub fn root(image: &Image, slot: Slot) -> Result<squashfs::Image> {
    let part = Box::new(image.part(slot.root)?);
    squashfs::Image::new(part).context(|| "reading the root".to_owned())
}

/// The packages of a root, sorted by name; none where it has no database.
pub fn packages(root: &squashfs::Image) -> Result<Vec<Package>> {
    let mut found: [Option<Node>; STATUS.len()] = [None, None];
    root.walk(&mut |node| {
        if let Some(at) = STATUS.iter().position(|path| *path == node.path.as_bytes()) {
            found[at] = matches!(node.kind, NodeKind::File(_)).then_some(node);
        }
        Ok(())
    })?;
    let Some(node) = found.into_iter().flatten().next() else { return Ok(Vec::new()) };
    let text = root.read_file(&node, MAX_STATUS).context(|| format!("reading `{}`", node.path))?;
    let mut out: Vec<Package> = String::from_utf8_lossy(&text).split("\n\n").filter_map(package).collect();
    out.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}

fn package(paragraph: &str) -> Option<Package> {
    let field = |name: &str| {
        let line = paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(|value| value.trim().to_owned())
    };
    Some(Package { name: field("Package")?, version: field("Version")?, arch: field("Architecture")? })
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
