//! Inodes and listings, from bytes to values.

use std::borrow::Cow;

use super::metadata::Cursor;
use crate::error::{Error, Result};
use crate::squashfs::directory::MAX_RUN;
use crate::squashfs::inode::{Body, Inode, NO_FRAGMENT, kind};
use crate::squashfs::metadata::Place;
use crate::squashfs::xattr;

/// As long as the target of a symbolic link may be.
const MAX_TARGET: u32 = 4096;

/// The inode at the cursor. Sizes of a file's blocks follow and are not read, nor is a folder's index.
pub fn inode(cursor: &mut Cursor) -> Result<Inode<'static>> {
    let number_of_kind = cursor.half()?;
    let extended = number_of_kind > kind::EXTENDED;
    let basic = if extended { number_of_kind - kind::EXTENDED } else { number_of_kind };
    let (mode, uid, gid) = (cursor.half()?, cursor.half()?, cursor.half()?);
    let (mtime, number) = (cursor.word()?, cursor.word()?);
    let (mut links, mut xattrs) = (1, xattr::NONE);
    let body = match (basic, extended) {
        (kind::DIRECTORY, false) => {
            let block = cursor.word()?;
            links = cursor.word()?;
            let size = u32::from(cursor.half()?);
            let place = Place { block: block.into(), offset: cursor.half()? };
            Body::Directory { place, size, parent: cursor.word()?, index: Cow::Borrowed(&[]) }
        }
        (kind::DIRECTORY, true) => {
            links = cursor.word()?;
            let (size, block, parent) = (cursor.word()?, cursor.word()?, cursor.word()?);
            let _steps = cursor.half()?;
            let place = Place { block: block.into(), offset: cursor.half()? };
            xattrs = cursor.word()?;
            Body::Directory { place, size, parent, index: Cow::Borrowed(&[]) }
        }
        (kind::FILE, false) => {
            let start = cursor.word()?.into();
            let fragment = fragment(cursor)?;
            let size = cursor.word()?.into();
            Body::File { start, size, sparse: 0, fragment, blocks: Cow::Borrowed(&[]) }
        }
        (kind::FILE, true) => {
            let (start, size, sparse) = (cursor.long()?, cursor.long()?, cursor.long()?);
            links = cursor.word()?;
            let fragment = fragment(cursor)?;
            xattrs = cursor.word()?;
            Body::File { start, size, sparse, fragment, blocks: Cow::Borrowed(&[]) }
        }
        (kind::SYMLINK, _) => {
            links = cursor.word()?;
            let length = cursor.word()?;
            if length > MAX_TARGET {
                return Err(Error::source(format!("a symbolic link of `{length}` bytes")).hint("expected at most 4096"));
            }
            Body::Symlink(Cow::Owned(cursor.bytes(length as usize)?.into()))
        }
        (kind::BLOCK_DEVICE | kind::CHAR_DEVICE, _) => {
            links = cursor.word()?;
            Body::Device { block: basic == kind::BLOCK_DEVICE, number: cursor.word()? }
        }
        (kind::FIFO | kind::SOCKET, _) => {
            links = cursor.word()?;
            if basic == kind::FIFO { Body::Fifo } else { Body::Socket }
        }
        _ => return Err(Error::source(format!("an inode of the unknown type `{number_of_kind}`"))),
    };
    if extended && !matches!(body, Body::Directory { .. } | Body::File { .. }) {
        xattrs = cursor.word()?;
    }
    Ok(Inode { mode, uid, gid, mtime, number, links, xattrs, body })
}

fn fragment(cursor: &mut Cursor) -> Result<Option<(u32, u32)>> {
    let (index, offset) = (cursor.word()?, cursor.word()?);
    Ok((index != NO_FRAGMENT).then_some((index, offset)))
}

/// An entry of a listing.
pub struct Child {
    /// The name, one component.
    pub name: Box<[u8]>,
    /// The basic type.
    pub kind: u16,
    /// Where the inode is.
    pub place: Place,
}

/// Reads a listing entry by entry; names must ascend, as lookups of the kernel need it.
pub struct Listing<'b> {
    cursor: Cursor<'b>,
    left: u32,
    run: u32,
    block: u32,
    last: Box<[u8]>,
}

impl<'b> Listing<'b> {
    /// The listing of a folder whose inode says `size`.
    pub fn new(cursor: Cursor<'b>, size: u32) -> Self {
        Listing { cursor, left: size.saturating_sub(3), run: 0, block: 0, last: Box::default() }
    }

    /// The next entry; none at the end.
    pub fn next(&mut self) -> Result<Option<Child>> {
        if self.run == 0 {
            if self.left == 0 {
                return Ok(None);
            }
            self.take(12)?;
            let count = self.cursor.word()?;
            if count >= MAX_RUN as u32 {
                return Err(Error::source(format!("a run of `{count}` names")).hint("expected at most 256"));
            }
            self.run = count + 1;
            self.block = self.cursor.word()?;
            let _number = self.cursor.word()?;
        }
        self.take(8)?;
        let offset = self.cursor.half()?;
        let _difference = self.cursor.half()?;
        let kind = self.cursor.half()?;
        let length = u32::from(self.cursor.half()?) + 1;
        if length > 255 {
            return Err(Error::source(format!("a name of `{length}` bytes")).hint("expected at most 255"));
        }
        self.take(length)?;
        let name = self.cursor.bytes(length as usize)?;
        let bad = matches!(&*name, b"." | b"..") || name.iter().any(|byte| matches!(byte, 0 | b'/'));
        if bad || name <= self.last {
            return Err(Error::source(format!("the name `{}` in a folder", name.escape_ascii()))
                .hint("expected ascending names without `/` and NUL, none of them `.` or `..`"));
        }
        self.last = name.clone();
        self.run -= 1;
        Ok(Some(Child { name, kind, place: Place { block: self.block.into(), offset } }))
    }

    fn take(&mut self, bytes: u32) -> Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| Error::source("a listing that is cut"))?;
        Ok(())
    }
}
