//! Bytes that can be read at any place: a file, a device, a disk inside of an image, a part of any of them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Context, Error, Kind, Result};
use crate::size::Size;

/// A fixed number of bytes, readable at any offset by any number of threads.
pub trait Bytes: fmt::Debug + Send + Sync {
    /// How many there are.
    fn length(&self) -> u64;

    /// Fills `buffer` from `offset`; an error where that reaches past the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// The next bytes from `offset` on that are not known to be zero; none where all to the end are.
    ///
    /// What it gives is not empty, lies within the bytes and begins at `offset` or later.
    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        Ok((offset < self.length()).then(|| offset..self.length()))
    }
}

impl Bytes for Vec<u8> {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| past_end())?;
        let end = start.checked_add(buffer.len()).ok_or_else(past_end)?;
        buffer.copy_from_slice(self.get(start..end).ok_or_else(past_end)?);
        Ok(())
    }
}

/// A file whose length was taken when it was opened.
#[derive(Debug)]
pub struct Whole {
    file: File,
    length: u64,
}

impl Whole {
    /// Opens `path`, a file or a block device, for reading.
    pub fn open(path: &Path) -> Result<Self> {
        let doing = || format!("opening `{}`", path.display());
        let file = File::open(path).context(doing)?;
        if file.metadata().context(doing)?.is_dir() {
            return Err(Error::user("it is a folder").hint("expected a file").context(doing()));
        }
        Self::of(file).context(doing)
    }

    /// Opens `path` for whoever shares it.
    pub fn shared(path: &Path) -> Result<Arc<dyn Bytes>> {
        Ok(Arc::new(Self::open(path)?))
    }

    /// All of an open file.
    pub fn of(mut file: File) -> Result<Self> {
        // Of a block device the metadata does not tell.
        let length = file.seek(SeekFrom::End(0)).context(|| "measuring a file".into())?;
        Ok(Whole { file, length })
    }
}

impl Bytes for Whole {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        use rustix::fs::SeekFrom::{Data, Hole};
        if offset >= self.length {
            return Ok(None);
        }
        let start = match rustix::fs::seek(&self.file, Data(offset)) {
            Ok(start) if start >= self.length => return Ok(None),
            Ok(start) => start.max(offset),
            Err(rustix::io::Errno::NXIO) => return Ok(None),
            // Not every file system tells holes; then all is data.
            Err(_) => return Ok(Some(offset..self.length)),
        };
        let end = rustix::fs::seek(&self.file, Hole(start)).unwrap_or(self.length).min(self.length);
        // A file system that contradicts itself (data that is a hole) is not believed.
        Ok(Some(start..if end > start { end } else { self.length }))
    }
}

/// A part of other bytes: a partition of a disk.
#[derive(Debug, Clone)]
pub struct Part {
    whole: Arc<dyn Bytes>,
    at: u64,
    length: u64,
}

impl Part {
    /// `length` bytes of `whole` from `at`; an error where that reaches past the end.
    pub fn new(whole: Arc<dyn Bytes>, at: u64, length: u64) -> Result<Self> {
        match at.checked_add(length) {
            Some(end) if end <= whole.length() => Ok(Part { whole, at, length }),
            _ => Err(Error::source(format!("{length} bytes at {at} reach past the end of the image"))),
        }
    }
}

impl Bytes for Part {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match offset.checked_add(buffer.len() as u64) {
            Some(end) if end <= self.length => self.whole.read_at(buffer, self.at + offset),
            _ => Err(past_end()),
        }
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        if offset >= self.length {
            return Ok(None);
        }
        let end = self.at + self.length;
        let found = self.whole.next_data(self.at + offset)?.filter(|data| data.start < end);
        Ok(found.map(|data| data.start - self.at..data.end.min(end) - self.at))
    }
}

/// Reads bytes front to back.
#[derive(Debug)]
pub struct Front<B> {
    bytes: B,
    position: u64,
}

impl<B: AsRef<dyn Bytes>> Front<B> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: B) -> Self {
        Front { bytes, position: 0 }
    }
}

impl<B: AsRef<dyn Bytes>> Read for Front<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.bytes.as_ref();
        let count = bytes.length().saturating_sub(self.position).min(buffer.len() as u64) as usize;
        bytes.read_at(&mut buffer[..count], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// The number of two bytes at `at`, the least first; panics where `bytes` ends before.
pub fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

/// The number of four bytes at `at`, the least first; panics where `bytes` ends before.
pub fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

/// The number of eight bytes at `at`, the least first; panics where `bytes` ends before.
pub fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

/// The number of four bytes at `at`, the greatest first; panics where `bytes` ends before.
pub fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(bytes, at))
}

/// The number of eight bytes at `at`, the greatest first; panics where `bytes` ends before.
pub fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(array(bytes, at))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// The first `N` bytes; zeros where there are fewer.
pub fn head<const N: usize>(bytes: &dyn Bytes) -> io::Result<[u8; N]> {
    let mut head = [0; N];
    let length = bytes.length().min(N as u64) as usize;
    bytes.read_at(&mut head[..length], 0)?;
    Ok(head)
}

/// All that `reader` gives; an error of the kind `fault` where that is more than `most` bytes.
pub fn limited(reader: impl Read, most: u64, fault: Kind) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(Error::new(fault, format!("it is larger than {}", Size(most)))),
        false => Ok(bytes),
    }
}

fn past_end() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "reading past the end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_not_cut() {
        assert_eq!(limited(&b"abc"[..], 3, Kind::User).unwrap(), b"abc");
        let error = limited(io::repeat(0), 2048, Kind::Source).unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::Source, "it is larger than 2K"));
    }

    #[test]
    fn numbers_are_read_from_either_end() {
        let bytes: Vec<u8> = (0..10).collect();
        assert_eq!((le16(&bytes, 1), le32(&bytes, 1)), (0x0201, 0x0403_0201));
        assert_eq!(le64(&bytes, 2), 0x0908_0706_0504_0302);
        assert_eq!((be32(&bytes, 1), be64(&bytes, 2)), (0x0102_0304, 0x0203_0405_0607_0809));
        assert_eq!((head(&bytes).unwrap(), head(&bytes[..2].to_vec()).unwrap()), ([0, 1, 2], [0, 1, 0]));
    }

    #[test]
    fn holes_of_a_file_and_of_a_part_of_it_are_told() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10 << 20).unwrap();
        file.write_all_at(b"x", 5 << 20).unwrap();
        let whole: Arc<dyn Bytes> = Arc::new(Whole::of(file).unwrap());
        let data = whole.next_data(0).unwrap().unwrap();
        assert!(data.contains(&(5 << 20)) && data.end - data.start < 1 << 20, "{data:?}");
        assert_eq!(whole.next_data(data.end).unwrap(), None);
        let part = Part::new(whole.clone(), 5 << 20, 1 << 20).unwrap();
        assert_eq!(part.next_data(0).unwrap().unwrap().start, 0);
        let mut byte = [0];
        part.read_at(&mut byte, 0).unwrap();
        assert_eq!(byte, *b"x");
        assert!(part.read_at(&mut byte, 1 << 20).is_err());
        assert!(Part::new(whole, 10 << 20, 1).is_err());
        assert_eq!(vec![1u8, 2].next_data(1).unwrap(), Some(1..2));
        assert_eq!(vec![1u8, 2].next_data(2).unwrap(), None);
    }
}
