//! Putting files, folders and links of our own into a tree, by the step's name.
//!
//! Paths go through the tree's links, so that `/bin/x` lands in `/usr/bin`.

use std::sync::Arc;

use super::Inputs;
use crate::error::{Error, Result};
use crate::path::RootPath;
use crate::tree::{Content, Kind, Leaf, Meta, NodeRef, Tree};

/// A tree, and who writes into it.
pub struct Place<'a> {
    /// What is written into.
    pub tree: &'a mut Tree,
    origin: Arc<str>,
    mtime: u32,
}

impl<'a> Place<'a> {
    /// Writes into `tree` in the name of the step `origin`.
    pub fn new(tree: &'a mut Tree, inputs: &Inputs<'_>, origin: &str) -> Self {
        Place { tree, origin: origin.into(), mtime: inputs.epoch.0 }
    }

    /// The meta of what the step makes.
    pub fn meta(&self, mode: u16) -> Meta {
        Meta::new(mode, self.mtime).from(&self.origin)
    }

    /// Puts a regular file.
    pub fn file(&mut self, path: &str, mode: u16, bytes: impl Into<Vec<u8>>) -> Result<()> {
        let meta = self.meta(mode);
        let path = real(self.tree, path)?;
        self.tree.put_file(&path, meta, Content::bytes(bytes.into()))
    }

    /// Puts a symbolic link; the last component of `path` is not followed.
    pub fn link(&mut self, path: &str, target: &str) -> Result<()> {
        let meta = self.meta(0o777);
        let path = place_of(self.tree, &RootPath::new(path)?)?;
        self.tree.put_link(&path, meta, target.as_bytes())
    }

    /// Puts a folder; one that is there keeps its entries.
    pub fn directory(&mut self, path: &str, mode: u16) -> Result<()> {
        let meta = self.meta(mode);
        let path = real(self.tree, path)?;
        self.tree.put_directory(&path, meta)
    }

    /// Puts a folder unless something is there.
    pub fn missing_directory(&mut self, path: &str, mode: u16) -> Result<()> {
        let real = real(self.tree, path)?;
        if self.tree.get(&real).is_some() { Ok(()) } else { self.directory(path, mode) }
    }
}

/// Where `path` leads when all links are followed; what is not there is taken as it is.
pub fn real(tree: &Tree, path: &str) -> Result<RootPath> {
    follow(tree, &RootPath::new(path)?, 0)
}

/// `path` with the links of its parents followed, but not its own.
pub fn place_of(tree: &Tree, path: &RootPath) -> Result<RootPath> {
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return Ok(path.clone()) };
    follow(tree, &parent, 0)?.join(name)
}

/// As many links behind each other as are followed.
const DEPTH: usize = 16;

fn follow(tree: &Tree, path: &RootPath, depth: usize) -> Result<RootPath> {
    if depth > DEPTH {
        return Err(Error::user(format!("`{path}` lies behind links that go in a circle")));
    }
    let mut at = RootPath::root();
    for name in path.components() {
        let next = at.join(name)?;
        match tree.get(&next) {
            Some(NodeRef::Leaf(_, Leaf { kind: Kind::Symlink(target), .. })) => {
                // A link to what is not there yet leads to the place all the same.
                let mut todo = if target.starts_with(b"/") { RootPath::root() } else { at.clone() };
                for part in target.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && part != b".") {
                    todo = if part == b".." { todo.parent().unwrap_or(todo) } else { todo.join(part)? };
                }
                at = follow(tree, &todo, depth + 1)?;
            }
            _ => at = next,
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::super::testing::path;
    use super::*;

    #[test]
    fn links_of_parents_are_followed_even_where_nothing_is_yet() {
        let mut tree = Tree::default();
        tree.put_link(&path("/bin"), Meta::default(), b"usr/bin").unwrap();
        tree.put_link(&path("/etc/os"), Meta::default(), b"../usr/lib/os").unwrap();
        assert_eq!(real(&tree, "/bin/x/y").unwrap(), path("/usr/bin/x/y"));
        assert_eq!(real(&tree, "/etc/os").unwrap(), path("/usr/lib/os"));
        assert_eq!(place_of(&tree, &path("/etc/os")).unwrap(), path("/etc/os"));
        assert_eq!(real(&tree, "/none/x").unwrap(), path("/none/x"));
    }

    #[test]
    fn circles_and_ways_out_end() {
        let mut tree = Tree::default();
        tree.put_link(&path("/a"), Meta::default(), b"b").unwrap();
        tree.put_link(&path("/b"), Meta::default(), b"a").unwrap();
        tree.put_link(&path("/up"), Meta::default(), b"../../../usr").unwrap();
        assert!(real(&tree, "/a/x").is_err());
        assert_eq!(real(&tree, "/up/x").unwrap(), path("/usr/x"));
    }
}
