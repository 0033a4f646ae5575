//! The system round it: accounts (a file of their own), kernel settings, units and what they declare.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, Topic};
use super::side::Side;
use super::{Found, accounts, pairs};
use crate::audit::inventory::Inventory;
use crate::audit::posture::{View, sysctl};
use crate::path::RootPath;

/// Compares two roots; files whose difference is told by their meaning are noted in `found`.
pub fn compare(a: &Side, b: &Side, found: &mut Found) -> crate::Result<()> {
    let (Some(before), Some(after)) = (a.root(), b.root()) else { return Ok(()) };
    accounts::compare(before, after, found)?;
    settings(before, after, found)?;
    units(before, after, found)
}

/// A value and the file that says it.
type Told = (String, String);

/// Kernel settings as systemd-sysctl takes them, and modules that are loaded.
fn settings(before: &Inventory, after: &Inventory, found: &mut Found) -> crate::Result<()> {
    let sysctl = |root| Ok::<_, crate::Error>(sysctl::effective(&View::of_image(root, None, Vec::new())?)?.all());
    for (word, old, new) in
        [("sysctl", sysctl(before)?, sysctl(after)?), ("module", modules_loaded(before)?, modules_loaded(after)?)]
    {
        let mut files = BTreeSet::new();
        pairs(&old, &new, |key, old: Option<Told>, new: Option<Told>| {
            if old.as_ref().map(|found| &found.0) != new.as_ref().map(|found| &found.0) {
                files.extend([&old, &new].into_iter().flatten().map(|found| found.1.clone()));
            }
            let value = |found: Option<Told>| found.map(|found| found.0);
            found.extend(Topic::Settings, Change::of(format!("{word} {key}"), value(old), value(new)));
        });
        for file in files {
            found.explained(&file, "kernel settings");
        }
    }
    Ok(())
}

/// Modules of modules-load.d with the file that names each: a file in /etc hides one of its name in /usr/lib.
fn modules_loaded(root: &Inventory) -> crate::Result<BTreeMap<String, Told>> {
    let mut files = root.files("/usr/lib/modules-load.d")?;
    files.extend(root.files("/etc/modules-load.d")?);
    let mut out = BTreeMap::new();
    for path in files.values().map(ToString::to_string) {
        let text = root.text(&path)?.unwrap_or_default();
        for name in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
            out.insert(name.to_owned(), ("loaded".to_owned(), path.clone()));
        }
    }
    Ok(out)
}

/// Units: enabled by links, masked by a link to nowhere, writable and listening by what they say.
fn units(before: &Inventory, after: &Inventory, found: &mut Found) -> crate::Result<()> {
    let (old, new) = (before.enabled()?, after.enabled()?);
    pairs(&old, &new, |name, old, new| {
        let text = |state: &Option<(String, RootPath)>| state.as_ref().map(|state| state.0.clone());
        if text(&old) != text(&new) {
            for (_, path) in [&old, &new].into_iter().flatten() {
                found.explained(&path.to_string(), "units");
            }
        }
        let (unit, _) = name.split_once(' ').unwrap_or((name, ""));
        let mut change = Change::of(unit, text(&old), text(&new));
        if let Some(change) = &mut change {
            change.what = unit.to_owned();
        }
        found.extend(Topic::Units, change);
    });
    let (old, new) = (declared(before)?, declared(after)?);
    pairs(&old, &new, |name, old, new| {
        if let (Some(old), Some(new)) = (&old, &new)
            && old.path == new.path
            && old.rest == new.rest
            && old.text != new.text
        {
            found.explained(&new.path, "what it declares");
        }
        // One that comes or goes and says no more than is told.
        if let (Some(only), None) | (None, Some(only)) = (&old, &new)
            && only.rest.is_empty()
        {
            found.explained(&only.path, "what it declares");
        }
        let text = |declared: Option<Declared>| declared.map(|declared| declared.text);
        let (old, new) = (text(old), text(new));
        let (topic, what) = match name.split_once(' ') {
            Some(("mount", path)) => (Topic::Writable, path),
            _ => (Topic::Sockets, name),
        };
        found.extend(topic, Change::of(what, old, new));
    });
    Ok(())
}

/// Where units of the system lie, what is looked at first first.
const FOLDERS: [&str; 2] = ["/etc/systemd/system", "/usr/lib/systemd/system"];

/// What a unit declares.
#[derive(Clone)]
struct Declared {
    text: String,
    path: String,
    /// The lines of the unit that say something else.
    rest: String,
}

/// What a socket listens on: the directives of systemd.socket(5).
const LISTENS: [&str; 5] = ["ListenStream", "ListenDatagram", "ListenSequentialPacket", "ListenFIFO", "ListenNetlink"];

/// What tells of a mount: directives of systemd.mount(5).
const MOUNTS: [&str; 4] = ["What", "Where", "Type", "Options"];

/// The lines of a unit without those of `keys`, the heads of sections and what says nothing.
fn rest(text: &str, keys: &[&str]) -> String {
    let told = |line: &str| {
        let key = line.split_once('=').map(|(key, _)| key.trim());
        line.is_empty() || line.starts_with(['#', ';', '[']) || key.is_some_and(|key| keys.contains(&key))
    };
    text.lines().filter(|line| !told(line.trim())).collect::<Vec<_>>().join("\n")
}

/// Mounts that can be written and sockets that units declare.
fn declared(root: &Inventory) -> crate::Result<BTreeMap<String, Declared>> {
    let mut out = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for folder in FOLDERS {
        for (name, path) in root.files(folder)? {
            if !(name.ends_with(".mount") || name.ends_with(".socket")) || !seen.insert(name.clone()) {
                continue;
            }
            let text = root.text(&path.to_string())?.unwrap_or_default();
            let value = |key: &str| {
                let values = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
                values.map(str::trim).collect::<Vec<_>>().join(", ")
            };
            let path = path.to_string();
            if name.ends_with(".mount") {
                let options = value("Options");
                if options.split(',').all(|option| option != "ro") {
                    let said = format!("{} from {}, {options}", value("Type"), value("What"));
                    let declared = Declared { text: said, path, rest: rest(&text, &MOUNTS) };
                    out.insert(format!("mount {}", value("Where")), declared);
                }
            } else {
                let listens = LISTENS.map(value).into_iter().filter(|text| !text.is_empty());
                let said = listens.collect::<Vec<_>>().join(", ");
                out.insert(name.clone(), Declared { text: said, path, rest: rest(&text, &LISTENS) });
            }
        }
    }
    Ok(out)
}
