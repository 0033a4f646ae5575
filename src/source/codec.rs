//! Decompression of what others packed, bounded in memory and output.

use std::io::{self, BufReader, Read};

use crate::error::{Error, Result};

/// The codecs that packages, indexes and archives use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Not compressed.
    None,
    /// gzip.
    Gzip,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
}

/// Memory that an xz stream may ask for: level 9 needs 65 MiB (`xz(1)`).
const XZ_MEMORY: u64 = 96 << 20;
/// log2 of the largest window of a zstd stream: 128 MiB, what its decoder takes by default.
const ZSTD_WINDOW: u32 = 27;

impl Codec {
    /// The codec that a file name's ending stands for.
    pub fn of_name(name: &str) -> Self {
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("gz" | "tgz") => Codec::Gzip,
            Some("xz" | "txz") => Codec::Xz,
            Some("zst" | "tzst") => Codec::Zstd,
            _ => Codec::None,
        }
    }

    /// Decompresses `reader`; more than `limit` bytes of output are an error.
    pub fn decode<'a>(self, reader: impl Read + Send + 'a, limit: u64) -> Result<Box<dyn Read + Send + 'a>> {
        let reader = BufReader::with_capacity(1 << 17, reader);
        let inner: Box<dyn Read + Send + 'a> = match self {
            Codec::None => Box::new(reader),
            Codec::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
            Codec::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED);
                let stream = stream.map_err(|error| Error::system(format!("preparing xz: {error}")))?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(reader, stream))
            }
            Codec::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Box::new(decoder)
            }
        };
        Ok(Box::new(Bounded { inner, left: limit, limit }))
    }
}

/// A reader that fails, rather than ends, past its limit.
struct Bounded<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            // Not the system's fault: the bytes are no such stream.
            _ if error.get_ref().is_some_and(|inner| inner.is::<Error>()) => error,
            _ => Error::source(format!("cannot be decompressed: {error}")).into(),
        })?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            Error::source(format!("decompresses to more than the {} bytes that are allowed", self.limit))
        })?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn all(codec: Codec, bytes: &[u8], limit: u64) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        codec.decode(bytes, limit)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn each_codec_reads_its_own_and_stops_at_the_limit() {
        let text = vec![7u8; 100_000];
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&text).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(&text).unwrap();
        let packed = [
            (Codec::None, text.clone()),
            (Codec::Gzip, gz.finish().unwrap()),
            (Codec::Xz, xz.finish().unwrap()),
            (Codec::Zstd, zstd::bulk::compress(&text, 1).unwrap()),
        ];
        for (codec, bytes) in packed {
            assert_eq!(all(codec, &bytes, 100_000).unwrap(), text);
            assert!(all(codec, &bytes, 99_999).is_err(), "{codec:?}");
            if codec != Codec::None {
                assert!(all(codec, &bytes[..bytes.len() - 3], 100_000).is_err(), "{codec:?} cut");
                assert!(all(codec, b"no such stream", 100).is_err());
            }
        }
    }

    #[test]
    fn a_dictionary_of_a_gigabyte_is_refused() {
        let mut options = liblzma::stream::LzmaOptions::new_preset(1).unwrap();
        options.dict_size(1 << 30);
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(&options);
        // Only the header is made: an encoder with such a dictionary would take gigabytes itself.
        let mut stream = liblzma::write::XzEncoder::new(Vec::new(), 1);
        stream.write_all(b"x").unwrap();
        let mut bytes = stream.finish().unwrap();
        // Block header: size, flags, filter id 0x21, 1 property byte: the dictionary's size (36 is 1 GiB).
        assert_eq!(bytes[12..16], [2, 0, 0x21, 1]);
        bytes[16] = 36;
        let crc = crc32(&bytes[12..20]);
        bytes[20..24].copy_from_slice(&crc.to_le_bytes());
        assert!(all(Codec::Xz, &bytes, 100).is_err());
    }

    fn crc32(bytes: &[u8]) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    }
}
