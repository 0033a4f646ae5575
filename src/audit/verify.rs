//! Whether an image is what it says: tables, hash trees, and the manifest beside it.

use std::path::Path;

use super::image::{Image, Slot, Uki};
use crate::digest::Digest;
use crate::error::{Context, Result};
use crate::manifest::{self, Manifest};
use crate::verity::{self, Fault};

/// Everything that is wrong with the image at `path`, in the order of looking; `manifest` is compared where
/// given. `passed` hears of each check that was made.
///
/// Errors are what keeps it from being looked at at all: no partition table, no UKI.
pub fn verify(
    path: &Path,
    manifest: Option<&Manifest>,
    jobs: usize,
    mut passed: impl FnMut(&str),
) -> Result<Vec<String>> {
    let image = Image::open(path)?;
    let mut faults = image.faults.clone();
    passed("partition table, both copies");
    faults.extend(image.esp_files()?.faults);
    passed("tables of the ESP");
    let ukis = image.ukis()?;
    for uki in &ukis {
        let hash = uki.root_hash().context(|| format!("reading the command line of `{}`", uki.path))?;
        match image.slot(&hash) {
            // A table that lost a partition, or a command line of another image.
            Err(error) => faults.push(format!("`{}`: {}", uki.path, error.message())),
            Ok(slot) => {
                faults.extend(check_slot(&image, slot, &hash, jobs)?);
                passed(&format!("every block of the root {hash}"));
            }
        }
    }
    if let Some(manifest) = manifest {
        faults.extend(against(manifest, path, &image, &ukis)?);
        passed("manifest");
    }
    Ok(faults)
}

/// The first block that does not fit, in blocks of the partition.
fn check_slot(image: &Image, slot: Slot, hash: &Digest, jobs: usize) -> Result<Option<String>> {
    let fault = match verity::verify(&image.part(slot.root)?, &image.part(slot.verity)?, hash, jobs) {
        Ok(fault) => fault,
        // The superblock itself is spoilt.
        Err(error) => return Ok(Some(format!("block 0 of the hash tree: {}", error.message()))),
    };
    let place = |(at, _): (u64, u64), block: u64| at.saturating_add(block.saturating_mul(4096));
    Ok(fault.map(|fault| match fault {
        Fault::Tree(block) => {
            format!("block {block} of the hash tree, byte {} of the image, is corrupt", place(slot.verity, block))
        }
        Fault::Data(block) => {
            format!("block {block} of the root, byte {} of the image, is corrupt", place(slot.root, block))
        }
    }))
}

fn against(manifest: &Manifest, path: &Path, image: &Image, ukis: &[Uki]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut same = |what: &str, found: String, expected: String| {
        if found != expected {
            faults.push(format!("{what} is `{found}`, the manifest says `{expected}`"));
        }
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let artifact = manifest.artifacts.iter().find(|artifact| artifact.path == name);
    if let Some(artifact) = artifact {
        let file = std::fs::File::open(path)?;
        let (digest, size) = Digest::of_reader(file).context(|| format!("reading `{}`", path.display()))?;
        same("the size", size.to_string(), artifact.size.to_string());
        same("the sha256", digest.to_string(), artifact.sha256.to_string());
    }
    let uki = ukis.iter().find(|uki| uki.sha256 == manifest.boot.uki);
    let found = uki.or(ukis.first());
    let text = |of: &dyn Fn(&Uki) -> String| found.map(of).unwrap_or_default();
    same("the sha256 of the UKI", text(&|uki| uki.sha256.to_string()), manifest.boot.uki.to_string());
    same("the command line", text(&|uki| uki.cmdline.clone()), manifest.boot.cmdline.clone());
    same("the kernel", text(&|uki| uki.release.clone()), manifest.boot.kernel.clone());
    let hash = found.and_then(|uki| uki.root_hash().ok()).map(|hash| hash.to_string()).unwrap_or_default();
    same("the root hash", hash, manifest.root.root_hash.to_string());
    // An ISO image has partitions of its own; those of the root were found by its hash.
    if artifact.is_some_and(|artifact| artifact.format == "iso") {
        return Ok(faults);
    }
    let partitions = image.table.entries.iter().map(|entry| {
        let (start, size) = image.place(entry);
        manifest::Partition { label: entry.label.clone(), kind: entry.kind, id: entry.id, start, size }
    });
    if partitions.collect::<Vec<_>>() != manifest.partitions {
        faults.push("the partitions are not those of the manifest".to_owned());
    }
    Ok(faults)
}
