//! Looking around in a root: links followed as a running system would, folders listed, never out of the root.

use crate::error::{Error, Result};
use crate::path::{Followed, Found, MAX_LINKS, RootPath};
use crate::squashfs::{Image, Node, NodeKind};

/// The node that `path` leads to; its own link is followed too if `last` says so.
pub fn find(root: &Image, path: &str, last: bool) -> Result<Node> {
    let wanted = RootPath::from_member(path.as_bytes())?;
    let none = || Error::user(format!("the image has no `{wanted}`"));
    let followed = wanted.follow(last, |path| {
        Ok(match root.find(path)? {
            Some(Node { kind: NodeKind::Symlink(target), .. }) => Found::Link(target),
            Some(_) => Found::There,
            None => Found::Nothing,
        })
    })?;
    match followed {
        Followed::There(path) => root.find(&path)?.ok_or_else(none),
        Followed::Absent(_) | Followed::Lost(_) => Err(none()),
        Followed::Endless => Err(Error::user(format!("`{wanted}` lies behind more than {MAX_LINKS} links"))),
    }
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
