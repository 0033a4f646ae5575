//! What an image says of itself: the profile and the lock that it was made of.
//!
//! ```text
//! /usr/lib/imagebuild/profile.toml   the resolved profile, as `show` prints it
//!                     profile.lock   the lock: inputs of this architecture, toolchains, and the moment
//!                     origins        who brought what no package did
//! ```
//!
//! The first two are functions of profile and lock alone: they hold no path of the host and no digest of what is built,
//! so that a build from them makes the same files again. A file beside the profile (a keyring, a program, a
//! container image, a file of the root) is named by its digest, `files/SHA256`: whoever builds from the record
//! lays it there, out of the store or from wherever it came.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::arch::Arch;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::path::RootPath;
use crate::profile::{self, Profile};
use crate::tree::{Content, Meta, NodeRef, Tree};

/// Where both lie in the root.
pub const FOLDER: &str = "/usr/lib/imagebuild";
/// The profile's name there.
pub const PROFILE: &str = "profile.toml";
/// The lock's: where a build of that profile looks for it.
pub const LOCK: &str = "profile.lock";
/// The list of files that no package brought: `ORIGIN TAB PATH`, a line each.
pub const ORIGINS: &str = "origins";
/// Where the profile finds what lay beside it, a file for each digest.
pub const FILES: &str = "files";

/// The texts of both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Canonical TOML. A change of its form changes the bytes of every image.
    pub profile: String,
    /// A lock as it lies beside a profile.
    pub lock: String,
    /// What the profile takes from beside it.
    pub files: BTreeSet<Digest>,
}

impl Record {
    /// The record of a build; `locals` are the digests of all files beside the profile.
    pub fn new(profile: &Profile, lock: &Lock, locals: &BTreeMap<PathBuf, Digest>) -> Result<Self> {
        let mut lost = None;
        let named = profile.with_local_files(|path| match locals.get(path) {
            Some(digest) => Path::new(FILES).join(digest.to_string()),
            None => {
                lost = Some(path.clone());
                path.clone()
            }
        });
        if let Some(path) = lost {
            return Err(Error::bug(format!("`{}` was not read", path.display())));
        }
        Ok(Record {
            profile: profile::show(&named, None),
            lock: only(lock, profile.image.arch).text()?,
            files: locals.values().copied().collect(),
        })
    }

    /// The digest of the profile, and thereby of every file beside it.
    pub fn digest(&self) -> Digest {
        Digest::of(self.profile.as_bytes())
    }
}

/// The inputs and the moment of the image, and nothing of other images. Release files are left out: they change from
/// day to day where no package does, and a build does not read them. Toolchains stay, those of every kind of host: they are
/// what a rebuild needs, wherever it is done.
fn only(lock: &Lock, arch: Arch) -> Lock {
    let mut lock = lock.clone();
    lock.image.retain(|other, _| *other == arch);
    lock.releases.clear();
    lock.without.clear();
    lock
}

/// Lays the list of what no package brought, itself included; `packages` are all that were unpacked.
///
/// # Errors
/// Where something lies in the way.
pub fn lay_origins(tree: &mut Tree, packages: &BTreeSet<&str>, epoch: u32) -> Result<()> {
    let own: Arc<str> = "record".into();
    let path = RootPath::new(format!("{FOLDER}/{ORIGINS}"))?;
    let meta = Meta::new(0o444, epoch).from(&own);
    tree.put_file(&path, meta.clone(), Content::bytes(Vec::new()))?;
    let line = |(path, node): (RootPath, NodeRef<'_>)| match node {
        NodeRef::Directory(_) => None,
        NodeRef::Leaf(_, leaf) => {
            let origin = leaf.meta.origin.as_deref()?;
            (!packages.contains(origin)).then(|| format!("{origin}\t{}\n", path.as_bytes().escape_ascii()))
        }
    };
    let text: String = tree.walk().into_iter().filter_map(line).collect();
    tree.put_file(&path, meta, Content::bytes(text.into_bytes()))
}

/// What such a list says. Lines of another form are passed over; names with other bytes than printable ASCII are not
/// found again.
pub fn origins(text: &str) -> BTreeMap<RootPath, Arc<str>> {
    let line = |line: &str| {
        let (origin, path) = line.split_once('\t')?;
        Some((RootPath::new(path).ok()?, origin.into()))
    };
    text.lines().filter_map(line).collect()
}
