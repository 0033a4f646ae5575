//! Archives laid out in a private folder: what a compiler of another's must find on disk.
//!
//! Nothing is written outside of the folder, whatever the archive says: names are normal and
//! relative, and symbolic links are made last, so that no write can go through one. A link
//! leads to a place within the folder or is an error: `..` stands only at its front, hence
//! follows real folders.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::path::RootPath;
use crate::source::tarball::{Kind, Record};

/// A folder that archives are being laid out in.
pub struct Unpacker {
    root: PathBuf,
    /// Whether `/x` in a link means the folder's own `x`, as in a package's payload.
    rooted: bool,
    folders: BTreeSet<PathBuf>,
    links: Vec<(RootPath, Vec<u8>)>,
}

/// Where `path` lies under `root`.
pub fn below(root: &Path, path: &RootPath) -> PathBuf {
    root.join(OsStr::from_bytes(path.as_bytes().get(1..).unwrap_or_default()))
}

impl Unpacker {
    /// Into `root`, an empty folder; `rooted`: whether absolute links are taken as links below it.
    pub fn new(root: &Path, rooted: bool) -> Self {
        Unpacker { root: root.to_owned(), rooted, folders: BTreeSet::new(), links: Vec::new() }
    }

    /// Lays one member down as `path`; ids, times and attributes are left behind.
    pub fn take(&mut self, path: &RootPath, record: &Record, bytes: &mut dyn Read) -> Result<()> {
        let target = below(&self.root, path);
        match record.kind {
            Kind::Directory => self.folder(&target),
            Kind::File => {
                self.parent(&target)?;
                let mode = if record.mode & 0o111 == 0 { 0o644 } else { 0o755 };
                let mut file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(mode)
                    .open(&target)
                    .context(|| format!("writing `{}`", target.display()))?;
                copy(bytes, &mut file, record.size).context(|| format!("writing `{}`", target.display()))
            }
            Kind::HardLink => {
                self.parent(&target)?;
                let source = below(&self.root, &RootPath::from_member(&record.link)?);
                // No symbolic link exists yet: the source is what was written before, or nothing.
                fs::hard_link(source, &target).context(|| format!("linking `{path}`"))
            }
            Kind::Symlink => {
                let link = inside(path, &record.link, self.rooted).ok_or_else(|| {
                    Error::source(format!(
                        "the link `{path}` leads out of its archive: `{}`",
                        record.link.escape_ascii()
                    ))
                })?;
                self.links.push((path.clone(), link));
                Ok(())
            }
            Kind::Device(..) | Kind::Fifo => Err(Error::source("is no file, folder or link")),
        }
    }

    /// Makes the links; only now can a path lead through one.
    pub fn finish(mut self) -> Result<()> {
        let links = std::mem::take(&mut self.links);
        let paths: BTreeSet<&RootPath> = links.iter().map(|(path, _)| path).collect();
        for (path, target) in &links {
            let mut above = path.parent();
            while let Some(folder) = above {
                if paths.contains(&folder) {
                    return Err(Error::source(format!("the link `{path}` lies below the link `{folder}`")));
                }
                above = folder.parent();
            }
            let place = below(&self.root, path);
            self.parent(&place)?;
            symlink(OsStr::from_bytes(target), &place).context(|| format!("making the link `{path}`"))?;
        }
        Ok(())
    }

    fn parent(&mut self, path: &Path) -> Result<()> {
        path.parent().map_or(Ok(()), |parent| self.folder(parent))
    }

    fn folder(&mut self, path: &Path) -> Result<()> {
        if self.folders.contains(path) {
            return Ok(());
        }
        fs::create_dir_all(path).context(|| format!("making `{}`", path.display()))?;
        self.folders.insert(path.to_owned());
        Ok(())
    }
}

fn copy(bytes: &mut dyn Read, file: &mut File, size: u64) -> Result<()> {
    match io::copy(bytes, file)? {
        copied if copied == size => Ok(()),
        _ => Err(Error::source("is cut")),
    }
}

/// The target of the link `path` in a form that cannot lead out of the root; none where it would.
fn inside(path: &RootPath, target: &[u8], rooted: bool) -> Option<Vec<u8>> {
    let depth = path.parent()?.components().count();
    if target.starts_with(b"/") {
        let below = RootPath::from_member(target).ok().filter(|_| rooted)?;
        let mut relative = b"../".repeat(depth);
        relative.extend_from_slice(below.as_bytes().get(1..)?);
        return Some(if relative.is_empty() { b".".to_vec() } else { relative });
    }
    let mut parts = target.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").peekable();
    let mut up = 0;
    while parts.next_if(|part| *part == b"..").is_some() {
        up += 1;
    }
    let sound = !target.is_empty() && !target.contains(&0) && up <= depth && parts.all(|part| part != b"..");
    sound.then(|| target.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tarball;

    fn archive(members: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, text) in members {
            let mut header = tar::Header::new_gnu();
            header.set_uid(1000);
            header.set_gid(1000);
            header.set_mtime(0);
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            // Past the crate's own checks of names.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            let bytes = if kind.is_file() { text.as_bytes() } else { b"" };
            if !kind.is_file() {
                header.as_old_mut().linkname[..text.len()].copy_from_slice(text.as_bytes());
            }
            header.set_size(bytes.len() as u64);
            header.set_cksum();
            builder.append(&header, bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn unpack(members: &[(&str, tar::EntryType, &str)], rooted: bool) -> Result<tempfile::TempDir> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        let mut unpacker = Unpacker::new(&root, rooted);
        let bytes = archive(members);
        tarball::walk(tar::Archive::new(&bytes[..]).entries()?, |record, bytes| {
            unpacker.take(&RootPath::from_member(&record.path)?, &record, bytes)
        })?;
        unpacker.finish()?;
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        Ok(folder)
    }

    use tar::EntryType::{Directory, Fifo, Link, Regular, Symlink};

    #[test]
    fn files_links_and_folders_appear() {
        let folder = unpack(
            &[("a/", Directory, ""), ("a/f", Regular, "text"), ("b/c", Symlink, "../a/f"), ("h", Link, "a/f")],
            false,
        );
        let root = folder.unwrap().keep().join("root");
        assert_eq!(fs::read(root.join("b/c")).unwrap(), b"text");
        assert_eq!(fs::read(root.join("h")).unwrap(), b"text");
        fs::remove_dir_all(root.parent().unwrap()).unwrap();
    }

    #[test]
    fn an_absolute_link_of_a_package_stays_in_its_root() {
        let folder = unpack(&[("lib/ld", Regular, "loader"), ("lib64/x/ld", Symlink, "/lib/ld")], true).unwrap();
        assert_eq!(fs::read(folder.path().join("root/lib64/x/ld")).unwrap(), b"loader");
    }

    #[test]
    fn nothing_leaves_the_folder() {
        let bad: &[&[(&str, tar::EntryType, &str)]] = &[
            &[("../x", Regular, "")],
            &[("a/../../x", Regular, "")],
            &[("a", Symlink, "/etc")],
            &[("a", Symlink, "..")],
            &[("a/b", Symlink, "../../x")],
            &[("d/e/f", Regular, ""), ("a", Symlink, "d/e/../../..")],
            &[("a", Symlink, "d"), ("a/x", Regular, "")],
            &[("a", Symlink, "d"), ("a/b", Symlink, "e")],
            &[("h", Link, "../../etc/passwd")],
            &[("h", Link, "nothing")],
            &[("p", Fifo, "")],
        ];
        for members in bad {
            assert!(unpack(members, false).is_err(), "{members:?}");
        }
    }
}
