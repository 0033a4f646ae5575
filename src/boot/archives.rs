//! An initrd, read: newc archives one behind the other, plain or packed, as the kernel unpacks them (kernel
//! documentation, `driver-api/early-userspace/buffer-format`).

use std::io::{BufRead, BufReader, Read};

use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;

use crate::error::{Error, Result};

/// Memory that an xz stream may ask for; its header alone could ask for 4 GiB.
const XZ_MEMORY: u64 = 256 << 20;
/// Files of an archive; a whole distribution has fewer.
const MAX_FILES: usize = 500_000;
/// Bytes of a header.
const HEADER: usize = 110;
/// PATH_MAX: the kernel skips longer names.
const MAX_NAME: u64 = 4096;

/// A file, folder, link or device of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name as it stands there: without a slash before it, mostly.
    pub path: Vec<u8>,
    /// Type and permissions, as `st_mode`.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// Seconds since 1970.
    pub mtime: u32,
    /// Bytes.
    pub size: u64,
    /// Major and minor number of a device.
    pub device: (u32, u32),
}

/// Tells a member and its bytes, of which as many may be read as there are.
pub type Each<'e> = dyn FnMut(&Member, &mut dyn Read) -> Result<()> + 'e;

/// Reads all archives of `bytes`, unpacked at most `limit`. Whether that is all: what is packed by lzma, lzo, bzip2 or in the
/// old form of lz4 is not read.
pub fn read(bytes: &[u8], limit: u64, each: &mut Each<'_>) -> Result<bool> {
    let mut rest = bytes;
    let mut left = Left { bytes: limit, limit };
    let mut count = 0;
    loop {
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        rest = &rest[zeros..];
        if rest.is_empty() {
            return if count == 0 { Err(Error::user("it holds nothing")) } else { Ok(true) };
        }
        count += 1;
        match rest {
            [b'0', b'7', b'0', b'7', ..] => {
                let mut reader = Archive { inner: rest, position: 0, left: &mut left };
                reader.read(each)?;
                rest = reader.inner;
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let decoder = zstd::Decoder::with_buffer(rest)?.single_frame();
                rest = packed(decoder, &mut left, each)?.finish();
            }
            [0x1f, 0x8b, ..] => {
                rest = packed(flate2::bufread::GzDecoder::new(rest), &mut left, each)?.into_inner();
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY, 0);
                let stream = stream.map_err(|error| Error::system(format!("preparing xz: {error}")))?;
                rest = packed(XzDecoder::new_stream(rest, stream), &mut left, each)?.into_inner();
            }
            [0x02, 0x21, 0x4c, 0x18, ..] | [b'B', b'Z', b'h', ..] | [0x5d, 0, 0, ..] | [0x89, b'L', b'Z', b'O', ..] => {
                return Ok(false);
            }
            _ => return Err(Error::user(format!("byte {} begins no archive", bytes.len() - rest.len()))),
        }
    }
}

/// Reads what a decoder gives to its end, and gives the decoder back.
fn packed<R: Read>(decoder: R, left: &mut Left, each: &mut Each<'_>) -> Result<R> {
    let mut reader = BufReader::with_capacity(1 << 16, decoder);
    loop {
        let zeros = loop {
            let buffer = reader.fill_buf().map_err(|error| Error::user(format!("cannot be unpacked: {error}")))?;
            let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
            if zeros == 0 || zeros < buffer.len() {
                break zeros;
            }
            left.take(zeros as u64)?;
            reader.consume(zeros);
        };
        reader.consume(zeros);
        if reader.fill_buf().map_err(|error| Error::user(format!("cannot be unpacked: {error}")))?.is_empty() {
            return Ok(reader.into_inner());
        }
        Archive { inner: &mut reader, position: 0, left }.read(each)?;
    }
}

/// Bytes that may still be unpacked.
struct Left {
    bytes: u64,
    limit: u64,
}

impl Left {
    fn take(&mut self, count: u64) -> Result<()> {
        let left = self.bytes.checked_sub(count);
        self.bytes = left.ok_or_else(|| Error::user(format!("more than {} bytes, unpacked", self.limit)))?;
        Ok(())
    }
}

/// One newc archive, read front to back.
struct Archive<'a, R> {
    inner: R,
    position: u64,
    left: &'a mut Left,
}

impl<R: Read> Archive<'_, R> {
    /// Reads it to its trailer.
    fn read(&mut self, each: &mut Each<'_>) -> Result<()> {
        for _ in 0..MAX_FILES {
            let at = self.position;
            let mut header = [0; HEADER];
            self.fill(&mut header)?;
            if !header.starts_with(b"070701") && !header.starts_with(b"070702") {
                return Err(Error::user(format!("byte {at} of an archive is no header of a file")));
            }
            let field = |index: usize| {
                let digits = std::str::from_utf8(&header[6 + index * 8..14 + index * 8]).ok();
                let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                number.ok_or_else(|| Error::user("a header with no numbers"))
            };
            let name = u64::from(field(11)?);
            if !(1..=MAX_NAME).contains(&name) {
                return Err(Error::user(format!("a name of {name} bytes")));
            }
            let mut path = vec![0; name as usize];
            self.fill(&mut path)?;
            self.pad()?;
            if path.pop() != Some(0) {
                return Err(Error::user("a name without an end"));
            }
            if path == b"TRAILER!!!" {
                return Ok(());
            }
            let member = Member {
                path,
                mode: field(1)?,
                owner: (field(2)?, field(3)?),
                mtime: field(5)?,
                size: field(6)?.into(),
                device: (field(9)?, field(10)?),
            };
            self.passed(member.size)?;
            let mut content = self.inner.by_ref().take(member.size);
            each(&member, &mut content)?;
            std::io::copy(&mut content, &mut std::io::sink())?;
            if content.limit() > 0 {
                return Err(Error::user("an archive ends within a file"));
            }
            self.pad()?;
        }
        Err(Error::user(format!("more than {MAX_FILES} files")))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.passed(buffer.len() as u64)?;
        self.inner.read_exact(buffer).map_err(|_| Error::user("an archive ends before its trailer"))
    }

    fn pad(&mut self) -> Result<()> {
        let mut zeros = [0; 4];
        let count = self.position.next_multiple_of(4) - self.position;
        self.fill(&mut zeros[..count as usize])
    }

    fn passed(&mut self, count: u64) -> Result<()> {
        self.position += count;
        self.left.take(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::cpio::{Cpio, FILE, PROGRAM};
    use crate::epoch::Epoch;

    #[test]
    fn members_come_back_with_their_bytes_and_no_more_than_is_allowed() {
        let mut cpio = Cpio::new(Epoch(7));
        cpio.entry("init", PROGRAM, (0, 0), b"init").unwrap();
        cpio.entry("zeros", FILE, (0, 0), &vec![0; 1 << 20]).unwrap();
        let packed = zstd::encode_all(&cpio.finish().unwrap()[..], 1).unwrap();
        let mut seen = Vec::new();
        let whole = read(&packed, 2 << 20, &mut |member, content| {
            // Whatever of a member is not read is passed over.
            let mut bytes = Vec::new();
            content.take(10).read_to_end(&mut bytes)?;
            seen.push((member.clone(), bytes));
            Ok(())
        });
        assert!(whole.unwrap());
        let init = Member { path: b"init".to_vec(), mode: PROGRAM, owner: (0, 0), mtime: 7, size: 4, device: (0, 0) };
        assert_eq!(seen[0], (init, b"init".to_vec()));
        assert_eq!((seen.len(), seen[1].0.size, seen[1].1.len()), (2, 1 << 20, 10));
        assert!(packed.len() < 4096);
        let refused = read(&packed, 1 << 19, &mut |_, _| Ok(())).unwrap_err();
        assert_eq!(refused.message(), "more than 524288 bytes, unpacked");
        let stopped = read(&packed, 2 << 20, &mut |_, _| Err(Error::user("enough"))).unwrap_err();
        assert_eq!(stopped.message(), "enough");
    }
}
