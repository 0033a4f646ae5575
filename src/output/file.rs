//! A file while it is written: holes for zeros, its digest taken as it passes, on its way to the disk at once.

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};

use crate::digest::Hasher;
use crate::disk::{Direct, Sink, Target, write_filled};
use crate::report::Stage;

/// Zeros for the hash of holes.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
/// Small writes are gathered up to as many bytes.
const GATHERED: usize = 1 << 20;
/// Bytes after which the disk is told to take what was written.
const EARLY: u64 = 4 << 20;

/// A sink whose skips are holes, and which hashes all that passes where it is asked to.
pub struct FileSink<'a> {
    file: Arc<Early>,
    stage: Option<&'a Stage<'a>>,
    /// Where the next byte goes.
    position: u64,
    /// The last bytes before it, which are not in the file yet.
    gathered: Vec<u8>,
    hasher: Option<Hasher>,
}

impl<'a> FileSink<'a> {
    /// Writes to `file`, which is new; bytes go to `stage` as progress.
    pub fn new(file: &File, stage: Option<&'a Stage<'a>>, hasher: Option<Hasher>) -> io::Result<Self> {
        let file = Arc::new(Early { file: file.try_clone()?, written: Mutex::default() });
        Ok(FileSink { file, stage, position: 0, gathered: Vec::new(), hasher })
    }

    /// Writes what is left; gives the file's bytes and the hasher of all of them.
    pub fn finish(mut self) -> io::Result<(u64, Option<Hasher>)> {
        self.settle()?;
        // A hole at the end exists only through the length.
        self.file.file.set_len(self.position)?;
        Ok((self.position, self.hasher))
    }

    fn settle(&mut self) -> io::Result<()> {
        let at = self.position - self.gathered.len() as u64;
        write_filled(&*self.file, &self.gathered, at)?;
        self.gathered.clear();
        Ok(())
    }

    fn passed(&mut self, count: u64) {
        self.position += count;
        if let Some(stage) = self.stage {
            stage.advance(count);
        }
    }
}

impl Write for FileSink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(GATHERED - self.gathered.len());
        let bytes = &bytes[..count];
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.gathered.extend_from_slice(bytes);
        self.passed(count as u64);
        if self.gathered.len() == GATHERED {
            self.settle()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.settle()
    }
}

impl Sink for FileSink<'_> {
    fn skip(&mut self, length: u64) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        self.settle()?;
        if let Some(hasher) = &mut self.hasher {
            let mut rest = length;
            while rest > 0 {
                let count = rest.min(ZEROS.len() as u64);
                hasher.update(&ZEROS[..count as usize]);
                rest -= count;
            }
        }
        self.passed(length);
        Ok(())
    }

    fn reserve(&mut self, length: u64) {
        // One run of blocks for all of them, where the file system would else look for some at each write. Not
        // all file systems can, and whether the disk is full shows when it is written.
        let _ = fallocate(&self.file.file, FallocateFlags::empty(), self.position, length);
    }

    fn target(&mut self) -> io::Result<Option<Direct>> {
        self.settle()?;
        Ok(Some(Direct { file: self.file.clone(), at: self.position, seen: self.hasher.is_some() }))
    }

    fn written(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.passed(bytes.len() as u64);
        Ok(())
    }

    fn unseen(&mut self, length: u64) -> io::Result<()> {
        if self.hasher.is_some() {
            return Err(io::Error::other("bytes that were not seen have no digest"));
        }
        self.passed(length);
        Ok(())
    }
}

/// A file whose bytes are on their way to the disk while others follow, so that fsync has little left to wait for.
struct Early {
    file: File,
    /// What was written since the disk was told last: how many bytes, and between which places.
    written: Mutex<(u64, Option<Range<u64>>)>,
}

impl Target for Early {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let end = at + bytes.len() as u64;
        let due = {
            // One at a time, as the file system has it in any case: there the others would wait awake.
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            self.file.write_all_at(bytes, at)?;
            let range = written.1.take().map_or(at..end, |range| range.start.min(at)..range.end.max(end));
            *written = (written.0 + bytes.len() as u64, Some(range));
            if written.0 < EARLY { None } else { std::mem::take(&mut *written).1 }
        };
        if let Some(range) = due {
            // Linux begins to write what it is told that nobody wants to read again (POSIX_FADV_DONTNEED), and waits
            // for nothing. Where it does not, fsync does all the work, and tells what goes wrong in either case.
            let _ = fadvise(&self.file, range.start, NonZeroU64::new(range.end - range.start), Advice::DontNeed);
        }
        Ok(())
    }
}
