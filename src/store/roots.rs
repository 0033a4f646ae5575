//! What a store must not forget: the locks in use.
//!
//! ```text
//! STORE/roots/ab12…        the absolute path of a lock that a build used
//!       roots/ab12….files  the digests of what lay beside the profile in its last build, one a line
//! STORE/locks/NAME.lock    a lock that was copied in together with all that it names
//! ```

use std::collections::BTreeSet;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::Store;
use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::temp::Temp;

/// How the note of a root's files ends.
const FILES: &str = "files";

impl Store {
    /// Notes that the lock at `path` is in use: [`Store::collect`] is to be told to keep what it names.
    pub fn register(&self, path: &Path) -> Result<()> {
        let (note, path) = self.root_note(path)?;
        note_down(&note, path.as_os_str().as_bytes())
    }

    /// Notes which files of the store lay beside the profile whose lock is at `path`, in place of those noted before:
    /// the lock does not name them, and an image that was built of them is not made again without.
    pub fn register_files(&self, path: &Path, files: &BTreeSet<Digest>) -> Result<()> {
        let note = self.root_note(path)?.0.with_extension(FILES);
        let text: String = files.iter().map(|digest| format!("{digest}\n")).collect();
        note_down(&note, text.as_bytes())
    }

    /// What [`Store::register_files`] noted of the locks in use.
    pub fn registered_files(&self) -> Result<BTreeSet<Digest>> {
        let mut found = BTreeSet::new();
        for root in self.roots()? {
            let note = self.root_note(&root)?.0.with_extension(FILES);
            match std::fs::read_to_string(&note) {
                Ok(text) => found.extend(text.lines().filter_map(|line| line.parse::<Digest>().ok())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).context(|| format!("reading `{}`", note.display())),
            }
        }
        Ok(found)
    }

    /// Where the lock at a path is noted, and the path as it is noted.
    fn root_note(&self, path: &Path) -> Result<(PathBuf, PathBuf)> {
        let path = std::path::absolute(path).context(|| format!("finding `{}`", path.display()))?;
        let name = Digest::of(path.as_os_str().as_bytes()).to_string();
        Ok((self.path().join("roots").join(name), path))
    }

    /// The locks in use, sorted; those that were removed since are forgotten.
    pub fn roots(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for note in listing(&self.path().join("roots"))? {
            // A note that is not whole yet is named by no digest.
            if note.file_name().and_then(|name| name.to_str()).is_none_or(|name| name.parse::<Digest>().is_err()) {
                continue;
            }
            let bytes = std::fs::read(&note).context(|| format!("reading `{}`", note.display()))?;
            let path = PathBuf::from(std::ffi::OsString::from_vec(bytes));
            match path.is_file() {
                true => found.push(path),
                false => {
                    crate::temp::remove(&note.with_extension(FILES))?;
                    std::fs::remove_file(&note).context(|| format!("removing `{}`", note.display()))?;
                }
            }
        }
        let kept = listing(&self.path().join("locks"))?;
        found.extend(kept.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "lock")));
        found.sort();
        found.dedup();
        Ok(found)
    }
}

/// Writes a note that is not there yet, whole.
fn note_down(note: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(note).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let doing = || format!("noting `{}`", note.display());
    let folder = note.parent().ok_or_else(|| Error::bug("a note without a folder"))?;
    std::fs::create_dir_all(folder).context(doing)?;
    let mut file = Temp::new_in(folder)?;
    std::io::Write::write_all(&mut file, bytes).context(doing)?;
    file.persist(note, 0o644)
}

/// Paths in a folder, sorted; none where there is no folder.
pub(super) fn listing(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context(|| format!("reading `{}`", folder.display())),
    };
    let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.context(|| format!("reading `{}`", folder.display()))?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_a_root_as_long_as_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let lock = folder.path().join("a.lock");
        std::fs::write(&lock, "x").unwrap();
        store.register(&lock).unwrap();
        store.register(&lock).unwrap();
        assert_eq!(store.roots().unwrap(), std::slice::from_ref(&lock));
        assert!(store.registered_files().unwrap().is_empty());
        for name in ["x", "y"] {
            let files = BTreeSet::from([Digest::of(name.as_bytes())]);
            store.register_files(&lock, &files).unwrap();
            assert_eq!(store.registered_files().unwrap(), files);
        }
        std::fs::remove_file(&lock).unwrap();
        assert!(store.registered_files().unwrap().is_empty());
        assert!(store.roots().unwrap().is_empty());
        assert!(listing(&store.path().join("roots")).unwrap().is_empty());
    }
}
