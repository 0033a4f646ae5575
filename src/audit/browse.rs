//! Looking around in a root: links followed as a running system would, folders listed, never out of the root.

use crate::error::{Error, Result};
use crate::path::RootPath;
use crate::squashfs::{Image, Node, NodeKind};

/// As many links as Linux follows.
const MAX_LINKS: usize = 40;

/// The node that `path` leads to; its own link is followed too if `last` says so.
pub fn find(root: &Image, path: &str, last: bool) -> Result<Node> {
    let none = |at: &RootPath| Error::user(format!("the image has no `{at}`"));
    let wanted = RootPath::from_member(path.as_bytes())?;
    let mut todo: Vec<Vec<u8>> = wanted.components().rev().map(<[u8]>::to_vec).collect();
    let mut at = RootPath::root();
    let mut links = 0;
    while let Some(name) = todo.pop() {
        match &name[..] {
            b"" | b"." => continue,
            b".." => {
                at = at.parent().unwrap_or(at);
                continue;
            }
            _ => {}
        }
        let next = at.join(&name)?;
        let node = root.find(&next)?.ok_or_else(|| none(&wanted))?;
        match node.kind {
            NodeKind::Symlink(target) if last || !todo.is_empty() => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Error::user(format!("`{wanted}` lies behind more than {MAX_LINKS} links")));
                }
                if target.starts_with(b"/") {
                    at = RootPath::root();
                }
                todo.extend(target.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
            }
            _ => at = next,
        }
    }
    root.find(&at)?.ok_or_else(|| none(&wanted))
}

/// What a folder holds, or the node itself if it is none.
pub fn list(root: &Image, path: &str) -> Result<Vec<Node>> {
    let whole = path.ends_with('/') || path.is_empty();
    let mut node = find(root, path, whole)?;
    // A link to a folder is listed as `ls` does without options: the folder.
    if let NodeKind::Symlink(_) = node.kind
        && let Ok(target) = find(root, path, true)
        && target.kind == NodeKind::Directory
    {
        node = target;
    }
    match node.kind {
        NodeKind::Directory => root.entries(&node),
        _ => Ok(vec![node]),
    }
}
