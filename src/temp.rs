//! Files and folders that are not whole yet: gone when dropped, and on Ctrl-C too.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::{NamedTempFile, TempDir};

use crate::error::{Context, Error, Kind, Result};
use crate::process;

/// What a signal must take away, since it runs no destructors.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Times that all unfinished files are looked for when a signal ends the process.
const PASSES: usize = 3;
/// Times that one of them is tried to be removed.
const ATTEMPTS: usize = 50;

/// A file under a temporary name in the folder where it will appear.
#[derive(Debug)]
pub struct Temp {
    // None only after `persist`.
    file: Option<NamedTempFile>,
    path: PathBuf,
}

impl Temp {
    /// A new, empty file in `folder`, readable by its owner alone until it is whole.
    pub fn new_in(folder: &Path) -> Result<Self> {
        let doing = || format!("making a file in `{}`", folder.display());
        let make = || tempfile::Builder::new().prefix(".imagebuild-").tempfile_in(folder);
        let file = registered(make, |file| file.path()).context(doing)?;
        let path = file.path().to_owned();
        Ok(Temp { file: Some(file), path })
    }

    /// The open file, read and write.
    pub fn file(&self) -> io::Result<&File> {
        self.file.as_ref().map(NamedTempFile::as_file).ok_or_else(|| io::Error::other("the file is finished"))
    }

    /// Its temporary name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it appear as `path` (same file system) with `mode`: fsync, rename, fsync of the folder.
    pub fn persist(mut self, path: &Path, mode: u32) -> Result<()> {
        let doing = || format!("writing `{}`", path.display());
        replaceable(path).context(doing)?;
        let Some(file) = self.file.take() else { return Ok(()) };
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        file.as_file().set_permissions(permissions).context(doing)?;
        file.as_file().sync_all().context(doing)?;
        file.persist(path).map_err(|error| error.error).context(doing)?;
        let folder = beside(path);
        File::open(folder).and_then(|folder| folder.sync_all()).context(doing)
    }
}

impl io::Write for Temp {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.file()?.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Seek for Temp {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.file()?.seek(to)
    }
}

impl io::Read for Temp {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file()?.read(buffer)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        drop(self.file.take());
        forget(&self.path);
    }
}

/// A folder with all below it.
#[derive(Debug)]
pub struct TempFolder {
    folder: Option<TempDir>,
    path: PathBuf,
}

impl TempFolder {
    /// A new, empty folder in `parent`, for its owner alone.
    pub fn new_in(parent: &Path) -> Result<Self> {
        let doing = || format!("making a folder in `{}`", parent.display());
        let make = || tempfile::Builder::new().prefix(".imagebuild-").tempdir_in(parent);
        let folder = registered(make, |folder| folder.path()).context(doing)?;
        let path = folder.path().to_owned();
        Ok(TempFolder { folder: Some(folder), path })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it appear as `path` (same file system), in place of a folder that was there.
    pub fn persist(self, path: &Path) -> Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let doing = || format!("writing `{}`", path.display());
        replaceable(path).context(doing)?;
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&self.path, permissions).context(doing)?;
        // Both names change at once; what was there goes the way of this temporary folder.
        let flags = if path.exists() { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
        renameat_with(CWD, &self.path, CWD, path, flags).map_err(io::Error::from).context(doing)?;
        let folder = beside(path);
        File::open(folder).and_then(|folder| folder.sync_all()).context(doing)
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        drop(self.folder.take());
        forget(&self.path);
    }
}

/// Whether a path is a device, a pipe or a socket, or one of the names that stand for streams: what is written there is no
/// file, and a rename would put one in its place.
fn special(path: &Path) -> bool {
    let folder = beside(path);
    let streams = folder == Path::new("/dev") || folder.starts_with("/proc");
    streams || std::fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
}

/// An error where something else than a file or a folder would be lost.
fn replaceable(path: &Path) -> Result<()> {
    match special(path) {
        true => Err(Error::user("it is a device or a stream").hint("expected the name of a file")),
        false => Ok(()),
    }
}

/// Writes `bytes` to `path`, whole or not at all; into a device or a stream as they come.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    if special(path) {
        let mut file = File::options().write(true).open(path).context(|| format!("opening `{}`", path.display()))?;
        return io::Write::write_all(&mut file, bytes).context(|| format!("writing `{}`", path.display()));
    }
    let folder = beside(path);
    let mut temp = Temp::new_in(folder)?;
    io::Write::write_all(&mut temp, bytes).context(|| format!("writing `{}`", path.display()))?;
    temp.persist(path, 0o644)
}

/// Removes the file at `path`, if there is one.
pub fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).context(|| format!("removing `{}`", path.display()))
        }
        _ => Ok(()),
    }
}

/// From now on SIGINT, SIGTERM and SIGHUP end the programs that we started, take unfinished files
/// away and end the process with 130.
pub fn clean_on_signals() -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals =
        signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).context(|| "listening for signals".into())?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            process::kill_all();
            remove_unfinished();
            std::process::exit(i32::from(Kind::Interrupted.exit_code()));
        }
    });
    Ok(())
}

fn remove_unfinished() {
    // The lock is kept: whoever wants to begin another file now waits for the end of the process.
    let Ok(unfinished) = UNFINISHED.lock() else { return };
    // Threads that write go on until they want that lock: one may put a file into a folder while that is removed, or make the
    // folder of a file anew.
    for _ in 0..PASSES {
        for path in unfinished.iter() {
            for _ in 0..ATTEMPTS {
                match std::fs::remove_file(path).or_else(|_| std::fs::remove_dir_all(path)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        std::thread::sleep(std::time::Duration::from_millis(5));
                    }
                    _ => break,
                }
            }
            // What cannot be removed is litter under a temporary name; there is nobody left to tell.
        }
    }
    std::mem::forget(unfinished);
}

/// Makes a file or folder and notes it, with no moment between in which a signal could miss it.
fn registered<T>(make: impl FnOnce() -> io::Result<T>, path: impl FnOnce(&T) -> &Path) -> io::Result<T> {
    let mut unfinished = UNFINISHED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let made = make()?;
    unfinished.insert(path(&made).to_owned());
    Ok(made)
}

fn forget(path: &Path) {
    if let Ok(mut unfinished) = UNFINISHED.lock() {
        unfinished.remove(path);
    }
}

/// The folder of a file, as its path has it.
pub fn beside(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_folder_takes_the_place_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x");
        for text in ["one", "two"] {
            let temp = TempFolder::new_in(folder.path()).unwrap();
            std::fs::write(temp.path().join(text), text).unwrap();
            temp.persist(&target).unwrap();
            let names: Vec<_> = std::fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, [text]);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x");
        let mut temp = Temp::new_in(folder.path()).unwrap();
        temp.write_all(b"half").unwrap();
        assert!(!target.exists());
        drop(temp);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        write_file(&target, b"whole").unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(!UNFINISHED.lock().unwrap().iter().any(|path| path.starts_with(folder.path())));
    }

    #[test]
    fn nothing_takes_the_place_of_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        let read = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read(pipe).unwrap()
        });
        write_file(&pipe, b"through").unwrap();
        assert_eq!(read.join().unwrap(), b"through");
        let other = Temp::new_in(folder.path()).unwrap();
        assert!(other.persist(&pipe, 0o644).unwrap_err().to_string().contains("a device or a stream"));
        assert!(TempFolder::new_in(folder.path()).unwrap().persist(&pipe).is_err());
        assert!(special(&pipe) && special(Path::new("/dev/null")) && !special(&folder.path().join("none")));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
