//! The root as it is shipped: a squashfs, its hash tree, and the hash that stands for both.
//!
//! A pure function of the tree, the options and the image's seed. A tree that was packed
//! before is taken from the store, blocks that were compressed before are not compressed
//! again; either way the bytes are the same.

use std::io::Write;

use serde::{Deserialize, Serialize};

use crate::bytes::Whole;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::guid::Guid;
use crate::report::Report;
use crate::squashfs::{self, Options, Summary};
use crate::store::{Blob, Entry, Key, Store};
use crate::tree::Tree;
use crate::verity::{self, Parameters};

/// To be raised when the bytes change for the same tree and options.
const VERSION: u32 = 2;
/// As long as the recorded facts may be.
const MAX_FACTS: u64 = 4096;

/// A packed and sealed tree.
#[derive(Debug, Clone)]
pub struct Root {
    /// The file system.
    pub squashfs: Blob,
    /// The hash device, superblock included.
    pub verity: Blob,
    /// The hash that the command line carries.
    pub root_hash: Digest,
    /// Salt and id of the hash tree.
    pub parameters: Parameters,
    /// What was packed.
    pub summary: Summary,
}

/// What is kept of a root beside its two files.
#[derive(Serialize, Deserialize)]
struct Facts {
    root_hash: Digest,
    summary: Summary,
}

/// Packs and seals `tree`; the flag says that it was in the store already.
pub fn pack(tree: &Tree, store: &Store, options: &Options, seed: &Guid, report: &Report) -> Result<(Root, bool)> {
    options.check()?;
    let stage = report.stage("pack", None);
    let parameters = Parameters::of_seed(seed);
    let identity = tree.identity()?;
    let key = |what: &'static str| key(what, &identity, options, &parameters);
    let note = |root: &Root, reused: bool, blocks: Option<(u64, u64)>| {
        let (key, recipe) = squashfs_key(&identity, options, seed).taken_apart();
        store.journal().note(Entry { recipe, key, reused, bytes: root.squashfs.length(), blocks });
    };
    if let Some(root) = find(store, key, options, parameters) {
        note(&root, true, None);
        stage.done(root.summary.content, true);
        return Ok((root, true));
    }
    let packs = store.packs()?;
    let mut summary = Summary::default();
    let squashfs = store.derive_file(key("root-squashfs"), |file| {
        summary = squashfs::write(tree, options, file, Some(&packs), &|bytes| stage.advance(bytes))?;
        Ok(())
    })?;
    let data = Whole::of(squashfs.open()?)?;
    let mut root_hash = Digest([0; 32]);
    let verity = store.derive_file(key("root-verity"), |file| {
        root_hash = verity::format(&data, &parameters, options.jobs, file)?.root_hash;
        Ok(())
    })?;
    let facts = serde_json::to_vec(&Facts { root_hash, summary }).map_err(|error| Error::bug(error.to_string()))?;
    store.derive_file(key("root-facts"), |file| Ok(file.write_all(&facts)?))?;
    stage.done(summary.content, false);
    let root = Root { squashfs, verity, root_hash, parameters, summary };
    note(&root, false, Some(packs.counts()));
    Ok((root, false))
}

/// The root that an earlier build left, if all of it is there and its bytes are what they were.
fn find(store: &Store, key: impl Fn(&'static str) -> Key, options: &Options, parameters: Parameters) -> Option<Root> {
    let [facts, squashfs, verity] =
        ["root-facts", "root-squashfs", "root-verity"].map(|what| store.find_derived(key(what)));
    let (facts, squashfs, verity) = (facts?, squashfs?, verity?);
    let Facts { root_hash, summary } = serde_json::from_slice(&facts.content().read(MAX_FACTS).ok()?).ok()?;
    let whole = |blob: &Blob| Whole::of(blob.open().ok()?).ok();
    let fault = verity::verify(&whole(&squashfs)?, &whole(&verity)?, &root_hash, options.jobs);
    let whole = fault.is_ok_and(|fault| fault.is_none()) && squashfs.length() == summary.bytes;
    whole.then_some(Root { squashfs, verity, root_hash, parameters, summary })
}

/// The key of the squashfs of a tree with this identity.
pub fn squashfs_key(identity: &Digest, options: &Options, seed: &Guid) -> Key {
    key("root-squashfs", identity, options, &Parameters::of_seed(seed)).of("root")
}

fn key(what: &'static str, identity: &Digest, options: &Options, parameters: &Parameters) -> Key {
    let Options { codec, level, block_size, epoch, jobs: _ } = options;
    Key::new(what, VERSION)
        .part("tree", identity)
        .part("codec", codec.name())
        .part("level", level)
        .part("block", block_size)
        .part("moment", epoch)
        .part("salt", &parameters.salt)
        .part("id", &parameters.uuid.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::RootPath;
    use crate::tree::{Content, Meta};

    fn tree(text: &[u8]) -> Tree {
        let mut tree = Tree::default();
        let path = RootPath::new("/etc/motd").unwrap();
        tree.put_file(&path, Meta::new(0o644, 1), Content::bytes(text)).unwrap();
        tree
    }

    #[test]
    fn the_second_time_it_is_there_and_a_broken_one_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let seed = Guid::seed("test");
        let pack = |text: &[u8], store: &Store| {
            pack(&tree(text), store, &Options::default(), &seed, &Report::silent()).unwrap()
        };
        let (first, cached) = pack(b"hello", &store);
        assert!(!cached);
        let (second, cached) = pack(b"hello", &store);
        assert!(cached);
        assert_eq!((first.root_hash, first.summary), (second.root_hash, second.summary));
        assert_eq!(first.squashfs.path(), second.squashfs.path());
        let (fresh, cached) = pack(b"hello", &store.clone().without_derived());
        assert!(!cached && fresh.root_hash == first.root_hash);
        let (other, cached) = pack(b"other", &store);
        assert!(!cached && other.root_hash != first.root_hash);
        std::fs::remove_file(first.squashfs.path()).unwrap();
        std::fs::write(first.squashfs.path(), vec![0; first.squashfs.length() as usize]).unwrap();
        let (again, cached) = pack(b"hello", &store);
        assert!(!cached && again.root_hash == first.root_hash);
    }
}
