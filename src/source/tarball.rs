//! The members of a tar archive made by others, each with everything that its headers say.
//!
//! ustar, GNU long names and PAX records (path, linkpath, ids, names, times, xattrs) are read.
//! Refused: sparse files in any dialect, global PAX headers that say more than a comment, sizes that two headers disagree
//! about, headers larger than a path may be, kinds of entry that no file system has.

use std::io::Read;

use tar::{Entries, Entry, EntryType, PaxExtensions};

use crate::error::{Context, Error, Result};
use crate::tree::Xattrs;

/// The largest header (a long name, PAX records) that is read.
const MAX_HEADER: u64 = 1 << 20;
/// As many members as one archive may have.
const MAX_MEMBERS: usize = 2_000_000;

/// What kind of file a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Another name of a member.
    HardLink,
    /// A device: block or character, major, minor.
    Device(bool, u32, u32),
    /// A named pipe.
    Fifo,
}

/// A member's headers.
#[derive(Debug, Clone)]
pub struct Record {
    /// As written.
    pub path: Vec<u8>,
    /// As written; empty but for links.
    pub link: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970; what lies outside of 1970 to 2106 is brought to its edge.
    pub mtime: u32,
    /// Owner's name.
    pub user: Option<String>,
    /// Group's name.
    pub group: Option<String>,
    /// `SCHILY.xattr.*`
    pub xattrs: Xattrs,
    /// Where the bytes begin in the archive.
    pub offset: u64,
    /// How many they are.
    pub size: u64,
}

/// What extension headers say of the member that follows them.
#[derive(Default)]
struct Extension {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Vec<u8>,
}

/// Calls `each` with every member, in order; the reader gives the member's bytes.
pub fn walk<R: Read>(entries: Entries<'_, R>, mut each: impl FnMut(Record, &mut dyn Read) -> Result<()>) -> Result<()> {
    let mut extension = Extension::default();
    let mut count = 0usize;
    for entry in entries.raw(true) {
        let mut entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::GNULongName => extension.path = Some(long_name(&mut entry)?),
            EntryType::GNULongLink => extension.link = Some(long_name(&mut entry)?),
            EntryType::XHeader => extension.pax = read_header(&mut entry)?,
            EntryType::XGlobalHeader => check_global(&read_header(&mut entry)?)?,
            _ => {
                count += 1;
                if count > MAX_MEMBERS {
                    return Err(Error::source(format!("has more than {MAX_MEMBERS} members")));
                }
                let taken = std::mem::take(&mut extension);
                let record = record(&entry, taken)?;
                let name = record.path.escape_ascii().to_string();
                each(record, &mut entry).context(|| format!("reading member `{name}`"))?;
            }
        }
    }
    Ok(())
}

fn broken(error: std::io::Error) -> Error {
    match error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
        true => error.into(),
        false => Error::source(format!("is not a sound tar archive: {error}")),
    }
}

fn read_header(entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>> {
    if entry.size() > MAX_HEADER {
        return Err(Error::source(format!("has a header of {} bytes", entry.size())));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(broken)?;
    Ok(bytes)
}

fn long_name(entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>> {
    let mut bytes = read_header(entry)?;
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

/// A global header may hold a comment (git writes the commit so), nothing that changes members.
fn check_global(pax: &[u8]) -> Result<()> {
    for extension in PaxExtensions::new(pax) {
        let extension = extension.map_err(broken)?;
        if extension.key_bytes() != b"comment" {
            let key = extension.key_bytes().escape_ascii();
            return Err(Error::source(format!("has a global header that sets `{key}`")));
        }
    }
    Ok(())
}

fn record(entry: &Entry<'_, impl Read>, extension: Extension) -> Result<Record> {
    let header = entry.header();
    let number = |value: std::io::Result<u64>| value.map_err(broken);
    let name = |bytes: Option<&[u8]>| {
        bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).filter(|name| !name.is_empty()).map(str::to_owned)
    };
    let path = extension.path.unwrap_or_else(|| header.path_bytes().into_owned());
    let kind = kind(entry).map_err(|error| error.context(format!("reading member `{}`", path.escape_ascii())))?;
    let mut record = Record {
        path,
        link: extension.link.or_else(|| header.link_name_bytes().map(|link| link.into_owned())).unwrap_or_default(),
        kind,
        mode: (header.mode().map_err(broken)? & 0o7777) as u16,
        uid: id(number(header.uid())?)?,
        gid: id(number(header.gid())?)?,
        // A negative time is a huge one here: before 1970, hence 0.
        mtime: number(header.mtime())?.try_into().unwrap_or(0),
        user: name(header.username_bytes()),
        group: name(header.groupname_bytes()),
        xattrs: Xattrs::new(),
        offset: entry.raw_file_position(),
        size: number(header.entry_size())?,
    };
    apply(&mut record, &extension.pax)?;
    if record.kind != Kind::File && record.size != 0 {
        return Err(Error::source(format!("member `{}` has bytes but is no file", record.path.escape_ascii())));
    }
    Ok(record)
}

fn id(number: u64) -> Result<u32> {
    // 2^32-1 means "nobody in particular" to the kernel.
    u32::try_from(number)
        .ok()
        .filter(|id| *id != u32::MAX)
        .ok_or_else(|| Error::source(format!("`{number}` is no user or group id")))
}

fn kind(entry: &Entry<'_, impl Read>) -> Result<Kind> {
    let header = entry.header();
    let device = || -> Result<(u32, u32)> {
        let major = header.device_major().map_err(broken)?.unwrap_or_default();
        Ok((major, header.device_minor().map_err(broken)?.unwrap_or_default()))
    };
    Ok(match header.entry_type() {
        EntryType::Regular => Kind::File,
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Symlink,
        EntryType::Link => Kind::HardLink,
        EntryType::Fifo => Kind::Fifo,
        EntryType::Block => device().map(|(major, minor)| Kind::Device(true, major, minor))?,
        EntryType::Char => device().map(|(major, minor)| Kind::Device(false, major, minor))?,
        EntryType::GNUSparse => return Err(Error::source("is a sparse file")),
        other => return Err(Error::source(format!("is of the unknown kind `{}`", other.as_byte().escape_ascii()))),
    })
}

/// Lays PAX records over a ustar header (POSIX pax, "Extended Header").
fn apply(record: &mut Record, pax: &[u8]) -> Result<()> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let number = |value: &[u8]| -> Result<u64> {
        let whole = text(value);
        let whole = whole.split('.').next().unwrap_or_default();
        whole.parse().map_err(|_| Error::source(format!("`{whole}` of a PAX header is not a number")))
    };
    for extension in PaxExtensions::new(pax) {
        let extension = extension.map_err(broken)?;
        let value = extension.value_bytes();
        match extension.key_bytes() {
            b"path" => record.path = value.to_vec(),
            b"linkpath" => record.link = value.to_vec(),
            b"uid" => record.uid = id(number(value)?)?,
            b"gid" => record.gid = id(number(value)?)?,
            b"uname" => record.user = Some(text(value)).filter(|name| !name.is_empty()),
            b"gname" => record.group = Some(text(value)).filter(|name| !name.is_empty()),
            b"mtime" if value.starts_with(b"-") => record.mtime = 0,
            b"mtime" => record.mtime = number(value)?.try_into().unwrap_or(u32::MAX),
            b"size" if number(value)? != record.size => {
                return Err(Error::source("two headers disagree about the size"));
            }
            key if key.starts_with(b"GNU.sparse.") => return Err(Error::source("is a sparse file")),
            key => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    record.xattrs.insert(name.into(), value.into());
                }
            }
        }
    }
    Ok(())
}
