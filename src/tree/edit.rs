//! Looking a tree up and changing it, by path.
//!
//! Paths are taken literally: `/lib/x` does not go through a link `/lib -> usr/lib` unless
//! [`Tree::resolve`] is asked first.

use std::collections::BTreeMap;

use super::{Directory, Entry, Kind, Leaf, LeafId, Meta, Tree};
use crate::error::{Error, Result};
use crate::path::{Followed, Found, RootPath};

/// A node to put into a tree.
#[derive(Debug, Clone)]
pub enum Node {
    /// A folder without entries.
    Directory(Meta),
    /// A leaf.
    Leaf(Leaf),
}

/// A node of a tree, seen.
#[derive(Debug, Clone, Copy)]
pub enum NodeRef<'a> {
    /// A folder.
    Directory(&'a Directory),
    /// A leaf and its id.
    Leaf(LeafId, &'a Leaf),
}

impl<'a> NodeRef<'a> {
    /// Mode, owner, times, attributes.
    pub fn meta(self) -> &'a Meta {
        match self {
            NodeRef::Directory(directory) => &directory.meta,
            NodeRef::Leaf(_, leaf) => &leaf.meta,
        }
    }
}

impl Tree {
    /// The node at `path`; links are not followed.
    pub fn get(&self, path: &RootPath) -> Option<NodeRef<'_>> {
        let mut at = NodeRef::Directory(&self.root);
        for name in path.components() {
            let NodeRef::Directory(directory) = at else { return None };
            at = self.node(directory.entries.get(name)?);
        }
        Some(at)
    }

    /// The node that an entry stands for.
    pub fn node<'a>(&'a self, entry: &'a Entry) -> NodeRef<'a> {
        match entry {
            Entry::Directory(directory) => NodeRef::Directory(directory),
            Entry::Leaf(id) => NodeRef::Leaf(*id, &self.leaves[id.0 as usize]),
        }
    }

    /// The leaf at `path`, if it is a regular file.
    pub fn file(&self, path: &RootPath) -> Option<(&Meta, &super::Content)> {
        match self.get(path)? {
            NodeRef::Leaf(_, Leaf { meta, kind: Kind::File(content) }) => Some((meta, content)),
            _ => None,
        }
    }

    /// The folder at `path`, if it is one.
    pub fn directory(&self, path: &RootPath) -> Option<&Directory> {
        match self.get(path)? {
            NodeRef::Directory(directory) => Some(directory),
            NodeRef::Leaf(..) => None,
        }
    }

    /// Where `path` leads when links are followed, inside this root; none where a link
    /// points nowhere or in a circle. The last component need not exist.
    pub fn resolve(&self, path: &RootPath) -> Option<RootPath> {
        let followed = path.follow(true, |path| {
            Ok(match self.get(path) {
                Some(NodeRef::Leaf(_, Leaf { kind: Kind::Symlink(target), .. })) => Found::Link(target.clone()),
                Some(_) => Found::There,
                None => Found::Nothing,
            })
        });
        match followed.ok()? {
            Followed::There(path) | Followed::Absent(path) => Some(path),
            Followed::Lost(_) | Followed::Endless => None,
        }
    }

    /// Puts a node at `path`, making missing parents (0755, root, the node's time). What was there is
    /// replaced, except that a folder put over a folder keeps the entries and takes the new meta, and
    /// that a leaf never replaces a folder that holds something.
    pub fn insert(&mut self, path: &RootPath, node: Node) -> Result<()> {
        let mtime = match &node {
            Node::Directory(meta) | Node::Leaf(Leaf { meta, .. }) => meta.mtime,
        };
        let Some(name) = path.name() else {
            return match node {
                Node::Directory(meta) => {
                    self.root.meta = meta;
                    Ok(())
                }
                Node::Leaf(_) => Err(Error::user("the root cannot be anything but a directory")),
            };
        };
        let id = LeafId(u32::try_from(self.leaves.len()).map_err(|_| Error::user("more than 2^32 files"))?);
        let parent = self.parent(path, mtime)?;
        match (parent.entries.get_mut(name), node) {
            (Some(Entry::Directory(directory)), Node::Directory(meta)) => directory.meta = meta,
            (Some(Entry::Directory(directory)), Node::Leaf(_)) if !directory.entries.is_empty() => {
                return Err(Error::user(format!("`{path}` is a directory that is not empty")));
            }
            (_, Node::Directory(meta)) => {
                let directory = Directory { meta, entries: BTreeMap::new() };
                parent.entries.insert(name.into(), Entry::Directory(Box::new(directory)));
            }
            (_, Node::Leaf(leaf)) => {
                parent.entries.insert(name.into(), Entry::Leaf(id));
                self.leaves.push(leaf);
            }
        }
        Ok(())
    }

    /// Puts a regular file at `path`.
    pub fn put_file(&mut self, path: &RootPath, meta: Meta, content: super::Content) -> Result<()> {
        self.insert(path, Node::Leaf(Leaf { meta, kind: Kind::File(content) }))
    }

    /// Puts a symbolic link at `path` (its mode is 0777, whatever `meta` says).
    pub fn put_link(&mut self, path: &RootPath, mut meta: Meta, target: &[u8]) -> Result<()> {
        if target.is_empty() || target.len() > 4095 || target.contains(&0) {
            return Err(Error::user(format!("the link `{path}` has a target that no system takes"))
                .hint("expected 1 to 4095 bytes without NUL"));
        }
        meta.mode = 0o777;
        self.insert(path, Node::Leaf(Leaf { meta, kind: Kind::Symlink(target.into()) }))
    }

    /// Puts a folder at `path`; one that is there keeps its entries.
    pub fn put_directory(&mut self, path: &RootPath, meta: Meta) -> Result<()> {
        self.insert(path, Node::Directory(meta))
    }

    /// Gives the leaf at `existing` another name.
    pub fn hard_link(&mut self, path: &RootPath, existing: &RootPath) -> Result<()> {
        let Some(NodeRef::Leaf(id, leaf)) = self.get(existing) else {
            return Err(Error::user(format!("`{path}` is a hard link to `{existing}`, which is no file")));
        };
        let mtime = leaf.meta.mtime;
        let name: Box<[u8]> = path.name().unwrap_or_default().into();
        let parent = self.parent(path, mtime)?;
        if matches!(parent.entries.get(&name), Some(Entry::Directory(_))) {
            return Err(Error::user(format!("`{path}` is a directory")));
        }
        parent.entries.insert(name, Entry::Leaf(id));
        Ok(())
    }

    /// Takes the node at `path` away, a folder with all below it; whether there was one.
    pub fn remove(&mut self, path: &RootPath) -> bool {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return false };
        match self.directory_mut(&parent) {
            Some(directory) => directory.entries.remove(name).is_some(),
            None => false,
        }
    }

    /// The meta at `path`, to change. A leaf's is shared by all its names.
    pub fn meta_mut(&mut self, path: &RootPath) -> Option<&mut Meta> {
        match self.get(path)? {
            NodeRef::Directory(_) => self.directory_mut(path).map(|directory| &mut directory.meta),
            NodeRef::Leaf(id, _) => self.leaves.get_mut(id.0 as usize).map(|leaf| &mut leaf.meta),
        }
    }

    /// Every node below `/` with its path, folders before what they hold, in byte order.
    pub fn walk(&self) -> Vec<(RootPath, NodeRef<'_>)> {
        let mut out = Vec::new();
        self.walk_below(&RootPath::root(), &self.root, &mut out);
        out
    }

    /// Bytes of all regular files, a hard link counted once for each name.
    pub fn content_bytes(&self) -> u64 {
        let content = |node: &NodeRef<'_>| match node {
            NodeRef::Leaf(_, Leaf { kind: Kind::File(content), .. }) => content.len(),
            _ => 0,
        };
        self.walk().iter().map(|(_, node)| content(node)).sum()
    }

    /// Makes `f` see the meta of every inode once.
    pub fn each_meta(&mut self, mut f: impl FnMut(&mut Meta)) {
        fn below(directory: &mut Directory, f: &mut impl FnMut(&mut Meta)) {
            f(&mut directory.meta);
            for entry in directory.entries.values_mut() {
                if let Entry::Directory(directory) = entry {
                    below(directory, f);
                }
            }
        }
        below(&mut self.root, &mut f);
        self.leaves.iter_mut().for_each(|leaf| f(&mut leaf.meta));
    }

    fn walk_below<'a>(&'a self, path: &RootPath, directory: &'a Directory, out: &mut Vec<(RootPath, NodeRef<'a>)>) {
        for (name, entry) in &directory.entries {
            // A name that is too long for a path cannot have come in through `insert`.
            let Ok(path) = path.join(name) else { continue };
            let node = self.node(entry);
            out.push((path.clone(), node));
            if let NodeRef::Directory(directory) = node {
                self.walk_below(&path, directory, out);
            }
        }
    }

    fn directory_mut(&mut self, path: &RootPath) -> Option<&mut Directory> {
        let mut at = &mut self.root;
        for name in path.components() {
            match at.entries.get_mut(name)? {
                Entry::Directory(directory) => at = directory,
                Entry::Leaf(_) => return None,
            }
        }
        Some(at)
    }

    fn parent(&mut self, path: &RootPath, mtime: u32) -> Result<&mut Directory> {
        let mut at = &mut self.root;
        let mut names: Vec<&[u8]> = path.components().collect();
        names.pop();
        for name in names {
            let new =
                || Entry::Directory(Box::new(Directory { meta: Meta::new(0o755, mtime), entries: BTreeMap::new() }));
            match at.entries.entry(name.into()).or_insert_with(new) {
                Entry::Directory(directory) => at = directory,
                Entry::Leaf(_) => {
                    let message = format!("`{path}` lies below `{}`, which is no directory", name.escape_ascii());
                    return Err(Error::user(message));
                }
            }
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Content;
    use super::*;

    fn path(text: &str) -> RootPath {
        RootPath::new(text).unwrap()
    }

    fn small() -> Tree {
        let mut tree = Tree::default();
        tree.put_file(&path("/usr/bin/x"), Meta::new(0o755, 7), Content::bytes(*b"x")).unwrap();
        tree.put_link(&path("/bin"), Meta::new(0, 7), b"usr/bin").unwrap();
        tree
    }

    #[test]
    fn parents_are_made_and_links_resolved() {
        let tree = small();
        assert_eq!(tree.directory(&path("/usr")).unwrap().meta, Meta::new(0o755, 7));
        assert!(tree.get(&path("/bin/x")).is_none());
        assert_eq!(tree.resolve(&path("/bin/x")).unwrap(), path("/usr/bin/x"));
        assert_eq!(tree.resolve(&path("/bin/new")).unwrap(), path("/usr/bin/new"));
        assert!(tree.resolve(&path("/none/x")).is_none());
    }

    #[test]
    fn circles_and_ways_out_are_harmless() {
        let mut tree = small();
        tree.put_link(&path("/a"), Meta::default(), b"b").unwrap();
        tree.put_link(&path("/b"), Meta::default(), b"a").unwrap();
        tree.put_link(&path("/out"), Meta::default(), b"../../usr").unwrap();
        assert!(tree.resolve(&path("/a")).is_none());
        assert_eq!(tree.resolve(&path("/out/bin")).unwrap(), path("/usr/bin"));
    }

    #[test]
    fn a_hard_link_is_the_same_leaf() {
        let mut tree = small();
        tree.hard_link(&path("/y"), &path("/usr/bin/x")).unwrap();
        tree.meta_mut(&path("/y")).unwrap().mode = 0o700;
        assert_eq!(tree.get(&path("/usr/bin/x")).unwrap().meta().mode, 0o700);
        assert!(tree.hard_link(&path("/z"), &path("/usr")).is_err());
    }

    #[test]
    fn a_leaf_neither_hides_a_full_directory_nor_becomes_one() {
        let mut tree = small();
        assert!(tree.put_file(&path("/usr"), Meta::default(), Content::bytes(*b"")).is_err());
        assert!(tree.put_file(&path("/bin/y"), Meta::default(), Content::bytes(*b"")).is_err());
        assert!(tree.remove(&path("/usr")) && !tree.remove(&path("/usr")));
    }
}
