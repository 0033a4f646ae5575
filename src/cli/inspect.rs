//! `inspect`: what a disk image holds, or a root by itself.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::input::Input;
use crate::audit::dpkg::Package;
use crate::audit::facts::{Facts, Wanted};
use crate::audit::{self, Esp, Image, Uki, opened};
use crate::disk::ESP_TYPE;
use crate::error::{Context, Error, Result};
use crate::report::{Mode, Report, clean};
use crate::size::human;
use crate::squashfs;
use crate::temp::beside;

/// `imagebuild inspect out/node_1.0.0.raw`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild inspect node.raw                      partitions, UKI, command line, packages\n  \
    imagebuild inspect node.raw --files              every file of the root\n  \
    imagebuild inspect node.raw --units --cmdline    what starts, and how\n  \
    imagebuild inspect root.squashfs --users         a root by itself: also a folder or an archive of one\n  \
    imagebuild inspect node.raw --json               the overview for machines")]
pub struct Args {
    /// An image of any format, the folder of a build, a squashfs, or a root as a folder or `.tar`.
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

    /// What is to be read of a root.
    fn wanted(self) -> Wanted {
        let Only { files, units, users, config, .. } = self;
        Wanted { packages: self.shows(self.packages), files, units, users, config }
    }

    /// Refuses parts that a root by itself has not.
    fn of_root(self, lies: &str) -> Result<()> {
        let parts = [
            (self.partitions, "--partitions", "partition"),
            (self.uki, "--uki", "UKI"),
            (self.cmdline, "--cmdline", "command line"),
        ];
        match parts.into_iter().find(|part| part.0) {
            None => Ok(()),
            Some((_, word, part)) => Err(Error::user(format!("`{word}`: a root in {lies} by itself has no {part}"))
                .hint("--files, --packages, --units, --users and --config tell what is in a root")),
        }
    }
}

/// Prints what the image holds.
pub fn run(args: &Args, report: &Report) -> Result<()> {
    let doing = || format!("looking into `{}`", args.image.display());
    let only = args.only;
    if Input::is(&args.image) {
        let lies = if args.image.is_dir() { "a folder" } else { "an archive" };
        only.of_root(lies).context(doing)?;
        let input = Input::read(&args.image, beside(&args.image), report)?;
        let facts = Facts::of_tree(input.tree(), only.wanted()).context(doing)?;
        return tell_root(lies, &facts, report);
    }
    let file = opened::file(&args.image)?;
    if file != args.image {
        report.say(&format!("looking into `{}`", file.display()));
    }
    if opened::is_squashfs(&file).context(doing)? {
        only.of_root("a squashfs").context(doing)?;
        let facts = Facts::of_image(squashfs::Image::open(&file)?, only.wanted()).context(doing)?;
        return tell_root("a squashfs", &facts, report);
    }
    let image = Image::open(&file)?;
    image.faults.iter().for_each(|fault| report.warn(fault));
    let esp = image.esp_files()?;
    esp.faults.iter().for_each(|fault| report.warn(fault));
    let ukis = image.ukis()?;
    let mut roots = Vec::new();
    for uki in &ukis {
        let hash = uki.root_hash().context(|| format!("reading the command line of `{}`", uki.path))?;
        let facts = Facts::of_image(audit::root(&image, image.slot(&hash)?)?, only.wanted())?;
        roots.push(Root { hash: hash.to_string(), facts });
    }
    if report.mode() == Mode::Json {
        report.event(&machine(&image, &esp, &ukis, &roots, only));
        return Ok(());
    }
    super::print(text(&image, &esp, &ukis, &roots, only).as_bytes())
}

/// A root of a disk.
struct Root {
    hash: String,
    facts: Facts,
}

/// Prints what a root holds that no disk is known of; it lies in a squashfs, a folder or an archive.
fn tell_root(lies: &str, facts: &Facts, report: &Report) -> Result<()> {
    if report.mode() == Mode::Json {
        let mut root = json!({ "in": lies.rsplit(' ').next() });
        add_facts(&mut root, facts);
        report.event(&json!({ "event": "image", "root": root }));
        return Ok(());
    }
    let mut out = format!("root in {lies}\n");
    write_facts(&mut out, facts);
    super::print(out.as_bytes())
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
        write_facts(&mut out, &root.facts);
    }
    out
}

/// What is known of a root, each list with its length.
fn write_facts(out: &mut String, facts: &Facts) {
    let package = |package: &Package| format!("{} {} {}", package.name, package.version, package.arch);
    let packages = facts.packages.as_ref().map(|packages| packages.iter().map(package).collect::<Vec<_>>());
    let units =
        facts.units.as_ref().map(|units| units.iter().map(|(name, state)| format!("{name}: {state}")).collect());
    let lists =
        [("packages", packages), ("units", units), ("accounts", facts.users.clone()), ("files", facts.files.clone())];
    for (what, lines) in lists.iter().filter_map(|(what, lines)| Some((what, lines.as_ref()?))) {
        let _ = writeln!(out, "{what} {}", lines.len());
        for line in lines {
            let _ = writeln!(out, "  {}", clean(line));
        }
    }
    for (path, text) in facts.config.iter().flatten() {
        let _ = writeln!(out, "configuration {path}");
        for line in text.lines() {
            let _ = writeln!(out, "  {}", clean(line));
        }
    }
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
    add_facts(&mut out, &root.facts);
    out
}

/// What is known of a root, for machines.
fn add_facts(out: &mut Value, facts: &Facts) {
    if let Some(packages) = &facts.packages {
        let package =
            |package: &Package| json!({ "name": package.name, "version": package.version, "arch": package.arch });
        out["packages"] = packages.iter().map(package).collect();
    }
    if let Some(units) = &facts.units {
        out["units"] = units.iter().map(|(name, state)| json!({ "unit": name, "state": state })).collect();
    }
    if let Some(files) = &facts.config {
        out["config"] = files.iter().map(|(path, text)| json!({ "path": path, "text": text })).collect();
    }
    for (key, lines) in [("files", &facts.files), ("accounts", &facts.users)] {
        if let Some(lines) = lines {
            out[key] = json!(lines);
        }
    }
}
