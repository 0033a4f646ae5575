//! Bytes by digest, on disk, shared by many builds at once.
//!
//! ```text
//! STORE/
//!   blobs/ab/ab12…      inputs, named by their sha256; verified on the way in
//!   derived/cd/cd34…    what was made of inputs, named by the digest of all that it depends on;
//!                       beside it, as cd34….sha256, its own digest, for `store verify`
//!   packs/              small derived values, many in a file; see [`Packs`]
//!   tmp/                files that are not whole yet; DIGEST.part is the beginning of an input, other names mean nothing
//!   roots/ locks/       locks in use: what they name is kept by `gc`
//!   seen/               dates of release files: an older one is refused
//!   builds/             what the last build of each image was made of; see [`Store::remembered`]
//! ```
//!
//! A file appears under its name only when it is whole (temp file, fsync, rename), so a
//! build that is killed leaves at most litter in `tmp/`. The store only grows, but for `gc`.

mod recipe;
mod journal;
mod blob;
mod gc;
mod memory;
mod roots;
mod pack;
mod partial;

pub use blob::{Blob, Pending};
pub use gc::{Collected, Hold};
pub use journal::{Entry, Journal};
pub use pack::Packs;
pub use partial::Partial;
pub use recipe::{Ingredient, Key, Part, Recipe};

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::temp::Temp;

/// An open store.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    reuse: bool,
    journal: Arc<Journal>,
}

impl Store {
    /// Opens the store at `root`, making it where it is missing.
    pub fn open(root: &Path) -> Result<Self> {
        for name in ["blobs", "derived", "packs", "tmp"] {
            let path = root.join(name);
            fs::create_dir_all(&path).context(|| format!("making the store's folder `{}`", path.display()))?;
        }
        Ok(Self::at(root))
    }

    /// The store at `root`, to look at: nothing is made, not even its folder.
    pub fn at(root: &Path) -> Self {
        Store { root: root.to_owned(), reuse: true, journal: Arc::default() }
    }

    /// The same store with a journal of its own, empty.
    #[must_use]
    pub fn afresh(mut self) -> Self {
        self.journal = Arc::default();
        self
    }

    /// What was had of it since it was opened, or [`Store::afresh`].
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The same store, whose derived values are made anew (`--no-cache`); inputs are kept.
    #[must_use]
    pub fn without_derived(mut self) -> Self {
        self.reuse = false;
        self
    }

    /// The same store, whose derived values are used again: for programs that took minutes to compile.
    #[must_use]
    pub fn with_derived(mut self) -> Self {
        self.reuse = true;
        self
    }

    /// Whether derived values of earlier builds may be used.
    pub fn reuses(&self) -> bool {
        self.reuse
    }

    /// `$XDG_CACHE_HOME/imagebuild`, else `$HOME/.cache/imagebuild`.
    pub fn default_path() -> Result<PathBuf> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        cache.map(|cache| cache.join("imagebuild")).ok_or_else(|| {
            Error::user("neither XDG_CACHE_HOME nor HOME names a folder").hint("say where the store is: --store DIR")
        })
    }

    /// The store's folder.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The input with this digest, if it is here.
    pub fn blob(&self, digest: &Digest) -> Option<Blob> {
        Blob::at(self.blob_path(digest), *digest)
    }

    /// Takes an input in: at most `limit` bytes of `reader`, refused unless they have the digest `expected`.
    pub fn insert(&self, expected: &Digest, limit: u64, reader: impl Read) -> Result<Blob> {
        if let Some(blob) = self.blob(expected) {
            return Ok(blob);
        }
        let mut pending = self.pending()?;
        let copied = io::copy(&mut reader.take(limit.saturating_add(1)), &mut pending)?;
        if copied > limit {
            return Err(Error::source(format!("the source sends more than the {limit} bytes that were promised")));
        }
        pending.keep_as(&self.blob_path(expected), Some(expected))
    }

    /// What an earlier run had of the input `digest`, to be gone on with; none while another run does so.
    pub fn partial(&self, digest: &Digest, limit: u64) -> Result<Option<Partial>> {
        Partial::open(&self.root.join("tmp"), digest, limit)
    }

    /// Takes a partial input in, which is whole now; one that is not what it should be is forgotten.
    pub fn keep_partial(&self, partial: Partial, digest: &Digest) -> Result<Blob> {
        partial.keep(&self.blob_path(digest), digest)
    }

    /// Takes bytes in whose digest is not known before (a file of the profile).
    pub fn insert_new(&self, limit: u64, reader: impl Read) -> Result<Blob> {
        let mut pending = self.pending()?;
        let copied = io::copy(&mut reader.take(limit.saturating_add(1)), &mut pending)?;
        if copied > limit {
            return Err(Error::source(format!("more than {limit} bytes")));
        }
        let digest = pending.digest();
        match self.blob(&digest) {
            Some(blob) => Ok(blob),
            None => pending.keep_as(&self.blob_path(&digest), None),
        }
    }

    /// The derived value of `key`; `make` writes it where it is missing. The flag says that it was there.
    pub fn derived(&self, key: Key, make: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<(Blob, bool)> {
        let (key, recipe) = key.taken_apart();
        let path = self.derived_path(&key);
        let there = self.reuse.then(|| Blob::at_derived(&path)).flatten();
        let reused = there.is_some();
        let blob = match there {
            Some(blob) => blob,
            None => self.make(&path, make)?,
        };
        self.journal.note(Entry { recipe, key, reused, bytes: blob.length(), blocks: None });
        Ok((blob, reused))
    }

    fn make(&self, path: &Path, make: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<Blob> {
        let mut pending = self.pending()?;
        make(&mut pending)?;
        let blob = pending.keep_derived(path)?;
        // Not synced: a record that a power cut spoils is none, and the value is not checked.
        let record = blob.digest().map(|digest| fs::write(record_of(path), digest.to_string()));
        record.transpose().context(|| format!("noting the digest of `{}`", path.display()))?;
        Ok(blob)
    }

    /// The derived value of `key`, if it is here and may be used.
    pub fn find_derived(&self, key: Key) -> Option<Blob> {
        self.derived_at(&key.digest())
    }

    /// The same by the digest of a key.
    pub fn derived_at(&self, key: &Digest) -> Option<Blob> {
        self.reuse.then(|| Blob::at_derived(&self.derived_path(key))).flatten()
    }

    /// Like [`Store::derived`], for a value that is not written front to back; it is made anew, whatever is here.
    pub fn derive_file(&self, key: Key, make: impl FnOnce(&mut Temp) -> Result<()>) -> Result<Blob> {
        let path = self.derived_path(&key.digest());
        let mut temp = Temp::new_in(&self.root.join("tmp"))?;
        make(&mut temp)?;
        Blob::persist(temp, &path)
    }

    /// The small derived values.
    pub fn packs(&self) -> Result<Packs> {
        Packs::open(&self.root.join("packs"), self.reuse)
    }

    /// A file that is not whole yet, in `tmp/`.
    pub fn pending(&self) -> Result<Pending> {
        Pending::new(&self.root.join("tmp"))
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join("blobs").join(&name[..2]).join(name)
    }

    fn derived_path(&self, key: &Digest) -> PathBuf {
        let name = key.to_string();
        self.root.join("derived").join(&name[..2]).join(name)
    }
}

/// Where the digest of a derived value is noted.
fn record_of(derived: &Path) -> PathBuf {
    derived.with_extension("sha256")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        (dir, store)
    }

    #[test]
    fn a_wrong_byte_never_gets_in() {
        let (_dir, store) = store();
        let digest = Digest::of(b"right");
        assert!(store.insert(&digest, 10, &b"wrong"[..]).is_err());
        assert!(store.insert(&digest, 4, &b"right"[..]).is_err());
        assert!(store.blob(&digest).is_none());
        let blob = store.insert(&digest, 5, &b"right"[..]).unwrap();
        assert_eq!(fs::read(blob.path()).unwrap(), b"right");
        assert_eq!(store.blob(&digest).unwrap().length(), 5);
        assert_eq!(fs::read_dir(store.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_derived_value_is_made_once_and_a_failed_one_not_kept() {
        let (_dir, store) = store();
        let key = || Key::new("test", 1).with("a");
        assert!(store.derived(key(), |_| Err(Error::system("no"))).is_err());
        let (_, cached) = store.derived(key(), |out| Ok(out.write_all(b"x")?)).unwrap();
        assert!(!cached);
        let (blob, cached) = store.derived(key(), |_| Err(Error::bug("asked again"))).unwrap();
        assert!(cached);
        assert_eq!(fs::read(blob.path()).unwrap(), b"x");
        let (_, cached) = store.without_derived().derived(key(), |out| Ok(out.write_all(b"x")?)).unwrap();
        assert!(!cached);
    }
}
