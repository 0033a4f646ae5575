//! A finished file: format, hash, temporary name, fsync, rename.
//!
//! - It appears under its name only when it is whole; a failure or a signal leaves nothing behind,
//!   and what had the name before stays until then.
//! - Gaps of the disk are holes of the file; the digest is that of every byte, holes as zeros.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::digest::{Digest, Hasher};
use crate::disk::Disk;
use crate::error::{Context, Error, Result};
use crate::output::{Bundle, Compressed, Emit, FileSink, Files, Format, Made, Written};
use crate::profile::{Compression, Raw};
use crate::report::Stage;
use crate::temp::{Temp, TempFolder, beside};

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Where it is.
    pub path: PathBuf,
    /// Bytes, holes included.
    pub size: u64,
    /// SHA-256 of all of them.
    pub sha256: Digest,
}

/// How a file is written.
#[derive(Clone, Copy)]
pub struct Writing<'a> {
    /// The format.
    pub format: &'a dyn Format,
    /// A compressor round it.
    pub compress: Option<Compression>,
    /// What the format needs to know.
    pub how: Emit<'a>,
}

/// Writes `disk` to `path`, whose folder must exist; bytes go to `stage` as progress.
pub fn write(writing: &Writing<'_>, disk: &Disk, path: &Path, stage: Option<&Stage<'_>>) -> Result<Artifact> {
    write_checked(writing, disk, path, stage, &|_| Ok(()))
}

/// As [`write()`]; the file gets its name only where `check`, which is told where it lies until then, has nothing
/// against it.
pub fn write_checked(
    writing: &Writing<'_>,
    disk: &Disk,
    path: &Path,
    stage: Option<&Stage<'_>>,
    check: &dyn Fn(&Path) -> Result<()>,
) -> Result<Artifact> {
    let mut file = emit(writing, disk, beside(path), stage, Some(Hasher::default())).context(|| doing(path))?;
    let (size, sha256) = (file.size, file.sha256()?);
    check(file.temp.path()).context(|| doing(path))?;
    file.temp.persist(path, 0o644)?;
    Ok(Artifact { path: path.to_owned(), size, sha256 })
}

/// Writes a bundle as the folder `target`, which appears with all its files or not at all.
pub fn write_bundle(
    bundle: &dyn Bundle,
    made: &Made<'_>,
    how: &Emit<'_>,
    target: &Path,
    stage: Option<&Stage<'_>>,
) -> Result<Vec<Artifact>> {
    let folder = TempFolder::new_in(beside(target)).context(|| doing(target))?;
    let mut files = Folder { path: folder.path(), target, how: *how, stage, artifacts: Vec::new() };
    bundle.emit(made, how, &mut files).context(|| doing(target))?;
    let artifacts = files.artifacts;
    folder.persist(target)?;
    Ok(artifacts)
}

/// The folder of a bundle, under its temporary name.
struct Folder<'a> {
    path: &'a Path,
    /// Where it will be.
    target: &'a Path,
    how: Emit<'a>,
    stage: Option<&'a Stage<'a>>,
    artifacts: Vec<Artifact>,
}

impl Folder<'_> {
    /// Makes folders in the folder, one after the other: a signal may have taken the outermost away, and that must not be
    /// made anew.
    fn make_folders(&self, inside: &Path) -> Result<()> {
        let mut path = self.path.to_owned();
        for name in inside.components().filter(|name| matches!(name, std::path::Component::Normal(_))) {
            path.push(name);
            match fs::create_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(error).context(|| format!("making `{}`", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes a file to the place in the folder that its digest tells.
    fn keep(&mut self, disk: &Disk, place: impl FnOnce(Digest) -> PathBuf) -> Result<Written> {
        let writing = Writing { format: &Raw {}, compress: None, how: self.how };
        let mut file = emit(&writing, disk, self.path, self.stage, Some(Hasher::default()))?;
        let (size, sha256) = (file.size, file.sha256()?);
        let place = place(sha256);
        let path = self.path.join(&place);
        self.make_folders(beside(&place))?;
        file.temp.persist(&path, 0o644)?;
        self.artifacts.push(Artifact { path: self.target.join(place), size, sha256 });
        Ok(Written { size, sha256 })
    }
}

impl Files for Folder<'_> {
    fn put(&mut self, path: &str, file: &Disk) -> Result<Written> {
        self.keep(file, |_| path.into()).context(|| format!("writing the file `{path}`"))
    }

    fn put_by_digest(&mut self, folder: &str, file: &Disk) -> Result<Written> {
        self.keep(file, |sha256| Path::new(folder).join(sha256.to_string()))
            .context(|| format!("writing a file of `{folder}`"))
    }
}

/// As [`write()`], without a digest, which would have to read every hole; gives the bytes of the file.
pub fn convert(writing: &Writing<'_>, disk: &Disk, path: &Path, stage: Option<&Stage<'_>>) -> Result<u64> {
    let file = emit(writing, disk, beside(path), stage, None).context(|| doing(path))?;
    file.temp.persist(path, 0o644)?;
    Ok(file.size)
}

/// A whole file under its temporary name.
struct Emitted {
    temp: Temp,
    size: u64,
    hasher: Option<Hasher>,
}

impl Emitted {
    fn sha256(&mut self) -> Result<Digest> {
        let hasher = self.hasher.take().ok_or_else(|| Error::bug("a file without a digest"))?;
        Ok(hasher.finish())
    }
}

/// Writes a file into `folder`, where `hasher` is given with its digest.
fn emit(
    writing: &Writing<'_>,
    disk: &Disk,
    folder: &Path,
    stage: Option<&Stage<'_>>,
    hasher: Option<Hasher>,
) -> Result<Emitted> {
    let Writing { format, compress, how } = writing;
    let temp = Temp::new_in(folder)?;
    let mut sink = FileSink::new(temp.file()?, stage, hasher)?;
    let result = match compress {
        None => format.emit(disk, how, &mut sink),
        Some(method) => Compressed::new(*method, how.jobs, &mut sink).and_then(|mut compressed| {
            format.emit(disk, how, &mut compressed)?;
            compressed.finish()
        }),
    };
    result.map_err(full)?;
    let (size, hasher) = sink.finish().map_err(|error| full(error.into()))?;
    if let (None, Some(expected)) = (compress, format.measure(disk).filter(|expected| *expected != size)) {
        return Err(Error::bug(format!("{size} bytes instead of {expected}")));
    }
    Ok(Emitted { temp, size, hasher })
}

fn doing(path: &Path) -> String {
    format!("writing `{}`", path.display())
}

/// Hints where a full disk is the cause.
fn full(error: Error) -> Error {
    let text = io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error()).to_string();
    if error.message() == text { error.hint("make room, or write elsewhere: -o DIR") } else { error }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::disk::Extent;
    use crate::epoch::Epoch;
    use crate::guid::Guid;
    use crate::tree::Content;

    fn raw(spool: &Path) -> Writing<'_> {
        let how = Emit { jobs: 2, seed: Guid::seed("x"), epoch: Epoch(0), name: "x_1", spool };
        Writing { format: &Raw {}, compress: None, how }
    }

    fn disk() -> Disk {
        let extent = |at, bytes: &'static [u8]| Extent { at, content: Content::bytes(bytes) };
        Disk::new(64 << 20, vec![extent(1 << 20, b"abc"), extent(32 << 20, b"def")]).unwrap()
    }

    #[test]
    fn the_file_is_sparse_and_its_digest_true() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.raw");
        let artifact = write(&raw(folder.path()), &disk(), &path, None).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((artifact.size, artifact.sha256), (64 << 20, Digest::of(&bytes)));
        assert_eq!(&bytes[32 << 20..][..3], b"def");
        assert!(std::fs::metadata(&path).unwrap().blocks() * 512 < 1 << 20);
    }

    #[test]
    fn zeros_among_data_are_holes_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.raw");
        let mut bytes = vec![1; 6 << 20];
        bytes[2 << 20..4 << 20].fill(0);
        let content = Content::bytes(bytes.clone());
        let disk = Disk::new(8 << 20, vec![Extent { at: (1 << 20) + 512, content }]).unwrap();
        let artifact = write(&raw(folder.path()), &disk, &path, None).unwrap();
        let mut expected = vec![0; 8 << 20];
        expected[(1 << 20) + 512..(7 << 20) + 512].copy_from_slice(&bytes);
        assert!(std::fs::read(&path).unwrap() == expected);
        assert_eq!((artifact.size, artifact.sha256), (8 << 20, Digest::of(&expected)));
        assert!(std::fs::metadata(&path).unwrap().blocks() * 512 < 5 << 20);
    }

    #[test]
    fn what_a_check_refuses_gets_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.raw");
        let check = |file: &Path| {
            assert_eq!(std::fs::metadata(file).unwrap().len(), 64 << 20);
            Err(Error::user("no"))
        };
        assert!(write_checked(&raw(folder.path()), &disk(), &path, None, &check).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_failure_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.raw");
        std::fs::write(&path, "old").unwrap();
        let gone = Content::range(folder.path().join("gone").into(), 0, 10, None);
        let broken = Disk::new(1 << 20, vec![Extent { at: 4096, content: gone }]).unwrap();
        let error = write(&raw(folder.path()), &broken, &path, None).unwrap_err();
        assert!(error.to_string().contains("x.raw"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
