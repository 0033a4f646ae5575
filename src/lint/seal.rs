//! The seal: a root hash on the command line, and what it is the hash of on the disk.

use super::finding::{Finding, Rule};
use crate::digest::Digest;
use crate::disk::gpt::{Entry, Table};
use crate::error::Error;
use crate::guid::Guid;
use crate::init;

/// Rules of this subject.
pub const RULES: [&Rule; 3] = [&WORD, &PARTITIONS, &TREE];

static WORD: Rule = Rule {
    id: "verity-word",
    required: "one `roothash=` of 64 hex digits on the command line of every UKI, addons included",
    why: "the root hash is what seals the root; without it, or with a second one, it is open what is mounted",
    mend: "build the UKI with the root hash; leave it out of addons",
};
static PARTITIONS: Rule = Rule {
    id: "verity-partitions",
    required: "a root and a hash partition whose ids are the two halves of the root hash",
    why: "Discoverable Partitions Specification: that is how systemd and the initrd find them",
    mend: "give the partitions these ids: sgdisk --partition-guid",
};
static TREE: Rule = Rule {
    id: "verity-tree",
    required: "a superblock of dm-verity (version 1) in the hash partition, for no more blocks than the root has",
    why: "cryptsetup's on-disk format: the initrd reads salt and sizes there",
    mend: "make the tree anew: veritysetup format",
};

/// The partitions of a root, where it is sealed at all.
pub struct Sealed<'a> {
    /// The root.
    pub root: &'a Entry,
    /// The hash tree.
    pub tree: &'a Entry,
}

/// Checks the command line of the UKI at `path`, words of addons at its end.
pub fn check<'a>(path: &str, cmdline: &str, table: &'a Table, out: &mut Vec<Finding>) -> Option<Sealed<'a>> {
    let path = path.escape_debug();
    let hash = match init::cmdline::root_hash(cmdline.as_bytes()) {
        Ok(hash) => Digest(hash.0),
        Err(error) => {
            out.push(WORD.broken(format!("`{path}`: {error}")));
            return None;
        }
    };
    let (root, tree) = Guid::of_root_hash(&hash);
    let find = |id: Guid| table.entries.iter().find(|entry| entry.id == id);
    let missing: Vec<String> = [("root", root), ("hash", tree)]
        .into_iter()
        .filter(|(_, id)| find(*id).is_none())
        .map(|(what, id)| format!("no {what} partition {id}"))
        .collect();
    if !missing.is_empty() {
        out.push(PARTITIONS.broken(format!("`{path}`: {}", missing.join(", "))));
    }
    Some(Sealed { root: find(root)?, tree: find(tree)? })
}

/// Notes what is wrong with a hash tree.
pub fn tree(path: &str, error: &Error, out: &mut Vec<Finding>) {
    out.push(TREE.broken(format!("`{}`: {}", path.escape_debug(), error.message())));
}
