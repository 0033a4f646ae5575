//! What must be whole before its length or digest can be told: kept in memory or under a temporary name.

use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

use super::{Emit, Format};
use crate::digest::{Digest, Hasher};
use crate::disk::{Disk, Sink};
use crate::error::Result;
use crate::temp::Temp;
use crate::tree::Content;

/// Bytes that are kept in memory: what is little is then written but once.
const IN_MEMORY: usize = 16 << 20;
/// Bytes of a file that are copied at once.
const BUFFER: usize = 1 << 18;

/// Bytes that are kept until they are copied.
#[derive(Debug)]
pub struct Kept<'a> {
    folder: &'a Path,
    /// The last of them; all, where there is no file.
    memory: Vec<u8>,
    file: Option<Temp>,
}

impl<'a> Kept<'a> {
    /// None so far; what is too much for memory goes into `folder`.
    pub fn new(folder: &'a Path) -> Self {
        Kept { folder, memory: Vec::new(), file: None }
    }

    /// Writes all of them to `sink`.
    pub fn copy(self, sink: &mut dyn Sink) -> Result<()> {
        if let Some(mut file) = self.file {
            file.seek(SeekFrom::Start(0))?;
            io::copy(&mut BufReader::with_capacity(BUFFER, file), sink)?;
        }
        Ok(sink.write_all(&self.memory)?)
    }
}

impl Write for Kept<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.memory.len() + bytes.len() > IN_MEMORY {
            let mut file = match self.file.take() {
                Some(file) => file,
                None => Temp::new_in(self.folder)?,
            };
            file.write_all(&self.memory)?;
            self.memory.clear();
            self.file = Some(file);
        }
        self.memory.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file in the spool, gone when dropped.
#[derive(Debug)]
pub struct Spooled {
    temp: Temp,
    /// Bytes.
    pub size: u64,
    /// Of all of them.
    pub sha256: Digest,
}

impl Spooled {
    /// The file's bytes; of use only while this is.
    pub fn content(&self) -> Content {
        Content::range(self.temp.path().into(), 0, self.size, Some(self.sha256))
    }
}

/// Writes `disk` in `format` into the spool.
pub fn spool(format: &dyn Format, disk: &Disk, how: &Emit<'_>) -> Result<Spooled> {
    let mut temp = Temp::new_in(how.spool)?;
    let mut sink = Hashing { inner: &mut temp, hasher: Hasher::default(), size: 0 };
    format.emit(disk, how, &mut sink)?;
    let (size, sha256) = (sink.size, sink.hasher.finish());
    Ok(Spooled { temp, size, sha256 })
}

/// A sink that takes length and digest of what passes into a file.
struct Hashing<'a> {
    inner: &'a mut Temp,
    hasher: Hasher,
    size: u64,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Hashing<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_in_memory_or_not() {
        let folder = tempfile::tempdir().unwrap();
        for pieces in [0, 3, 40, 100] {
            let mut kept = Kept::new(folder.path());
            let mut expected = Vec::new();
            for piece in 0..pieces {
                let bytes = vec![piece as u8; 500_000 + piece];
                kept.write_all(&bytes).unwrap();
                expected.extend(bytes);
            }
            assert_eq!(kept.file.is_some(), expected.len() > IN_MEMORY);
            let mut out = Vec::new();
            kept.copy(&mut out).unwrap();
            assert!(out == expected);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
