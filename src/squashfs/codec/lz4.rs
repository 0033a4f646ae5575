//! LZ4: a raw block, without a frame.

use lz4_flex::block;

use super::{Codec, Compress, Decompress, garbled};
use crate::error::{Error, Result};

/// A compressor.
pub struct Compressor;

impl Compressor {
    /// A compressor.
    pub fn new() -> Self {
        Compressor
    }
}

impl Compress for Compressor {
    fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<bool> {
        let start = output.len();
        output.resize(start + block::get_maximum_output_size(input.len()), 0);
        let length = block::compress_into(input, &mut output[start..])
            .map_err(|error| Error::system(format!("lz4 cannot compress: {error}")))?;
        let smaller = length < input.len();
        output.truncate(start + if smaller { length } else { 0 });
        Ok(smaller)
    }
}

/// An unpacker.
pub struct Decompressor;

impl Decompress for Decompressor {
    fn decompress(&mut self, input: &[u8], limit: usize) -> Result<Vec<u8>> {
        let mut output = vec![0; limit];
        let length = block::decompress_into(input, &mut output).map_err(|error| garbled(Codec::Lz4, error))?;
        output.truncate(length);
        Ok(output)
    }
}
