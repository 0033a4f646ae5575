//! Extended headers (POSIX pax): records that say more than a header can, for the next member.

use super::super::Xattrs;
use crate::error::{Error, Result};

/// What a member's extended headers say, those of GNU (`L`, `K`) included.
#[derive(Debug, Default)]
pub struct Extended {
    /// The whole name.
    pub path: Option<Vec<u8>>,
    /// The whole target of a link.
    pub link: Option<Vec<u8>>,
    /// Bytes of content.
    pub size: Option<u64>,
    /// Owner.
    pub uid: Option<u64>,
    /// Group.
    pub gid: Option<u64>,
    /// Seconds since 1970.
    pub mtime: Option<u64>,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

impl Extended {
    /// Takes the records of an extended header in.
    pub fn records(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let bad = || Error::source("an extended header that is no list of `LENGTH KEY=VALUE`");
            let space = bytes.iter().position(|byte| *byte == b' ').ok_or_else(bad)?;
            let length = decimal(&bytes[..space]).and_then(|length| usize::try_from(length).ok()).ok_or_else(bad)?;
            let record = bytes.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(bad)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(bad)?;
            self.record(&record[..equals], &record[equals + 1..])?;
            bytes = &bytes[length..];
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let number = || {
            let whole = value.split(|byte| *byte == b'.').next().unwrap_or_default();
            let before = whole.starts_with(b"-");
            let number = if before { Some(0) } else { decimal(whole) };
            number.ok_or_else(|| {
                let text = format!("{}={}", key.escape_ascii(), value.escape_ascii());
                Error::source(format!("the number in the extended header `{text}`"))
            })
        };
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(number()?),
            b"uid" => self.uid = Some(number()?),
            b"gid" => self.gid = Some(number()?),
            b"mtime" => self.mtime = Some(number()?),
            key if key.starts_with(b"GNU.sparse.") => return Err(sparse()),
            key => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.insert(name.into(), value.into());
                }
            }
        }
        Ok(())
    }
}

/// Sparse members have several forms, which few programs read alike.
pub fn sparse() -> Error {
    Error::source("it holds a sparse file").hint("make the archive without `--sparse`: holes are found by themselves")
}

fn decimal(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_taken_and_nonsense_is_not() {
        let mut extended = Extended::default();
        extended.records(b"12 uid=4000\n22 mtime=1234567890.5\n25 SCHILY.xattr.user.a=\n\n").unwrap();
        assert_eq!((extended.uid, extended.mtime), (Some(4000), Some(1_234_567_890)));
        assert_eq!(extended.xattrs.get(&b"user.a"[..]).unwrap()[..], b"\n"[..]);
        for bad in [&b"x"[..], b"5 a=b\n", b"99 a=b\n", b"4 ab\n", b"0 a=b\n", b"12 uid=4x00\n", b"-1 a=b\n"] {
            assert!(Extended::default().records(bad).is_err(), "{}", bad.escape_ascii());
        }
        assert!(Extended::default().records(b"22 GNU.sparse.major=1\n").is_err());
    }
}
