//! A file that must be whole before its length or digest can be told: kept under a temporary name.

use std::io::{self, Write};

use super::{Emit, Format};
use crate::digest::{Digest, Hasher};
use crate::disk::{Disk, Sink};
use crate::error::Result;
use crate::temp::Temp;
use crate::tree::Content;

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
    let mut sink = Passing { inner: &mut temp, hashing: Hashing::default() };
    format.emit(disk, how, &mut sink)?;
    let (size, sha256) = (sink.hashing.size, sink.hashing.finish());
    Ok(Spooled { temp, size, sha256 })
}

/// A sink that keeps nothing but length and digest.
#[derive(Default)]
pub struct Hashing {
    hasher: Hasher,
    size: u64,
}

impl Hashing {
    /// SHA-256 of all that passed.
    pub fn finish(self) -> Digest {
        self.hasher.finish()
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Hashing {}

struct Passing<'a> {
    inner: &'a mut Temp,
    hashing: Hashing,
}

impl Write for Passing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hashing.write(&bytes[..count])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Passing<'_> {}
