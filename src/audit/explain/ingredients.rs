//! What the tree of a root is made of: every input of the lock, every file beside the profile, every value of the
//! profile, since the image carries all of them in its record.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::audit::diff::leaves::Leaves;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::lock::{Input, Location, Lock};
use crate::profile::{self, Origins, Profile};
use crate::store::{Part, Recipe};

/// The kind of the tree's recipe.
pub const TREE: &str = "tree";

/// A tree's recipe, and where the profile says what.
#[derive(Debug, Clone)]
pub struct Ingredients {
    /// By name: `package openssl`, `file kubelet`, `profile kernel.cmdline[quiet]`.
    pub recipe: Recipe,
    /// `FILE:LINE` by the name of an ingredient.
    lines: BTreeMap<String, String>,
}

impl Ingredients {
    /// Of a profile, its lock and the digests of the files beside it; no file is read.
    pub fn new(profile: &Profile, origins: &Origins, lock: &Lock, locals: &BTreeMap<PathBuf, Digest>) -> Result<Self> {
        let mut parts = vec![
            Part::new("imagebuild", env!("CARGO_PKG_VERSION")),
            Part::new("moment of the lock", lock.epoch.0.to_string()),
        ];
        let section = lock.section(profile.image.arch)?;
        for package in &section.packages {
            parts.push(versioned(format!("package {}", package.name), Some(&package.version), package.sha256));
        }
        parts.extend(section.inputs.iter().map(|one| input("input", one)));
        for (host, section) in &lock.toolchain {
            parts.extend(section.inputs.iter().map(|one| input(&format!("input for {host}"), one)));
        }
        let folder = profile.path.parent().unwrap_or(Path::new(""));
        for (path, digest) in locals {
            let path = path.strip_prefix(folder).unwrap_or(path).display();
            parts.push(Part::new(format!("file {path}"), digest.to_string()));
        }
        let mut lines = BTreeMap::new();
        let leaves = leaves(profile)?;
        for (path, leaf) in &leaves.0 {
            let name = format!("profile {path}");
            if let Some(line) = origin(origins, &leaf.place) {
                // What a value names is there for the same line.
                let element = path.strip_prefix("userland.packages[").and_then(|rest| rest.strip_suffix(']'));
                if let Some(package) = element.and_then(|element| element.split(" from ").next()) {
                    lines.insert(format!("package {package}"), line.clone());
                }
                lines.insert(format!("file {}", leaf.value), line.clone());
                lines.insert(name.clone(), line);
            }
            parts.push(Part::new(name, leaf.value.clone()));
        }
        Ok(Ingredients { recipe: Recipe::new(TREE, "root", parts), lines })
    }

    /// `FILE:LINE` of an ingredient; none where it is a default, or none of the profile's.
    pub fn line(&self, name: &str) -> Option<String> {
        self.lines.get(name).cloned()
    }
}

fn leaves(profile: &Profile) -> Result<Leaves> {
    let table: toml::Table =
        profile::show(profile, None).parse().map_err(|error| Error::bug(format!("a shown profile: {error}")))?;
    let value = serde_json::to_value(&table).map_err(|error| Error::bug(error.to_string()))?;
    Ok(Leaves::of(&value))
}

/// The line of a value, or of what stands for it as a whole.
fn origin(origins: &Origins, place: &str) -> Option<String> {
    let mut place = place;
    loop {
        if let Some(line) = origins.get(place) {
            return Some(line.to_owned());
        }
        place = place.get(..place.rfind(['.', '['])?)?;
    }
}

fn input(kind: &str, input: &Input) -> Part {
    let version = match &input.location {
        Location::Apt { version, .. } => Some(version),
        Location::Url(_) => None,
    };
    versioned(format!("{kind} {}", input.name), version, input.sha256)
}

/// `1.0-1 (sha256:...)`
fn versioned(name: String, version: Option<&String>, sha256: Digest) -> Part {
    match version {
        Some(version) => Part::new(name, format!("{version} (sha256:{sha256})")),
        None => Part::new(name, format!("sha256:{sha256}")),
    }
}
