//! Bytes that can be read at any place: a disk, a partition of it, a buffer.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{Context, Error, Result};

/// A fixed number of bytes, readable at any offset.
pub trait Bytes {
    /// How many there are.
    fn length(&self) -> u64;

    /// Fills `buffer` from `offset`; an error where that reaches past the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
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

/// A file on disk whose length was taken when it was opened.
#[derive(Debug)]
pub struct Image {
    file: File,
    length: u64,
}

impl Image {
    /// Opens `path` for reading.
    pub fn open(path: &Path) -> Result<Self> {
        let doing = || format!("opening `{}`", path.display());
        let file = File::open(path).context(doing)?;
        let meta = file.metadata().context(doing)?;
        if !meta.is_file() {
            return Err(Error::user("not a regular file").hint("expected a disk image").context(doing()));
        }
        Ok(Image { file, length: meta.len() })
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Bytes for Image {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

/// A part of other bytes.
#[derive(Clone, Copy)]
pub struct Window<'a> {
    whole: &'a dyn Bytes,
    at: u64,
    length: u64,
}

impl<'a> Window<'a> {
    /// `length` bytes of `whole` from `at`; an error where that reaches past the end.
    pub fn new(whole: &'a dyn Bytes, at: u64, length: u64) -> Result<Self> {
        match at.checked_add(length) {
            Some(end) if end <= whole.length() => Ok(Window { whole, at, length }),
            _ => Err(Error::user(format!("{length} bytes at {at} reach past the end of the image"))),
        }
    }

    /// Reads it front to back.
    pub fn reader(self) -> impl Read + use<'a> {
        Front { window: self, position: 0 }
    }
}

impl Bytes for Window<'_> {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match offset.checked_add(buffer.len() as u64) {
            Some(end) if end <= self.length => self.whole.read_at(buffer, self.at + offset),
            _ => Err(past_end()),
        }
    }
}

struct Front<'a> {
    window: Window<'a>,
    position: u64,
}

impl Read for Front<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (self.window.length - self.position).min(buffer.len() as u64) as usize;
        self.window.read_at(&mut buffer[..count], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

fn past_end() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "reading past the end")
}
