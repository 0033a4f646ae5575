//! Sorted, disjoint extents; gaps are zero.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bytes::Bytes;
use crate::error::{Context, Error, Result};
use crate::tree::{Content, Opened};

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

/// The bytes of a disk that is no file yet.
#[derive(Debug)]
pub struct Unwritten {
    disk: Disk,
    /// The file that was read last.
    opened: Mutex<Opened>,
}

impl Unwritten {
    /// Those of `disk`.
    pub fn new(disk: Disk) -> Self {
        Unwritten { disk, opened: Mutex::default() }
    }
}

impl Bytes for Unwritten {
    fn length(&self) -> u64 {
        self.disk.len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match offset.checked_add(buffer.len() as u64) {
            Some(end) if end <= self.disk.len() => {
                let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(self.disk.read_at(&mut opened, offset, buffer)?)
            }
            _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "reading past the end")),
        }
    }
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

    /// A disk that is nothing but `content`.
    pub fn whole(content: Content) -> Self {
        let length = content.len();
        let extents = if length == 0 { Vec::new() } else { vec![Extent { at: 0, content }] };
        Disk { length, extents }
    }

    /// The disk that these bytes are; what they know to be zero is a gap.
    pub fn of(bytes: Arc<dyn Bytes>) -> Result<Self> {
        let mut extents = Vec::new();
        let mut at = 0;
        while let Some(data) = bytes.next_data(at).context(|| "looking for holes".into())? {
            if data.start < at || data.end <= data.start {
                return Err(Error::bug(format!("data from {} to {} behind byte {at}", data.start, data.end)));
            }
            let content = Content::part(bytes.clone(), data.start, data.end - data.start);
            extents.push(Extent { at: data.start, content });
            at = data.end;
        }
        Disk::new(bytes.length(), extents)
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

    /// The same disk, with zeros up to a multiple of `unit` bytes.
    #[must_use]
    pub fn rounded(&self, unit: u64) -> Self {
        Disk { length: self.length.next_multiple_of(unit), extents: self.extents.clone() }
    }

    /// The extents of the `length` bytes from `at` on, which may reach behind the end, as they lie from `to` on.
    pub fn slice(&self, at: u64, length: u64, to: u64) -> impl Iterator<Item = Extent> {
        let end = at + length;
        let first = self.extents.partition_point(|extent| extent.at + extent.content.len() <= at);
        self.extents[first..].iter().take_while(move |extent| extent.at < end).map(move |extent| {
            let from = extent.at.max(at);
            let upto = (extent.at + extent.content.len()).min(end);
            Extent { at: to + (from - at), content: extent.content.slice(from - extent.at, upto - from) }
        })
    }

    /// Fills `buffer` with the bytes from `at` on; zeros behind the end.
    pub fn read_at(&self, opened: &mut Opened, at: u64, buffer: &mut [u8]) -> Result<()> {
        let end = at.saturating_add(buffer.len() as u64);
        let first = self.extents.partition_point(|extent| extent.at + extent.content.len() <= at);
        let mut done = 0;
        for extent in self.extents[first..].iter().take_while(|extent| extent.at < end) {
            let from = extent.at.max(at);
            let upto = (extent.at + extent.content.len()).min(end);
            let (start, stop) = ((from - at) as usize, (upto - at) as usize);
            buffer[done..start].fill(0);
            extent.content.read_at(opened, from - extent.at, &mut buffer[start..stop])?;
            done = stop;
        }
        buffer[done..].fill(0);
        Ok(())
    }

    /// The numbers of the chunks of `size` bytes that are not wholly in gaps: sorted ranges of at most `most`,
    /// each a first one and the one behind the last.
    pub fn touched(&self, size: u64, most: u64) -> impl Iterator<Item = (u64, u64)> {
        let mut next = 0;
        let mut extents = self.extents.iter().peekable();
        std::iter::from_fn(move || {
            loop {
                let extent = extents.peek()?;
                let end = (extent.at + extent.content.len()).div_ceil(size);
                let first = next.max(extent.at / size);
                if first < end {
                    next = end.min(first + most);
                    return Some((first, next));
                }
                extents.next();
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_zero_and_overlaps_refused() {
        let piece = |at, bytes: &'static [u8]| Extent { at, content: Content::bytes(bytes) };
        let disk = Disk::new(8, vec![piece(5, b"cd"), piece(1, b"ab")]).unwrap();
        let mut out = Vec::new();
        disk.emit(2, &mut out).unwrap();
        assert_eq!(out, b"\0ab\0\0cd\0");
        let mut part = [9; 8];
        disk.read_at(&mut Opened::default(), 2, &mut part).unwrap();
        assert_eq!(&part, b"b\0\0cd\0\0\0");
        let moved = Disk::new(9, disk.slice(2, 5, 3).collect()).unwrap().rounded(4);
        let mut out = Vec::new();
        moved.emit(1, &mut out).unwrap();
        assert_eq!(out, b"\0\0\0b\0\0cd\0\0\0\0"[..12]);
        assert!(Disk::new(8, vec![piece(0, b"ab"), piece(1, b"c")]).is_err());
        assert!(Disk::new(2, vec![piece(1, b"ab")]).is_err());
    }
}
