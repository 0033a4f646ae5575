//! What is known of a build: its folder or image, what is in it, and what the store remembers of its making.

use std::path::Path;

use crate::audit::diff::{How, Side};
use crate::audit::explain::{Explanation, Memory};
use crate::audit::sbom::Bom;
use crate::audit::{posture, provenance};
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::{Context as _, Error, Result};
use crate::manifest;
use crate::profile::Image;
use crate::store::Store;

/// A build, looked at.
pub struct Build {
    /// What a comparison knows of it.
    pub side: Side,
    /// What is in it.
    pub bom: Option<Bom>,
    /// Bytes of the squashfs.
    pub packed: Option<u64>,
    /// How it stands to rules.
    pub posture: Option<posture::Report>,
    /// Whether a signed provenance lies beside it.
    pub signed: bool,
    /// Whether the digests are signed as minisign does.
    pub minisig: bool,
    /// How it was made, where the store remembers that very build.
    pub explanation: Option<Explanation>,
}

impl Build {
    /// Opens an image or the folder of a build.
    pub fn open(name: &str, store: &Store) -> Result<Self> {
        let path = Path::new(name);
        // A profile is no build, whatever its lock would be.
        let mut side = Side::open(name, How { arch: None, resolve: &|_| Ok(None) })?;
        if side.manifest.is_none() && side.disk.is_none() {
            return Err(Error::user(format!("`{name}` is no build"))
                .hint("expected an image, or the folder that a build wrote; `diff` compares profiles and locks"));
        }
        let (mut bom, mut packed, mut held) = (None, None, None);
        if let Some((disk, root)) = side.disk.as_ref().zip(side.root()) {
            let doing = || format!("looking into `{name}`");
            packed = Some(root.image().bytes_used());
            let found = Bom::read(root.image(), disk.uki()).context(doing)?;
            held = Some(posture::check_image(root, disk.uki(), &disk.esp.addons, None).context(doing)?);
            side.notes.extend(found.warnings.iter().cloned());
            bom = Some(found);
        }
        let signed = path.join(provenance::SIGNED).is_file();
        let minisig = path.join(format!("{}.{}", manifest::SUMS, provenance::detached::SIGNATURE)).is_file();
        let explanation = explanation(path, &side, store)?;
        Ok(Build { side, bom, packed, posture: held, signed, minisig, explanation })
    }

    /// `node 1.0.0`
    pub fn name(&self) -> String {
        match (&self.side.manifest, &self.bom) {
            (Some(manifest), _) => format!("{} {}", manifest.image.id, manifest.image.version),
            (None, Some(bom)) => format!("{} {}", bom.name, bom.version).trim().to_owned(),
            (None, None) => self.side.label.clone(),
        }
    }

    /// The image's moment, RFC 3339.
    pub fn moment(&self) -> Option<String> {
        let Epoch(seconds) = match (&self.side.manifest, &self.bom) {
            (Some(manifest), _) => manifest.epoch,
            (None, bom) => bom.as_ref()?.epoch,
        };
        jiff::Timestamp::from_second(i64::from(seconds)).ok().map(|at| at.to_string())
    }

    /// The release of the kernel.
    pub fn kernel(&self) -> Option<&str> {
        let manifest = self.side.manifest.as_ref().map(|manifest| manifest.boot.kernel.as_str());
        manifest.or_else(|| Some(self.side.disk.as_ref()?.uki()?.release.as_str()))
    }

    /// What it is, in one line.
    pub fn facts(&self) -> String {
        let arch = self.side.manifest.as_ref().map(|manifest| manifest.image.arch.to_string());
        let distribution = self.bom.as_ref().map(|bom| bom.distribution.2.clone()).filter(|name| !name.is_empty());
        let kernel = self.kernel().map(|kernel| format!("Linux {kernel}"));
        let parts: Vec<String> = [arch, distribution, kernel, self.moment()].into_iter().flatten().collect();
        parts.join(" · ")
    }
}

/// What the store remembers of the build in a folder; another build of the same image since is not it.
fn explanation(folder: &Path, side: &Side, store: &Store) -> Result<Option<Explanation>> {
    let path = folder.join(manifest::NAME);
    let Some(manifest) = side.manifest.as_ref().filter(|_| path.is_file()) else { return Ok(None) };
    let image =
        Image { id: manifest.image.id.clone(), version: manifest.image.version.clone(), arch: manifest.image.arch };
    let Some(memory) = Memory::read(store, &image) else { return Ok(None) };
    let (own, _) = Digest::of_reader(std::fs::File::open(&path).context(|| format!("reading `{}`", path.display()))?)?;
    Ok((memory.manifest == own).then_some(memory.explanation))
}
