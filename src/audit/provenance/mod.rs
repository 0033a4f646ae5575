//! Where a build came from: an in-toto statement (v1) with SLSA provenance (v1), every input by its digest.
//!
//! Holds no time and no name of a machine: who builds says so with a signature, not with a word in the statement.

mod check;
pub mod detached;
mod dsse;
mod key;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::digest::Digest;
use crate::error::Result;
use crate::guid::Guid;
use crate::lock::{Input, Location, Lock, Package};
use crate::manifest::Manifest;
use crate::record::{FILES, LOCK, PROFILE, Record};
use crate::report::pretty;

pub use check::check;
pub use dsse::{Envelope, IN_TOTO, Signature, encoded};
pub use key::{Private, Public};

/// The statement's name beside the artifacts.
pub const NAME: &str = "provenance.json";
/// The signed one's.
pub const SIGNED: &str = "provenance.dsse.json";
/// The type of a statement.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// The type of what it says.
pub const PREDICATE: &str = "https://slsa.dev/provenance/v1";
/// How such a build is done: from the parameters named below, by `imagebuild build`.
const BUILD: &str = "urn:imagebuild:build:1";
/// Who did it, where nobody says.
pub const BUILDER: &str = "urn:imagebuild:builder";

/// The values that a statement is drawn from.
pub struct Made<'a> {
    /// What came out.
    pub manifest: &'a Manifest,
    /// What went in.
    pub lock: &'a Lock,
    /// The same as the image carries it.
    pub record: &'a Record,
    /// Files beside the artifacts: name, digest.
    pub beside: &'a [(String, Digest)],
    /// Who builds, a URI.
    pub builder: &'a str,
}

/// The statement; ends in a line break.
pub fn statement(made: &Made<'_>) -> Result<String> {
    let Made { manifest, record, builder, .. } = made;
    let subjects = manifest.artifacts.iter().map(|artifact| named(&artifact.path, &artifact.sha256));
    let beside = made.beside.iter().map(|(name, digest)| named(name, digest));
    let label = format!("provenance {} {}", manifest.image.version, manifest.root.root_hash);
    let value = json!({
        "_type": STATEMENT,
        "subject": subjects.collect::<Vec<_>>(),
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD,
                "externalParameters": {
                    "profile": named(PROFILE, &record.digest()),
                    "image": manifest.image,
                    "fast": manifest.fast,
                },
                "internalParameters": { "epoch": manifest.epoch },
                "resolvedDependencies": inputs(made)?,
            },
            "runDetails": {
                "builder": { "id": builder, "version": { "imagebuild": manifest.imagebuild } },
                "metadata": { "invocationId": format!("urn:uuid:{}", Guid::seed(&manifest.image.id).derive(&label)) },
                "byproducts": beside.collect::<Vec<_>>(),
            },
        },
    });
    pretty(&value)
}

/// A descriptor of a resource.
fn named(name: &str, sha256: &Digest) -> Value {
    json!({ "name": name, "digest": { "sha256": sha256 } })
}

/// Everything that was read: the record, packages, sources, toolchains, files beside the profile. Release files are read when
/// locking, not by a build: a rebuild from the record, which has none, gives the same statement.
fn inputs(made: &Made<'_>) -> Result<Vec<Value>> {
    let Made { manifest, lock, record, .. } = made;
    let mut out = vec![named(PROFILE, &record.digest()), named(LOCK, &Digest::of(record.lock.as_bytes()))];
    let section = lock.section(manifest.image.arch)?;
    out.extend(section.packages.iter().map(package));
    out.extend(section.inputs.iter().map(|other| input(&other.name, other)));
    for (host, section) in &lock.toolchain {
        out.extend(section.inputs.iter().map(|other| input(&format!("{}/{host}", other.name), other)));
    }
    out.extend(record.files.iter().map(|digest| named(&format!("{FILES}/{digest}"), digest)));
    Ok(out)
}

fn package(package: &Package) -> Value {
    let Package { name, version, arch, from, suite, path, sha256, .. } = package;
    let mut value = named(&format!("package/{name}"), sha256);
    value["annotations"] =
        json!({ "version": version, "architecture": arch, "source": from, "suite": suite, "path": path });
    value
}

fn input(name: &str, input: &Input) -> Value {
    let mut value = named(name, &input.sha256);
    match &input.location {
        Location::Url(url) => value["uri"] = json!(url),
        Location::Apt { from, suite, path, version } => {
            value["annotations"] = json!({ "version": version, "source": from, "suite": suite, "path": path });
        }
    }
    value
}

/// The digests of a statement's subjects, by name.
fn subjects(statement: &Value) -> BTreeMap<&str, &str> {
    let all = statement["subject"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(|one| Some((one["name"].as_str()?, one["digest"]["sha256"].as_str()?))).collect()
}
