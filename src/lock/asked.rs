//! What a profile asks of the sources, and nothing else of it: the lock's digest covers this.

use std::collections::{BTreeMap, BTreeSet};

use crate::arch::Arch;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::profile::{Edit, FileContent, Go, Origin, Package, PreloadImage, Profile, Program, Source, Url};

/// All inputs that a profile asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    /// Packages of the root.
    pub packages: BTreeSet<Package>,
    /// Packages of preloaded images: the image's name, the package.
    pub preload: BTreeSet<(String, Package)>,
    /// Go programs by component (`kubelet`): source package and toolchain.
    pub go: BTreeMap<String, (Package, Package)>,
    /// Files by URL.
    pub urls: BTreeMap<String, Digest>,
}

impl Wants {
    /// Collects them; one URL with two digests is an error.
    pub fn of(profile: &Profile) -> Result<Self> {
        let mut wants = Wants::default();
        wants.packages.insert(profile.kernel.package.clone());
        wants.packages.extend(profile.userland.packages.iter().cloned());
        for (name, program) in profile.programs() {
            wants.program(name, program)?;
        }
        for preload in &profile.preload {
            match &preload.image {
                PreloadImage::File(_) => {}
                PreloadImage::Url(url) => wants.url(url)?,
                PreloadImage::Assemble { packages, edits, .. } => {
                    wants.preload.extend(packages.iter().map(|package| (preload.name.clone(), package.clone())));
                    wants.edits(edits)?;
                }
            }
        }
        wants.edits(&profile.edits)?;
        Ok(wants)
    }

    fn program(&mut self, name: &str, program: &Program) -> Result<()> {
        match &program.origin {
            Origin::Apt(packages) => self.packages.extend(packages.iter().cloned()),
            Origin::Url(url) => self.url(url)?,
            Origin::File(_) => {}
            Origin::Go(Go { source, toolchain, .. }) => {
                self.go.insert(name.to_owned(), (source.clone(), toolchain.clone()));
            }
        }
        Ok(())
    }

    fn edits(&mut self, edits: &[Edit]) -> Result<()> {
        for edit in edits {
            if let Edit::File { content: FileContent::Url(url), .. } = edit {
                self.url(url)?;
            }
        }
        Ok(())
    }

    fn url(&mut self, url: &Url) -> Result<()> {
        match self.urls.insert(url.url.clone(), url.sha256) {
            Some(other) if other != url.sha256 => {
                Err(Error::user(format!("`{}` is given two digests: {other} and {}", url.url, url.sha256)))
            }
            _ => Ok(()),
        }
    }

    /// Sources that packages for the image come from.
    pub fn sources(&self) -> BTreeSet<&str> {
        let sources = self.packages.iter().chain(self.preload.iter().map(|(_, package)| package));
        sources.chain(self.go.values().map(|(source, _)| source)).map(|package| package.from.as_str()).collect()
    }

    /// The digest of what is asked for an image of `arch`.
    pub fn image(&self, profile: &Profile, arch: Arch) -> Digest {
        let mut hasher = Hasher::default();
        hasher.field(arch.name().as_bytes());
        describe(&mut hasher, profile, &self.sources());
        list(&mut hasher, self.packages.iter().map(|package| [package.name.as_str(), package.from.as_str()]));
        list(&mut hasher, profile.userland.without.keys().map(|key| [key.as_str()]));
        list(&mut hasher, self.preload.iter().map(|(image, package)| [image.as_str(), &package.name, &package.from]));
        list(&mut hasher, self.go.iter().map(|(name, (source, _))| [name.as_str(), &source.name, &source.from]));
        list(&mut hasher, self.urls.iter().map(|(url, sha256)| [url.clone(), sha256.to_string()]));
        hasher.finish()
    }

    /// The digest of what is asked of toolchains for a host of `arch`; none where no program is built.
    pub fn toolchain(&self, profile: &Profile, arch: Arch) -> Option<Digest> {
        if self.go.is_empty() {
            return None;
        }
        let mut hasher = Hasher::default();
        hasher.field(arch.name().as_bytes());
        describe(&mut hasher, profile, &self.go.values().map(|(_, toolchain)| toolchain.from.as_str()).collect());
        list(&mut hasher, self.go.iter().map(|(name, (_, tools))| [name.as_str(), &tools.name, &tools.from]));
        Some(hasher.finish())
    }
}

/// Suites and components of the sources; not who signs, nor where they are to be had.
fn describe(hasher: &mut Hasher, profile: &Profile, sources: &BTreeSet<&str>) {
    for name in sources {
        hasher.field(name.as_bytes());
        if let Some(Source::Apt(apt)) = profile.sources.get(*name) {
            hasher.field(b"apt");
            list(hasher, apt.suites.iter().map(|suite| [suite]));
            list(hasher, apt.components.iter().map(|component| [component]));
        }
    }
}

fn list<const N: usize, T: AsRef<[u8]>>(hasher: &mut Hasher, rows: impl Iterator<Item = [T; N]>) {
    let rows: Vec<_> = rows.collect();
    hasher.update(&(rows.len() as u64).to_le_bytes());
    rows.iter().flatten().for_each(|field| hasher.field(field.as_ref()));
}
