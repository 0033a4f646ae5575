//! A digest that stands for a whole tree: equal trees have equal ones, whatever the files on disk are called.

use super::{Directory, Entry, Kind, LeafId, Meta, Tree};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};

impl Tree {
    /// The digest of names, kinds, metas (origins left out), hard links and the digests of
    /// contents; a content whose digest is not known is read.
    pub fn identity(&self) -> Result<Digest> {
        let mut walk = Walk { tree: self, hasher: Hasher::default(), names: vec![0; self.leaves.len()], leaves: 0 };
        walk.directory(&self.root)?;
        Ok(walk.hasher.finish())
    }
}

struct Walk<'t> {
    tree: &'t Tree,
    hasher: Hasher,
    /// Each leaf's number in the order of the walk, from 1; 0 before it is reached.
    names: Vec<u32>,
    leaves: u32,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Directory) -> Result<()> {
        self.meta(&directory.meta);
        self.number(directory.entries.len() as u64);
        for (name, entry) in &directory.entries {
            self.hasher.field(name);
            match entry {
                Entry::Directory(directory) => {
                    self.hasher.update(b"d");
                    self.directory(directory)?;
                }
                Entry::Leaf(id) => self.leaf(*id)?,
            }
        }
        Ok(())
    }

    fn leaf(&mut self, id: LeafId) -> Result<()> {
        let known = self.names.get_mut(id.0 as usize).ok_or_else(|| Error::bug("a name leads to no leaf"))?;
        if *known > 0 {
            let number = *known;
            self.hasher.update(b"=");
            self.number(number.into());
            return Ok(());
        }
        self.leaves += 1;
        *known = self.leaves;
        let leaf = &self.tree.leaves[id.0 as usize];
        match &leaf.kind {
            Kind::File(content) => {
                self.hasher.update(b"f");
                self.number(content.len());
                self.hasher.update(&content.sha256()?.0);
            }
            Kind::Symlink(target) => {
                self.hasher.update(b"l");
                self.hasher.field(target);
            }
            Kind::BlockDevice { major, minor } => self.device(b"b", *major, *minor),
            Kind::CharDevice { major, minor } => self.device(b"c", *major, *minor),
            Kind::Fifo => self.hasher.update(b"p"),
            Kind::Socket => self.hasher.update(b"s"),
        }
        self.meta(&leaf.meta);
        Ok(())
    }

    fn device(&mut self, kind: &[u8], major: u32, minor: u32) {
        self.hasher.update(kind);
        self.number(major.into());
        self.number(minor.into());
    }

    fn meta(&mut self, meta: &Meta) {
        for word in [meta.mode.into(), meta.uid, meta.gid, meta.mtime] {
            self.number(word.into());
        }
        let xattrs = meta.xattrs.iter().flat_map(|xattrs| xattrs.iter());
        self.number(meta.xattrs.as_ref().map_or(0, |xattrs| xattrs.len() as u64));
        for (name, value) in xattrs {
            self.hasher.field(name);
            self.hasher.field(value);
        }
    }

    fn number(&mut self, number: u64) {
        self.hasher.update(&number.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Content, Meta, Tree};
    use crate::path::RootPath;

    fn tree(change: impl FnOnce(&mut Tree)) -> crate::digest::Digest {
        let path = |text: &str| RootPath::new(text).unwrap();
        let mut tree = Tree::default();
        tree.put_file(&path("/a"), Meta::new(0o644, 1), Content::bytes(*b"x")).unwrap();
        tree.put_file(&path("/b"), Meta::new(0o644, 1), Content::bytes(*b"x")).unwrap();
        change(&mut tree);
        tree.identity().unwrap()
    }

    #[test]
    fn every_change_shows_but_origins() {
        let path = |text: &str| RootPath::new(text).unwrap();
        let base = tree(|_| {});
        let origin = "x".into();
        assert_eq!(base, tree(|tree| tree.meta_mut(&path("/a")).unwrap().origin = Some(origin)));
        let changes: [fn(&mut Tree); 5] = [
            |tree| tree.meta_mut(&RootPath::new("/a").unwrap()).unwrap().mtime = 2,
            |tree| tree.meta_mut(&RootPath::new("/a").unwrap()).unwrap().set_xattr(b"user.a", b""),
            |tree| tree.hard_link(&RootPath::new("/b").unwrap(), &RootPath::new("/a").unwrap()).unwrap(),
            |tree| {
                let (b, x) = (RootPath::new("/b").unwrap(), Content::bytes(*b"y"));
                tree.put_file(&b, Meta::new(0o644, 1), x).unwrap();
            },
            |tree| assert!(tree.remove(&RootPath::new("/b").unwrap())),
        ];
        let mut seen = vec![base];
        for change in changes {
            let identity = tree(change);
            assert!(!seen.contains(&identity));
            seen.push(identity);
        }
    }

    #[test]
    fn a_content_counts_whether_its_digest_is_known_or_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"x").unwrap();
        let content = Content::range(file.path().into(), 0, 1, None);
        let path = RootPath::new("/b").unwrap();
        assert_eq!(tree(|_| {}), tree(|tree| tree.put_file(&path, Meta::new(0o644, 1), content).unwrap()));
    }
}
