//! Files of two roots: what came, went, or is another one, each with whoever brought it.

use std::collections::{BTreeSet, HashSet};

use super::Found;
use super::change::{Change, Flag, Kind, Topic, Weight};
use super::elf;
use super::keys;
use super::side::Side;
use super::text;
use crate::audit::inventory::Inventory;
use crate::error::Result;
use crate::path::RootPath;
use crate::squashfs::{Node, NodeKind, Scratch};
use crate::tree::Meta;
use crate::work;

/// Paths that are made out of others when an image is built; a change there follows.
const DERIVED: [(&str, &str); 6] = [
    ("/etc/ld.so.cache", "the index of libraries"),
    ("/etc/ssl/certs", "links and bundle of the certificates"),
    ("/usr/lib/dpkg-db", "the package database"),
    ("/var/lib/dpkg", "the package database"),
    ("/usr/lib/imagebuild", "what the image says of its own making"),
    ("/usr/lib/udev/hwdb.bin", "the index of hardware"),
];
/// As many changed files are looked into; the rest is named alone.
const LOOKED_INTO: usize = 2000;
/// As many files are one piece of work.
const PIECE: usize = 64;
/// As large as an executable is looked into.
const MAX_ELF: u64 = 256 << 20;

/// Compares every name of both roots, on as many threads.
pub fn compare(a: &Side, b: &Side, jobs: usize, found: &mut Found) -> Result<()> {
    let (Some(before), Some(after)) = (a.root(), b.root()) else { return Ok(()) };
    let cause =
        Cause { before, after, modules: super::kernel::module_folder(before) != super::kernel::module_folder(after) };
    let (mut times, mut looked) = (0, 0);
    let others = others(before, after, jobs)?;
    let paths: BTreeSet<&RootPath> = before.nodes.keys().chain(after.nodes.keys()).collect();
    for path in paths {
        let mut other_bytes = false;
        let change = match (before.nodes.get(path), after.nodes.get(path)) {
            (None, None) => None,
            (Some(old), Some(new)) => {
                times += usize::from(old.meta.mtime != new.meta.mtime);
                other_bytes = others.contains(path);
                changed(&cause, old, new, other_bytes, &mut looked)?
            }
            (old, new) => {
                let mut change = Change::of(path.to_string(), old.map(describe), new.map(describe));
                if let (Some(change), Some(node)) = (&mut change, old.or(new)) {
                    *change = change.clone().grown(old.map_or(0, size), new.map_or(0, size));
                    if new.is_some() {
                        change.flags.extend(dangers(None, &node.meta, &node.kind));
                    }
                }
                change
            }
        };
        let Some(mut change) = change else { continue };
        if let Some(subject) = found.explanation(&path.to_string()) {
            change.because.push(format!("told under {subject}"));
            change.weight = Weight::Follows;
        } else {
            cause.of(path, other_bytes, &mut change);
        }
        found.add(Topic::Files, change);
    }
    if times > 0 {
        let what = format!("times of {times} files");
        found.add(Topic::Files, Change::new(Kind::Changed, what, None, None).weigh(Weight::Cosmetic));
    }
    Ok(())
}

/// The files of both roots whose bytes differ.
fn others<'a>(before: &'a Inventory, after: &Inventory, jobs: usize) -> Result<HashSet<&'a RootPath>> {
    let files: Vec<(&RootPath, &Node, &Node)> = before
        .nodes
        .iter()
        .filter_map(|(path, old)| Some((path, old, after.nodes.get(path)?)))
        .filter(|(_, old, new)| matches!((&old.kind, &new.kind), (NodeKind::File(_), NodeKind::File(_))))
        .collect();
    let pair = before.pair(after);
    let pieces = work::share(files.chunks(PIECE).collect(), jobs, Scratch::default, |scratch, files| {
        let mut others = Vec::new();
        for (path, old, new) in files {
            if !pair.same_file(old, new, scratch)? {
                others.push(*path);
            }
        }
        Ok(others)
    })?;
    Ok(pieces.into_iter().flatten().collect())
}

/// What accounts for changes of files.
struct Cause<'a> {
    before: &'a Inventory,
    after: &'a Inventory,
    /// Whether the kernel is another one.
    modules: bool,
}

impl Cause<'_> {
    fn of(&self, path: &RootPath, other_bytes: bool, change: &mut Change) {
        let text = path.to_string();
        let owner = self.after.owner(path).or(self.before.owner(path)).cloned();
        if let Some((_, what)) = DERIVED.iter().find(|(base, _)| within(&text, base)) {
            change.because.push((*what).to_owned());
            change.weight = Weight::Follows;
            return;
        }
        let index = text.starts_with("/usr/lib/modules/")
            && text.rsplit('/').next().is_some_and(|name| name.starts_with("modules."));
        if index {
            change.because.push("the index of modules".to_owned());
            change.weight = Weight::Follows;
            return;
        }
        // A folder on the way to something is told with that.
        let leads = |root: &Inventory| {
            let folder = root.nodes.get(path).is_some_and(|node| node.kind == NodeKind::Directory);
            folder && root.below(path).next().is_some()
        };
        if change.kind != Kind::Changed && (leads(self.before) || leads(self.after)) {
            change.because.push("the way to what is in it".to_owned());
            change.weight = Weight::Follows;
            return;
        }
        let Some(owner) = owner else {
            if self.after.has_database() && change.kind != Kind::Removed {
                change.flags.insert(Flag::Unowned);
            }
            return;
        };
        let version = |root: &Inventory| root.packages.get(&*owner).map(|package| package.version.clone());
        let (old, new) = (version(self.before), version(self.after));
        change.group = Some(format!("files of package {owner}"));
        match (old, new) {
            (Some(old), Some(new)) if old == new => {
                if other_bytes {
                    change.flags.insert(Flag::SameVersion);
                    change.notes.push(format!("{owner} {new} has other bytes here"));
                } else {
                    change.because.push(format!("of {owner} {new}, which is the same in both"));
                }
            }
            (Some(old), Some(new)) => change.because.push(format!("{owner} {old} -> {new}")),
            (None, Some(new)) => change.because.push(format!("{owner} {new} is new")),
            (Some(old), None) => change.because.push(format!("{owner} {old} is gone")),
            (None, None) => {}
        }
        if self.modules && text.starts_with("/usr/lib/modules/") {
            change.group = Some("files of the kernel's modules".to_owned());
        }
    }
}

fn within(path: &str, base: &str) -> bool {
    path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn size(node: &Node) -> u64 {
    match node.kind {
        NodeKind::File(size) => size,
        _ => 0,
    }
}

/// `0755 0:0 file of 12 bytes`.
fn describe(node: &Node) -> String {
    let kind = match &node.kind {
        NodeKind::Directory => "folder".to_owned(),
        NodeKind::File(size) => format!("file of {size} bytes"),
        NodeKind::Symlink(target) => return format!("link to {}", target.escape_ascii()),
        NodeKind::BlockDevice(major, minor) => format!("block device {major}:{minor}"),
        NodeKind::CharDevice(major, minor) => format!("character device {major}:{minor}"),
        NodeKind::Fifo => "pipe".to_owned(),
        NodeKind::Socket => "socket".to_owned(),
    };
    let attributes = attributes(&node.meta);
    let rest = if attributes.is_empty() { attributes } else { format!(", {attributes}") };
    format!("{kind}, {:04o} {}:{}{rest}", node.meta.mode, node.meta.uid, node.meta.gid)
}

/// Extended attributes on one line.
fn attributes(meta: &Meta) -> String {
    let xattrs = meta.xattrs.iter().flat_map(|xattrs| xattrs.iter());
    let text = xattrs.map(|(name, value)| match &**name {
        b"security.capability" => super::capability::text(value),
        name => format!("{}={}", name.escape_ascii(), value.escape_ascii()),
    });
    text.collect::<Vec<_>>().join(", ")
}

/// What is dangerous in `meta` that was not in `old`.
fn dangers(old: Option<&Meta>, meta: &Meta, kind: &NodeKind) -> Vec<Flag> {
    let mut flags = Vec::new();
    let file = matches!(kind, NodeKind::File(_));
    let raised = |bits: u16| meta.mode & bits & !old.map_or(0, |old| old.mode) != 0;
    // Whom it runs as follows the owner.
    let owner = old.is_some_and(|old| meta.mode & 0o6000 != 0 && (old.uid, old.gid) != (meta.uid, meta.gid));
    if file && (raised(0o6000) || owner) {
        flags.push(Flag::Setuid);
    }
    let capability =
        |meta: &Meta| meta.xattrs.as_ref().and_then(|xattrs| xattrs.get(b"security.capability".as_slice()).cloned());
    let has = capability(meta);
    if has.is_some() && old.and_then(capability) != has {
        flags.push(Flag::Capability);
    }
    let sticky_folder = *kind == NodeKind::Directory && meta.mode & 0o1000 != 0;
    if raised(0o002) && !sticky_folder && !matches!(kind, NodeKind::Symlink(_)) {
        flags.push(Flag::WorldWritable);
    }
    flags
}

fn changed(cause: &Cause<'_>, old: &Node, new: &Node, other_bytes: bool, looked: &mut usize) -> Result<Option<Change>> {
    let path = old.path.to_string();
    let (before, after) = (describe(old), describe(new));
    let flags = dangers(Some(&old.meta), &new.meta, &new.kind);
    let mut change = match (other_bytes, before == after) {
        (false, true) => return Ok(None),
        _ => Change::new(Kind::Changed, path, Some(before), Some(after)).grown(size(old), size(new)),
    };
    change.flags.extend(flags);
    if other_bytes {
        *looked += 1;
        if *looked <= LOOKED_INTO {
            look(cause, old, new, &mut change)?;
        }
        if change.before == change.after && change.detail.is_empty() {
            change.notes.push("other bytes".to_owned());
        }
    }
    Ok(Some(change))
}

/// Configuration by keys, other text by lines; executables by what they are linked of.
fn look(cause: &Cause<'_>, old: &Node, new: &Node, change: &mut Change) -> Result<()> {
    if size(old).max(size(new)) <= text::LIMIT {
        let (a, b) = (cause.before.bytes(old, text::LIMIT)?, cause.after.bytes(new, text::LIMIT)?);
        if let (Some(a), Some(b)) = (text::of(&a), text::of(&b)) {
            // Of configuration keys matter, not lines; where no key differs the lines are all there is.
            let keys = keys::compare(change.what.as_str(), a, b);
            if keys.as_deref() == Some("") {
                change.notes.push("the same keys and values".to_owned());
            }
            change.detail = keys.filter(|keys| !keys.is_empty()).unwrap_or_else(|| text::unified(a, b));
            return Ok(());
        }
    }
    if size(old).max(size(new)) <= MAX_ELF
        && elf::is_elf(&cause.before.head(old)?)
        && elf::is_elf(&cause.after.head(new)?)
    {
        let (a, b) = (cause.before.bytes(old, MAX_ELF)?, cause.after.bytes(new, MAX_ELF)?);
        change.detail = elf::compare(&a, &b);
    }
    Ok(())
}
