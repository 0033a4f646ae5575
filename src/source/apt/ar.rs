//! The `ar` archive that a `.deb` is: a magic word, then members with a header of 60 bytes.
//!
//! Layout: `ar(5)`, common variant: name 16, mtime 12, uid 6, gid 6, mode 8, size 10, end 2; bytes are padded to even.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER: u64 = 60;
/// A package has three members, and a few that begin with `_`.
const MAX_MEMBERS: usize = 16;

/// A member: its name, and where its bytes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name, without padding and the slash that some writers add.
    pub name: String,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

/// The members of the archive `file` of `length` bytes, in order; all lie within it.
pub fn members(file: &File, length: u64) -> Result<Vec<Member>> {
    let mut magic = [0u8; 8];
    if file.read_exact_at(&mut magic, 0).is_err() || &magic != MAGIC {
        return Err(Error::source("is not a package: it does not begin as an ar archive"));
    }
    let mut members = Vec::new();
    let mut at = MAGIC.len() as u64;
    while at < length {
        let mut header = [0u8; HEADER as usize];
        let room = at.checked_add(HEADER).filter(|start| *start <= length);
        let start = room.ok_or_else(|| Error::source("ends within the header of an ar member"))?;
        file.read_exact_at(&mut header, at)?;
        let (name, size) = (&header[..16], &header[48..58]);
        let bad = || Error::source(format!("has a broken ar header at byte {at}"));
        if &header[58..] != b"`\n" {
            return Err(bad());
        }
        let text = |field: &[u8]| std::str::from_utf8(field).map(|text| text.trim_end_matches(' ').to_owned());
        let name = text(name).map_err(|_| bad())?;
        let size: u64 = text(size).ok().and_then(|digits| digits.parse().ok()).ok_or_else(bad)?;
        let end = start.checked_add(size).filter(|end| *end <= length);
        let end = end.ok_or_else(|| Error::source(format!("ends within the ar member `{name}`")))?;
        members.push(Member { name: name.trim_end_matches('/').to_owned(), offset: start, size });
        if members.len() > MAX_MEMBERS {
            return Err(Error::source(format!("has more than {MAX_MEMBERS} ar members")));
        }
        at = end + end % 2;
    }
    Ok(members)
}
