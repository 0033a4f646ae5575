//! One side of a comparison: all that can be known of a profile, lock, manifest, output folder or image.

use std::path::{Path, PathBuf};

use super::git::Checkout;
use super::leaves::Leaves;
use crate::arch::Arch;
use crate::audit::image::{Esp, Image, Uki};
use crate::audit::inventory::Inventory;
use crate::audit::opened;
use crate::error::{Context, Error, Result};
use crate::lock::{Lock, Section};
use crate::manifest::{self, Manifest};
use crate::profile::{self, LoadOptions, Origins, Profile};
use crate::record;
use crate::squashfs;

/// A side.
pub struct Side {
    /// What it was called by.
    pub label: String,
    /// What it was asked to be.
    pub profile: Option<Shown>,
    /// What its inputs are.
    pub lock: Option<Locked>,
    /// What its build said of itself.
    pub manifest: Option<Manifest>,
    /// What it is, where it is a disk.
    pub disk: Option<Built>,
    /// Its root: of the disk's last UKI, or a squashfs by itself.
    root: Option<Inventory>,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
}

/// A resolved profile.
pub struct Shown {
    /// Its values.
    pub leaves: Leaves,
    origins: Option<Origins>,
    /// Where its files lie, which origins do not tell, and what they tell instead.
    folder: Option<(PathBuf, String)>,
}

/// A lock, and the architecture that it is looked at for.
pub struct Locked {
    /// All of it.
    pub lock: Lock,
    /// The section.
    pub arch: Arch,
    /// Whether an image carried it: then it tells inputs alone, no release files and nothing left out.
    pub carried: bool,
}

/// An image, opened.
pub struct Built {
    /// Partitions.
    pub image: Image,
    /// Files of the ESP.
    pub esp: Esp,
    /// UKIs, sorted by path; the last one is the one that is compared.
    pub ukis: Vec<Uki>,
}

/// Makes the lock of a profile that has none beside it, in memory; none where that is not to be done.
pub type Resolve<'r> = dyn Fn(&Profile) -> Result<Option<Lock>> + Sync + 'r;

/// How sides are opened.
#[derive(Clone, Copy)]
pub struct How<'r> {
    /// The architecture of profiles and locks of several.
    pub arch: Option<Arch>,
    /// What stands in for a missing lock.
    pub resolve: &'r Resolve<'r>,
}

impl Shown {
    /// Loads a profile.
    fn load(path: &Path, arch: Option<Arch>, checkout: Option<&Checkout>) -> Result<(Self, Profile)> {
        let (profile, origins) = profile::load(path, &LoadOptions { arch })?;
        let mut shown = Self::parse(&profile::show(&profile, None))?;
        shown.origins = Some(origins);
        shown.folder = checkout.map(|checkout| (checkout.path().to_owned(), checkout.revision().to_owned()));
        Ok((shown, profile))
    }

    /// Takes canonical text.
    fn parse(text: &str) -> Result<Self> {
        let table: toml::Table = text.parse().map_err(|error| Error::user(format!("a profile: {error}")))?;
        let value = serde_json::to_value(&table).map_err(|error| Error::bug(error.to_string()))?;
        Ok(Shown { leaves: Leaves::of(&value), origins: None, folder: None })
    }

    /// `FILE:LINE` of the value at a place; none where it is a default or nobody knows.
    pub fn origin(&self, place: &str) -> Option<String> {
        let mut place = place;
        loop {
            if let Some(origin) = self.origins.as_ref()?.get(place) {
                return Some(match &self.folder {
                    None => origin.to_owned(),
                    Some((folder, name)) => {
                        let inside = Path::new(origin).strip_prefix(folder);
                        inside.map_or_else(|_| origin.to_owned(), |inside| format!("{name}:{}", inside.display()))
                    }
                });
            }
            // What stands for a list or a table as a whole.
            place = &place[..place.rfind(['.', '['])?];
        }
    }
}

impl Locked {
    /// The inputs for the architecture, where there are any.
    pub fn section(&self) -> Option<&Section> {
        self.lock.image.get(&self.arch)
    }
}

impl Built {
    /// The disk, the root that its last UKI names, and what is not compared.
    fn open(path: &Path) -> Result<(Self, Option<Inventory>, Option<String>)> {
        let image = Image::open(path)?;
        let (esp, ukis) = (image.esp_files()?, image.ukis()?);
        let Some(uki) = ukis.last() else { return Ok((Built { image, esp, ukis }, None, None)) };
        let note = (ukis.len() > 1).then(|| format!("of {} UKIs `{}` is compared", ukis.len(), uki.path));
        let hash = uki.root_hash().context(|| format!("reading the command line of `{}`", uki.path))?;
        let files = crate::audit::root(&image, image.slot(&hash)?)?;
        let root = Inventory::read(files).context(|| "reading the root".to_owned())?;
        Ok((Built { image, esp, ukis }, Some(root), note))
    }

    /// The UKI that is compared.
    pub fn uki(&self) -> Option<&Uki> {
        self.ukis.last()
    }
}

impl Side {
    /// Opens what `name` says: a path, or `git:REVISION:PATH`.
    pub fn open(name: &str, how: How<'_>) -> Result<Self> {
        let doing = || format!("reading `{name}`");
        match name.strip_prefix("git:") {
            None => Self::of(Path::new(name), name, how, None),
            Some(rest) => {
                let (revision, path) = rest
                    .split_once(':')
                    .ok_or_else(|| Error::user(format!("`{name}` names no file")).hint("expected git:REVISION:PATH"))?;
                let checkout = Checkout::new(revision).context(doing)?;
                let path = checkout.file(path).context(doing)?;
                Self::of(&path, name, how, Some(&checkout))
            }
        }
        .context(doing)
    }

    fn of(path: &Path, label: &str, how: How<'_>, checkout: Option<&Checkout>) -> Result<Self> {
        let mut side = Side {
            label: label.to_owned(),
            profile: None,
            lock: None,
            manifest: None,
            disk: None,
            root: None,
            notes: Vec::new(),
        };
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if path.is_dir() {
            side.folder(path)?;
        } else if ending == "toml" {
            side.profile(path, how, checkout)?;
        } else if ending == "lock" {
            let lock = Lock::read(path)?.ok_or_else(|| Error::user("there is no such file"))?;
            side.locked(lock, how.arch, false);
        } else if ending == "json" {
            side.manifest = Some(Manifest::read(path)?);
        } else {
            side.image(path)?;
        }
        Ok(side)
    }

    /// A manifest and the first image beside it that can be opened.
    fn folder(&mut self, path: &Path) -> Result<()> {
        let manifest = Manifest::read(&path.join(manifest::NAME))?;
        for file in opened::images(path, &manifest) {
            if self.image(&file).is_ok() {
                break;
            }
        }
        if self.disk.is_none() {
            self.notes.push(format!("`{}` holds no image that can be read: its manifest is compared", self.label));
        }
        self.manifest = Some(manifest);
        Ok(())
    }

    fn profile(&mut self, path: &Path, how: How<'_>, checkout: Option<&Checkout>) -> Result<()> {
        let (shown, profile) = Shown::load(path, how.arch, checkout)?;
        self.profile = Some(shown);
        let label = &self.label;
        let (lock, note) = match Lock::read(&Lock::path_for(path))? {
            Some(lock) => (Some(lock), None),
            None => match (how.resolve)(&profile).context(|| "making a lock, since none lies beside it".to_owned()) {
                Ok(Some(lock)) => {
                    let note =
                        "no lock beside it: its versions are those that the archives have now; nothing was written";
                    (Some(lock), Some(note))
                }
                Ok(None) => (None, Some("no lock beside it: versions are not compared; `imagebuild lock` makes it")),
                Err(error) => {
                    return Err(error.hint("`--offline` compares what the profiles ask for, without versions"));
                }
            },
        };
        self.notes.extend(note.map(|note| format!("`{label}` has {note}")));
        self.lock = lock.map(|lock| Locked { lock, arch: profile.image.arch, carried: false });
        Ok(())
    }

    fn locked(&mut self, lock: Lock, arch: Option<Arch>, carried: bool) {
        let first = lock.image.keys().next().copied();
        if lock.image.len() > 1 && arch.is_none() {
            self.notes.push(format!("`{}` is of several architectures: --arch says which is compared", self.label));
        }
        match arch.or(first) {
            Some(arch) => self.lock = Some(Locked { lock, arch, carried }),
            None => self.notes.push(format!("`{}` holds nothing", self.label)),
        }
    }

    /// An image, and what it carries of its own making.
    fn image(&mut self, path: &Path) -> Result<()> {
        let (disk, root, note) = match opened::is_squashfs(path)? {
            true => (None, Some(Inventory::read(squashfs::Image::open(path)?)?), None),
            false => {
                let (built, root, note) = Built::open(path)?;
                (Some(built), root, note)
            }
        };
        self.notes.extend(note);
        if let Some(root) = &root {
            if let Some(text) = root.carried(record::PROFILE)? {
                self.profile = Some(Shown::parse(&text)?);
            }
            if let Some(text) = root.carried(record::LOCK)? {
                self.locked(Lock::parse(&text)?, None, true);
            }
        }
        (self.disk, self.root) = (disk, root);
        Ok(())
    }

    /// The names of packages that were asked for, where that is known.
    pub fn asked(&self) -> Option<std::collections::HashSet<&str>> {
        let section = self.lock.as_ref()?.section()?;
        Some(section.packages.iter().filter(|package| package.requested).map(|package| package.name.as_str()).collect())
    }

    /// The root, where it is an image.
    pub fn root(&self) -> Option<&Inventory> {
        self.root.as_ref()
    }
}
