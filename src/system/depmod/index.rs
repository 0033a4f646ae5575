//! kmod's index files: a radix tree with path compression, keys of 7-bit ASCII.
//!
//! ```text
//! file: magic u32, version u32, reference to the root         (all numbers big-endian)
//! node: [prefix NUL] [first u8, last u8, reference to each child of first..=last]
//!       [count u32, then for each value: priority u32, text NUL]
//! ```
//!
//! A reference is the node's offset with three flags on top: which of the parts it has. Nodes
//! are laid out in pre-order.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

const MAGIC: u32 = 0xb007_f457;
/// Major 2, minor 1.
const VERSION: u32 = 0x0002_0001;
const HAS_PREFIX: u32 = 0x8000_0000;
const HAS_VALUES: u32 = 0x4000_0000;
const HAS_CHILDREN: u32 = 0x2000_0000;
/// Offsets have the bits that the flags leave.
const MAX_OFFSET: usize = 0x0fff_ffff;

/// An index under construction.
#[derive(Debug, Default)]
pub struct Index {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    prefix: Vec<u8>,
    children: BTreeMap<u8, Node>,
    /// By priority; among equals the latest first.
    values: Vec<(u32, String)>,
}

impl Index {
    /// Adds a value to a key; both must be 7-bit ASCII without NUL.
    pub fn insert(&mut self, key: &str, value: &str, priority: u32) -> Result<()> {
        if [key, value].iter().any(|text| text.bytes().any(|byte| byte == 0 || byte >= 0x80)) {
            return Err(Error::source(format!("`{}` of a module is not plain ASCII", key.escape_debug())));
        }
        self.root.insert(key.as_bytes(), value, priority);
        Ok(())
    }

    /// The file.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        out.extend(MAGIC.to_be_bytes());
        out.extend(VERSION.to_be_bytes());
        out.extend((12 | self.root.flags()).to_be_bytes());
        self.root.write(&mut out);
        if out.len() > MAX_OFFSET {
            return Err(Error::source("an index of modules of more than 256 MiB"));
        }
        Ok(out)
    }
}

impl Node {
    fn insert(&mut self, key: &[u8], value: &str, priority: u32) {
        let common = self.prefix.iter().zip(key).take_while(|(a, b)| a == b).count();
        if common < self.prefix.len() {
            // What was here moves below the first byte that differs.
            let tail = self.prefix.split_off(common);
            let below = Node {
                prefix: tail[1..].to_vec(),
                children: std::mem::take(&mut self.children),
                values: std::mem::take(&mut self.values),
            };
            self.children.insert(tail[0], below);
        }
        match key[common..].split_first() {
            None => {
                let at = self.values.partition_point(|(other, _)| *other < priority);
                self.values.insert(at, (priority, value.to_owned()));
            }
            Some((first, rest)) => match self.children.get_mut(first) {
                Some(child) => child.insert(rest, value, priority),
                None => {
                    let values = vec![(priority, value.to_owned())];
                    self.children.insert(*first, Node { prefix: rest.to_vec(), children: BTreeMap::new(), values });
                }
            },
        }
    }

    fn flags(&self) -> u32 {
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        flag(!self.prefix.is_empty(), HAS_PREFIX)
            | flag(!self.values.is_empty(), HAS_VALUES)
            | flag(!self.children.is_empty(), HAS_CHILDREN)
    }

    fn range(&self) -> Option<(u8, u8)> {
        Some((*self.children.first_key_value()?.0, *self.children.last_key_value()?.0))
    }

    /// The node, then its children; references are filled in as they become known.
    fn write(&self, out: &mut Vec<u8>) {
        if !self.prefix.is_empty() {
            out.extend(&self.prefix);
            out.push(0);
        }
        let mut references = 0;
        if let Some((first, last)) = self.range() {
            out.extend([first, last]);
            references = out.len();
            out.resize(references + 4 * (usize::from(last - first) + 1), 0);
        }
        if !self.values.is_empty() {
            out.extend((self.values.len() as u32).to_be_bytes());
            for (priority, text) in &self.values {
                out.extend(priority.to_be_bytes());
                out.extend(text.as_bytes());
                out.push(0);
            }
        }
        let Some((first, _)) = self.range() else { return };
        for (byte, child) in &self.children {
            let reference = out.len() as u32 | child.flags();
            let at = references + 4 * usize::from(byte - first);
            out[at..at + 4].copy_from_slice(&reference.to_be_bytes());
            child.write(out);
        }
    }
}
