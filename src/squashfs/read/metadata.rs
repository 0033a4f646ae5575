//! Metadata blocks, read and kept for a while; and a cursor that runs over their ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bytes::Bytes;
use crate::error::{Error, Result};
use crate::squashfs::codec::{Codec, Decompress};
use crate::squashfs::metadata::{BLOCK, PLAIN, Place};

/// As many blocks as are kept, 8 KiB each.
const KEPT: usize = 1024;

/// A metadata block, unpacked.
pub struct Unpacked {
    bytes: Vec<u8>,
    /// Where the next one begins.
    next: u64,
}

/// Unpacks blocks of an image.
pub struct Blocks {
    source: Box<dyn Bytes>,
    /// Nothing of the image lies behind this.
    end: u64,
    decompressor: Mutex<Box<dyn Decompress>>,
    kept: Mutex<HashMap<u64, Arc<Unpacked>>>,
}

impl Blocks {
    /// Of an image that ends at `end`.
    pub fn new(source: Box<dyn Bytes>, codec: Codec, end: u64) -> Result<Self> {
        let end = end.min(source.length());
        Ok(Blocks { source, end, decompressor: Mutex::new(codec.decompressor()?), kept: Mutex::default() })
    }

    /// The bytes at a place, as they are.
    pub fn raw(&self, at: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.inside(at, length)?];
        self.source.read_at(&mut bytes, at)?;
        Ok(bytes)
    }

    /// Fills `out` with the bytes at a place, as they are.
    pub fn raw_into(&self, at: u64, out: &mut [u8]) -> Result<()> {
        self.inside(at, out.len())?;
        Ok(self.source.read_at(out, at)?)
    }

    /// The length, where that many bytes from `at` on are inside the image.
    fn inside(&self, at: u64, length: usize) -> Result<usize> {
        match at.checked_add(length as u64) {
            Some(end) if end <= self.end => Ok(length),
            _ => Err(Error::source("something of it lies past its end")),
        }
    }

    /// Unpacks `bytes`; an error above `limit` bytes.
    pub fn unpack(&self, bytes: &[u8], limit: usize) -> Result<Vec<u8>> {
        self.decompressor.lock().unwrap_or_else(PoisonError::into_inner).decompress(bytes, limit)
    }

    /// The metadata block at a place of the image.
    fn block(&self, at: u64) -> Result<Arc<Unpacked>> {
        if let Some(block) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&at) {
            return Ok(block.clone());
        }
        let header = self.raw(at, 2)?;
        let header = u16::from_le_bytes([header[0], header[1]]);
        let length = usize::from(header & !PLAIN);
        if length == 0 || length > BLOCK {
            return Err(Error::source(format!("a metadata block of `{length}` bytes")).hint("expected 1 to 8192"));
        }
        let mut bytes = self.raw(at + 2, length)?;
        if header & PLAIN == 0 {
            bytes = self.unpack(&bytes, BLOCK)?;
        }
        if bytes.is_empty() {
            return Err(Error::source("an empty metadata block"));
        }
        let block = Arc::new(Unpacked { bytes, next: at + 2 + length as u64 });
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(at, block.clone());
        Ok(block)
    }

    /// A cursor at `place` of the run of metadata that begins at `base`.
    pub fn cursor(&self, base: u64, place: Place) -> Result<Cursor<'_>> {
        let at = base.checked_add(place.block).ok_or_else(|| Error::source("something of it lies past its end"))?;
        Ok(Cursor { blocks: self, block: self.block(at)?, offset: usize::from(place.offset) })
    }
}

/// Reads metadata forward.
pub struct Cursor<'b> {
    blocks: &'b Blocks,
    block: Arc<Unpacked>,
    offset: usize,
}

impl Cursor<'_> {
    /// Fills `out`.
    pub fn read(&mut self, mut out: &mut [u8]) -> Result<()> {
        while !out.is_empty() {
            if self.offset == self.block.bytes.len() {
                self.block = self.blocks.block(self.block.next)?;
                self.offset = 0;
            }
            let rest = self.block.bytes.get(self.offset..).unwrap_or_default();
            let count = rest.len().min(out.len());
            if count == 0 {
                return Err(Error::source("a place behind the end of its metadata block"));
            }
            let (now, later) = out.split_at_mut(count);
            now.copy_from_slice(&rest[..count]);
            self.offset += count;
            out = later;
        }
        Ok(())
    }

    /// Some bytes; the caller bounds the length.
    pub fn bytes(&mut self, length: usize) -> Result<Box<[u8]>> {
        let mut bytes = vec![0; length];
        self.read(&mut bytes)?;
        Ok(bytes.into())
    }

    /// A little-endian number of 16 bits.
    pub fn half(&mut self) -> Result<u16> {
        let mut bytes = [0; 2];
        self.read(&mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    /// A little-endian number of 32 bits.
    pub fn word(&mut self) -> Result<u32> {
        let mut bytes = [0; 4];
        self.read(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// A little-endian number of 64 bits.
    pub fn long(&mut self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.read(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}
