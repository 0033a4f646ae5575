//! Zstandard: one frame a block, its content size in the header, no checksum.

use zstd::bulk;

use super::{Codec, Compress, Decompress, garbled};
use crate::error::{Context, Result};

/// Reuses one context for all blocks: making one costs up to a tenth of the work.
pub struct Compressor(bulk::Compressor<'static>);

impl Compressor {
    /// A compressor of `level`, 1 to 22.
    pub fn new(level: i32) -> Result<Self> {
        bulk::Compressor::new(level).map(Compressor).context(|| "making a zstd compressor".into())
    }
}

impl Compress for Compressor {
    fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<bool> {
        let start = output.len();
        // One byte less than the input is the most that is of use; zstd takes the bound's room
        // to be faster, and its bytes do not depend on how much room there is.
        output.resize(start + zstd::zstd_safe::compress_bound(input.len()), 0);
        let length = self.0.compress_to_buffer(input, &mut output[start..]).context(|| "compressing a block".into())?;
        let smaller = length < input.len();
        output.truncate(start + if smaller { length } else { 0 });
        Ok(smaller)
    }
}

/// Reuses one context for all blocks.
pub struct Decompressor(bulk::Decompressor<'static>);

impl Decompressor {
    /// An unpacker.
    pub fn new() -> Result<Self> {
        bulk::Decompressor::new().map(Decompressor).context(|| "making a zstd unpacker".into())
    }
}

impl Decompress for Decompressor {
    fn decompress(&mut self, input: &[u8], limit: usize) -> Result<Vec<u8>> {
        if input.is_empty() {
            return Err(garbled(Codec::Zstd, "it is empty"));
        }
        self.0.decompress(input, limit).map_err(|error| garbled(Codec::Zstd, error))
    }
}
