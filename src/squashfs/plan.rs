//! What goes where in the data area: the files in order, and which of them need a digest.
//!
//! Of files with as many blocks as another one a few bytes are read, which tell most that they
//! have nothing in common.

use std::collections::HashMap;

use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::tree::{Content, Directory, Entry, Kind, LeafId, Opened, Tree};

/// No file.
const NOBODY: u32 = u32::MAX;
/// Bytes at both ends of a file's blocks that tell whether it may share them.
const SAMPLE: u64 = 4096;

/// The files of a tree in the order in which their data is laid out: that of a walk.
pub struct Plan<'t> {
    /// Each regular file once, however many names it has.
    pub files: Vec<File<'t>>,
    /// The file of each leaf, by its id.
    slots: Vec<u32>,
    /// Names of each leaf, by its id.
    pub links: Vec<u32>,
    /// Inodes of the image.
    pub inodes: u32,
    /// Bytes of all files, each counted once.
    pub bytes: u64,
}

/// A file to be laid out.
pub struct File<'t> {
    /// Its bytes.
    pub content: &'t Content,
    /// A hash of its path: decides where fragment blocks may end, whatever the content is.
    pub path: u32,
    /// Another file has as many bytes, so it may be the same.
    pub rival: bool,
    /// Another file has as many whole blocks, with equal bytes at both their ends, so they may be
    /// the same whatever the tails are.
    pub twin: bool,
}

impl<'t> Plan<'t> {
    /// The plan of `tree` with blocks of `block` bytes.
    pub fn new(tree: &'t Tree, block: u64) -> Result<Self> {
        let leaves = tree.leaves.len();
        let mut plan =
            Plan { files: Vec::new(), slots: vec![NOBODY; leaves], links: vec![0; leaves], inodes: 0, bytes: 0 };
        plan.below(tree, &tree.root, 0)?;
        let mut lengths: HashMap<u64, u32> = HashMap::new();
        for file in &plan.files {
            *lengths.entry(file.content.len()).or_default() += 1;
        }
        for file in &mut plan.files {
            file.rival = lengths.get(&file.content.len()).is_some_and(|count| *count > 1);
        }
        plan.find_twins(block)?;
        Ok(plan)
    }

    /// Marks the files that may share all their blocks with a file of other bytes.
    fn find_twins(&mut self, block: u64) -> Result<()> {
        let mut counts: HashMap<u64, u32> = HashMap::new();
        for file in self.files.iter().filter(|file| file.content.len() >= block) {
            *counts.entry(file.content.len() / block).or_default() += 1;
        }
        let mut opened = Opened::default();
        let mut samples: HashMap<Digest, Vec<u32>> = HashMap::new();
        for (number, file) in self.files.iter().enumerate() {
            let blocks = file.content.len() / block;
            if blocks > 0 && counts.get(&blocks).is_some_and(|count| *count > 1) {
                let sample = sample(file.content, blocks * block, &mut opened)?;
                samples.entry(sample).or_default().push(number as u32);
            }
        }
        for files in samples.values() {
            let content = |file: &u32| self.files[*file as usize].content;
            // Where all are known to be one content, its digest tells it already.
            let one = files.first().and_then(|file| content(file).digest());
            let same = one.is_some() && files.iter().all(|file| content(file).digest() == one);
            if files.len() > 1 && !same {
                files.iter().for_each(|file| self.files[*file as usize].twin = true);
            }
        }
        Ok(())
    }

    /// The file of a leaf; none where it is no regular file.
    pub fn file_of(&self, leaf: LeafId) -> Option<usize> {
        self.slots.get(leaf.0 as usize).filter(|slot| **slot != NOBODY).map(|slot| *slot as usize)
    }

    fn below(&mut self, tree: &'t Tree, directory: &'t Directory, path: u32) -> Result<()> {
        self.count()?;
        for (name, entry) in &directory.entries {
            let path = hash(path, name);
            match entry {
                Entry::Directory(directory) => self.below(tree, directory, path)?,
                Entry::Leaf(id) => {
                    let slot = id.0 as usize;
                    let leaf = tree.leaves.get(slot).ok_or_else(|| Error::bug("a name leads to no leaf"))?;
                    self.links[slot] = self.links[slot].saturating_add(1);
                    if self.links[slot] > 1 {
                        continue;
                    }
                    self.count()?;
                    if let Kind::File(content) = &leaf.kind {
                        self.slots[slot] = self.files.len() as u32;
                        self.bytes = self.bytes.saturating_add(content.len());
                        self.files.push(File { content, path, rival: false, twin: false });
                    }
                }
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<()> {
        // Numbers begin at 1, and the root's parent has one more than the last.
        let more = self.inodes.checked_add(1).filter(|count| *count < u32::MAX - 1);
        self.inodes = more.ok_or_else(|| Error::user("more than 2^32 files"))?;
        Ok(())
    }
}

/// A digest of both ends of the first `head` bytes, and of how many those are.
fn sample(content: &Content, head: u64, opened: &mut Opened) -> Result<Digest> {
    let mut hasher = Hasher::default();
    hasher.update(&head.to_le_bytes());
    let mut bytes = [0; SAMPLE as usize];
    for offset in [0, head.saturating_sub(SAMPLE)] {
        content.read_at(opened, offset, &mut bytes)?;
        hasher.update(&bytes);
    }
    Ok(hasher.finish())
}

/// FNV-1a, continued from `state`, then a slash.
fn hash(state: u32, name: &[u8]) -> u32 {
    let step = |state: u32, byte: &u8| (state ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    step(name.iter().fold(state ^ 0x811c_9dc5, step), &b'/')
}
