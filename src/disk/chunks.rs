//! Chunks of a disk that are not zeros: what formats with tables write.

use std::sync::{Arc, PoisonError};

use super::Disk;
use super::zeros::{Filled, PIECE, UNIT, is_zero};
use crate::error::{Error, Result};
use crate::tree::Opened;
use crate::work::Queue;

/// Bytes that a thread looks at in one go.
const BATCH: u64 = 4 << 20;

/// A thread's place for bytes.
#[derive(Default)]
struct Look {
    opened: Opened,
    buffer: Vec<u8>,
}

impl Disk {
    /// The numbers of the chunks of `size` bytes that hold anything but zeros, sorted; read by `jobs` threads,
    /// and only once for all sizes from 4 KiB on.
    ///
    /// They depend on the disk's bytes alone, not on where a file of it happens to have holes: so does
    /// every format that leaves the other chunks out.
    pub fn chunks(&self, size: u64, jobs: usize) -> Result<Vec<u64>> {
        if size >= PIECE && size.is_power_of_two() {
            return Ok(self.filled(jobs)?.chunks(size));
        }
        self.look(size, jobs, |number, bytes| (!is_zero(bytes)).then_some(number))
    }

    /// What is not zeros.
    fn filled(&self, jobs: usize) -> Result<Arc<Filled>> {
        let mut known = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(filled) = &*known {
            return Ok(filled.clone());
        }
        let filled = Arc::new(Filled::of(self.look(UNIT, jobs, Filled::unit)?));
        Ok(known.insert(filled).clone())
    }

    /// What `see` gives for the chunks of `size` bytes that are not wholly in gaps, in their order.
    fn look<T: Send + 'static>(
        &self,
        size: u64,
        jobs: usize,
        see: impl Fn(u64, &[u8]) -> Option<T> + Send + Sync + 'static,
    ) -> Result<Vec<T>> {
        let disk = self.clone();
        let mut queue = Queue::new(jobs, Look::default, move |look, range: (u64, u64)| {
            look.buffer.resize(size as usize, 0);
            let mut seen = Vec::new();
            for number in range.0..range.1 {
                disk.read_at(&mut look.opened, number * size, &mut look.buffer)?;
                seen.extend(see(number, &look.buffer));
            }
            Ok::<_, Error>(seen)
        });
        let mut all = Vec::new();
        for range in self.touched(size, BATCH.div_ceil(size)) {
            if let Some(seen) = queue.push(range)? {
                all.extend(seen?);
            }
        }
        while let Some(seen) = queue.pop()? {
            all.extend(seen?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Extent;
    use crate::tree::Content;

    #[test]
    fn chunks_follow_the_bytes_not_the_holes() {
        let mut bytes = vec![0; 10_000];
        bytes[4096] = 1;
        bytes[9_999] = 1;
        let whole = Disk::of(Arc::new(bytes)).unwrap();
        let piece = |at, byte: u8| Extent { at, content: Content::bytes(vec![byte]) };
        let pieces = Disk::new(10_000, vec![piece(4096, 1), piece(6000, 0), piece(9_999, 1)]).unwrap();
        for disk in [whole, pieces] {
            for (size, expected) in [(512, vec![8, 19]), (4096, vec![1, 2]), (65_536, vec![0])] {
                assert_eq!(disk.chunks(size, 3).unwrap(), expected);
            }
        }
    }
}
