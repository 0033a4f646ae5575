//! Container images of the profile: assembled from packages and files, or brought as an archive.

use std::collections::BTreeMap;
use std::io::Read;

use super::layer;
use crate::arch::Arch;
use crate::container::{Container, Settings};
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::{Context, Error, Result};
use crate::profile::{Preload, PreloadImage};
use crate::source::Package;
use crate::store::{Key, Store};
use crate::system::Image;
use crate::tree::Content;

/// Version of what is written here; a change of a byte changes it.
const VERSION: u32 = 1;
/// The largest `index.json` of an archive that is read, in bytes.
const INDEX_LIMIT: u64 = 1 << 20;

/// Assembles `preload` from the payload of `packages` and the profile's `files` (by path or URL as written).
///
/// # Errors
/// Where the image is an archive, not to be assembled; where a file of a package cannot be read.
pub fn assemble(
    preload: &Preload,
    packages: &[Package],
    files: &BTreeMap<String, Content>,
    arch: Arch,
    epoch: Epoch,
    store: &Store,
) -> Result<Image> {
    let PreloadImage::Assemble { entrypoint, cmd, env, user, .. } = &preload.image else {
        return Err(Error::bug(format!("`{}` is not to be assembled", preload.name)));
    };
    let step = || format!("assembling the container image `{}`", preload.name);
    let tree = layer::tree(preload, packages, files, epoch).context(step)?;
    let settings = Settings { name: &preload.name, entrypoint, cmd, env, user: user.as_deref() };
    let container = Container::assemble(&tree, &settings, arch, epoch).context(step)?;
    let digest = container.digest;
    let key = Key::new("oci", VERSION).of(&preload.name);
    let key = key.part("name", preload.name.as_str()).part("manifest", &digest).part("moment", &epoch.0);
    let (blob, _) = store.derived(key, |out| container.write(out))?;
    Ok(Image { name: preload.name.clone(), digest, archive: blob.content() })
}

/// Takes an OCI archive as it is; its index must name the image as the profile does.
pub fn open(preload: &Preload, archive: Content) -> Result<Image> {
    let step = || format!("reading the container image `{}`", preload.name);
    let hint =
        "expected an OCI layout as an uncompressed tar archive, as `skopeo copy ... oci-archive:FILE:NAME` makes it";
    let index = index(&archive).context(step)?;
    let manifests = index["manifests"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = manifests.iter().find(|entry| {
        let name = |key: &str| entry["annotations"][key].as_str() == Some(preload.name.as_str());
        name("io.containerd.image.name") || name("org.opencontainers.image.ref.name")
    });
    let digest = named.and_then(|entry| entry["digest"].as_str()?.strip_prefix("sha256:")?.parse::<Digest>().ok());
    match digest {
        Some(digest) => Ok(Image { name: preload.name.clone(), digest, archive }),
        None => {
            let message = format!("the archive's index holds no image named `{}`", preload.name);
            Err(Error::user(message).context(step()).hint(hint))
        }
    }
}

fn index(archive: &Content) -> Result<serde_json::Value> {
    for entry in tar::Archive::new(archive.open()?).entries()? {
        let entry = entry?;
        let path = entry.path_bytes();
        if path.strip_prefix(b"./").unwrap_or(&path) == b"index.json" {
            let mut text = Vec::new();
            entry.take(INDEX_LIMIT).read_to_end(&mut text)?;
            return serde_json::from_slice(&text).map_err(|error| Error::user(format!("`index.json`: {error}")));
        }
    }
    Err(Error::user("there is no `index.json` in the archive"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::RootPath;
    use crate::source::{Member, MemberKind};
    use crate::tree::Meta;

    fn package() -> Package {
        let member = |path: &str, mode, kind| Member {
            path: RootPath::new(path).unwrap(),
            meta: Meta::new(mode, 7),
            owner: (None, None),
            kind,
        };
        Package {
            name: "tiny".into(),
            version: "1".into(),
            arch: "amd64".into(),
            from: "debian".into(),
            requested: true,
            control: Vec::new(),
            members: vec![
                member("/usr", 0o755, MemberKind::Directory),
                member("/usr/bin/tiny", 0o755, MemberKind::File(Content::bytes(*b"tiny"))),
                member("/usr/share/doc/tiny/copyright", 0o644, MemberKind::File(Content::bytes(*b"free"))),
                member("/usr/bin/also", 0o777, MemberKind::Symlink((*b"tiny").into())),
            ],
            scripts: BTreeMap::new(),
            triggers: String::new(),
            conffiles: Vec::new(),
            md5sums: String::new(),
        }
    }

    fn preload() -> Preload {
        Preload {
            name: "localhost/tiny:1".into(),
            image: PreloadImage::Assemble {
                packages: Vec::new(),
                include: vec!["/usr/bin/*".into()],
                edits: Vec::new(),
                entrypoint: vec!["/usr/bin/tiny".into()],
                cmd: Vec::new(),
                env: vec!["A=b".into()],
                user: Some("65534".into()),
            },
        }
    }

    #[test]
    fn the_same_packages_give_the_same_bytes_which_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let make = || assemble(&preload(), &[package()], &BTreeMap::new(), Arch::Amd64, Epoch(9), &store).unwrap();
        let image = make();
        assert_eq!(image.digest, make().digest);
        let bytes = image.archive.read(1 << 20).unwrap();
        let mut names = Vec::new();
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            if let Some(digest) = name.strip_prefix("blobs/sha256/") {
                assert_eq!(digest, Digest::of(&content).to_string());
            }
            names.push((name, content));
        }
        assert_eq!(names[2].0, format!("blobs/sha256/{}", image.digest));
        let layer: Vec<String> = tar::Archive::new(&names[4].1[..])
            .entries()
            .unwrap()
            .map(|entry| String::from_utf8(entry.unwrap().path_bytes().into_owned()).unwrap())
            .collect();
        assert_eq!(layer, ["usr/", "usr/bin/", "usr/bin/also", "usr/bin/tiny"]);
        // What was written is taken as an archive, too, but only under its own name.
        assert_eq!(open(&preload(), image.archive.clone()).unwrap().digest, image.digest);
        let mut other = preload();
        other.name = "localhost/other:1".into();
        assert!(open(&other, image.archive).is_err());
    }
}
