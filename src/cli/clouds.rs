//! `clouds`: what a cloud asks of an image, and how it takes one in.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::arch::Arch;
use crate::error::{Error, Result};
use crate::manifest::{Artifact, Manifest};
use crate::profile::{self, Cloud, LoadOptions};
use crate::report::{Mode, Report};
use crate::size::Size;

/// `imagebuild clouds openstack`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild clouds                                  every cloud that the tool knows\n  \
    imagebuild clouds openstack                        its rules, and how to import the last build\n  \
    imagebuild clouds mine --profile node.toml         one of the profile's own\n\n\
    Words in capitals in a command are yours to replace.")]
pub struct Args {
    /// One of them; all by default.
    name: Option<String>,
    /// The account of a build, whose file is filled in [default: out/manifest.json, where there is one].
    #[arg(long, value_name = "FILE", requires = "name")]
    manifest: Option<PathBuf>,
    /// A profile whose own clouds count too.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Whose rules [default: the manifest's, else the host's].
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
}

/// Prints the list, or one row.
pub fn run(args: &Args, report: &Report) -> Result<()> {
    let manifest = match (&args.manifest, Path::new("out/manifest.json")) {
        (Some(path), _) => Some(Manifest::read(path)?),
        (None, path) if args.name.is_some() && path.is_file() => Some(Manifest::read(path)?),
        _ => None,
    };
    let built = manifest.as_ref().map(|manifest| manifest.image.arch);
    let arch = args.arch.or(built).or(Arch::host()).unwrap_or(Arch::Amd64);
    let mut rows = profile::clouds(arch)?;
    if let Some(path) = &args.profile {
        let (profile, _) = profile::load(path, &LoadOptions { arch: Some(arch) })?;
        rows.extend(profile.clouds);
    }
    let Some(name) = &args.name else { return list(&rows, report) };
    let row = rows.get(name).ok_or_else(|| {
        let names: Vec<&str> = rows.keys().map(String::as_str).collect();
        Error::user(format!("there is no cloud `{name}`")).hint(format!("expected one of {}", names.join(", ")))
    })?;
    let artifact = manifest.as_ref().and_then(|manifest| file_for(manifest, name, row));
    if let (Some(_), None) = (&args.manifest, artifact) {
        return Err(Error::user(format!("that build wrote nothing for `{name}`"))
            .hint(format!("expected an `[[output]]` with `cloud = \"{name}\"` in its profile")));
    }
    let known = artifact.zip(manifest.as_ref()).map(|(artifact, manifest)| values(artifact, manifest));
    let commands = row.commands(&known.unwrap_or_default());
    if report.mode() == Mode::Json {
        report.event(&serde_json::json!({
            "event": "cloud",
            "name": name,
            "rules": row,
            "artifact": artifact.map(|artifact| &artifact.path),
            "import": commands,
        }));
        return Ok(());
    }
    super::print(text(name, row, artifact, &commands).as_bytes())
}

fn list(rows: &BTreeMap<String, Cloud>, report: &Report) -> Result<()> {
    if report.mode() == Mode::Json {
        let rows = rows.iter().map(|(name, row)| serde_json::json!({ "name": name, "rules": row }));
        report.event(&serde_json::json!({ "event": "clouds", "clouds": rows.collect::<Vec<_>>() }));
        return Ok(());
    }
    let wide = rows.keys().map(String::len).max().unwrap_or(0);
    let line = |(name, row): (&String, &Cloud)| format!("{name:wide$}  {:<10}  {}\n", file_kind(row), row.title);
    super::print(rows.iter().map(line).collect::<String>().as_bytes())
}

/// `raw.zst`
fn file_kind(row: &Cloud) -> String {
    let compress = row.compress.map(|compress| format!(".{}", compress.extension()));
    format!("{}{}", row.format.name(), compress.unwrap_or_default())
}

/// What was written for a cloud; else one that is in its format.
fn file_for<'a>(manifest: &'a Manifest, name: &str, row: &Cloud) -> Option<&'a Artifact> {
    let for_it = manifest.artifacts.iter().find(|artifact| artifact.cloud.as_deref() == Some(name));
    let same = |artifact: &&Artifact| artifact.cloud.is_none() && artifact.format == row.format.name();
    for_it.or_else(|| manifest.artifacts.iter().find(same).filter(|artifact| row.size.fault(artifact.disk).is_none()))
}

fn values(artifact: &Artifact, manifest: &Manifest) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("file", artifact.path.clone()),
        ("size", artifact.size.to_string()),
        ("sha256", artifact.sha256.to_string()),
        ("name", format!("{}-{}", manifest.image.id, manifest.image.version)),
        ("disk", artifact.disk.to_string()),
        ("gib", artifact.disk.div_ceil(Size::GIB).to_string()),
        ("arch", manifest.image.arch.to_string()),
    ])
}

fn text(name: &str, row: &Cloud, artifact: Option<&Artifact>, commands: &[String]) -> String {
    let mut out = format!("{}\n", row.title);
    let mut line = |what: &str, value: String| {
        if !value.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "  {what:<9} {value}");
        }
    };
    line("format", file_kind(row));
    line("accepts", row.accepts.join(", "));
    line("disk", row.size.to_string());
    line("sectors", if row.sector == 512 { String::new() } else { format!("{} bytes", row.sector) });
    line("firmware", row.firmware.to_string());
    line("words", row.cmdline.join(" "));
    line("drivers", row.drivers.disk.iter().chain(&row.drivers.network).cloned().collect::<Vec<_>>().join(" "));
    line("features", row.features.join(", "));
    let metadata = row.metadata.iter().map(|(key, value)| format!("{key}={value}"));
    line("metadata", metadata.collect::<Vec<_>>().join(", "));
    line("source", row.source.clone());
    let _ = match artifact {
        Some(artifact) => writeln!(out, "\n# {}, sha256 {}", artifact.path, artifact.sha256),
        None => writeln!(out, "\n# for an output with `cloud = \"{name}\"`:"),
    };
    commands.iter().for_each(|command| out.extend([command, "\n"]));
    out
}
