//! The initrd: its size, and whether it is read to its end.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};

use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;

use super::finding::{Finding, Rule};
use crate::error::{Error, Result};
use crate::size::human;

/// Rules of this subject.
pub const RULES: [&Rule; 2] = [&SMALL, &WHOLE];

static SMALL: Rule = Rule {
    id: "initrd-size",
    required: "an initrd of less than 384 MiB",
    why: "firmware loads the whole UKI into one piece of memory; near 512 MiB some fails",
    mend: "leave modules and firmware out of the initrd, and keep them in the root",
};
static WHOLE: Rule = Rule {
    id: "initrd-cpio",
    required: "newc archives that can be read to their trailers, packed as the kernel unpacks them",
    why: "kernel documentation, driver-api/early-userspace/buffer-format: sizes have 32 bits, so that a file of 4 GiB or more is cut off and what follows is lost in silence",
    mend: "make the initrd anew, without files of 4 GiB or more; padding between archives is NUL up to multiples of 4",
};

/// Larger ones fail on some firmware.
const MAX: u64 = 384 << 20;
/// More than this is not unpacked: the kernel itself would need twice the memory.
const MAX_UNPACKED: u64 = 4 << 30;
/// Memory that an xz stream may ask for; its header alone could ask for 4 GiB.
const XZ_MEMORY: u64 = 256 << 20;
/// Files of an initrd; a whole distribution has fewer.
const MAX_FILES: usize = 500_000;
/// Bytes of a header.
const HEADER: usize = 110;
/// PATH_MAX: the kernel skips longer names.
const MAX_NAME: u64 = 4096;

/// What was learnt of an initrd.
#[derive(Debug, Default)]
pub struct Contents {
    /// Names of the modules in it, `_` for `-`.
    pub modules: BTreeSet<String>,
    /// Whether a part was not read, so that modules may be missing.
    pub partly: bool,
}

/// Checks an initrd; gives what is in it.
pub fn check(path: &str, bytes: &[u8], out: &mut Vec<Finding>) -> Contents {
    let path = path.escape_debug();
    if bytes.len() as u64 >= MAX {
        out.push(SMALL.broken(format!("`{path}` has one of {}", human(bytes.len() as u64))));
    }
    let mut contents = Contents::default();
    if let Err(error) = archives(bytes, &mut contents) {
        out.push(WHOLE.broken(format!("`{path}`: {}", error.message())));
        contents.partly = true;
    }
    contents
}

/// Archives one behind the other, plain or packed, NUL between them.
fn archives(bytes: &[u8], contents: &mut Contents) -> Result<()> {
    let mut rest = bytes;
    let mut left = MAX_UNPACKED;
    let mut count = 0;
    loop {
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        rest = &rest[zeros..];
        if rest.is_empty() {
            return if count == 0 { Err(Error::user("it holds nothing")) } else { Ok(()) };
        }
        count += 1;
        match rest {
            [b'0', b'7', b'0', b'7', ..] => {
                let mut reader = Archive { inner: rest, position: 0, left: &mut left };
                reader.read(contents)?;
                rest = reader.inner;
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let decoder = zstd::Decoder::with_buffer(rest)?.single_frame();
                rest = packed(decoder, &mut left, contents)?.finish();
            }
            [0x1f, 0x8b, ..] => {
                rest = packed(flate2::bufread::GzDecoder::new(rest), &mut left, contents)?.into_inner();
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY, 0);
                let stream = stream.map_err(|error| Error::system(format!("preparing xz: {error}")))?;
                rest = packed(XzDecoder::new_stream(rest, stream), &mut left, contents)?.into_inner();
            }
            // lz4 in its old form, bzip2, lzma, lzo: the kernel reads them, this does not.
            [0x02, 0x21, 0x4c, 0x18, ..] | [b'B', b'Z', b'h', ..] | [0x5d, 0, 0, ..] | [0x89, b'L', b'Z', b'O', ..] => {
                contents.partly = true;
                return Ok(());
            }
            _ => return Err(Error::user(format!("byte {} begins no archive", bytes.len() - rest.len()))),
        }
    }
}

/// Reads what a decoder gives to its end, and gives the decoder back.
fn packed<R: Read>(decoder: R, left: &mut u64, contents: &mut Contents) -> Result<R> {
    let mut reader = BufReader::with_capacity(1 << 16, decoder);
    loop {
        let zeros = loop {
            let buffer = reader.fill_buf().map_err(|error| Error::user(format!("cannot be unpacked: {error}")))?;
            let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
            if zeros == 0 || zeros < buffer.len() {
                break zeros;
            }
            *left = left.checked_sub(zeros as u64).ok_or_else(too_large)?;
            reader.consume(zeros);
        };
        reader.consume(zeros);
        if reader.fill_buf().map_err(|error| Error::user(format!("cannot be unpacked: {error}")))?.is_empty() {
            return Ok(reader.into_inner());
        }
        Archive { inner: &mut reader, position: 0, left }.read(contents)?;
    }
}

fn too_large() -> Error {
    Error::user("more than 4 GiB, unpacked")
}

/// One newc archive, read front to back.
struct Archive<'a, R> {
    inner: R,
    position: u64,
    left: &'a mut u64,
}

impl<R: Read> Archive<'_, R> {
    /// Reads it to its trailer.
    fn read(&mut self, contents: &mut Contents) -> Result<()> {
        for _ in 0..MAX_FILES {
            let at = self.position;
            let mut header = [0; HEADER];
            self.fill(&mut header)?;
            if !header.starts_with(b"070701") && !header.starts_with(b"070702") {
                return Err(Error::user(format!("byte {at} of an archive is no header of a file")));
            }
            let field = |index: usize| {
                let digits = std::str::from_utf8(&header[6 + index * 8..14 + index * 8]).ok();
                digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).map(u64::from)
            };
            let (size, name) = field(6).zip(field(11)).ok_or_else(|| Error::user("a header with no numbers"))?;
            if !(1..=MAX_NAME).contains(&name) {
                return Err(Error::user(format!("a name of {name} bytes")));
            }
            let mut path = vec![0; name as usize];
            self.fill(&mut path)?;
            self.pad()?;
            let path = path.strip_suffix(b"\0").ok_or_else(|| Error::user("a name without an end"))?;
            if path == b"TRAILER!!!" {
                return Ok(());
            }
            contents.modules.extend(module(path));
            self.skip(size)?;
            self.pad()?;
        }
        Err(Error::user(format!("more than {MAX_FILES} files")))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.passed(buffer.len() as u64)?;
        self.inner.read_exact(buffer).map_err(|_| Error::user("an archive ends before its trailer"))
    }

    fn skip(&mut self, count: u64) -> Result<()> {
        self.passed(count)?;
        let skipped = std::io::copy(&mut self.inner.by_ref().take(count), &mut std::io::sink())?;
        if skipped == count { Ok(()) } else { Err(Error::user("an archive ends within a file")) }
    }

    fn pad(&mut self) -> Result<()> {
        self.skip(self.position.next_multiple_of(4) - self.position)
    }

    fn passed(&mut self, count: u64) -> Result<()> {
        self.position += count;
        *self.left = self.left.checked_sub(count).ok_or_else(too_large)?;
        Ok(())
    }
}

/// The name of the module that a path is the file of.
pub fn module(path: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(path.rsplit(|byte| *byte == b'/').next()?).ok()?;
    let (stem, rest) = name.split_once(".ko")?;
    matches!(rest, "" | ".xz" | ".zst" | ".gz").then(|| stem.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of one file.
    fn archive(name: &str, size: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, size) in [(name, size), ("TRAILER!!!", 0)] {
            let fields = [1, 0o100644, 0, 0, 1, 0, size, 0, 0, 0, 0, name.len() + 1, 0];
            out.extend(b"070701");
            fields.iter().for_each(|field| out.extend(format!("{field:08x}").bytes()));
            out.extend(name.bytes().chain([0]));
            out.resize(out.len().next_multiple_of(4), 0);
            out.resize((out.len() + size).next_multiple_of(4), b'x');
        }
        out
    }

    fn ids(bytes: &[u8]) -> (Vec<&'static str>, Contents) {
        let mut out = Vec::new();
        let contents = check("uki", bytes, &mut out);
        (out.iter().map(|finding| finding.rule.id).collect(), contents)
    }

    #[test]
    fn archives_are_read_in_every_form_one_behind_the_other() {
        let plain = archive("lib/modules/6/a-b.ko.xz", 5);
        let zstd = zstd::encode_all(&archive("c.ko", 9)[..], 1).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &[archive("d.ko.gz", 70_000), vec![0; 512], archive("e.ko", 1)].concat())
            .unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        std::io::Write::write_all(&mut xz, &archive("f.ko.zst", 3)).unwrap();
        let mut all = plain;
        for part in [zstd, gzip.finish().unwrap(), xz.finish().unwrap()] {
            all.resize(all.len().next_multiple_of(4), 0);
            all.extend(part);
        }
        let (broken, contents) = ids(&all);
        assert_eq!(broken, [""; 0]);
        assert_eq!(contents.modules.iter().map(String::as_str).collect::<Vec<_>>(), ["a_b", "c", "d", "e", "f"]);
        assert!(!contents.partly);
    }

    #[test]
    fn what_is_cut_off_or_wrapped_round_is_found() {
        let whole = archive("x", 40);
        assert_eq!(ids(&whole).0, [""; 0]);
        for length in [0, 1, 50, 120, 130, whole.len() - 20] {
            assert_eq!(ids(&whole[..length]).0, ["initrd-cpio"], "{length} bytes");
        }
        // A file of 4 GiB and 4 bytes, as tools write its size: what follows its first 4 bytes is no header.
        let mut wrapped = whole.clone();
        wrapped[54..62].copy_from_slice(b"00000004");
        assert_eq!(ids(&wrapped).0, ["initrd-cpio"]);
        let packed = zstd::encode_all(&whole[..], 1).unwrap();
        assert_eq!(ids(&packed[..packed.len() - 3]).0, ["initrd-cpio"]);
    }

    #[test]
    fn memory_that_a_header_asks_for_is_bounded() {
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        std::io::Write::write_all(&mut xz, &archive("x", 40)).unwrap();
        let mut bytes = xz.finish().unwrap();
        assert_eq!(ids(&bytes).0, [""; 0]);
        // The first block's header lies behind that of the stream: its length in words, less one; no flags;
        // LZMA2, one byte of properties: the dictionary, here of 4 GiB; a checksum.
        let end = 12 + 4 * (usize::from(bytes[12]) + 1) - 4;
        assert_eq!(bytes[13..16], [0, 0x21, 1]);
        bytes[16] = 40;
        let mut sum = flate2::Crc::new();
        sum.update(&bytes[12..end]);
        bytes[end..end + 4].copy_from_slice(&sum.sum().to_le_bytes());
        assert_eq!(ids(&bytes).0, ["initrd-cpio"]);
    }

    #[test]
    fn one_that_is_too_large_for_firmware_is_found() {
        let mut large = archive("x", 4);
        large.resize(MAX as usize, 0);
        assert_eq!(ids(&large).0, ["initrd-size"]);
        large.truncate(large.len() - 4);
        assert_eq!(ids(&large).0, [""; 0]);
    }
}
