//! A tree as text, one line an inode: the golden form of tests and the file list of `inspect`.

use std::fmt::Write;

use super::{Kind, NodeRef, Tree};

/// `MODE UID:GID SIZE PATH [-> TARGET] [xattrs]`, sorted by path; times are left out.
pub fn listing(tree: &Tree) -> String {
    let mut out = String::new();
    for (path, node) in tree.walk() {
        let meta = node.meta();
        let (letter, size, rest) = match node {
            NodeRef::Directory(_) => ('d', 0, String::new()),
            NodeRef::Leaf(_, leaf) => match &leaf.kind {
                Kind::File(content) => ('-', content.len(), String::new()),
                Kind::Symlink(target) => ('l', 0, format!(" -> {}", target.escape_ascii())),
                Kind::BlockDevice { major, minor } => ('b', 0, format!(" {major}:{minor}")),
                Kind::CharDevice { major, minor } => ('c', 0, format!(" {major}:{minor}")),
                Kind::Fifo => ('p', 0, String::new()),
                Kind::Socket => ('s', 0, String::new()),
            },
        };
        // Writing to a string cannot fail.
        let _ = write!(out, "{letter}{:04o} {}:{} {size} {path}{rest}", meta.mode, meta.uid, meta.gid);
        for (name, value) in meta.xattrs.iter().flat_map(|map| map.iter()) {
            let _ = write!(out, " {}={}", name.escape_ascii(), hex::encode(value));
        }
        out.push('\n');
    }
    out
}
