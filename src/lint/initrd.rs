//! The initrd: its size, and whether it is read to its end.

use std::collections::BTreeSet;

use super::finding::{Finding, Rule};
use crate::boot::archives;
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
    let read = archives::read(bytes, MAX_UNPACKED, &mut |member, _| {
        contents.modules.extend(module(&member.path));
        Ok(())
    });
    match read {
        Ok(whole) => contents.partly = !whole,
        Err(error) => {
            out.push(WHOLE.broken(format!("`{path}`: {}", error.message())));
            contents.partly = true;
        }
    }
    contents
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
