//! Where an image's bytes come from: a file, a part of one, or memory.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use crate::error::{Context, Error, Result};

/// Bytes that can be read at any place.
pub enum Source {
    /// A part of a file: where it begins, and its length.
    File(File, u64, u64),
    /// In memory.
    Bytes(Vec<u8>),
}

impl Source {
    /// The part of `file` from `offset` on, as long as `length` or to the end.
    pub fn part(mut file: File, offset: u64, length: Option<u64>) -> Result<Self> {
        // Of a block device the metadata does not tell.
        let whole = file.seek(SeekFrom::End(0)).context(|| "measuring the image".into())?;
        let rest = whole.checked_sub(offset);
        match (rest, length) {
            (Some(rest), None) => Ok(Source::File(file, offset, rest)),
            (Some(rest), Some(length)) if length <= rest => Ok(Source::File(file, offset, length)),
            _ => Err(Error::source("the image ends past the end of its file")),
        }
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        match self {
            Source::File(_, _, length) => *length,
            Source::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// Fills `buffer` from `at` on; an error where that is past the end.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<()> {
        let end = at.checked_add(buffer.len() as u64).filter(|end| *end <= self.len());
        let end = end.ok_or_else(|| Error::source("something of it lies past its end"))?;
        match self {
            Source::File(file, offset, _) => file.read_exact_at(buffer, offset + at)?,
            Source::Bytes(bytes) => buffer.copy_from_slice(&bytes[at as usize..end as usize]),
        }
        Ok(())
    }
}
