//! Packages and other inputs: what came, went, moved up, moved down, or has other bytes under its old version.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::change::{Change, Flag, Kind, Topic};
use super::side::Side;
use super::{Found, pairs};
use crate::audit::inventory::Inventory;
use crate::digest::Digest;
use crate::lock::{Input, Location};
use crate::source::apt::version;

/// What a side knows of a package.
#[derive(Debug, Clone, Default)]
struct Known {
    version: String,
    arch: Option<String>,
    /// Archive and suite.
    from: Option<(String, String)>,
    sha256: Option<Digest>,
    requested: Option<bool>,
    /// Bytes installed, or of the package where only a lock is there.
    size: Option<u64>,
    /// Names from one that was asked for to this one.
    way: Vec<String>,
}

/// Compares packages where both sides know theirs, and locks where both have one.
pub fn compare(a: &Side, b: &Side, found: &mut Found) {
    if let (Some(mut before), Some(mut after)) = (known(a), known(b)) {
        // Bytes installed and bytes of package files are not to be compared.
        if installed(a).is_some() != installed(b).is_some() {
            before.values_mut().chain(after.values_mut()).for_each(|known| known.size = None);
        }
        pairs(&before, &after, |name, old, new| {
            found.extend(Topic::Packages, change(name, old.as_ref(), new.as_ref()));
        });
    }
    let (Some(before), Some(after)) = (&a.lock, &b.lock) else { return };
    let (Some(before), Some(after)) = (before.section(), after.section()) else { return };
    let inputs = |inputs: &[Input]| -> BTreeMap<String, Input> {
        inputs.iter().map(|input| (input.name.clone(), input.clone())).collect()
    };
    let (before, after) = (inputs(&before.inputs), inputs(&after.inputs));
    pairs(&before, &after, |name, old, new| {
        let (old, new) = (old.as_ref(), new.as_ref());
        let Some(mut change) = Change::of(name, old.map(input), new.map(input)) else { return };
        if let (Some(Location::Apt { version: old, .. }), Some(Location::Apt { version: new, .. })) =
            (old.map(|input| &input.location), new.map(|input| &input.location))
        {
            change = moved(change, old, new, true);
        } else if old.is_some() && new.is_some() {
            // A URL stands for one version.
            change = change.flag(Flag::SameVersion).note("other bytes at the same place");
        }
        let topic = if name.starts_with("preload/") { Topic::Preload } else { Topic::Node };
        found.add(topic, change);
    });
}

fn input(input: &Input) -> String {
    let version = match &input.location {
        Location::Apt { version, .. } => format!("{version} "),
        Location::Url(_) => String::new(),
    };
    format!("{version}sha256 {}", short(&input.sha256))
}

fn short(digest: &Digest) -> String {
    digest.to_string().chars().take(16).collect()
}

/// The root whose packages are known.
fn installed(side: &Side) -> Option<&Inventory> {
    side.root().filter(|root| root.has_database())
}

/// The best that a side knows: its lock, what is installed, its manifest.
fn known(side: &Side) -> Option<BTreeMap<String, Known>> {
    let mut out: Option<BTreeMap<String, Known>> = None;
    if let Some(section) = side.lock.as_ref().and_then(|locked| locked.section()) {
        let packages = section.packages.iter().map(|package| {
            let known = Known {
                version: package.version.clone(),
                arch: Some(package.arch.clone()),
                from: Some((package.from.clone(), package.suite.clone())),
                sha256: Some(package.sha256),
                requested: Some(package.requested),
                size: Some(package.size),
                way: Vec::new(),
            };
            (package.name.clone(), known)
        });
        out = Some(packages.collect());
    }
    if let Some(root) = installed(side) {
        let asked = side.asked();
        let ways = asked.as_ref().map(|asked| root.why(asked)).unwrap_or_default();
        let mut installed = BTreeMap::new();
        for (name, package) in &root.packages {
            let mut known = out.as_ref().and_then(|locked| locked.get(name)).cloned().unwrap_or_default();
            if known.version != package.version {
                // The image is the truth; what its lock says of another version is none of this one.
                known = Known { requested: known.requested, ..Known::default() };
            }
            known.version = package.version.clone();
            known.arch = Some(package.arch.clone());
            known.size = Some(package.size);
            known.way = ways.get(name).cloned().unwrap_or_default();
            installed.insert(name.clone(), known);
        }
        out = Some(installed);
    }
    out.or_else(|| {
        let packages = &side.manifest.as_ref()?.inputs.packages;
        let known = |version: &String| Known { version: version.clone(), ..Known::default() };
        Some(packages.iter().map(|(name, version)| (name.clone(), known(version))).collect())
    })
}

fn change(name: &str, before: Option<&Known>, after: Option<&Known>) -> Option<Change> {
    let version = |known: Option<&Known>| known.map(|known| known.version.clone());
    let (old, new) = match (before, after) {
        (Some(old), Some(new)) => (old, new),
        _ => {
            let change = Change::of(name, version(before), version(after))?;
            let size = |known: Option<&Known>| known.and_then(|known| known.size).unwrap_or(0);
            return Some(told(change, after.or(before)?).grown(size(before), size(after)));
        }
    };
    let mut change = Change::new(Kind::Changed, name, version(before), version(after));
    let mut differs = false;
    if old.version != new.version {
        change = moved(change, &old.version, &new.version, false);
        differs = true;
    } else if matches!((&old.sha256, &new.sha256), (Some(a), Some(b)) if a != b) {
        change = change.flag(Flag::SameVersion).note("rebuilt under the same version");
        let digest =
            |known: &Known| known.sha256.as_ref().map(|digest| format!("{} sha256 {}", known.version, short(digest)));
        (change.before, change.after) = (digest(old), digest(new));
        differs = true;
    }
    if let (Some(a), Some(b)) = (&old.arch, &new.arch)
        && a != b
    {
        change = change.note(format!("architecture {a} -> {b}"));
        differs = true;
    }
    if let (Some(a), Some(b)) = (&old.from, &new.from)
        && a != b
    {
        change = change.note(format!("archive {} {} -> {} {}", a.0, a.1, b.0, b.1));
        // Another suite of one archive is what updates come from; another archive is another's word.
        change = change.flag_if(Flag::Key, a.0 != b.0);
        differs = true;
    }
    if let (Some(a), Some(b)) = (old.requested, new.requested)
        && a != b
    {
        change = change.note(if b { "asked for now" } else { "no longer asked for, a dependency still" });
        differs = true;
    }
    let sizes = old.size.zip(new.size).unwrap_or_default();
    differs.then(|| told(change, new).grown(sizes.0, sizes.1))
}

/// Upgraded, downgraded, or the same version with other bytes.
fn moved(change: Change, old: &str, new: &str, other_bytes: bool) -> Change {
    match version::compare(old, new) {
        Ordering::Less => change.note("upgraded"),
        Ordering::Greater => change.note("DOWNGRADED").flag(Flag::Downgrade),
        Ordering::Equal if other_bytes => change.flag(Flag::SameVersion).note("rebuilt under the same version"),
        Ordering::Equal => change.note("the same version, written otherwise"),
    }
}

/// Whether it was asked for, or what brought it in, and from where.
fn told(mut change: Change, known: &Known) -> Change {
    match (known.requested, known.way.len()) {
        (Some(true), _) => change.notes.push("asked for".to_owned()),
        (Some(false), 2..) => change.because.push(format!("brought in by {}", known.way.join(" > "))),
        (Some(false), _) => change.notes.push("a dependency".to_owned()),
        (None, _) => {}
    }
    if let Some((archive, suite)) = &known.from
        && !change.notes.iter().any(|note| note.starts_with("archive "))
    {
        change.notes.push(format!("from {archive} {suite}"));
    }
    change
}
