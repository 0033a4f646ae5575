//! Sorted, disjoint extents; gaps are zero.

use std::io::{self, Read, Write};

use crate::error::{Error, Result};
use crate::tree::Content;

/// A disk before any file of it exists: emitted front to back by whatever writes it.
#[derive(Debug, Clone)]
pub struct Disk {
    length: u64,
    extents: Vec<Extent>,
}

/// Some bytes of a disk.
#[derive(Debug, Clone)]
pub struct Extent {
    /// Where they begin, in bytes from the start of the disk.
    pub at: u64,
    /// The bytes.
    pub content: Content,
}

impl Disk {
    /// A disk of `length` bytes; an overlap or an extent past the end is a bug of ours.
    pub fn new(length: u64, mut extents: Vec<Extent>) -> Result<Self> {
        extents.retain(|extent| !extent.content.is_empty());
        extents.sort_by_key(|extent| extent.at);
        let mut end = 0;
        for extent in &extents {
            if extent.at < end {
                return Err(Error::bug(format!("extents overlap at byte {}", extent.at)));
            }
            end = extent.at.saturating_add(extent.content.len());
        }
        if end > length {
            return Err(Error::bug(format!("an extent ends at byte {end} of a disk of {length}")));
        }
        Ok(Disk { length, extents })
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether it has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The extents, sorted, none empty.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Bytes that are not in gaps.
    pub fn occupied(&self) -> u64 {
        self.extents.iter().map(|extent| extent.content.len()).sum()
    }

    /// Emits the disk front to back; gaps go through [`Sink::skip`].
    pub fn emit(&self, sink: &mut (impl Sink + ?Sized)) -> Result<()> {
        let mut position = 0;
        let mut buffer = vec![0; COPY];
        for extent in &self.extents {
            sink.skip(extent.at - position)?;
            let copied = copy(&mut extent.content.open()?, sink, &mut buffer)?;
            if copied != extent.content.len() {
                return Err(Error::system(format!("the bytes for offset {} became shorter", extent.at)));
            }
            position = extent.at + copied;
        }
        sink.skip(self.length - position)?;
        Ok(())
    }
}

/// Bytes moved at once: large enough that system calls do not count.
const COPY: usize = 1 << 18;

fn copy(from: &mut impl Read, to: &mut (impl Sink + ?Sized), buffer: &mut [u8]) -> io::Result<u64> {
    let mut copied = 0;
    loop {
        let count = match from.read(buffer) {
            Ok(0) => return Ok(copied),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(&buffer[..count])?;
        copied += count as u64;
    }
}

/// A writer that may know how to make a hole.
pub trait Sink: Write {
    /// `length` zero bytes; a sink without holes writes them.
    fn skip(&mut self, mut length: u64) -> io::Result<()> {
        let zeros = [0u8; 1 << 16];
        while length > 0 {
            let count = length.min(zeros.len() as u64) as usize;
            self.write_all(&zeros[..count])?;
            length -= count as u64;
        }
        Ok(())
    }
}

impl Sink for Vec<u8> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_zero_and_overlaps_refused() {
        let piece = |at, bytes: &'static [u8]| Extent { at, content: Content::bytes(bytes) };
        let disk = Disk::new(8, vec![piece(5, b"cd"), piece(1, b"ab")]).unwrap();
        let mut out = Vec::new();
        disk.emit(&mut out).unwrap();
        assert_eq!(out, b"\0ab\0\0cd\0");
        assert!(Disk::new(8, vec![piece(0, b"ab"), piece(1, b"c")]).is_err());
        assert!(Disk::new(2, vec![piece(1, b"ab")]).is_err());
    }
}
