//! A disk in blocks of one size, each of them somewhere in a file, or nowhere.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bytes::Bytes;

/// Unpacked blocks, and tables, that are kept.
const KEPT: usize = 32;
/// Bytes behind which data of many blocks is told as one piece no further.
const RUN: u64 = 64 << 20;

/// Where a block's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is zeros.
    Nowhere,
    /// As they are, from this byte of the file on.
    Plain(u64),
    /// Packed: the number by which [`Map::unpack`] finds it, each block's its own.
    Packed(u64),
}

/// The tables of a format.
pub trait Map: fmt::Debug + Send + Sync {
    /// Bytes of the disk.
    fn size(&self) -> u64;

    /// Bytes of a block, at least 512.
    fn block(&self) -> u64;

    /// The block's place in `file`; only for blocks that begin within the disk.
    fn place(&self, file: &dyn Bytes, number: u64) -> io::Result<Place>;

    /// A number above `number`, which is nowhere, before which all blocks are nowhere as well.
    fn absent_up_to(&self, _file: &dyn Bytes, number: u64) -> io::Result<u64> {
        Ok(number + 1)
    }

    /// The block of [`Place::Packed`]; `out` is as large as a block, and all of it is overwritten.
    fn unpack(&self, _file: &dyn Bytes, _packed: u64, _out: &mut [u8]) -> io::Result<()> {
        Err(bad("no block of this format is packed"))
    }
}

/// A file, read as the disk that its tables describe.
#[derive(Debug)]
pub struct Mapped<M> {
    file: Arc<dyn Bytes>,
    map: M,
    unpacked: Kept<Vec<u8>>,
    /// Data that the file told of last: where it is in memory, asking looks through all that follows.
    told: Mutex<Range<u64>>,
}

impl<M: Map> Mapped<M> {
    /// The disk that `map` finds in `file`.
    pub fn new(file: Arc<dyn Bytes>, map: M) -> Self {
        Mapped { file, map, unpacked: Kept::default(), told: Mutex::default() }
    }
}

/// What one block tells of the bytes from some place on.
enum Seen {
    /// The first that are not known to be zero; all before them are.
    Data(Range<u64>),
    /// All are zeros up to this place, which is further on.
    Zeros(u64),
}

impl<M: Map> Mapped<M> {
    /// What the block of the byte `at`, which lies within the disk, tells of what begins there.
    fn look(&self, at: u64) -> io::Result<Seen> {
        let (size, block) = (self.map.size(), self.map.block());
        let number = at / block;
        let end = (number + 1).saturating_mul(block).min(size);
        match self.map.place(&*self.file, number)? {
            Place::Nowhere => {
                let next = self.map.absent_up_to(&*self.file, number)?.max(number + 1);
                Ok(Seen::Zeros(next.saturating_mul(block)))
            }
            // Holes of the file are holes of the disk.
            Place::Plain(host) => {
                let host = host.checked_add(at % block).ok_or_else(past_end)?;
                let upto = host.checked_add(end - at).ok_or_else(past_end)?;
                let found = self.next_in_file(host)?.filter(|data| data.start < upto);
                match found {
                    Some(data) => Ok(Seen::Data(at + (data.start - host)..at + (data.end - host).min(end - at))),
                    // Where the file ends before, reading tells.
                    None if upto > self.file.length() => Ok(Seen::Data(at..end)),
                    None => Ok(Seen::Zeros(end)),
                }
            }
            Place::Packed(_) => Ok(Seen::Data(at..end)),
        }
    }

    /// The file's next data from its byte `host` on.
    fn next_in_file(&self, host: u64) -> io::Result<Option<Range<u64>>> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.contains(&host) {
            match self.file.next_data(host)? {
                None => return Ok(None),
                Some(data) => *told = data,
            }
        }
        Ok(Some(told.start.max(host)..told.end))
    }
}

impl<M: Map> Bytes for Mapped<M> {
    fn length(&self) -> u64 {
        self.map.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > self.map.size()) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "reading past the end of the disk"));
        }
        let block = self.map.block();
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let inside = at % block;
            let count = (block - inside).min((buffer.len() - done) as u64) as usize;
            let piece = &mut buffer[done..done + count];
            match self.map.place(&*self.file, at / block)? {
                Place::Nowhere => piece.fill(0),
                Place::Plain(host) => {
                    let host = host.checked_add(inside).ok_or_else(past_end)?;
                    self.file.read_at(piece, host).map_err(|_| past_end())?;
                }
                Place::Packed(packed) if count as u64 == block => self.map.unpack(&*self.file, packed, piece)?,
                Place::Packed(packed) => {
                    let bytes = self.unpacked.get(packed, || {
                        let mut out = vec![0; block as usize];
                        self.map.unpack(&*self.file, packed, &mut out)?;
                        Ok(out)
                    })?;
                    piece.copy_from_slice(&bytes[inside as usize..inside as usize + count]);
                }
            }
            done += count;
        }
        Ok(())
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        let size = self.map.size();
        let mut at = offset;
        while at < size {
            match self.look(at)? {
                Seen::Zeros(end) => at = end,
                Seen::Data(mut data) => {
                    while data.end < size && data.end - data.start < RUN {
                        match self.look(data.end)? {
                            Seen::Data(next) if next.start == data.end => data.end = next.end,
                            _ => break,
                        }
                    }
                    return Ok(Some(data));
                }
            }
        }
        Ok(None)
    }
}

/// Values by their place in a file, or another number: all are forgotten where there are too many, since reading goes front to back.
#[derive(Debug)]
pub struct Kept<T>(Mutex<HashMap<u64, Arc<T>>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept(Mutex::default())
    }
}

impl<T> Kept<T> {
    /// The value at `at`, made where it is not kept.
    pub fn get(&self, at: u64, make: impl FnOnce() -> io::Result<T>) -> io::Result<Arc<T>> {
        if let Some(value) = self.lock().get(&at) {
            return Ok(value.clone());
        }
        let value = Arc::new(make()?);
        let mut kept = self.lock();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(at, value.clone());
        Ok(value)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An image that contradicts its format.
pub fn bad(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

fn past_end() -> io::Error {
    bad("a block lies past the end of the file")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Blocks where they are, but every eighth nowhere.
    #[derive(Debug)]
    struct Most(u64);

    impl Map for Most {
        fn size(&self) -> u64 {
            self.0
        }

        fn block(&self) -> u64 {
            512
        }

        fn place(&self, _: &dyn Bytes, number: u64) -> io::Result<Place> {
            Ok(if number % 8 == 7 { Place::Nowhere } else { Place::Plain(number * 512) })
        }
    }

    /// Bytes that count how often they are asked for data.
    #[derive(Debug)]
    struct Asked(Vec<u8>, AtomicU64);

    impl Bytes for Asked {
        fn length(&self) -> u64 {
            self.0.length()
        }

        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            self.0.read_at(buffer, offset)
        }

        fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.next_data(offset)
        }
    }

    #[test]
    fn neighbours_are_one_piece_and_the_file_is_asked_once() {
        let file = Arc::new(Asked(vec![1; 20 * 512], AtomicU64::new(0)));
        let disk = Mapped::new(file.clone(), Most(20 * 512 - 100));
        let (mut at, mut pieces) = (0, Vec::new());
        while let Some(data) = disk.next_data(at).unwrap() {
            at = data.end;
            pieces.push(data);
        }
        assert_eq!(pieces, [0..7 * 512, 8 * 512..15 * 512, 16 * 512..20 * 512 - 100]);
        assert_eq!(file.1.load(Ordering::Relaxed), 1);
        assert_eq!(disk.next_data(600).unwrap(), Some(600..7 * 512));
    }
}
