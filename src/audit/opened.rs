//! The root of whatever a user points at: a disk image of any format, a bare squashfs, a folder that a build wrote.

use std::path::{Component, Path, PathBuf};

use super::contents;
use super::image::{Image, Uki};
use crate::error::{Context, Error, Result};
use crate::manifest::{self, Artifact, Manifest};
use crate::squashfs;

/// What a squashfs begins with.
const MAGIC: &[u8; 4] = b"hsqs";

/// A root, and what starts it.
pub struct Opened {
    /// The root's file system.
    pub root: squashfs::Image,
    /// The UKI whose command line names it; none of a bare squashfs.
    pub uki: Option<Uki>,
    /// Addons of the ESP: path and words of the command line.
    pub addons: Vec<(String, String)>,
    /// Roots of other UKIs, which are not looked at.
    pub others: usize,
}

impl Opened {
    /// Opens the root at `path`. Of a disk with several UKIs the last by name counts, as a boot loader would have it.
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Self::folder(path);
        }
        let doing = || format!("opening `{}`", path.display());
        if is_squashfs(path).context(doing)? {
            return Ok(Opened { root: squashfs::Image::open(path)?, uki: None, addons: Vec::new(), others: 0 });
        }
        let image = Image::open(path)?;
        let mut ukis = image.ukis().context(doing)?;
        let uki = ukis.pop().ok_or_else(|| Error::user("the image has no UKI").context(doing()))?;
        let hash = uki.root_hash().context(|| format!("reading the command line of `{}`", uki.path))?;
        let others = ukis.iter().filter(|other| other.root_hash().ok() != Some(hash)).count();
        let addons = image.esp_files().context(doing)?.addons;
        Ok(Opened { root: contents::root(&image, image.slot(&hash)?)?, uki: Some(uki), addons, others })
    }

    /// The first image of a build that is a disk.
    fn folder(path: &Path) -> Result<Self> {
        Ok(Self::first(path)?.1)
    }

    fn first(folder: &Path) -> Result<(PathBuf, Self)> {
        let manifest = Manifest::read(&folder.join(manifest::NAME))?;
        let opened =
            images(folder, &manifest).into_iter().find_map(|file| Some((file.clone(), Self::open(&file).ok()?)));
        opened.ok_or_else(|| Error::user(format!("no file of `{}` is a disk image", folder.display())))
    }
}

/// The file that is looked into: of the folder of a build the first that can be, else `path` itself.
pub fn file(path: &Path) -> Result<PathBuf> {
    if path.is_dir() { Ok(Opened::first(path)?.0) } else { Ok(path.to_path_buf()) }
}

/// Whether a file is a squashfs by itself.
pub fn is_squashfs(path: &Path) -> Result<bool> {
    let mut magic = Vec::new();
    let file = std::fs::File::open(path)?;
    std::io::Read::read_to_end(&mut std::io::Read::take(file, 4), &mut magic)?;
    Ok(magic == MAGIC)
}

/// The files of a build's folder that may be disk images, those first that need no unpacking and are small.
pub(super) fn images(folder: &Path, manifest: &Manifest) -> Vec<PathBuf> {
    let mut artifacts: Vec<&Artifact> = manifest.artifacts.iter().collect();
    artifacts.sort_by_key(|artifact| (artifact.format != "raw", artifact.path.contains('/'), artifact.size));
    // A manifest from elsewhere must not lead out of its folder.
    let inside =
        |artifact: &&Artifact| Path::new(&artifact.path).components().all(|part| matches!(part, Component::Normal(_)));
    let files = artifacts.into_iter().filter(inside).map(|artifact| folder.join(&artifact.path));
    files.filter(|file| file.is_file()).collect()
}
