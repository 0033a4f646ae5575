//! A folder on disk as a tree: what is there is recorded, nothing is followed and no content read.
//!
//! Symbolic links are links, other file systems below the folder are taken along. Hard links
//! inside the folder stay links; holes of sparse files stay holes.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, SeekFrom, Stat};

use super::{Content, Directory, Entry, Extent, Kind, Leaf, LeafId, Meta, Tree, Xattrs};
use crate::error::{Context, Error, Result};
use crate::report::Report;

/// As deep as folders may lie: paths have at most 4096 bytes.
const MAX_DEPTH: usize = 2048;
/// As many pieces of data as one sparse file may have; the rest is taken as data.
const MAX_EXTENTS: usize = 1 << 16;
/// As long as the names or one value of a file's attributes may be in Linux.
const XATTR_LIST_MAX: usize = 65_536;

/// The tree below the folder `root`. Files must not change until they have been read.
pub fn scan(root: &Path, report: &Report) -> Result<Tree> {
    let mut scan = Scan { report, leaves: Vec::new(), links: HashMap::new(), names: Vec::new() };
    let fd = open(rustix::fs::CWD, root.as_os_str().as_bytes(), root)?;
    let stat = rustix::fs::fstat(&fd).map_err(std::io::Error::from).context(|| reading(root))?;
    let meta = scan.meta(root, &stat)?;
    let entries = scan.entries(fd, root, 0)?;
    Ok(Tree { root: Directory { meta, entries }, leaves: scan.leaves })
}

struct Scan<'r> {
    report: &'r Report,
    leaves: Vec<Leaf>,
    /// Leaves that have several names, by device and inode.
    links: HashMap<(u64, u64), LeafId>,
    /// A buffer for the names of attributes.
    names: Vec<u8>,
}

impl Scan<'_> {
    fn entries(&mut self, fd: rustix::fd::OwnedFd, path: &Path, depth: usize) -> Result<BTreeMap<Box<[u8]>, Entry>> {
        if depth > MAX_DEPTH {
            return Err(Error::user(format!("`{}` lies deeper than {MAX_DEPTH} folders", path.display())));
        }
        let dir = Dir::read_from(&fd).map_err(std::io::Error::from).context(|| reading(path))?;
        let folder = Arc::new(path.to_owned());
        let mut entries = Vec::new();
        for item in dir {
            let item = item.map_err(std::io::Error::from).context(|| reading(path))?;
            let name = item.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            entries.push((name.to_bytes().into(), self.entry(&fd, name, &folder, depth)?));
        }
        // All at once, which leaves no room unused in the nodes of the map.
        Ok(entries.into_iter().collect())
    }

    fn entry(&mut self, fd: &rustix::fd::OwnedFd, name: &CStr, folder: &Arc<PathBuf>, depth: usize) -> Result<Entry> {
        let path = folder.join(OsStr::from_bytes(name.to_bytes()));
        let stat = rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat.map_err(std::io::Error::from).context(|| reading(&path))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            let meta = self.meta(&path, &stat)?;
            let below = open(fd, name.to_bytes(), &path)?;
            let entries = self.entries(below, &path, depth + 1)?;
            return Ok(Entry::Directory(Box::new(Directory { meta, entries })));
        }
        let key = (stat.st_dev, stat.st_ino);
        if stat.st_nlink > 1
            && let Some(id) = self.links.get(&key)
        {
            return Ok(Entry::Leaf(*id));
        }
        let meta = self.meta(&path, &stat)?;
        let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        let kind = match kind {
            FileType::RegularFile => Kind::File(content(folder, &path, &stat)?),
            FileType::Symlink => {
                let target = std::fs::read_link(&path).context(|| reading(&path))?;
                Kind::Symlink(target.into_os_string().into_vec().into())
            }
            FileType::BlockDevice => Kind::BlockDevice { major, minor },
            FileType::CharacterDevice => Kind::CharDevice { major, minor },
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            _ => return Err(Error::user(format!("`{}` is of no kind that is known", path.display()))),
        };
        let id = LeafId(u32::try_from(self.leaves.len()).map_err(|_| Error::user("more than 2^32 files"))?);
        self.leaves.push(Leaf { meta, kind });
        if stat.st_nlink > 1 {
            self.links.insert(key, id);
        }
        Ok(Entry::Leaf(id))
    }

    fn meta(&mut self, path: &Path, stat: &Stat) -> Result<Meta> {
        let mtime = u32::try_from(stat.st_mtime.max(0)).unwrap_or(u32::MAX);
        let mut meta = Meta::new((stat.st_mode & 0o7777) as u16, mtime).owned(stat.st_uid, stat.st_gid);
        let xattrs = self.xattrs(path)?;
        if !xattrs.is_empty() {
            meta.xattrs = Some(Arc::new(xattrs));
        }
        Ok(meta)
    }

    fn xattrs(&mut self, path: &Path) -> Result<Xattrs> {
        self.names.resize(XATTR_LIST_MAX, 0);
        let mut found = Xattrs::new();
        let length = match rustix::fs::llistxattr(path, &mut self.names[..]) {
            Ok(length) => length,
            // A file system without attributes.
            Err(rustix::io::Errno::NOTSUP) => 0,
            Err(error) => return Err(std::io::Error::from(error)).context(|| reading(path)),
        };
        for name in self.names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            if !["user.", "trusted.", "security."].iter().any(|space| name.starts_with(space.as_bytes())) {
                let name = name.escape_ascii();
                self.report
                    .warn(format!("`{}` loses its attribute `{name}`: squashfs has no place for it", path.display()));
                continue;
            }
            let mut value = vec![0; XATTR_LIST_MAX];
            let length = rustix::fs::lgetxattr(path, name, &mut value[..]);
            let length = length.map_err(std::io::Error::from).context(|| reading(path))?;
            value.truncate(length);
            found.insert(name.into(), value.into());
        }
        Ok(found)
    }
}

/// A regular file's bytes, holes left out where it has any.
fn content(folder: &Arc<PathBuf>, path: &Path, stat: &Stat) -> Result<Content> {
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    // Blocks are 512 bytes here, whatever the file system.
    if (stat.st_blocks as u64).saturating_mul(512) >= length {
        return Ok(Content::whole(folder, path.file_name().unwrap_or_default(), length));
    }
    let file = File::open(path).context(|| reading(path))?;
    let mut extents = Vec::new();
    let mut at = 0;
    while at < length {
        let data = match rustix::fs::seek(&file, SeekFrom::Data(at)) {
            Ok(data) if data < length => data,
            Ok(_) | Err(rustix::io::Errno::NXIO) => break,
            // Not every file system tells holes; then all is data.
            Err(_) => at,
        };
        let hole = match extents.len() {
            MAX_EXTENTS.. => length,
            _ => rustix::fs::seek(&file, SeekFrom::Hole(data)).unwrap_or(length),
        };
        // A file system that contradicts itself (data that is a hole) is not believed: all is data.
        let hole = if (data + 1..length).contains(&hole) { hole } else { length };
        extents.push(Extent { at: data, offset: data, length: hole - data });
        at = hole;
    }
    Ok(Content::sparse(path.into(), length, extents))
}

fn open(at: impl rustix::fd::AsFd, name: &[u8], path: &Path) -> Result<rustix::fd::OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty()).map_err(std::io::Error::from).context(|| reading(path))
}

fn reading(path: &Path) -> String {
    format!("reading `{}`", path.display())
}

#[cfg(test)]
mod tests {
    use super::super::listing;
    use super::*;
    use std::fs;
    use std::os::unix::fs::FileExt;

    #[test]
    fn links_holes_and_modes_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("d")).unwrap();
        fs::write(at("d/a"), b"abc").unwrap();
        fs::hard_link(at("d/a"), at("b")).unwrap();
        std::os::unix::fs::symlink("d/../x", at("l")).unwrap();
        let sparse = File::create(at("s")).unwrap();
        sparse.set_len(10 << 20).unwrap();
        sparse.write_all_at(b"x", 5 << 20).unwrap();
        let tree = scan(folder.path(), &Report::silent()).unwrap();
        assert_eq!(tree.leaves.len(), 3);
        let text = listing(&tree);
        assert!(text.contains(" 3 /b\n") && text.contains(" 3 /d/a\n") && text.contains(" /l -> d/../x\n"), "{text}");
        let path = crate::path::RootPath::new("/s").unwrap();
        let (_, content) = tree.file(&path).unwrap();
        assert!(content.is_hole(0, 4 << 20) && !content.is_hole(5 << 20, 1) && content.is_hole(6 << 20, 4 << 20));
        let bytes = content.read(10 << 20).unwrap();
        assert_eq!(bytes.iter().position(|byte| *byte == b'x'), Some(5 << 20));
        assert_eq!(bytes.iter().filter(|byte| **byte != 0).count(), 1);
    }
}
