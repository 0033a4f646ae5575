//! Files beside the profile, taken into the store so that a build sees one state of them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use crate::error::{Context, Error, Result};
use crate::profile::{Edit, FileContent, Origin, PreloadImage, Profile};
use crate::store::{Blob, Store};

/// A file of the user's own has no size that was promised; larger ones are mistakes.
const LIMIT: u64 = 16 << 30;

/// Takes the file at `path` into the store.
pub fn take(path: &Path, store: &Store) -> Result<Blob> {
    let doing = || format!("reading `{}`", path.display());
    // Looked at before it is opened: opening a named pipe would wait for ever.
    let meta = match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::user("there is no such file").context(doing()));
        }
        meta => meta.context(doing)?,
    };
    if !meta.is_file() {
        return Err(Error::user("is no regular file").context(doing()));
    }
    store.insert_new(LIMIT, File::open(path).context(doing)?).context(doing)
}

/// Every file that the profile names, by the path as it stands in the resolved profile.
pub fn of_profile(profile: &Profile, store: &Store) -> Result<BTreeMap<String, Blob>> {
    let mut files = BTreeMap::new();
    for path in paths(profile) {
        let key = path.to_string_lossy().into_owned();
        if !files.contains_key(&key) {
            files.insert(key, take(path, store)?);
        }
    }
    Ok(files)
}

fn paths(profile: &Profile) -> Vec<&Path> {
    let mut paths: Vec<&Path> = Vec::new();
    let programs = [&profile.containerd.program, &profile.kubelet.program].into_iter();
    for program in programs.chain(&profile.runc).chain(&profile.cni).chain(profile.programs.values()) {
        if let Origin::File(path) = &program.origin {
            paths.push(path);
        }
    }
    let mut edits: Vec<&Edit> = profile.edits.iter().collect();
    for preload in &profile.preload {
        match &preload.image {
            PreloadImage::File(path) => paths.push(path),
            PreloadImage::Assemble { edits: more, .. } => edits.extend(more),
            PreloadImage::Url(_) => {}
        }
    }
    for edit in edits {
        if let Edit::File { content: FileContent::File(path), .. } = edit {
            paths.push(path);
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn a_file_is_taken_as_it_is_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "text").unwrap();
        let blob = take(&path, &store).unwrap();
        fs::write(&path, "changed").unwrap();
        assert_eq!(blob.digest(), Some(Digest::of(b"text")));
        assert_eq!(blob.content().read(9).unwrap(), b"text");
        assert!(take(dir.path(), &store).unwrap_err().to_string().contains("no regular file"));
        let missing = take(&dir.path().join("y"), &store).unwrap_err();
        assert_eq!(missing.kind(), crate::error::Kind::User);
    }
}
