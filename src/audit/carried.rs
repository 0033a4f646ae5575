//! The record that an image carries, laid out so that a build from it can begin.

use std::path::{Path, PathBuf};

use super::Opened;
use crate::digest::Digest;
use crate::error::{Context, Error, Kind, Result};
use crate::lock::Lock;
use crate::path::RootPath;
use crate::profile;
use crate::record;
use crate::squashfs::{Image, NodeKind};
use crate::store::Store;
use crate::temp::write_file;

/// As large as a part of the record is read.
const LIMIT: u64 = 64 << 20;

/// A part of the record that a root carries; none where it has no such file.
pub fn part(root: &Image, name: &str) -> Result<Option<Vec<u8>>> {
    match root.find(&RootPath::new(format!("{}/{name}", record::FOLDER))?)? {
        Some(node) if matches!(node.kind, NodeKind::File(_)) => root.read_file(&node, LIMIT).map(Some),
        _ => Ok(None),
    }
}

/// Writes the record of an image, and the files beside its profile, into a folder; gives the profile's path. What the
/// store has not is looked for in the folder `brought`, by digest.
///
/// # Errors
/// An image without a record; a profile that names a file by anything but its digest; [`Kind::Source`] where one is
/// neither in the store nor brought.
pub fn lay(image: &Path, brought: Option<&Path>, folder: &Path, store: &Store) -> Result<PathBuf> {
    let opened = Opened::open(image)?;
    let text = |name: &str| -> Result<Vec<u8>> {
        let missing = || {
            Error::user(format!("the image carries no `{}/{name}`", record::FOLDER))
                .hint("only images that this tool built say what they were made of")
        };
        part(&opened.root, name)?.ok_or_else(missing)
    };
    let path = folder.join(record::PROFILE);
    write_file(&path, &text(record::PROFILE)?)?;
    let lock = folder.join(record::LOCK);
    write_file(&lock, &text(record::LOCK)?)?;
    if Lock::path_for(&path) != lock {
        return Err(Error::bug("the record's lock does not lie where it is looked for"));
    }
    let files = folder.join(record::FILES);
    std::fs::create_dir(&files).context(|| format!("making `{}`", files.display()))?;
    let brought = brought.map(digests).transpose()?.unwrap_or_default();
    for to in profile::named_files(&path)? {
        let digest = named(&to, &files)?;
        let from = store
            .blob(&digest)
            .map(|blob| blob.path().to_owned())
            .or_else(|| brought.iter().find(|(known, _)| *known == digest).map(|(_, path)| path.clone()));
        let missing = || {
            Error::new(Kind::Source, format!("a file beside the profile, sha256 {digest}, is not in the store"))
                .hint("name a folder that holds it: --files DIR")
        };
        let from = from.ok_or_else(missing)?;
        std::fs::copy(&from, &to).context(|| format!("copying `{}`", from.display()))?;
        // The name says what it must be.
        let (found, _) = Digest::of_reader(std::fs::File::open(&to)?)?;
        if found != digest {
            return Err(Error::system(format!("`{}` has changed while it was read", from.display())));
        }
    }
    Ok(path)
}

/// The digest that the record's profile names a file by. Whoever made the image wrote the profile: it must not reach
/// for other files of whoever rebuilds.
fn named(path: &Path, files: &Path) -> Result<Digest> {
    let name = path.strip_prefix(files).ok().and_then(Path::to_str);
    name.and_then(|name| name.parse().ok()).ok_or_else(|| {
        Error::user(format!("the image's profile names the file `{}`", path.display()))
            .hint(format!("expected `{}/` and a sha256", record::FILES))
    })
}

/// The digest of every file directly in a folder.
fn digests(folder: &Path) -> Result<Vec<(Digest, PathBuf)>> {
    let doing = || format!("reading `{}`", folder.display());
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).context(doing)? {
        let path = entry.context(doing)?.path();
        if path.is_file() {
            let (digest, _) = Digest::of_reader(std::fs::File::open(&path)?).context(doing)?;
            out.push((digest, path));
        }
    }
    Ok(out)
}
