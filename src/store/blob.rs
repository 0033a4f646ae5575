//! One file of the store, whole or on the way there.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::digest::{Digest, Hashed};
use crate::error::{Context, Error, Result};
use crate::temp::Temp;
use crate::tree::Content;

/// A whole file of the store.
#[derive(Debug, Clone)]
pub struct Blob {
    path: Arc<Path>,
    digest: Option<Digest>,
    length: u64,
}

impl Blob {
    pub(super) fn at(path: PathBuf, digest: Digest) -> Option<Self> {
        let length = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?.len();
        Some(Blob { path: path.into(), digest: Some(digest), length })
    }

    pub(super) fn at_derived(path: &Path) -> Option<Self> {
        let length = fs::metadata(path).ok().filter(fs::Metadata::is_file)?.len();
        Some(Blob { path: path.into(), digest: None, length })
    }

    /// Makes a finished file appear as `path`, read-only.
    pub(super) fn persist(file: Temp, path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).context(|| format!("making `{}`", folder.display()))?;
        }
        let length = file.file().and_then(fs::File::metadata).context(|| "measuring a new file".into())?.len();
        // Read-only, so that nothing changes a blob by mistake; two builds may both rename: same bytes.
        file.persist(path, 0o444)?;
        Ok(Blob { path: path.into(), digest: None, length })
    }

    /// The same with its digest, which was noted when it was made.
    #[must_use]
    pub(crate) fn known_as(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its sha256; of inputs always known, of derived values only when just made.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The whole blob as a file's content.
    pub fn content(&self) -> Content {
        Content::range(self.path.clone(), 0, self.length, self.digest)
    }

    /// A range of it as a file's content.
    pub fn range(&self, offset: u64, length: u64, digest: Option<Digest>) -> Result<Content> {
        match offset.checked_add(length) {
            Some(end) if end <= self.length => Ok(Content::range(self.path.clone(), offset, length, digest)),
            _ => Err(Error::source(format!("a range ends past the end of `{}`", self.path.display()))),
        }
    }

    /// Opens it for reading.
    pub fn open(&self) -> Result<fs::File> {
        fs::File::open(&self.path).context(|| format!("opening `{}`", self.path.display()))
    }
}

/// A file that is not whole yet; gone when dropped.
pub struct Pending {
    file: Hashed<Temp>,
}

impl Pending {
    pub(super) fn new(folder: &Path) -> Result<Self> {
        Ok(Pending { file: Hashed::new(Temp::new_in(folder)?) })
    }

    /// The digest of what was written so far.
    pub fn digest(&self) -> Digest {
        self.file.running()
    }

    pub(super) fn keep_as(self, path: &Path, expected: Option<&Digest>) -> Result<Blob> {
        let digest = self.digest();
        if let Some(expected) = expected.filter(|expected| **expected != digest) {
            return Err(Error::source(format!("its sha256 is {digest}, not {expected}")));
        }
        self.keep(path, Some(digest))
    }

    pub(super) fn keep_derived(self, path: &Path) -> Result<Blob> {
        let digest = self.digest();
        self.keep(path, Some(digest))
    }

    fn keep(self, path: &Path, digest: Option<Digest>) -> Result<Blob> {
        let (file, _, _) = self.file.finish();
        Ok(Blob { digest, ..Blob::persist(file, path)? })
    }
}

impl Write for Pending {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.file.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
