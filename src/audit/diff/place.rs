//! Partitions, boot files, outputs.

use std::collections::BTreeMap;

use super::change::{Change, Kind, Topic, Weight};
use super::side::{Built, Side};
use super::{Found, pairs};
use crate::audit::inventory::Inventory;
use crate::boot;
use crate::disk::gpt::Entry;
use crate::manifest::Artifact;
use crate::size::{Size, human};

/// Compares what both sides know of their disks and files.
pub fn compare(a: &Side, b: &Side, found: &mut Found) -> crate::Result<()> {
    packed(a, b, found)?;
    partitions(a, b, found);
    uki(a, b, found);
    esp(a, b, found)?;
    outputs(a, b, found);
    Ok(())
}

/// How the roots are packed, by the profile's words for it; a level is not to be seen.
fn packed(a: &Side, b: &Side, found: &mut Found) -> crate::Result<()> {
    let (Some(before), Some(after)) = (a.root(), b.root()) else { return Ok(()) };
    let codec = |root: &Inventory| Ok::<_, crate::Error>(Some(root.image().codec()?.name().to_owned()));
    found.extend(Topic::Partitions, Change::of("pack.codec", codec(before)?, codec(after)?));
    let block = |root: &Inventory| Some(Size(root.image().block_size().into()).to_string());
    found.extend(Topic::Partitions, Change::of("pack.block", block(before), block(after)));
    Ok(())
}

/// What a partition is: number and type; label and id follow from name and root hash.
fn partitions(a: &Side, b: &Side, found: &mut Found) {
    let (Some(before), Some(after)) = (&a.disk, &b.disk) else { return };
    let (old, new) = (&before.image, &after.image);
    let text = |image: &crate::audit::image::Image, entry: &Entry| {
        let (at, size) = image.place(entry);
        format!("{} at byte {at}, type {}, attributes {:016x}", human(size), entry.kind, entry.attributes)
    };
    for number in 0..old.table.entries.len().max(new.table.entries.len()) {
        let (mine, theirs) = (old.table.entries.get(number), new.table.entries.get(number));
        let what = format!("partition {}", number + 1);
        let change = Change::of(&what, mine.map(|entry| text(old, entry)), theirs.map(|entry| text(new, entry)));
        let size =
            |image: &crate::audit::image::Image, entry: Option<&Entry>| entry.map_or(0, |entry| image.place(entry).1);
        found.extend(Topic::Partitions, change.map(|change| change.grown(size(old, mine), size(new, theirs))));
        let (Some(mine), Some(theirs)) = (mine, theirs) else { continue };
        let label = Change::of(format!("{what}: label"), Some(mine.label.clone()), Some(theirs.label.clone()));
        found.extend(Topic::Partitions, label.map(|change| change.weigh(Weight::Follows).because("the image's name")));
        let id = Change::of(format!("{what}: id"), Some(mine.id.to_string()), Some(theirs.id.to_string()));
        found.extend(Topic::Partitions, id.map(|change| change.weigh(Weight::Cosmetic)));
    }
    if old.bytes.length() != new.bytes.length() {
        let size = |length: u64| Some(format!("{length} bytes"));
        found.extend(Topic::Partitions, Change::of("disk", size(old.bytes.length()), size(new.bytes.length())));
    }
    if old.table.sector != new.table.sector {
        let sector = |sector: u32| Some(format!("{sector} bytes"));
        found.extend(Topic::Partitions, Change::of("sector", sector(old.table.sector), sector(new.table.sector)));
    }
}

/// Sections of the UKI; what is in the command line and initrd has topics of its own.
fn uki(a: &Side, b: &Side, found: &mut Found) {
    let (Some(before), Some(after)) = (&a.disk, &b.disk) else { return };
    if let (Some(old), Some(new)) = (before.uki(), after.uki()) {
        let map = |sections: &[(String, u64, crate::digest::Digest)]| -> BTreeMap<String, String> {
            let text =
                |section: &(String, u64, crate::digest::Digest)| format!("{} bytes, sha256 {}", section.1, section.2);
            sections.iter().map(|section| (section.0.clone(), text(section))).collect()
        };
        let other_kernel = old.release != new.release;
        let other_name = old.path != new.path || found.explanation("/usr/lib/os-release").is_some();
        pairs(&map(&old.sections), &map(&new.sections), |name, was, is| {
            let told = match name {
                ".cmdline" => Some("told under the command line"),
                ".initrd" => Some("told under the initrd"),
                ".linux" | ".uname" if other_kernel => Some("another kernel"),
                ".osrel" if other_name => Some("another name"),
                _ => None,
            };
            let change = Change::of(format!("UKI section {name}"), was, is);
            found.extend(
                Topic::Partitions,
                change.map(|change| match told {
                    Some(why) => change.weigh(Weight::Follows).because(why),
                    None => change,
                }),
            );
        });
    }
}

/// Files of the ESP besides UKIs.
fn esp(a: &Side, b: &Side, found: &mut Found) -> crate::Result<()> {
    let (Some(before), Some(after)) = (&a.disk, &b.disk) else { return Ok(()) };
    let files = |side: &Built| -> crate::Result<BTreeMap<String, String>> {
        let other = |path: &str| side.ukis.iter().all(|uki| uki.path != path);
        let digests = side.image.esp_digests(&other)?;
        let text =
            |(path, size): &(String, u64)| Some((path.clone(), format!("{size} bytes, sha256 {}", digests.get(path)?)));
        Ok(side.esp.files.iter().filter_map(text).collect())
    };
    pairs(&files(before)?, &files(after)?, |path, old, new| {
        let addon = |side: &Built| side.esp.addons.iter().any(|(addon, _)| addon == path);
        let told = match path {
            // A BIOS finds both beside the UKI.
            boot::KERNEL => Some("the same kernel as in the UKI"),
            boot::INITRD => Some("told under the initrd"),
            _ if addon(before) || addon(after) => Some("told under the command line"),
            _ => None,
        };
        let change = Change::of(format!("ESP file {path}"), old, new);
        found.extend(
            Topic::Partitions,
            change.map(|change| match told {
                Some(why) if change.kind == Kind::Changed => change.weigh(Weight::Follows).because(why),
                _ => change,
            }),
        );
    });
    Ok(())
}

fn outputs(a: &Side, b: &Side, found: &mut Found) {
    let (Some(before), Some(after)) = (&a.manifest, &b.manifest) else { return };
    let map = |side: &crate::manifest::Manifest| -> BTreeMap<String, Artifact> {
        // The name of a file holds the image's version.
        let stem = format!("{}_{}", side.image.id, side.image.version);
        let name = |artifact: &Artifact| artifact.path.replacen(&stem, "IMAGE", 1);
        side.artifacts.iter().map(|artifact| (name(artifact), artifact.clone())).collect()
    };
    pairs(&map(before), &map(after), |name, old, new| {
        let text =
            |artifact: &Artifact| format!("{}, {} bytes, sha256 {}", artifact.format, artifact.size, artifact.sha256);
        let size = |artifact: &Option<Artifact>| artifact.as_ref().map_or(0, |artifact| artifact.size);
        let sizes = (size(&old), size(&new));
        let both = old.is_some() && new.is_some();
        let change = Change::of(format!("output {name}"), old.as_ref().map(text), new.as_ref().map(text));
        found.extend(
            Topic::Outputs,
            change.map(|change| {
                let change = change.grown(sizes.0, sizes.1);
                if both { change.weigh(Weight::Follows) } else { change }
            }),
        );
    });
    let minimum = |size: u64| Some(format!("{size} bytes"));
    found
        .extend(Topic::Outputs, Change::of("smallest disk", minimum(before.minimum_disk), minimum(after.minimum_disk)));
}
