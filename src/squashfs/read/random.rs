//! The bytes of a file, read at any place.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::file::Layout;
use super::{Image, Node};
use crate::bytes::Bytes;
use crate::error::{Context, Result};
use crate::squashfs::inode::PLAIN;

/// A regular file of an image; the block that was read last is kept.
pub struct OpenFile<'i> {
    image: &'i Image,
    layout: Layout,
    /// Where each block lies in the image, one more for the end.
    starts: Vec<u64>,
    kept: Mutex<Option<(usize, Arc<Vec<u8>>)>>,
}

impl Image {
    /// Opens a regular file.
    pub fn open_file(&self, node: &Node) -> Result<OpenFile<'_>> {
        let layout = self.layout(node).context(|| format!("reading `{}`", node.path))?;
        let mut at = layout.start;
        let mut starts = vec![at];
        for stored in &layout.blocks {
            at = at.saturating_add(u64::from(stored & !PLAIN));
            starts.push(at);
        }
        Ok(OpenFile { image: self, layout, starts, kept: Mutex::new(None) })
    }
}

impl OpenFile<'_> {
    /// The block of that number; the tail in a fragment counts as the last.
    fn block(&self, number: usize) -> Result<Arc<Vec<u8>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((last, block)) = &*kept
            && *last == number
        {
            return Ok(block.clone());
        }
        let block = Arc::new(self.read_block(number)?);
        *kept = Some((number, block.clone()));
        Ok(block)
    }

    fn read_block(&self, number: usize) -> Result<Vec<u8>> {
        let size = u64::from(self.image.block_size());
        let left = self.layout.size.saturating_sub((number as u64).saturating_mul(size));
        let expected = left.min(size) as usize;
        match (self.layout.blocks.get(number), self.starts.get(number), self.layout.fragment) {
            (Some(0), ..) => Ok(vec![0; expected]),
            (Some(stored), Some(at), _) => self.image.data_block(*at, *stored, expected),
            (None, _, Some(place)) => self.image.tail(Some(place), expected as u64),
            _ => Ok(Vec::new()),
        }
    }
}

impl fmt::Debug for OpenFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a file of {} bytes", self.layout.size)
    }
}

impl Bytes for OpenFile<'_> {
    fn length(&self) -> u64 {
        self.layout.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let size = u64::from(self.image.block_size());
        let (mut at, mut buffer) = (offset, buffer);
        while !buffer.is_empty() {
            let block = self.block(usize::try_from(at / size).unwrap_or(usize::MAX))?;
            let from = (at % size) as usize;
            let rest = block.get(from..).unwrap_or_default();
            if rest.is_empty() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "reading past the end"));
            }
            let count = rest.len().min(buffer.len());
            let (now, later) = buffer.split_at_mut(count);
            now.copy_from_slice(&rest[..count]);
            buffer = later;
            at += count as u64;
        }
        Ok(())
    }
}
