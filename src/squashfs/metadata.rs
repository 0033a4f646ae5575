//! Metadata blocks: what inodes, directories and tables are cut into.
//!
//! ```text
//! u16 header (bit 15: not compressed; low bits: bytes that follow) | at most 8192 bytes, compressed
//! ```

use super::codec::Compress;
use crate::error::{Error, Result};

/// Bytes of a metadata block before compression.
pub const BLOCK: usize = 8192;
/// The header's bit for a block that is not compressed.
pub const PLAIN: u16 = 1 << 15;

/// A place in a run of metadata: the block's first byte from the run's start, and the byte inside the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Where the (compressed) block begins.
    pub block: u64,
    /// The byte inside the unpacked block.
    pub offset: u16,
}

impl Place {
    /// The form of inode references and attribute references.
    pub fn packed(self) -> u64 {
        self.block << 16 | u64::from(self.offset)
    }

    /// From that form.
    pub fn unpacked(value: u64) -> Self {
        Place { block: value >> 16, offset: value as u16 }
    }

    /// The block as directories and inodes store it.
    pub fn block32(self) -> Result<u32> {
        u32::try_from(self.block).map_err(|_| Error::user("the file system's metadata is larger than 4 GiB"))
    }
}

/// Cuts bytes into metadata blocks, compressed as they fill.
pub struct Writer {
    compressor: Option<Box<dyn Compress>>,
    open: Vec<u8>,
    done: Vec<u8>,
    taken: u64,
}

impl Writer {
    /// An empty run; without a compressor blocks stay as they are.
    pub fn new(compressor: Option<Box<dyn Compress>>) -> Self {
        Writer { compressor, open: Vec::with_capacity(BLOCK), done: Vec::new(), taken: 0 }
    }

    /// Where the next byte will be.
    pub fn place(&self) -> Place {
        Place { block: self.taken + self.done.len() as u64, offset: self.open.len() as u16 }
    }

    /// Appends bytes; they may run over into the next block.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK - self.open.len()));
            self.open.extend_from_slice(now);
            bytes = rest;
            if self.open.len() == BLOCK {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// The finished blocks so far, to be written out; places go on from there.
    pub fn take(&mut self) -> Vec<u8> {
        self.taken += self.done.len() as u64;
        std::mem::take(&mut self.done)
    }

    /// Bytes of finished blocks that nobody has taken.
    pub fn waiting(&self) -> usize {
        self.done.len()
    }

    /// Bytes that were taken.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Closes the last block; all that was not taken.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.flush()?;
        Ok(self.done)
    }

    fn flush(&mut self) -> Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        pack(&mut self.compressor, &self.open, &mut self.done)?;
        self.open.clear();
        Ok(())
    }
}

/// Appends `bytes` (1 to 8192) as one block.
pub fn pack(compressor: &mut Option<Box<dyn Compress>>, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let start = out.len();
    out.extend_from_slice(&[0; 2]);
    let packed = match compressor {
        Some(compressor) => compressor.compress(bytes, out)?,
        None => false,
    };
    if !packed {
        out.extend_from_slice(bytes);
    }
    let length = (out.len() - start - 2) as u16;
    let header = if packed { length } else { length | PLAIN };
    out[start..start + 2].copy_from_slice(&header.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_headers() {
        let mut writer = Writer::new(None);
        writer.write(&[7; 5000]).unwrap();
        assert_eq!(writer.place(), Place { block: 0, offset: 5000 });
        writer.write(&[7; 5000]).unwrap();
        assert_eq!(writer.place(), Place { block: 8194, offset: 1808 });
        assert_eq!(writer.take().len(), 8194);
        assert_eq!(writer.place(), Place { block: 8194, offset: 1808 });
        let rest = writer.finish().unwrap();
        assert_eq!(rest.len(), 1810);
        assert_eq!(rest[..2], (1808u16 | PLAIN).to_le_bytes());
        assert_eq!(Place::unpacked(Place { block: 5, offset: 6 }.packed()), Place { block: 5, offset: 6 });
    }
}
