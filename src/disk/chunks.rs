//! Chunks of a disk that are not zeros: what formats with tables write.

use super::Disk;
use super::zeros::{PIECE, is_zero};
use crate::error::{Error, Result};
use crate::tree::Opened;
use crate::work::Queue;

/// Bytes that a thread looks at in one go, and reads at once at most.
const BATCH: u64 = 4 << 20;
const MOST: u64 = 256 << 10;

/// What a thread keeps.
#[derive(Default)]
struct Look {
    opened: Opened,
    buffer: Vec<u8>,
}

impl Disk {
    /// The numbers of the chunks of `size` bytes that hold anything but zeros, sorted; looked at by `jobs` threads,
    /// which read no more of a chunk than they must.
    ///
    /// They depend on the disk's bytes alone, not on where a file of it happens to have holes: so does
    /// every format that leaves the other chunks out.
    pub fn chunks(&self, size: u64, jobs: usize) -> Result<Vec<u64>> {
        let disk = self.clone();
        let mut queue = Queue::new(jobs, Look::default, move |look, range: (u64, u64)| {
            let mut full = Vec::new();
            for number in range.0..range.1 {
                if disk.is_filled(look, number * size, size)? {
                    full.push(number);
                }
            }
            Ok::<_, Error>(full)
        });
        let mut found = Vec::new();
        for range in self.touched(size, BATCH.div_ceil(size)) {
            if let Some(full) = queue.push(range)? {
                found.extend(full?);
            }
        }
        while let Some(full) = queue.pop()? {
            found.extend(full?);
        }
        Ok(found)
    }

    /// Whether the `length` bytes from `at` on hold anything but zeros.
    fn is_filled(&self, look: &mut Look, at: u64, length: u64) -> Result<bool> {
        for extent in self.slice(at, length, 0) {
            // Data shows in its first bytes; where it does not, in larger and larger steps.
            let (mut done, mut step) = (0, PIECE as u64);
            while done < extent.content.len() {
                let count = step.min(extent.content.len() - done);
                look.buffer.resize(count as usize, 0);
                extent.content.read_at(&mut look.opened, done, &mut look.buffer)?;
                if !is_zero(&look.buffer) {
                    return Ok(true);
                }
                done += count;
                step = MOST.min(step * 4);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
