//! What is mounted beside the root, and how: mount units and /etc/fstab.

use super::unit::Unit;
use super::view::View;
use super::{Breach, Verdict};
use crate::error::Result;
use crate::path::RootPath;
use crate::profile::posture::Mounts;

/// Where fstab lies.
const FSTAB: &str = "/etc/fstab";
/// File systems that are the kernel's own tables, or cannot be written.
const API: [&str; 22] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "efivarfs",
    "erofs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "securityfs",
    "squashfs",
    "sysfs",
    "tracefs",
    "udf",
];

/// Something that is mounted and can be written.
pub struct Mount {
    at: String,
    options: Vec<String>,
    told: RootPath,
}

/// Reads every unit and the table.
pub fn read(view: &View<'_>) -> Result<Vec<Mount>> {
    let mut out = Vec::new();
    let mut add = |at: &str, kind: &str, options: &str, told: &RootPath| {
        let options: Vec<String> = options.split(',').map(|option| option.trim().to_owned()).collect();
        let plain = |path: &str| if path.len() > 1 { path.trim_end_matches('/').to_owned() } else { path.to_owned() };
        // A bind mount of a file system without a type has that one's.
        if !API.contains(&kind) && kind != "swap" && !options.iter().any(|option| option == "ro") {
            out.push(Mount { at: plain(at), options, told: told.clone() });
        }
    };
    for name in Unit::names(view, ".mount") {
        let Some(unit) = Unit::read(view, &name)? else { continue };
        let value = |key| unit.value("Mount", key).unwrap_or_default();
        let Some(told) = unit.files.first() else { continue };
        add(value("Where"), value("Type"), value("Options"), told);
    }
    let told = RootPath::new(FSTAB)?;
    for line in view.text(FSTAB)?.unwrap_or_default().lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if let [_, at, kind, options, ..] = fields[..]
            && at != "none"
            && at != "/"
        {
            add(at, kind, options, &told);
        }
    }
    Ok(out)
}

/// Whether all of them have an option, or lie where they may.
pub fn check(mounts: &[Mount], rule: &Mounts) -> Verdict {
    let mut breaches = Vec::new();
    for mount in mounts {
        if let Some(option) = &rule.option
            && (rule.at.is_empty() || rule.at.contains(&mount.at))
            && !mount.options.contains(option)
        {
            breaches.push(Breach::at(&mount.told, format!("{} is mounted without `{option}`", mount.at)));
        }
        if rule.never.contains(&mount.at) {
            breaches.push(Breach::at(&mount.told, format!("{} can be written", mount.at)));
        }
    }
    Verdict::of(breaches)
}

/// Whether the root is one that dm-verity seals.
pub fn sealed(view: &View<'_>) -> Verdict {
    match view.sealed {
        None => Verdict::Unknown("nothing starts the root, which could seal it"),
        Some(sealed) => Verdict::when(sealed, "no root hash is on the command line"),
    }
}
