//! `inspect`: what a disk image holds.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::audit::{self, Esp, Image, Package, Uki};
use crate::disk::ESP_TYPE;
use crate::error::{Context, Result};
use crate::report::{Mode, Report};
use crate::size::human;

/// `imagebuild inspect out/node_1.0.0.raw`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild inspect node.raw            partitions, UKI, command line, packages\n  \
    imagebuild inspect node.raw --files    and every file of the root\n  \
    imagebuild inspect node.raw --json     all of it for machines")]
pub struct Args {
    /// The raw image.
    image: PathBuf,
    /// List every file of the root.
    #[arg(long)]
    files: bool,
}

/// Prints what the image holds.
pub fn run(args: &Args, report: &Report) -> Result<()> {
    let image = Image::open(&args.image)?;
    image.faults.iter().for_each(|fault| report.warn(fault));
    let esp = image.esp_files()?;
    esp.faults.iter().for_each(|fault| report.warn(fault));
    let ukis = image.ukis()?;
    let mut roots = Vec::new();
    for uki in &ukis {
        let hash = uki.root_hash().context(|| format!("reading the command line of `{}`", uki.path))?;
        let root = audit::root(&image, image.slot(&hash)?)?;
        let listing = if args.files { Some(audit::listing(&root)?) } else { None };
        roots.push((hash.to_string(), audit::packages(&root)?, listing));
    }
    if report.mode() == Mode::Json {
        report.event(&machine(&image, &esp, &ukis, &roots));
        return Ok(());
    }
    super::print(text(&image, &esp, &ukis, &roots).as_bytes())
}

type Root = (String, Vec<Package>, Option<String>);

fn text(image: &Image, esp: &Esp, ukis: &[Uki], roots: &[Root]) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "disk {}", image.table.id);
    for (number, entry) in image.table.entries.iter().enumerate() {
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
    for (path, words) in &esp.addons {
        let _ = writeln!(out, "addon {}", path.escape_debug());
        let _ = writeln!(out, "  command line {}", words.escape_debug());
    }
    for (uki, (hash, packages, listing)) in ukis.iter().zip(roots) {
        let _ = writeln!(out, "uki {}", uki.path.escape_debug());
        let _ = writeln!(out, "  kernel {}", uki.release.escape_debug());
        let _ = writeln!(out, "  command line {}", uki.cmdline.escape_debug());
        let _ = writeln!(out, "  root hash {hash}");
        for (name, size, digest) in &uki.sections {
            let _ = writeln!(out, "  {name:<9} {:>9} {digest}", human(*size));
        }
        for phase in &uki.pcr11 {
            let name = if phase.name.is_empty() { "stub" } else { &phase.name };
            let _ = writeln!(out, "  PCR 11 {} {name}", hex::encode(phase.value));
        }
        let _ = writeln!(out, "packages {}", packages.len());
        for package in packages {
            let line = format!("{} {} {}", package.name, package.version, package.arch);
            let _ = writeln!(out, "  {}", line.escape_debug());
        }
        if let Some(listing) = listing {
            let _ = writeln!(out, "files {}", listing.lines().count());
            for line in listing.lines() {
                let _ = writeln!(out, "  {line}");
            }
        }
    }
    out
}

fn machine(image: &Image, esp: &Esp, ukis: &[Uki], roots: &[Root]) -> Value {
    let partitions = image.table.entries.iter().map(|entry| {
        let (start, size) = image.place(entry);
        json!({ "label": entry.label, "type": entry.kind, "id": entry.id, "attributes": entry.attributes,
            "start": start, "size": size })
    });
    let addons = esp.addons.iter().map(|(path, words)| json!({ "path": path, "cmdline": words }));
    let files = esp.files.iter().map(|(path, size)| json!({ "path": path, "size": size }));
    let ukis = ukis.iter().zip(roots).map(|(uki, (hash, packages, listing))| {
        let sections =
            uki.sections.iter().map(|(name, size, digest)| json!({ "name": name, "size": size, "sha256": digest }));
        let phases = uki.pcr11.iter().map(|phase| json!({ "phases": phase.name, "pcr11": hex::encode(phase.value) }));
        let packages = packages
            .iter()
            .map(|package| json!({ "name": package.name, "version": package.version, "arch": package.arch }));
        json!({
            "path": uki.path,
            "size": uki.size,
            "sha256": uki.sha256,
            "kernel": uki.release,
            "cmdline": uki.cmdline,
            "root_hash": hash,
            "sections": sections.collect::<Vec<_>>(),
            "pcr11": phases.collect::<Vec<_>>(),
            "packages": packages.collect::<Vec<_>>(),
            "files": listing.as_ref().map(|listing| listing.lines().collect::<Vec<_>>()),
        })
    });
    json!({
        "event": "image",
        "disk": image.table.id,
        "partitions": partitions.collect::<Vec<_>>(),
        "esp": files.collect::<Vec<_>>(),
        "addons": addons.collect::<Vec<_>>(),
        "ukis": ukis.collect::<Vec<_>>(),
    })
}
