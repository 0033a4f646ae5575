//! Debian's source package as a tree on disk, its patches applied (`dpkg-source(1)`, formats 3.0).

use std::fs;
use std::path::{Path, PathBuf};

use super::patch;
use super::unpack::{Unpacker, below};
use crate::bytes::limited;
use crate::digest::Digest;
use crate::error::{Context, Error, Kind, Result};
use crate::path::RootPath;
use crate::source::apt::deb822;
use crate::source::codec::Codec;
use crate::source::tarball;
use crate::store::Blob;

/// The largest description of a source package.
const MAX_DSC: u64 = 1 << 20;
/// A source tree may have this many bytes.
const MAX_TREE: u64 = 8 << 30;
/// The largest patch, and list of patches.
const MAX_PATCH: u64 = 64 << 20;

/// The files that a source package consists of, sorted out.
struct Parts<'a> {
    /// The tarball of the program.
    main: (&'a str, &'a Blob),
    /// Further tarballs, each with the folder that it goes to.
    components: Vec<(&'a str, &'a str, &'a Blob)>,
    /// Debian's own.
    debian: Option<(&'a str, &'a Blob)>,
}

/// Lays the source package `files` (names as its description has them) out below `folder`; the tree's path.
pub fn unpack(files: &[(String, Blob)], folder: &Path) -> Result<PathBuf> {
    let parts = parts(files)?;
    let base = folder.join("unpacked");
    extract(parts.main.0, parts.main.1, &base, |_| true)?;
    // The tarball's one folder is the tree, whatever its name; without one, all of it is.
    let tree = match only_folder(&base)? {
        Some(inner) => inner,
        None => base,
    };
    for (name, component, blob) in &parts.components {
        let place = folder.join("component");
        extract(name, blob, &place, |_| true)?;
        let inner = only_folder(&place)?.unwrap_or_else(|| place.clone());
        fs::rename(&inner, tree.join(component)).context(|| format!("placing `{name}`"))?;
        drop(fs::remove_dir(&place));
    }
    if let Some((name, blob)) = parts.debian {
        let place = folder.join("debian");
        let patches = RootPath::new("/debian/patches")?;
        extract(name, blob, &place, |path| path.starts_with(&patches))?;
        apply_series(&tree, &below(&place, &patches)).context(|| format!("applying the patches of `{name}`"))?;
    }
    Ok(tree)
}

fn apply_series(tree: &Path, patches: &Path) -> Result<()> {
    let series = patches.join("series");
    if !series.exists() {
        return Ok(());
    }
    let series = String::from_utf8_lossy(&read(&series)?).into_owned();
    for line in series.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        // What follows the name (`-p1` alone is allowed) is quilt's.
        let name = line.split_whitespace().next().unwrap_or_default();
        let path = RootPath::from_member(name.as_bytes())?;
        let text = read(&below(patches, &path)).context(|| format!("reading patch `{name}`"))?;
        patch::apply(tree, &text).context(|| format!("applying patch `{name}`"))?;
    }
    Ok(())
}

/// A file of a source package: that it is too large is the package's fault.
fn read(path: &Path) -> Result<Vec<u8>> {
    limited(fs::File::open(path)?, MAX_PATCH, Kind::Source)
}

fn extract(name: &str, blob: &Blob, folder: &Path, keep: impl Fn(&RootPath) -> bool) -> Result<()> {
    let doing = || format!("unpacking `{name}`");
    fs::create_dir(folder).context(doing)?;
    let mut unpacker = Unpacker::new(folder, false);
    let reader = Codec::of_name(name).decode(blob.open()?, MAX_TREE).context(doing)?;
    let mut archive = tar::Archive::new(reader);
    tarball::walk(archive.entries().context(doing)?, |record, bytes| {
        let path = RootPath::from_member(&record.path)?;
        if keep(&path) { unpacker.take(&path, &record, bytes) } else { Ok(()) }
    })
    .context(doing)?;
    unpacker.finish().context(doing)
}

/// The folder in `folder`, where that is all there is.
fn only_folder(folder: &Path) -> Result<Option<PathBuf>> {
    let mut entries = fs::read_dir(folder)?;
    match (entries.next(), entries.next()) {
        (Some(first), None) => {
            let first = first?;
            Ok(first.file_type()?.is_dir().then(|| first.path()))
        }
        _ => Ok(None),
    }
}

/// Sorts `files` by their names; what the description names must be there, to the digest.
fn parts(files: &[(String, Blob)]) -> Result<Parts<'_>> {
    let mut dscs = files.iter().filter(|(name, _)| name.ends_with(".dsc"));
    let (Some((dsc, blob)), None) = (dscs.next(), dscs.next()) else {
        return Err(Error::source("a source package has one description (`.dsc`)"));
    };
    let doing = || format!("reading `{dsc}`");
    let text = blob.content().read(MAX_DSC).context(doing)?;
    let text = String::from_utf8(text).map_err(|_| Error::source("is not UTF-8").context(doing()))?;
    // The signature round it says nothing that the digest has not said.
    let mut paragraphs = deb822::paragraphs(&text);
    let paragraph = paragraphs.find(|paragraph| deb822::field(paragraph, "Checksums-Sha256").is_some());
    let paragraph = paragraph.ok_or_else(|| Error::source("names no files by sha256").context(doing()))?;
    let format = deb822::field(paragraph, "Format").unwrap_or_default();
    if !matches!(format, "3.0 (quilt)" | "3.0 (native)") {
        return Err(Error::source(format!("the source format `{format}` is not understood"))
            .hint("expected `3.0 (quilt)` or `3.0 (native)`")
            .context(doing()));
    }
    let mut named = Vec::new();
    for line in deb822::field(paragraph, "Checksums-Sha256").unwrap_or_default().lines() {
        let mut words = line.split_whitespace();
        let (Some(digest), Some(_), Some(name)) = (words.next(), words.next(), words.next()) else { continue };
        let digest: Digest = digest.parse().map_err(|error: Error| error.context(doing()))?;
        let found = files.iter().find(|(file, blob)| file == name && blob.digest() == Some(digest));
        let (name, blob) = found.ok_or_else(|| Error::source(format!("`{name}` is not at hand")).context(doing()))?;
        named.push((name.as_str(), blob));
    }
    sort(named, format).map_err(|error| error.context(doing()))
}

fn sort<'a>(named: Vec<(&'a str, &'a Blob)>, format: &str) -> Result<Parts<'a>> {
    let (mut main, mut debian, mut components) = (None, None, Vec::new());
    for (name, blob) in named {
        let Some((stem, _)) = name.rsplit_once(".tar") else { continue };
        let place = if format == "3.0 (native)" || stem.ends_with(".orig") {
            &mut main
        } else if stem.ends_with(".debian") {
            &mut debian
        } else if let Some((_, component)) = stem.rsplit_once(".orig-") {
            if component.is_empty() || component.contains('/') {
                return Err(Error::source(format!("`{name}` names no component")));
            }
            components.push((name, component, blob));
            continue;
        } else {
            return Err(Error::source(format!("`{name}` is no part of a source package")));
        };
        if place.replace((name, blob)).is_some() {
            return Err(Error::source(format!("`{name}` is one tarball too many")));
        }
    }
    let main = main.ok_or_else(|| Error::source("names no tarball of the program"))?;
    Ok(Parts { main, components, debian })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn tarball(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_uid(1000);
            header.set_gid(1000);
            header.set_mtime(0);
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn package(store: &Store, format: &str, files: &[(&str, Vec<u8>)]) -> Vec<(String, Blob)> {
        let mut dsc =
            format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nFormat: {format}\nChecksums-Sha256:\n");
        let mut all = Vec::new();
        for (name, bytes) in files {
            dsc.push_str(&format!(" {} {} {name}\n", Digest::of(bytes), bytes.len()));
            all.push((name.to_string(), store.insert_new(1 << 20, &bytes[..]).unwrap()));
        }
        dsc.push_str("\n-----BEGIN PGP SIGNATURE-----\n");
        all.push(("x_1-1.dsc".to_owned(), store.insert_new(1 << 20, dsc.as_bytes()).unwrap()));
        all
    }

    #[test]
    fn tarballs_components_and_patches_make_one_tree() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let patch = "--- a/main.go\n+++ b/main.go\n@@ -1 +1 @@\n-old\n+new\n";
        let files = [
            ("x_1.orig.tar", tarball(&[("x-1/main.go", "old\n"), ("x-1/sub/a.go", "a")])),
            ("x_1.orig-extra.tar", tarball(&[("y/b.go", "b")])),
            (
                "x_1-1.debian.tar",
                tarball(&[
                    ("debian/patches/series", "# first\nfix.patch\n"),
                    ("debian/patches/fix.patch", patch),
                    ("debian/rules", "never unpacked"),
                ]),
            ),
        ];
        let package = package(&store, "3.0 (quilt)", &files);
        let folder = dir.path().join("tree");
        fs::create_dir(&folder).unwrap();
        let tree = unpack(&package, &folder).unwrap();
        assert_eq!(fs::read(tree.join("main.go")).unwrap(), b"new\n");
        assert_eq!(fs::read(tree.join("extra/b.go")).unwrap(), b"b");
        assert!(!folder.join("debian/debian/rules").exists());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let orig = || ("x_1.orig.tar", tarball(&[("x-1/main.go", "old\n")]));
        let folder = dir.path().join("tree");
        fs::create_dir(&folder).unwrap();
        let error = |package: &[(String, Blob)]| unpack(package, &folder).unwrap_err().to_string();
        assert!(error(&package(&store, "1.0", &[orig()])).contains("`1.0` is not understood"));
        assert!(error(&package(&store, "3.0 (quilt)", &[])).contains("names no tarball"));
        let mut missing = package(&store, "3.0 (quilt)", &[orig()]);
        missing.remove(0);
        assert!(error(&missing).contains("`x_1.orig.tar` is not at hand"));
        missing.clear();
        assert!(error(&missing).contains("one description"));
    }

    #[test]
    fn a_patch_that_is_too_large_is_its_package_s_fault() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(MAX_PATCH + 1).unwrap();
        let error = read(file.path()).unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::Source, "it is larger than 64M"));
    }
}
