//! One header of a tar archive: ustar, GNU or the old form.

use crate::error::{Error, Result};

/// Bytes of a header, and what everything is rounded up to.
pub const BLOCK: usize = 512;

/// What a header says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// The name, without what extended headers say.
    pub name: Vec<u8>,
    /// The target of a link.
    pub link: Vec<u8>,
    /// Permission bits.
    pub mode: u16,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Bytes of content that follow.
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: u64,
    /// The type's letter.
    pub kind: u8,
    /// Numbers of a device.
    pub device: (u32, u32),
}

impl Header {
    /// Reads one; none where the block is all zeros, which ends an archive.
    pub fn parse(block: &[u8; BLOCK]) -> Result<Option<Self>> {
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let sum = |value: fn(u8) -> i64| -> i64 {
            let blank = |at| if (148..156).contains(&at) { i64::from(b' ') } else { value(block[at]) };
            (0..BLOCK).map(blank).sum()
        };
        let stored = i64::try_from(number(&block[148..156])?).unwrap_or(-1);
        // Some old programs added signed bytes.
        if stored != sum(i64::from) && stored != sum(|byte| i64::from(byte as i8)) {
            return Err(Error::source("it is no tar archive, or it is damaged").hint("a header's checksum is wrong"));
        }
        let mut name = text(&block[..100]).to_vec();
        // GNU tar keeps times where ustar keeps the front of a long name.
        let prefix = text(&block[345..500]);
        if &block[257..263] == b"ustar\0" && !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        let small = |field: &[u8]| -> Result<u32> {
            u32::try_from(number(field)?).map_err(|_| Error::source("a device number above 2^32"))
        };
        Ok(Some(Header {
            name,
            link: text(&block[157..257]).to_vec(),
            mode: (number(&block[100..108])? & 0o7777) as u16,
            uid: number(&block[108..116])?,
            gid: number(&block[116..124])?,
            size: number(&block[124..136])?,
            mtime: number(&block[136..148])?,
            kind: block[156],
            device: (small(&block[329..337])?, small(&block[337..345])?),
        }))
    }
}

/// Bytes up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Octal digits, or, with the first bit set, a big-endian number; below 0 is 0.
fn number(field: &[u8]) -> Result<u64> {
    let bad = || Error::source(format!("the number `{}` in a tar header", field.escape_ascii()));
    let (first, rest) = field.split_first().ok_or_else(bad)?;
    match first {
        // Negative: a time before 1970.
        0xff => Ok(0),
        0x80.. => {
            let start = u64::from(first & 0x3f);
            rest.iter()
                .try_fold(start, |value, byte| value.checked_mul(256)?.checked_add((*byte).into()))
                .ok_or_else(bad)
        }
        _ => {
            let digits = field.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
            let step = |value: u64, byte: &u8| match byte {
                b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
                _ => None,
            };
            digits.iter().try_fold(0, step).ok_or_else(bad)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_all_forms() {
        assert_eq!(number(b"0000644\0").unwrap(), 0o644);
        assert_eq!(number(b"   644 \0").unwrap(), 0o644);
        assert_eq!(number(b"\0\0\0\0\0\0\0\0").unwrap(), 0);
        assert_eq!(number(&[0x80, 0, 0, 0, 0xee, 0x6b, 0x28, 0]).unwrap(), 4_000_000_000);
        assert_eq!(number(&[0xff; 12]).unwrap(), 0);
        assert!(number(b"0000689\0").is_err());
        assert!(number(&[0x9f; 12]).is_err());
    }
}
