//! The bytes of a regular file, wherever they lie.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::Bytes;
use crate::digest::Digest;
use crate::error::{Context, Result};

/// One file's content: a length and the extents that hold its bytes; gaps are zero.
///
/// Trees have millions of these, so it is kept small: what few files have is behind a pointer.
#[derive(Debug, Clone)]
pub struct Content {
    length: u64,
    digest: Option<Box<Digest>>,
    extents: Extents,
}

#[derive(Debug, Clone)]
enum Extents {
    Bytes(Arc<[u8]>),
    /// All of it, from this byte of a file on.
    Range(Arc<Path>, u64),
    /// A whole file of a folder, whose path all its files share.
    Whole(Arc<PathBuf>, Box<OsStr>),
    Sparse(Box<Sparse>),
    /// From this offset of other bytes.
    Part(Arc<dyn Bytes>, u64),
}

#[derive(Debug, Clone)]
struct Sparse {
    path: Arc<Path>,
    /// Sorted, disjoint, within `length`.
    extents: Box<[Extent]>,
}

/// A piece of a file on disk that lies at `at` in the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins in the content.
    pub at: u64,
    /// Where it begins in the file on disk.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

impl Content {
    /// Bytes of our own.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        let digest = Some(Box::new(Digest::of(&bytes)));
        Content { length: bytes.len() as u64, digest, extents: Extents::Bytes(bytes) }
    }

    /// `length` bytes at `offset` of the file `path`; `digest` where it is known.
    pub fn range(path: Arc<Path>, offset: u64, length: u64, digest: Option<Digest>) -> Self {
        Content { length, digest: digest.map(Box::new), extents: Extents::Range(path, offset) }
    }

    /// The whole file `name` of `folder`, which has `length` bytes.
    pub fn whole(folder: &Arc<PathBuf>, name: &OsStr, length: u64) -> Self {
        Content { length, digest: None, extents: Extents::Whole(folder.clone(), name.into()) }
    }

    /// `length` bytes, of which only `extents` (sorted, disjoint) are not zero.
    pub fn sparse(path: Arc<Path>, length: u64, extents: Vec<Extent>) -> Self {
        Content { length, digest: None, extents: Extents::Sparse(Box::new(Sparse { path, extents: extents.into() })) }
    }

    /// `length` bytes of `whole` from `offset`, which must lie within it.
    pub fn part(whole: Arc<dyn Bytes>, offset: u64, length: u64) -> Self {
        Content { length, digest: None, extents: Extents::Part(whole, offset) }
    }

    /// The `length` bytes from `offset` on, which must lie within it; nothing is read.
    pub fn slice(&self, offset: u64, length: u64) -> Self {
        if offset == 0 && length == self.length {
            return self.clone();
        }
        let end = offset + length;
        let extents = match &self.extents {
            Extents::Bytes(bytes) => Extents::Bytes(bytes[offset as usize..end as usize].into()),
            Extents::Part(whole, start) => Extents::Part(whole.clone(), start.saturating_add(offset)),
            Extents::Range(path, start) => Extents::Range(path.clone(), start + offset),
            Extents::Whole(folder, name) => Extents::Range(folder.join(&**name).into(), offset),
            Extents::Sparse(sparse) => {
                let first = sparse.extents.partition_point(|extent| extent.at + extent.length <= offset);
                let inside = sparse.extents[first..].iter().take_while(|extent| extent.at < end).map(|extent| {
                    let at = extent.at.max(offset);
                    Extent {
                        at: at - offset,
                        offset: extent.offset + (at - extent.at),
                        length: (extent.at + extent.length).min(end) - at,
                    }
                });
                Extents::Sparse(Box::new(Sparse { path: sparse.path.clone(), extents: inside.collect() }))
            }
        };
        Content { length, digest: None, extents }
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// SHA-256 of the content, where it is known without reading.
    pub fn digest(&self) -> Option<Digest> {
        self.digest.as_deref().copied()
    }

    /// SHA-256 of the content; read where it is not known.
    pub fn sha256(&self) -> Result<Digest> {
        match self.digest() {
            Some(digest) => Ok(digest),
            None => Ok(Digest::of_reader(self.open()?)?.0),
        }
    }

    /// Whether the `length` bytes at `offset` are known to be zero without reading them.
    pub fn is_hole(&self, offset: u64, length: u64) -> bool {
        let Extents::Sparse(sparse) = &self.extents else { return false };
        let next = sparse.extents.partition_point(|extent| extent.at + extent.length <= offset);
        sparse.extents.get(next).is_none_or(|extent| extent.at >= offset.saturating_add(length))
    }

    /// The pieces on disk; none where the bytes lie elsewhere.
    fn pieces(&self) -> Cow<'_, [Extent]> {
        let offset = match &self.extents {
            Extents::Bytes(_) | Extents::Part(..) => return Cow::Borrowed(&[]),
            Extents::Sparse(sparse) => return Cow::Borrowed(&sparse.extents),
            Extents::Range(_, offset) => *offset,
            Extents::Whole(..) => 0,
        };
        Cow::Owned(vec![Extent { at: 0, offset, length: self.length }])
    }

    /// Fills `buffer` with the bytes at `offset`; an error where the content ends before.
    ///
    /// `opened` keeps the file open for the next call: many contents lie in one file.
    pub fn read_at(&self, opened: &mut Opened, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.length);
        if end.is_none() {
            return Err(crate::error::Error::bug("a read past the end of a file"));
        }
        match &self.extents {
            Extents::Bytes(bytes) => {
                let start = offset as usize;
                buffer.copy_from_slice(&bytes[start..start + buffer.len()]);
            }
            Extents::Part(whole, start) => whole.read_at(buffer, start.saturating_add(offset))?,
            extents => {
                let file = opened.file(extents)?;
                let pieces = self.pieces();
                let mut done = 0;
                while done < buffer.len() {
                    let position = offset + done as u64;
                    done += read_ranges(file, &pieces, position, &mut buffer[done..])
                        .context(|| format!("reading `{}`", extents.path().display()))?;
                }
            }
        }
        Ok(())
    }

    /// A reader from the start to the end, holes as zeros.
    ///
    /// A file on disk that is shorter than it was when the tree was made is an error.
    pub fn open(&self) -> Result<Reader> {
        let source = match &self.extents {
            Extents::Bytes(bytes) => Source::Bytes(bytes.clone()),
            Extents::Part(whole, start) => Source::Part(whole.clone(), *start),
            extents => Source::Ranges(extents.open()?, self.pieces().into()),
        };
        Ok(Reader { position: 0, length: self.length, source })
    }

    /// The whole content; an error above `limit` bytes.
    pub fn read(&self, limit: u64) -> Result<Vec<u8>> {
        if self.length > limit {
            let message = format!("a file of {} bytes is larger than the {limit} that are read", self.length);
            return Err(crate::error::Error::source(message));
        }
        let mut bytes = Vec::with_capacity(self.length as usize);
        self.open()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Extents {
    /// The file on disk; empty where the bytes lie elsewhere.
    fn path(&self) -> Cow<'_, Path> {
        match self {
            Extents::Bytes(_) | Extents::Part(..) => Cow::Borrowed(Path::new("")),
            Extents::Range(path, _) => Cow::Borrowed(path),
            Extents::Whole(folder, name) => Cow::Owned(folder.join(&**name)),
            Extents::Sparse(sparse) => Cow::Borrowed(&sparse.path),
        }
    }

    /// Whether both are certainly of one file; said without comparing whole paths.
    fn same_file(&self, other: &Extents) -> bool {
        match (self, other) {
            (Extents::Range(one, _), Extents::Range(other, _)) => Arc::ptr_eq(one, other),
            (Extents::Whole(folder, name), Extents::Whole(other, also)) => Arc::ptr_eq(folder, other) && name == also,
            (Extents::Sparse(one), Extents::Sparse(other)) => Arc::ptr_eq(&one.path, &other.path),
            _ => false,
        }
    }

    fn open(&self) -> Result<File> {
        let path = self.path();
        File::open(&path).context(|| format!("opening `{}`", path.display()))
    }
}

/// The file that was read last, kept open.
#[derive(Debug, Default)]
pub struct Opened(Option<(Extents, File)>);

impl Opened {
    fn file(&mut self, extents: &Extents) -> Result<&File> {
        let (last, file) = match self.0.take() {
            Some(last) if last.0.same_file(extents) => last,
            _ => (extents.clone(), extents.open()?),
        };
        Ok(&self.0.insert((last, file)).1)
    }
}

/// Reads a content; can be positioned.
pub struct Reader {
    position: u64,
    length: u64,
    source: Source,
}

enum Source {
    Bytes(Arc<[u8]>),
    Ranges(File, Box<[Extent]>),
    Part(Arc<dyn Bytes>, u64),
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = (buffer.len() as u64).min(self.length.saturating_sub(self.position)) as usize;
        if room == 0 {
            return Ok(0);
        }
        let buffer = &mut buffer[..room];
        let count = match &self.source {
            Source::Bytes(bytes) => {
                let start = self.position as usize;
                buffer.copy_from_slice(&bytes[start..start + room]);
                room
            }
            Source::Ranges(file, extents) => read_ranges(file, extents, self.position, buffer)?,
            Source::Part(whole, start) => {
                whole.read_at(buffer, start.saturating_add(self.position))?;
                room
            }
        };
        self.position += count as u64;
        Ok(count)
    }
}

/// Fills `buffer` from the extent at `position`, or with zeros up to the next one.
fn read_ranges(file: &File, extents: &[Extent], position: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let next = extents.partition_point(|extent| extent.at + extent.length <= position);
    let room = buffer.len() as u64;
    match extents.get(next) {
        Some(extent) if extent.at <= position => {
            let inside = position - extent.at;
            let count = room.min(extent.length - inside) as usize;
            let got = file.read_at(&mut buffer[..count], extent.offset + inside)?;
            match got {
                0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read")),
                got => Ok(got),
            }
        }
        hole => {
            let count = hole.map_or(room, |extent| room.min(extent.at - position)) as usize;
            buffer[..count].fill(0);
            Ok(count)
        }
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        self.position = target.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn holes_read_as_zeros() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"abcdef").unwrap();
        let path: Arc<Path> = file.path().into();
        let extents = vec![Extent { at: 2, offset: 1, length: 2 }, Extent { at: 6, offset: 5, length: 1 }];
        let content = Content::sparse(path, 9, extents);
        assert_eq!(content.read(9).unwrap(), b"\0\0bc\0\0f\0\0");
        for (offset, length) in [(0, 9), (0, 3), (3, 4), (3, 1), (4, 2), (7, 2), (6, 1)] {
            let expected = &b"\0\0bc\0\0f\0\0"[offset..offset + length];
            assert_eq!(content.slice(offset as u64, length as u64).read(9).unwrap(), expected);
            let bytes = Content::bytes(&b"\0\0bc\0\0f\0\0"[..]);
            assert_eq!(bytes.slice(offset as u64, length as u64).read(9).unwrap(), expected);
        }
        assert!(content.read(8).is_err());
    }

    #[test]
    fn a_shorter_file_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Content::range(file.path().into(), 0, 4, None).read(10).is_err());
        assert_eq!(Content::range(file.path().into(), 0, 0, None).read(10).unwrap(), b"");
    }
}
