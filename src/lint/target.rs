//! What the cloud or the machine asks that an image is for.

use std::collections::BTreeSet;

use super::finding::{Finding, Rule};
use crate::bytes::Bytes;
use crate::error::Result;
use crate::profile::{Cloud, Starts};
use crate::size::Size;

/// Rules of this subject.
pub const RULES: [&Rule; 6] = [&SIZE, &SECTOR, &FORMAT, &FIRMWARE, &DISK, &NETWORK];

static SIZE: Rule = Rule {
    id: "cloud-size",
    required: "a disk as large as the import asks for",
    why: "the import refuses it, or cuts it off",
    mend: "build it with `cloud` in the output, which lets the disk grow to the rule",
};
static SECTOR: Rule = Rule {
    id: "cloud-sector",
    required: "a partition table in sectors of the size that the target's disks have",
    why: "UEFI 2.10, 5.3.1: a table in other sectors is not found",
    mend: "build it with `cloud` in the output, or with `sector` in its row",
};
static FORMAT: Rule = Rule {
    id: "cloud-format",
    required: "a format that the import takes",
    why: "the import refuses it",
    mend: "convert it: imagebuild convert IMAGE --to FORMAT",
};
static FIRMWARE: Rule = Rule {
    id: "cloud-firmware",
    required: "what the target's firmware starts: a program in the MBR for BIOS",
    why: "its machines start disks by BIOS alone",
    mend: "another target, or an image that BIOS starts",
};
static DISK: Rule = Rule {
    id: "cloud-disk-driver",
    required: "every driver of the target's disks in the kernel or in the initrd",
    why: "without it the initrd finds no root",
    mend: "another kernel in `kernel.apt`, or the module in the initrd",
};
static NETWORK: Rule = Rule {
    id: "cloud-network-driver",
    required: "every driver of the target's network in the kernel, the initrd or the root",
    why: "without it the node reaches nobody",
    mend: "another kernel in `kernel.apt`, or the module in the root",
};

/// Checks the file and the size of the disk in it. `format` is the file's, where there is one yet.
pub fn disk(
    cloud: &Cloud,
    disk: &dyn Bytes,
    sector: Option<u32>,
    format: Option<&str>,
    out: &mut Vec<Finding>,
) -> Result<()> {
    let length = disk.length();
    if let Some(rule) = cloud.size.fault(length) {
        out.push(SIZE.broken(format!("{length} bytes ({}), {} asks for {rule}", Size(length), cloud.title)));
    }
    if let Some(sector) = sector.filter(|sector| *sector != cloud.sector) {
        out.push(SECTOR.broken(format!("sectors of {sector} bytes, {} has {}", cloud.title, cloud.sector)));
    }
    let takes = |format: &str| format == cloud.format.name() || cloud.accepts.iter().any(|other| other == format);
    if let Some(format) = format.filter(|format| !takes(format)) {
        let known: Vec<&str> =
            [cloud.format.name()].into_iter().chain(cloud.accepts.iter().map(String::as_str)).collect();
        out.push(FORMAT.broken(format!("{format}, {} takes {}", cloud.title, known.join(", "))));
    }
    // Code of the MBR has 440 bytes (UEFI 2.10, 5.2.1).
    let mut code = [0; 440];
    if cloud.firmware == Starts::Bios && (disk.read_at(&mut code, 0).is_err() || code == [0; 440]) {
        out.push(FIRMWARE.broken(format!("nothing in the MBR, and {} starts by BIOS", cloud.title)));
    }
    Ok(())
}

/// Where modules are.
#[derive(Debug, Default)]
pub struct Modules {
    /// In the kernel.
    pub builtin: BTreeSet<String>,
    /// In the initrd.
    pub initrd: BTreeSet<String>,
    /// In the root.
    pub root: BTreeSet<String>,
}

/// Checks the drivers of the UKI at `path`.
pub fn drivers(cloud: &Cloud, path: &str, modules: &Modules, out: &mut Vec<Finding>) {
    let path = path.escape_debug();
    let early = |name: &&String| !modules.builtin.contains(*name) && !modules.initrd.contains(*name);
    for name in cloud.drivers.disk.iter().filter(early) {
        let place = if modules.root.contains(name) { "only in the root" } else { "nowhere" };
        out.push(DISK.broken(format!("`{path}`: `{name}` is {place}")));
    }
    for name in cloud.drivers.network.iter().filter(early).filter(|name| !modules.root.contains(*name)) {
        out.push(NETWORK.broken(format!("`{path}`: `{name}` is nowhere")));
    }
}
