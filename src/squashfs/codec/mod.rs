//! Codecs of squashfs 4.0 behind one interface: a block in, a smaller block or nothing out.
//!
//! Output bytes depend on the codec's library alone, whose version is pinned; a compressor
//! carries no state from one block to the next that could show in the bytes.

mod gzip;
mod lz4;
mod xz;
mod zstd;

pub use crate::profile::Codec;

use crate::error::{Error, Result};

/// Compresses blocks, one after the other; one per thread.
pub trait Compress: Send {
    /// Appends `input` compressed to `output`; false (and `output` as it was) where it would not become smaller.
    fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<bool>;
}

/// Unpacks blocks; one per thread.
pub trait Decompress: Send {
    /// `input` unpacked; an error where that is more than `limit` bytes.
    fn decompress(&mut self, input: &[u8], limit: usize) -> Result<Vec<u8>>;
}

impl Codec {
    /// The number in the superblock; an image without compression says gzip and never uses it.
    pub fn id(self) -> u16 {
        match self {
            Codec::Gzip | Codec::None => 1,
            Codec::Xz => 4,
            Codec::Lz4 => 5,
            Codec::Zstd => 6,
        }
    }

    /// The codec of a superblock's number.
    pub fn from_id(id: u16) -> Result<Self> {
        match id {
            1 => Ok(Codec::Gzip),
            4 => Ok(Codec::Xz),
            5 => Ok(Codec::Lz4),
            6 => Ok(Codec::Zstd),
            _ => Err(Error::source(format!("unknown squashfs compressor `{id}`"))
                .hint("gzip (1), xz (4), lz4 (5) and zstd (6) are read")),
        }
    }

    /// Its name in profiles and flags.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Zstd => "zstd",
            Codec::Xz => "xz",
            Codec::Gzip => "gzip",
            Codec::Lz4 => "lz4",
            Codec::None => "none",
        }
    }

    /// The levels that it takes, the default last; none where it has no levels.
    pub fn levels(self) -> Option<(std::ops::RangeInclusive<i32>, i32)> {
        match self {
            Codec::Zstd => Some((1..=22, 15)),
            Codec::Xz => Some((0..=9, 6)),
            Codec::Gzip => Some((1..=9, 9)),
            Codec::Lz4 | Codec::None => None,
        }
    }

    /// Bytes that one compressor of blocks of `block` bytes takes, roughly and from above.
    pub(super) fn memory(self, block: u32) -> u64 {
        let block = u64::from(block);
        match self {
            // Tables of the optimal parser: hash, chain and the block's own sequences.
            Codec::Zstd => (1 << 20) + 24 * block,
            Codec::Xz => (1 << 20) + 12 * block,
            Codec::Gzip | Codec::Lz4 | Codec::None => 1 << 20,
        }
    }

    /// An unpacker; an image that says "not compressed" everywhere never asks it.
    pub fn decompressor(self) -> Result<Box<dyn Decompress>> {
        Ok(match self {
            Codec::Zstd => Box::new(zstd::Decompressor::new()?),
            Codec::Xz => Box::new(xz::Decompressor),
            Codec::Gzip | Codec::None => Box::new(gzip::Decompressor::new()),
            Codec::Lz4 => Box::new(lz4::Decompressor),
        })
    }
}

/// How blocks of one image are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// The codec.
    pub codec: Codec,
    /// Its level; of no meaning to a codec without levels.
    pub level: i32,
    /// Bytes of a data block.
    pub block: u32,
}

impl Method {
    /// A compressor; none for [`Codec::None`].
    pub fn compressor(&self) -> Result<Option<Box<dyn Compress>>> {
        Ok(match self.codec {
            Codec::Zstd => Some(Box::new(zstd::Compressor::new(self.level)?)),
            Codec::Xz => Some(Box::new(xz::Compressor::new(self.level, self.block))),
            Codec::Gzip => Some(Box::new(gzip::Compressor::new(self.level)?)),
            Codec::Lz4 => Some(Box::new(lz4::Compressor::new())),
            Codec::None => None,
        })
    }

    /// What stands behind the superblock about the compressor; none where every value is the format's default.
    pub fn options(&self) -> Option<Vec<u8>> {
        let level = self.level.to_le_bytes();
        match self.codec {
            Codec::Zstd if self.level != 15 => Some(level.to_vec()),
            // Level, window of 2^15, strategies (0: the default one).
            Codec::Gzip if self.level != 9 => Some([&level[..], &[15, 0, 0, 0]].concat()),
            // The kernel refuses lz4 without them: version 1 ("legacy", raw blocks), no flags.
            Codec::Lz4 => Some([1u32.to_le_bytes(), 0u32.to_le_bytes()].concat()),
            // The dictionary is the block, which is what readers assume.
            Codec::Zstd | Codec::Gzip | Codec::Xz | Codec::None => None,
        }
    }
}

/// The error of a block that does not unpack.
fn garbled(codec: Codec, why: impl std::fmt::Display) -> Error {
    Error::source(format!("a {} block does not unpack: {why}", codec.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Codec; 4] = [Codec::Zstd, Codec::Xz, Codec::Gzip, Codec::Lz4];

    #[test]
    fn a_block_comes_back_and_the_second_does_not_depend_on_the_first() {
        let text: Vec<u8> = (0..100_000u32).flat_map(|n| (n / 7).to_le_bytes()).take(131_072).collect();
        for codec in ALL {
            let level = codec.levels().map_or(0, |(_, level)| level);
            let mut compressor = Method { codec, level, block: 131_072 }.compressor().unwrap().unwrap();
            let (mut first, mut second) = (vec![1, 2], Vec::new());
            assert!(compressor.compress(&text, &mut first).unwrap(), "{codec:?}");
            assert!(compressor.compress(&text[..5000], &mut Vec::new()).unwrap());
            assert!(compressor.compress(&text, &mut second).unwrap());
            assert_eq!(first[2..], second[..], "{codec:?}");
            let back = codec.decompressor().unwrap().decompress(&second, 131_072).unwrap();
            assert!(back == text, "{codec:?}");
        }
    }

    #[test]
    fn what_does_not_shrink_is_refused_and_bombs_too() {
        let noise: Vec<u8> = (0..512u32).flat_map(|n| crate::digest::Digest::of(&n.to_le_bytes()).0).collect();
        for codec in ALL {
            let level = codec.levels().map_or(0, |(_, level)| level);
            let mut compressor = Method { codec, level, block: 131_072 }.compressor().unwrap().unwrap();
            let mut output = vec![9];
            assert!(!compressor.compress(&noise, &mut output).unwrap(), "{codec:?}");
            assert_eq!(output, [9]);
            assert!(compressor.compress(&[0; 100_000], &mut output).unwrap());
            let mut decompressor = codec.decompressor().unwrap();
            assert!(decompressor.decompress(&output[1..], 99_999).is_err(), "{codec:?}");
            assert_eq!(decompressor.decompress(&output[1..], 100_000).unwrap().len(), 100_000);
            assert!(decompressor.decompress(&[0xff; 9], 100).is_err());
            assert!(decompressor.decompress(b"", 100).is_err());
        }
    }
}
