//! Taking out of a store what nothing needs, and finding out what is broken in it.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::roots::listing;
use super::{Store, record_of};
use crate::digest::Digest;
use crate::error::{Context, Error, Kind, Result};

/// What a collection took away, or would.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Collected {
    fn take(&mut self, path: &Path, really: bool) -> Result<()> {
        let Ok(meta) = std::fs::symlink_metadata(path) else { return Ok(()) };
        if really {
            std::fs::remove_file(path).context(|| format!("removing `{}`", path.display()))?;
        }
        self.files += 1;
        self.bytes += meta.len();
        Ok(())
    }
}

/// Holds a store for one user's own changes, or shared with other builds, until it is dropped.
#[derive(Debug)]
pub struct Hold {
    _folder: File,
}

impl Store {
    /// Shares the store with other builds: nothing is collected meanwhile. Waits for a collection that runs.
    pub fn share(&self) -> Result<Hold> {
        self.hold(rustix::fs::FlockOperation::LockShared)
    }

    /// Takes the store for oneself; fails while a build uses it.
    pub fn take(&self) -> Result<Hold> {
        self.hold(rustix::fs::FlockOperation::NonBlockingLockExclusive)
    }

    fn hold(&self, operation: rustix::fs::FlockOperation) -> Result<Hold> {
        let doing = || format!("locking the store `{}`", self.path().display());
        let folder = File::open(self.path()).context(doing)?;
        match rustix::fs::flock(&folder, operation) {
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err(Error::system("another run uses the store").hint("try again when it is done").context(doing()))
            }
            // A file system without locks cannot be collected while it is used; nothing else is lost.
            Ok(()) | Err(_) => Ok(Hold { _folder: folder }),
        }
    }

    /// Removes inputs that are not in `keep`, the derived values `forget`, or with `derived` all of them, and
    /// what runs that died left behind. Without `really` it only counts.
    pub fn collect(
        &self,
        keep: &BTreeSet<Digest>,
        forget: impl Fn(&Digest) -> Digest,
        derived: bool,
        really: bool,
    ) -> Result<Collected> {
        let hold = self.take()?;
        let mut collected = Collected::default();
        for (path, digest) in self.files("blobs")? {
            if digest.is_some_and(|digest| keep.contains(&digest)) {
                continue;
            }
            if let Some(digest) = digest.filter(|_| !derived) {
                let derived = self.derived_path(&forget(&digest));
                collected.take(&derived, really)?;
                collected.take(&record_of(&derived), really)?;
            }
            collected.take(&path, really)?;
        }
        if derived {
            let packs = listing(&self.path().join("packs"))?.into_iter().filter(|path| path.is_file());
            // What is remembered of builds tells of nothing that is there.
            let builds = listing(&self.path().join("builds"))?;
            for path in self.files("derived")?.into_iter().map(|(path, _)| path).chain(packs).chain(builds) {
                collected.take(&path, really)?;
            }
        }
        for path in listing(&self.path().join("tmp"))?.into_iter().filter(|path| path.is_file()) {
            collected.take(&path, really)?;
        }
        drop(hold);
        Ok(collected)
    }

    /// Inputs whose bytes are not those of their name, and derived values whose bytes are not those that were noted;
    /// `threads` read at once, `progress` is told of bytes.
    ///
    /// Values without a note are left out: packed roots, which their hash tree guards whenever they are used, and
    /// what older versions made.
    pub fn verify(&self, threads: usize, progress: &(dyn Fn(u64) + Sync)) -> Result<Vec<PathBuf>> {
        let files = self.known()?;
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<PathBuf>> {
            let mut broken = Vec::new();
            while let Some((path, digest)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                let file = File::open(path).context(|| format!("opening `{}`", path.display()))?;
                let (is, length) = Digest::of_reader(file).context(|| format!("reading `{}`", path.display()))?;
                if Some(is) != *digest {
                    broken.push(path.clone());
                }
                progress(length);
            }
            Ok(broken)
        };
        let results: Vec<_> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
            handles.into_iter().map(|handle| handle.join()).collect()
        });
        let mut broken = Vec::new();
        for result in results {
            broken.extend(result.map_err(|_| Error::new(Kind::Bug, "a thread that reads the store died"))??);
        }
        broken.sort();
        Ok(broken)
    }

    /// Takes a file that [`Store::verify`] found away; a build makes or fetches it again.
    pub fn remove(&self, path: &Path) -> Result<()> {
        std::fs::remove_file(path).context(|| format!("removing `{}`", path.display()))?;
        // An input has none.
        drop(std::fs::remove_file(record_of(path)));
        Ok(())
    }

    /// Inputs and derived values whose digest is known.
    fn known(&self) -> Result<Vec<(PathBuf, Option<Digest>)>> {
        let mut files = self.files("blobs")?;
        for (path, _) in self.files("derived")?.into_iter().filter(|(path, _)| path.extension().is_none()) {
            let noted = std::fs::read_to_string(record_of(&path)).ok().and_then(|text| text.parse().ok());
            files.extend(noted.map(|digest: Digest| (path, Some(digest))));
        }
        Ok(files)
    }

    /// Bytes of all that [`Store::verify`] reads.
    pub fn size(&self) -> Result<u64> {
        let files = self.known()?;
        Ok(files.iter().filter_map(|(path, _)| path.metadata().ok()).map(|meta| meta.len()).sum())
    }

    /// The files two levels below a folder of the store, and the digests that they are named by.
    fn files(&self, folder: &str) -> Result<Vec<(PathBuf, Option<Digest>)>> {
        let mut found = Vec::new();
        for part in listing(&self.path().join(folder))?.into_iter().filter(|path| path.is_dir()) {
            for path in listing(&part)?.into_iter().filter(|path| path.is_file()) {
                let digest = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
                found.push((path, digest));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Key;

    #[test]
    fn what_is_kept_and_what_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digests = [&b"kept"[..], b"gone"].map(Digest::of);
        let key = |digest: &Digest| Key::new("unpacked", 1).with(digest.0);
        for (digest, bytes) in digests.iter().zip([&b"kept"[..], b"gone"]) {
            store.insert(digest, 10, bytes).unwrap();
            store.derived(key(digest), |out| Ok(out.write_all(b"unpacked")?)).unwrap();
        }
        std::fs::write(folder.path().join("tmp/litter"), "x").unwrap();
        let keep = BTreeSet::from([digests[0]]);
        let collect = |derived, really| store.collect(&keep, |digest| key(digest).digest(), derived, really).unwrap();
        assert_eq!(collect(false, false), Collected { files: 4, bytes: 4 + 8 + 64 + 1 });
        assert!(store.blob(&digests[1]).is_some());
        assert_eq!(collect(false, true), Collected { files: 4, bytes: 77 });
        assert!(store.blob(&digests[0]).is_some() && store.blob(&digests[1]).is_none());
        store.remember("a build", "x").unwrap();
        assert_eq!(collect(true, true), Collected { files: 3, bytes: 73 });

        let hold = store.share().unwrap();
        let error = store.collect(&keep, |digest| *digest, false, true).unwrap_err();
        assert!(error.message().contains("another run"), "{error}");
        drop(hold);
        collect(false, true);
    }

    #[test]
    fn a_flipped_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let blob = store.insert_new(10, &b"right"[..]).unwrap();
        store.insert_new(10, &b"other"[..]).unwrap();
        let read = std::sync::atomic::AtomicU64::new(0);
        let count = |bytes| _ = read.fetch_add(bytes, Ordering::Relaxed);
        assert!(store.verify(2, &count).unwrap().is_empty());
        assert_eq!((read.into_inner(), store.size().unwrap()), (10, 10));
        std::fs::remove_file(blob.path()).unwrap();
        std::fs::write(blob.path(), "wrong").unwrap();
        assert_eq!(store.verify(1, &|_| {}).unwrap(), [blob.path()]);
        store.remove(blob.path()).unwrap();

        let make = || store.derived(Key::new("made", 1), |out| Ok(out.write_all(b"made")?)).unwrap();
        let (derived, _) = make();
        assert_eq!((store.verify(2, &|_| {}).unwrap(), store.size().unwrap()), (vec![], 9));
        std::fs::remove_file(derived.path()).unwrap();
        std::fs::write(derived.path(), "mode").unwrap();
        assert_eq!(store.verify(2, &|_| {}).unwrap(), [derived.path()]);
        store.remove(derived.path()).unwrap();
        assert!(!make().1 && store.verify(2, &|_| {}).unwrap().is_empty(), "it is made anew");
        // Without a note nothing can be said.
        std::fs::write(record_of(derived.path()), "").unwrap();
        assert_eq!(store.size().unwrap(), 5);
    }
}
