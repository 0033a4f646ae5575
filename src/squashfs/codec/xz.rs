//! xz: one stream a block, CRC32 (the kernel's reader knows no other check), a dictionary as large as the block.

use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};

use super::{Codec, Compress, Decompress, garbled};
use crate::error::{Error, Result};

/// The least dictionary that xz takes is 4 KiB; metadata blocks are twice that.
const LEAST_DICTIONARY: u32 = 8192;

/// What an unpacker may take: the largest dictionary of the format is 1 MiB.
const DECODER_MEMORY: u64 = 16 << 20;

/// A compressor: its options only, as liblzma's state cannot be used again.
pub struct Compressor {
    preset: u32,
    dictionary: u32,
}

impl Compressor {
    /// A compressor of `level`, 0 to 9, for blocks of at most `block` bytes.
    pub fn new(level: i32, block: u32) -> Self {
        Compressor { preset: level.clamp(0, 9) as u32, dictionary: block.max(LEAST_DICTIONARY) }
    }

    fn stream(&self) -> Result<Stream, liblzma::stream::Error> {
        let mut options = LzmaOptions::new_preset(self.preset)?;
        options.dict_size(self.dictionary);
        Stream::new_stream_encoder(Filters::new().lzma2(&options), Check::Crc32)
    }
}

impl Compress for Compressor {
    fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<bool> {
        let bad = |error| Error::system(format!("xz cannot compress: {error}"));
        let mut stream = self.stream().map_err(bad)?;
        let start = output.len();
        output.resize(start + input.len(), 0);
        let status = stream.process(input, &mut output[start..], Action::Finish).map_err(bad)?;
        let length = stream.total_out() as usize;
        // Anything but the end means that the room, which is the input's size, was too small.
        let smaller = status == Status::StreamEnd && length < input.len();
        output.truncate(start + if smaller { length } else { 0 });
        Ok(smaller)
    }
}

/// An unpacker.
pub struct Decompressor;

impl Decompress for Decompressor {
    fn decompress(&mut self, input: &[u8], limit: usize) -> Result<Vec<u8>> {
        let bad = |error| garbled(Codec::Xz, error);
        let mut stream = Stream::new_stream_decoder(DECODER_MEMORY, 0).map_err(bad)?;
        let mut output = vec![0; limit];
        match stream.process(input, &mut output, Action::Finish).map_err(bad)? {
            Status::StreamEnd => {}
            _ => return Err(garbled(Codec::Xz, "it is cut or too large")),
        }
        output.truncate(stream.total_out() as usize);
        Ok(output)
    }
}
