//! An input that is not whole yet and outlives the run: the next one goes on where this one broke off.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::Blob;
use crate::digest::{Digest, Hasher};
use crate::error::{Context, Error, Result};

/// The beginning of an input, in the store's `tmp/` under the input's digest; for one run at a time.
///
/// Unlike other unfinished files it stays when it is dropped, and when the run is killed; `gc` removes it.
pub struct Partial {
    file: File,
    path: PathBuf,
    hasher: Hasher,
    length: u64,
}

impl Partial {
    /// The beginning of the input `digest` in `folder`, at most `limit` bytes; none while another run writes it.
    pub(super) fn open(folder: &Path, digest: &Digest, limit: u64) -> Result<Option<Self>> {
        let path = folder.join(format!("{digest}.part"));
        let doing = || format!("opening `{}`", path.display());
        let mut options = File::options();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(&path).context(doing)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(Error::from(io::Error::from(error)).context(doing())),
        }
        // Whoever had it before may have finished it meanwhile: what is open then is a blob.
        let here = file.metadata().context(doing)?;
        if !fs::symlink_metadata(&path).is_ok_and(|there| there.is_file() && there.ino() == here.ino()) {
            return Ok(None);
        }
        let mut partial =
            Partial { file: file.try_clone().context(doing)?, path, hasher: Hasher::default(), length: 0 };
        if here.len() > limit {
            partial.clear()?;
        }
        let mut buffer = vec![0; 1 << 17];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                count => {
                    partial.hasher.update(&buffer[..count]);
                    partial.length += count as u64;
                }
            }
        }
        Ok(Some(partial))
    }

    /// Bytes that are here.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Forgets all bytes.
    pub fn clear(&mut self) -> Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        (self.hasher, self.length) = (Hasher::default(), 0);
        Ok(())
    }

    /// Makes it appear as `path`. Where it is not `expected` it is forgotten, and an error.
    pub(super) fn keep(mut self, path: &Path, expected: &Digest) -> Result<Blob> {
        let digest = self.hasher.clone().finish();
        if digest != *expected {
            self.clear()?;
            return Err(Error::source(format!("its sha256 is {digest}, not {expected}")));
        }
        let doing = || format!("writing `{}`", path.display());
        let folder = path.parent().ok_or_else(|| Error::bug("a blob without a folder"))?;
        fs::create_dir_all(folder).context(doing)?;
        self.file.set_permissions(fs::Permissions::from_mode(0o444)).context(doing)?;
        self.file.sync_all().context(doing)?;
        fs::rename(&self.path, path).context(doing)?;
        File::open(folder).and_then(|folder| folder.sync_all()).context(doing)?;
        Blob::at(path.to_owned(), digest).ok_or_else(|| Error::bug("a blob that is gone"))
    }
}

impl Write for Partial {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.file.write(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.length += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// One that is empty is of no use to anybody.
impl Drop for Partial {
    fn drop(&mut self) {
        // The lock is still held; after `keep` there is no such file any more.
        if self.length == 0 {
            drop(fs::remove_file(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;

    #[test]
    fn what_was_written_is_there_for_the_next_and_for_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = Digest::of(b"one two");
        let mut first = store.partial(&digest, 7).unwrap().unwrap();
        first.write_all(b"one ").unwrap();
        assert!(store.partial(&digest, 7).unwrap().is_none(), "another run writes it");
        drop(first);
        let mut second = store.partial(&digest, 7).unwrap().unwrap();
        assert_eq!(second.length(), 4);
        second.write_all(b"two").unwrap();
        let blob = store.keep_partial(second, &digest).unwrap();
        assert_eq!(std::fs::read(blob.path()).unwrap(), b"one two");
        assert_eq!(std::fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn what_is_damaged_or_too_long_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = Digest::of(b"right");
        let path = folder.path().join(format!("tmp/{digest}.part"));
        std::fs::write(&path, "wrong").unwrap();
        let partial = store.partial(&digest, 5).unwrap().unwrap();
        assert!(store.keep_partial(partial, &digest).is_err() && !path.exists());
        std::fs::write(&path, "right and more").unwrap();
        assert_eq!(store.partial(&digest, 5).unwrap().unwrap().length(), 0);
        assert!(!path.exists());
        std::fs::write(&path, "rig").unwrap();
        let collected = store.collect(&Default::default(), |digest| *digest, false, true).unwrap();
        assert_eq!((collected.files, path.exists()), (1, false));
    }
}
