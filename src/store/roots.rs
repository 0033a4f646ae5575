//! What a store must not forget: the locks in use.
//!
//! ```text
//! STORE/roots/ab12…        the absolute path of a lock that a build used
//! STORE/locks/NAME.lock    a lock that was copied in together with all that it names
//! ```

use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::Store;
use crate::digest::Digest;
use crate::error::{Context, Result};
use crate::temp::Temp;

impl Store {
    /// Notes that the lock at `path` is in use: [`Store::collect`] is to be told to keep what it names.
    pub fn register(&self, path: &Path) -> Result<()> {
        let path = std::path::absolute(path).context(|| format!("finding `{}`", path.display()))?;
        let bytes = path.as_os_str().as_bytes();
        let folder = self.path().join("roots");
        let note = folder.join(Digest::of(bytes).to_string());
        if std::fs::read(&note).is_ok_and(|old| old == bytes) {
            return Ok(());
        }
        std::fs::create_dir_all(&folder).context(|| format!("making `{}`", folder.display()))?;
        let mut file = Temp::new_in(&folder)?;
        std::io::Write::write_all(&mut file, bytes).context(|| format!("noting `{}`", path.display()))?;
        file.persist(&note, 0o644)
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
                false => std::fs::remove_file(&note).context(|| format!("removing `{}`", note.display()))?,
            }
        }
        let kept = listing(&self.path().join("locks"))?;
        found.extend(kept.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "lock")));
        found.sort();
        found.dedup();
        Ok(found)
    }
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
        std::fs::remove_file(&lock).unwrap();
        assert!(store.roots().unwrap().is_empty());
        assert!(listing(&store.path().join("roots")).unwrap().is_empty());
    }
}
