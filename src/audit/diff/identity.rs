//! What the image calls itself, who signed what it is made of, and what it waives.

use std::collections::BTreeMap;

use super::change::{Change, Flag, Kind, Topic, Weight};
use super::side::Side;
use super::{Found, pairs};
use crate::lock::Release;

/// As large as an os-release is read.
const MAX: u64 = 1 << 20;

/// Compares names, versions, moments, digests; then releases of archives and waivers.
pub fn compare(a: &Side, b: &Side, found: &mut Found) -> crate::Result<()> {
    named(a, b, found)?;
    made(a, b, found);
    trust(a, b, found);
    waived(a, b, found);
    Ok(())
}

fn named(a: &Side, b: &Side, found: &mut Found) -> crate::Result<()> {
    if let (Some(before), Some(after)) = (a.root(), b.root()) {
        let read = |root: &crate::audit::inventory::Inventory| -> crate::Result<BTreeMap<String, String>> {
            let text = root.text_within("/usr/lib/os-release", MAX)?.unwrap_or_default();
            let pairs = text.lines().filter_map(|line| line.split_once('='));
            Ok(pairs.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned())).collect())
        };
        let (before, after) = (read(before)?, read(after)?);
        pairs(&before, &after, |key, old, new| {
            if old != new {
                found.explained("/usr/lib/os-release", "identity");
            }
            let what = match key {
                "IMAGE_ID" => "image.id".to_owned(),
                "IMAGE_VERSION" => "image.version".to_owned(),
                key => format!("os-release {key}"),
            };
            found.extend(Topic::Identity, Change::of(what, old, new));
        });
    }
    if let (Some(before), Some(after)) = (stated(a), stated(b)) {
        pairs(&before, &after, |what, old, new| found.extend(Topic::Identity, Change::of(what, old, new)));
    }
    if let (Some(before), Some(after)) = (&a.manifest, &b.manifest) {
        let tool = Change::of("imagebuild", Some(before.imagebuild.clone()), Some(after.imagebuild.clone()));
        found.extend(Topic::Identity, tool);
        let fast = |fast: bool| Some(if fast { "a fast build" } else { "a release" }.to_owned());
        found.extend(Topic::Identity, Change::of("packed as", fast(before.fast), fast(after.fast)));
    }
    Ok(())
}

/// What a side says that its image is.
fn stated(side: &Side) -> Option<BTreeMap<String, String>> {
    let of = |what: &str, value: String| (format!("image.{what}"), value);
    if let Some(image) = side.manifest.as_ref().map(|manifest| &manifest.image) {
        let arch = image.arch.to_string();
        return Some([of("id", image.id.clone()), of("version", image.version.clone()), of("arch", arch)].into());
    }
    let leaves = &side.profile.as_ref()?.leaves.0;
    Some(
        ["id", "version", "arch"]
            .iter()
            .filter_map(|what| Some(of(what, leaves.get(&format!("image.{what}"))?.value.clone())))
            .collect(),
    )
}

/// Digests and moments.
fn made(a: &Side, b: &Side, found: &mut Found) {
    let follows = |what: &str, old: Option<String>, new: Option<String>| {
        Change::of(what, Some(old?), Some(new?)).map(|change| change.weigh(Weight::Follows))
    };
    let hash = |side: &Side| {
        let uki = side.disk.as_ref().and_then(|disk| Some(disk.uki()?.root_hash().ok()?.to_string()));
        uki.or_else(|| Some(side.manifest.as_ref()?.root.root_hash.to_string()))
    };
    found.extend(Topic::Identity, follows("root hash", hash(a), hash(b)));
    let uki = |side: &Side| {
        let uki = side.disk.as_ref().and_then(|disk| Some(disk.uki()?.sha256.to_string()));
        uki.or_else(|| Some(side.manifest.as_ref()?.boot.uki.to_string()))
    };
    found.extend(Topic::Identity, follows("digest of the UKI", uki(a), uki(b)));
    let tree = |side: &Side| Some(side.manifest.as_ref()?.inputs.tree.to_string());
    found.extend(Topic::Identity, follows("digest of the tree", tree(a), tree(b)));
    let moment = |side: &Side| {
        let lock = side.lock.as_ref().map(|locked| locked.lock.epoch.0);
        lock.or_else(|| Some(side.manifest.as_ref()?.epoch.0)).map(|epoch| epoch.to_string())
    };
    if let (Some(old), Some(new)) = (moment(a), moment(b)) {
        let change = Change::of("moment of all time stamps", Some(old), Some(new));
        found.extend(Topic::Identity, change.map(|change| change.weigh(Weight::Cosmetic)));
    }
    let disk = |side: &Side| Some(side.disk.as_ref()?.image.table.id.to_string());
    if let (Some(old), Some(new)) = (disk(a), disk(b)) {
        let change = Change::of("id of the disk", Some(old), Some(new));
        found.extend(Topic::Identity, change.map(|change| change.weigh(Weight::Cosmetic)));
    }
}

/// A root hash that follows from nothing that is told stands for itself.
pub fn alone(a: &Side, b: &Side, found: &mut Found) {
    if a.root().is_none() || b.root().is_none() {
        return;
    }
    let told = |topic: Topic, prefix: &str| {
        found.topics.get(&topic).is_some_and(|changes| changes.iter().any(|change| change.what.starts_with(prefix)))
    };
    if told(Topic::Files, "") || told(Topic::Partitions, "pack.") {
        return;
    }
    let changes = found.topics.get_mut(&Topic::Identity).into_iter().flatten();
    for change in changes.filter(|change| change.what == "root hash") {
        change.weight = Weight::Own;
        change.notes.push("every file is the same: packed or sealed otherwise".to_owned());
    }
}

fn trust(a: &Side, b: &Side, found: &mut Found) {
    let (Some(before), Some(after)) = (&a.lock, &b.lock) else { return };
    if before.carried || after.carried {
        return;
    }
    let releases = |releases: &[Release]| -> BTreeMap<String, Release> {
        releases.iter().map(|release| (format!("{} {}", release.from, release.suite), release.clone())).collect()
    };
    let (before, after) = (releases(&before.lock.releases), releases(&after.lock.releases));
    pairs(&before, &after, |name, old, new| {
        let signers = |release: &Option<Release>| release.as_ref().map(|release| release.signed_by.join(", "));
        let change = Change::of(format!("suite {name}"), signers(&old), signers(&new));
        found.extend(
            Topic::Trust,
            change.map(|change| match change.kind {
                Kind::Changed => change.flag(Flag::Key).note("signed by other keys"),
                _ => change.flag(Flag::Key).note("signed by these keys"),
            }),
        );
        if let (Some(old), Some(new)) = (old, new) {
            let state = |release: &Release| Some(format!("of {} (seconds since 1970)", release.date));
            let change = Change::of(format!("release file of {name}"), state(&old), state(&new));
            found.extend(Topic::Trust, change.map(|change| change.weigh(Weight::Cosmetic)));
        }
    });
}

fn waived(a: &Side, b: &Side, found: &mut Found) {
    if a.profile.is_some() && b.profile.is_some() {
        return;
    }
    let flagged = |change: Change| {
        let gone = change.kind == Kind::Removed;
        change.flag_if(Flag::Waiver, !gone)
    };
    if let (Some(before), Some(after)) = (reasons(a), reasons(b)) {
        pairs(&before, &after, |what, old, new| {
            found.extend(Topic::Waivers, Change::of(what, old, new).map(flagged));
        });
    }
    if let (Some(before), Some(after)) = (&a.lock, &b.lock)
        && !before.carried
        && !after.carried
    {
        pairs(&before.lock.without, &after.lock.without, |name, old, new| {
            found.extend(Topic::Waivers, Change::of(format!("userland.without.{name}"), old, new).map(flagged));
        });
    }
}

/// Why checks are given up, by the profile's names for it.
fn reasons(side: &Side) -> Option<BTreeMap<String, String>> {
    if let Some(manifest) = &side.manifest {
        let waivers = manifest.waivers.iter();
        return Some(waivers.map(|(id, reason)| (format!("waive.{id}.reason"), reason.clone())).collect());
    }
    let leaves = side.profile.as_ref()?.leaves.0.iter();
    let waivers = leaves.filter(|(path, _)| path.starts_with("waive.") && path.ends_with(".reason"));
    Some(waivers.map(|(path, leaf)| (path.clone(), leaf.value.clone())).collect())
}
