//! `inspect`: what a disk image holds.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::audit::dpkg::{self, Package};
use crate::audit::inventory::Inventory;
use crate::audit::{self, Esp, Image, Uki};
use crate::disk::ESP_TYPE;
use crate::error::{Context, Error, Result};
use crate::node::paths;
use crate::report::{Mode, Report, clean};
use crate::size::human;
use crate::squashfs;

/// As large as a file that is shown may be.
const LIMIT: u64 = 4 << 20;

/// `imagebuild inspect out/node_1.0.0.raw`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild inspect node.raw                      partitions, UKI, command line, packages\n  \
    imagebuild inspect node.raw --files              every file of the root\n  \
    imagebuild inspect node.raw --units --cmdline    what starts, and how\n  \
    imagebuild inspect node.raw --json               the overview for machines")]
pub struct Args {
    /// An image of any format.
    image: PathBuf,
    #[command(flatten)]
    only: Only,
}

/// Parts by themselves, in place of the overview.
#[derive(clap::Args, Clone, Copy)]
struct Only {
    /// Every file of the root.
    #[arg(long)]
    files: bool,
    /// The packages.
    #[arg(long)]
    packages: bool,
    /// Units that start, and those that are masked.
    #[arg(long)]
    units: bool,
    /// Users and groups.
    #[arg(long)]
    users: bool,
    /// The command lines, those of addons too.
    #[arg(long)]
    cmdline: bool,
    /// Partitions and files of the ESP.
    #[arg(long)]
    partitions: bool,
    /// Sections of the UKIs and what they measure.
    #[arg(long)]
    uki: bool,
    /// The configuration of kubelet and containerd.
    #[arg(long)]
    config: bool,
}

impl Only {
    /// Whether a part of the overview is shown.
    fn shows(self, part: bool) -> bool {
        let Only { files, packages, units, users, cmdline, partitions, uki, config } = self;
        part || ![files, packages, units, users, cmdline, partitions, uki, config].contains(&true)
    }
}

/// Prints what the image holds.
pub fn run(args: &Args, report: &Report) -> Result<()> {
    let image = Image::open(&args.image)?;
    image.faults.iter().for_each(|fault| report.warn(fault));
    let esp = image.esp_files()?;
    esp.faults.iter().for_each(|fault| report.warn(fault));
    let ukis = image.ukis()?;
    let only = args.only;
    let mut roots = Vec::new();
    for uki in &ukis {
        let hash = uki.root_hash().context(|| format!("reading the command line of `{}`", uki.path))?;
        roots.push(Root::read(audit::root(&image, image.slot(&hash)?)?, hash.to_string(), only)?);
    }
    if report.mode() == Mode::Json {
        report.event(&machine(&image, &esp, &ukis, &roots, only));
        return Ok(());
    }
    super::print(text(&image, &esp, &ukis, &roots, only).as_bytes())
}

/// What is told of a root; only what is asked for is there.
struct Root {
    hash: String,
    packages: Option<Vec<Package>>,
    files: Option<Vec<String>>,
    units: Option<Vec<(String, String)>>,
    users: Option<Vec<String>>,
    /// Path and text.
    config: Option<Vec<(String, String)>>,
}

impl Root {
    fn read(root: squashfs::Image, hash: String, only: Only) -> Result<Self> {
        let packages = only.shows(only.packages).then(|| dpkg::read(&root)).transpose()?;
        let listing = only.files.then(|| audit::listing(&root)).transpose()?;
        let files = listing.map(|listing| listing.lines().map(str::to_owned).collect());
        let (mut units, mut users, mut config) = (None, None, None);
        if only.units || only.users || only.config {
            let inventory = Inventory::read(root)?;
            let lines = |path: &str| -> Result<Vec<String>> {
                Ok(inventory.text(path, LIMIT)?.unwrap_or_default().lines().map(str::to_owned).collect())
            };
            if only.units {
                let enabled = inventory.enabled()?.into_iter();
                units = Some(enabled.map(|(name, (state, _))| (plain_name(&name), state)).collect());
            }
            if only.users {
                let mut all = lines("/etc/passwd")?.iter().map(|line| format!("user {line}")).collect::<Vec<_>>();
                all.extend(lines("/etc/group")?.iter().map(|line| format!("group {line}")));
                users = Some(all);
            }
            if only.config {
                let text =
                    |path: &str| Ok::<_, Error>(inventory.text(path, LIMIT)?.map(|text| (path.to_owned(), text)));
                let found = [paths::KUBELET_CONFIG, paths::CONTAINERD_CONFIG].into_iter().map(text);
                config = Some(found.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect());
            }
        }
        Ok(Root { hash, packages, files, units, users, config })
    }
}

/// The unit of `UNIT LINK`.
fn plain_name(name: &str) -> String {
    name.split(' ').next().unwrap_or(name).to_owned()
}

fn text(image: &Image, esp: &Esp, ukis: &[Uki], roots: &[Root], only: Only) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    if only.shows(only.partitions) {
        let _ = writeln!(out, "disk {}", image.table.id);
    }
    let entries = image.table.entries.iter().filter(|_| only.shows(only.partitions));
    for (number, entry) in entries.enumerate() {
        let (at, size) = image.place(entry);
        let label = entry.label.escape_debug();
        let _ = writeln!(out, "partition {} {label}", number + 1);
        let _ = writeln!(out, "  {} at byte {at}, attributes {:016x}", human(size), entry.attributes);
        let _ = writeln!(out, "  type {}", entry.kind);
        let _ = writeln!(out, "  id   {}", entry.id);
        if entry.kind == ESP_TYPE {
            for (path, size) in &esp.files {
                let _ = writeln!(out, "  {:>9} {}", human(*size), path.escape_debug());
            }
        }
    }
    for (path, words) in esp.addons.iter().filter(|_| only.shows(only.cmdline)) {
        let _ = writeln!(out, "addon {}", path.escape_debug());
        let _ = writeln!(out, "  command line {}", words.escape_debug());
    }
    for (uki, root) in ukis.iter().zip(roots) {
        let _ = writeln!(out, "uki {}", uki.path.escape_debug());
        if only.shows(only.uki) {
            let _ = writeln!(out, "  kernel {}", uki.release.escape_debug());
        }
        if only.shows(only.cmdline) {
            let _ = writeln!(out, "  command line {}", uki.cmdline.escape_debug());
        }
        if only.shows(only.uki) {
            let _ = writeln!(out, "  root hash {}", root.hash);
            for (name, size, digest) in &uki.sections {
                let _ = writeln!(out, "  {name:<9} {:>9} {digest}", human(*size));
            }
            for phase in &uki.pcr11 {
                let name = if phase.name.is_empty() { "stub" } else { &phase.name };
                let _ = writeln!(out, "  PCR 11 {} {name}", hex::encode(phase.value));
            }
        }
        let package = |package: &Package| format!("{} {} {}", package.name, package.version, package.arch);
        let packages = root.packages.as_ref().map(|packages| packages.iter().map(package).collect::<Vec<_>>());
        let units =
            root.units.as_ref().map(|units| units.iter().map(|(name, state)| format!("{name}: {state}")).collect());
        let lists =
            [("packages", packages), ("units", units), ("accounts", root.users.clone()), ("files", root.files.clone())];
        for (what, lines) in lists.iter().filter_map(|(what, lines)| Some((what, lines.as_ref()?))) {
            let _ = writeln!(out, "{what} {}", lines.len());
            for line in lines {
                let _ = writeln!(out, "  {}", clean(line));
            }
        }
        for (path, text) in root.config.iter().flatten() {
            let _ = writeln!(out, "configuration {path}");
            for line in text.lines() {
                let _ = writeln!(out, "  {}", clean(line));
            }
        }
    }
    out
}

fn machine(image: &Image, esp: &Esp, ukis: &[Uki], roots: &[Root], only: Only) -> Value {
    let partitions = image.table.entries.iter().map(|entry| {
        let (start, size) = image.place(entry);
        json!({ "label": entry.label, "type": entry.kind, "id": entry.id, "attributes": entry.attributes,
            "start": start, "size": size })
    });
    let addons = esp.addons.iter().map(|(path, words)| json!({ "path": path, "cmdline": words }));
    let files = esp.files.iter().map(|(path, size)| json!({ "path": path, "size": size }));
    let mut out = json!({ "event": "image" });
    if only.shows(only.partitions) {
        out["disk"] = json!(image.table.id);
        out["partitions"] = partitions.collect();
        out["esp"] = files.collect();
    }
    if only.shows(only.cmdline) {
        out["addons"] = addons.collect();
    }
    out["ukis"] = ukis.iter().zip(roots).map(|(uki, root)| of_uki(uki, root, only)).collect();
    out
}

fn of_uki(uki: &Uki, root: &Root, only: Only) -> Value {
    let mut out = json!({ "path": uki.path });
    if only.shows(only.uki) {
        let sections = uki.sections.iter();
        let sections = sections.map(|(name, size, digest)| json!({ "name": name, "size": size, "sha256": digest }));
        let phases = uki.pcr11.iter().map(|phase| json!({ "phases": phase.name, "pcr11": hex::encode(phase.value) }));
        out["size"] = json!(uki.size);
        out["sha256"] = json!(uki.sha256);
        out["kernel"] = json!(uki.release);
        out["root_hash"] = json!(root.hash);
        out["sections"] = sections.collect();
        out["pcr11"] = phases.collect();
    }
    if only.shows(only.cmdline) {
        out["cmdline"] = json!(uki.cmdline);
    }
    if let Some(packages) = &root.packages {
        let package =
            |package: &Package| json!({ "name": package.name, "version": package.version, "arch": package.arch });
        out["packages"] = packages.iter().map(package).collect();
    }
    if let Some(units) = &root.units {
        out["units"] = units.iter().map(|(name, state)| json!({ "unit": name, "state": state })).collect();
    }
    if let Some(files) = &root.config {
        out["config"] = files.iter().map(|(path, text)| json!({ "path": path, "text": text })).collect();
    }
    for (key, lines) in [("files", &root.files), ("accounts", &root.users)] {
        if let Some(lines) = lines {
            out[key] = json!(lines);
        }
    }
    out
}
