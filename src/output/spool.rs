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
