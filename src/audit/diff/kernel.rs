//! Kernel, command line, modules, configuration symbols.

use std::collections::BTreeMap;

use super::change::{Change, Kind, Topic, Weight};
use super::side::Side;
use super::{Found, pairs};
use crate::audit::inventory::Inventory;
use crate::path::RootPath;

/// Compares what both sides know of their kernels.
pub fn compare(a: &Side, b: &Side, found: &mut Found) -> crate::Result<()> {
    let release = |side: &Side| {
        let uki = side.disk.as_ref().and_then(|disk| Some(disk.uki()?.release.clone()));
        uki.or_else(|| Some(side.manifest.as_ref()?.boot.kernel.clone()))
    };
    let (old, new) = (release(a), release(b));
    if let (Some(old), Some(new)) = (&old, &new) {
        found.extend(Topic::Kernel, Change::of("kernel", Some(old.clone()), Some(new.clone())));
    }
    let cmdline = |side: &Side| {
        let uki = side.disk.as_ref().and_then(|disk| Some(disk.uki()?.cmdline.clone()));
        uki.or_else(|| Some(side.manifest.as_ref()?.boot.cmdline.clone()))
    };
    if let (Some(old), Some(new)) = (cmdline(a), cmdline(b)) {
        pairs(&words(&old), &words(&new), |key, old, new| {
            let derived = matches!(key, "roothash" | "systemd.verity_root_data" | "systemd.verity_root_hash");
            let weight = if derived { Weight::Follows } else { Weight::Own };
            let change = Change::of(format!("command line: {key}"), old, new);
            found.extend(Topic::Kernel, change.map(|change| change.weigh(weight)));
        });
    }
    addons(a, b, found);
    if let (Some(before), Some(after)) = (a.root(), b.root()) {
        modules(before, after, found);
        configuration(before, after, found)?;
    }
    Ok(())
}

/// Words of a command line by what stands before `=`; one that comes several times keeps its order.
fn words(cmdline: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::<String, Vec<&str>>::new();
    for word in cmdline.split_ascii_whitespace() {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        out.entry(key.to_owned()).or_default().push(value);
    }
    out.into_iter().map(|(key, values)| (key, values.join(", "))).collect()
}

/// Words that an output alone has.
fn addons(a: &Side, b: &Side, found: &mut Found) {
    let (Some(before), Some(after)) = (&a.disk, &b.disk) else { return };
    let map = |addons: &[(String, String)]| addons.iter().cloned().collect::<BTreeMap<_, _>>();
    pairs(&map(&before.esp.addons), &map(&after.esp.addons), |path, old, new| {
        found.extend(Topic::Kernel, Change::of(format!("addon {path}"), old, new));
    });
}

/// The only kernel of a root: the folder of its modules.
pub fn module_folder(root: &Inventory) -> Option<RootPath> {
    let base = RootPath::new("/usr/lib/modules").ok()?;
    let mut folders = root.below(&base).filter(|node| node.path.parent().as_ref() == Some(&base));
    folders.next().map(|node| node.path.clone())
}

/// Names of modules with their files: `virtio_blk`.
fn names(root: &Inventory) -> BTreeMap<String, String> {
    let Some(folder) = module_folder(root) else { return BTreeMap::new() };
    let name = |node: &crate::squashfs::Node| {
        let name = String::from_utf8_lossy(node.path.name()?).into_owned();
        let stem = name.split(".ko").next()?;
        (name.ends_with(".ko") || name.contains(".ko.")).then(|| (stem.replace('-', "_"), node.path.to_string()))
    };
    root.below(&folder).filter_map(name).collect()
}

fn modules(before: &Inventory, after: &Inventory, found: &mut Found) {
    pairs(&names(before), &names(after), |name, old, new| {
        let (kind, path) = match (old, new) {
            (Some(path), None) => (Kind::Removed, path),
            (None, Some(path)) => (Kind::Added, path),
            // Other bytes of it are a matter of files.
            _ => return,
        };
        found.explained(&path, "the kernel");
        let mut change = Change::new(kind, format!("module {name}"), None, None);
        change.group = Some("modules".to_owned());
        found.add(Topic::Kernel, change);
    });
}

/// Symbols of `/boot/config-*`, where the package ships it.
fn configuration(before: &Inventory, after: &Inventory, found: &mut Found) -> crate::Result<()> {
    let ((path, old), (new_path, new)) = (symbols(before)?, symbols(after)?);
    if old.is_empty() || new.is_empty() {
        return Ok(());
    }
    pairs(&old, &new, |symbol, old, new| {
        if old != new {
            found.explained(&path, "the kernel");
            found.explained(&new_path, "the kernel");
        }
        let value = |value: Option<String>| Some(value.unwrap_or_else(|| "not set".to_owned()));
        found.extend(Topic::Kernel, Change::of(symbol, value(old), value(new)));
    });
    Ok(())
}

/// The path of the first such file, and its symbols.
fn symbols(root: &Inventory) -> crate::Result<(String, BTreeMap<String, String>)> {
    let boot = RootPath::new("/boot")?;
    let mut configs = root.below(&boot).filter(|node| node.path.as_bytes().starts_with(b"/boot/config-"));
    let Some(path) = configs.next().map(|node| node.path.to_string()) else {
        return Ok((String::new(), BTreeMap::new()));
    };
    let text = root.text(&path)?.unwrap_or_default();
    let pairs = text.lines().filter(|line| line.starts_with("CONFIG_")).filter_map(|line| line.split_once('='));
    let symbols = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    Ok((path, symbols))
}
