//! gzip in the format's words: a zlib stream a block.

use flate2::{Compress as Deflate, Compression, Decompress as Inflate, FlushCompress, FlushDecompress, Status};

use super::{Codec, Compress, Decompress, garbled};
use crate::error::{Error, Result};

/// Reuses one deflate state for all blocks.
pub struct Compressor(Deflate);

impl Compressor {
    /// A compressor of `level`, 1 to 9, with a window of 32 KiB.
    pub fn new(level: i32) -> Result<Self> {
        Ok(Compressor(Deflate::new(Compression::new(level.clamp(1, 9) as u32), true)))
    }
}

impl Compress for Compressor {
    fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<bool> {
        self.0.reset();
        let start = output.len();
        output.resize(start + input.len(), 0);
        // The whole block in one call: the bytes depend on how the input is cut.
        let status = self
            .0
            .compress(input, &mut output[start..], FlushCompress::Finish)
            .map_err(|error| Error::system(format!("zlib cannot compress: {error}")))?;
        let length = self.0.total_out() as usize;
        let smaller = status == Status::StreamEnd && length < input.len();
        output.truncate(start + if smaller { length } else { 0 });
        Ok(smaller)
    }
}

/// Reuses one inflate state for all blocks.
pub struct Decompressor(Inflate);

impl Decompressor {
    /// An unpacker.
    pub fn new() -> Self {
        Decompressor(Inflate::new(true))
    }
}

impl Decompress for Decompressor {
    fn decompress(&mut self, input: &[u8], limit: usize) -> Result<Vec<u8>> {
        self.0.reset(true);
        let mut output = vec![0; limit];
        let status = self
            .0
            .decompress(input, &mut output, FlushDecompress::Finish)
            .map_err(|error| garbled(Codec::Gzip, error))?;
        if status != Status::StreamEnd {
            return Err(garbled(Codec::Gzip, "it is cut or too large"));
        }
        output.truncate(self.0.total_out() as usize);
        Ok(output)
    }
}
