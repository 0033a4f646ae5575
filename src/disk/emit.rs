//! A disk on its way into a file: read by several threads, and written by them where the file allows it.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::Disk;
use super::zeros::runs;
use crate::error::{Error, Result};
use crate::tree::Opened;
use crate::work::Queue;

/// Bytes moved at once: large enough that system calls do not count.
const PIECE: u64 = 1 << 20;
/// Zeros that are left out of a file where there are as many in one place: fewer are cheaper to write than to skip.
const GAP: usize = 32 << 10;
/// More threads than these only wait for the disk, and each holds pieces.
const THREADS: usize = 4;
/// Threads for each that may compute: others go on while one waits for the disk.
const WAITING: usize = 2;

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

    /// Tells that the next `length` bytes come, next to none of them in long runs of zeros: room for them can be
    /// made at once. A hint: where none can be made, what is written later tells why.
    fn reserve(&mut self, _length: u64) {}

    /// A file that any thread may write to; [`Sink::written`] or [`Sink::unseen`] must be told of all of that, front
    /// to back.
    fn target(&mut self) -> io::Result<Option<Direct>> {
        Ok(None)
    }

    /// Takes note of the next bytes, which are in [`Sink::target`] already.
    fn written(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    /// The same where the bytes are not at hand: an error if the sink must see them.
    fn unseen(&mut self, _length: u64) -> io::Result<()> {
        Err(io::Error::other("bytes that the sink must see"))
    }
}

impl Sink for Vec<u8> {}

/// Where the bytes of a sink go when others than the sink write them.
pub struct Direct {
    /// The file.
    pub file: Arc<dyn Target>,
    /// The place in it where what comes next goes.
    pub at: u64,
    /// Whether the sink must see the bytes, and not only learn how many there were.
    pub seen: bool,
}

/// A new file, which reads as zeros where nothing was written.
pub trait Target: Send + Sync {
    /// Writes at a place; places are written once.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
}

/// Writes `bytes` at a place of a file, but for long runs of zeros: they are there already.
pub fn write_filled(target: &dyn Target, bytes: &[u8], at: u64) -> io::Result<()> {
    runs(bytes, GAP).try_for_each(|run| target.write_at(&bytes[run.clone()], at + run.start as u64))
}

/// Buffers that were used and can be again.
#[derive(Clone, Default)]
struct Spare(Arc<Mutex<Vec<Vec<u8>>>>);

impl Spare {
    fn take(&self, length: usize) -> Vec<u8> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        buffer.resize(length, 0);
        buffer
    }

    fn give(&self, buffer: Vec<u8>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

impl Disk {
    /// Emits the disk front to back, read by `jobs` threads; gaps go through [`Sink::skip`].
    pub fn emit(&self, jobs: usize, sink: &mut (impl Sink + ?Sized)) -> Result<()> {
        let target = sink.target()?;
        let (disk, spare) = (self.clone(), Spare::default());
        let (used, direct) = (spare.clone(), target.is_some());
        // Where nobody else looks into a buffer, the next piece finds it free at once, and still in the cache.
        let seen = target.as_ref().is_none_or(|target| target.seen);
        let threads = jobs.saturating_mul(WAITING).min(THREADS);
        let mut queue = Queue::new(threads, Opened::default, move |opened, at: u64| {
            let mut buffer = spare.take((disk.len() - at).min(PIECE) as usize);
            disk.read_at(opened, at, &mut buffer)?;
            if let Some(target) = &target {
                write_filled(&*target.file, &buffer, target.at + at)?;
            }
            if seen {
                return Ok(Some(buffer));
            }
            spare.give(buffer);
            Ok::<_, Error>(None)
        });
        let mut position = 0;
        // What is in flight: the places of the pieces whose bytes are still to come.
        let mut places = VecDeque::new();
        let mut put = |places: &mut VecDeque<u64>, piece: Result<Option<Vec<u8>>>| {
            let (piece, at) = (piece?, places.pop_front().unwrap_or(position));
            let length = (self.len() - at).min(PIECE);
            sink.skip(at - position)?;
            match &piece {
                None => sink.unseen(length)?,
                Some(buffer) if direct => sink.written(buffer)?,
                Some(buffer) => sink.write_all(buffer)?,
            }
            position = at + length;
            piece.into_iter().for_each(|buffer| used.give(buffer));
            Ok::<_, Error>(())
        };
        for (number, _) in self.touched(PIECE, 1) {
            let at = number * PIECE;
            places.push_back(at);
            if let Some(piece) = queue.push(at)? {
                put(&mut places, piece)?;
            }
        }
        while let Some(piece) = queue.pop()? {
            put(&mut places, piece)?;
        }
        sink.skip(self.len() - position)?;
        Ok(())
    }
}
