//! Lock to source packages: what copyleft licences ask of whoever hands out an image.
//!
//! A binary package says in its control file which source package it was built from (Debian Policy, 5.6.1); the files of
//! that very version are looked up in the archives' indexes, whose release files are verified as for locking.

use std::collections::{BTreeMap, BTreeSet};

use super::apt::archive::Archive;
use super::apt::deb::control;
use super::apt::{deb822, proxy};
use super::context::Context;
use super::fetch::{self, fetch};
use crate::arch::Arch;
use crate::error::{Context as _, Error, Kind, Result};
use crate::lock::{Input, Location, Lock, Section};
use crate::profile::{Profile, Source};
use crate::store::Blob;

const KEEPS_ALL: &str = "an archive that keeps all versions has them: --mirror NAME=URL";

/// A source package: name and version.
pub type Named = (String, String);

/// The source packages of a lock.
#[derive(Debug, Clone, Default)]
pub struct Corresponding {
    /// What was built from each: names of binary packages, or of programs that are compiled here.
    pub of: BTreeMap<Named, BTreeSet<String>>,
    /// Files by source package: name, bytes.
    pub files: BTreeMap<Named, Vec<(String, Blob)>>,
}

/// Has the source packages of everything that an image of `arch` is made of; not those of the tools that compiled it.
///
/// # Errors
/// Of kind `Source`, with all names, where the archives no longer have a version.
pub fn corresponding(lock: &Lock, profile: &Profile, arch: Arch, cx: &Context<'_>) -> Result<Corresponding> {
    let section = lock.section(arch)?;
    let fetched = fetch(lock, profile, arch, None, cx)?;
    let mut out = Corresponding::default();
    // By the archive that the binary package came from.
    let mut wanted = BTreeMap::<&str, BTreeSet<Named>>::new();
    for package in &section.packages {
        let blob = fetched.packages.get(&package.name).ok_or_else(|| Error::bug("a package was not fetched"))?;
        let source = source_of(blob, cx).context(|| format!("reading package `{}`", package.name))?;
        wanted.entry(&package.from).or_default().insert(source.clone());
        out.of.entry(source).or_default().insert(package.name.clone());
    }
    let mut inputs = Vec::new();
    for input in &section.inputs {
        let Location::Apt { from, path, version, .. } = &input.location else { continue };
        if path.ends_with(".deb") {
            let source = source_of(fetched.input(&input.name)?, cx).context(|| format!("reading `{}`", input.name))?;
            wanted.entry(from).or_default().insert(source.clone());
            out.of.entry(source).or_default().insert(input.name.clone());
        } else if let Some((component, _)) = input.name.strip_prefix("go/").and_then(|rest| rest.split_once('/')) {
            // The lock names the files of what is compiled here.
            let source = (folder_of(path).to_owned(), version.clone());
            out.of.entry(source.clone()).or_default().insert(component.to_owned());
            inputs.push((source, input.clone()));
        }
    }
    inputs.extend(looked_up(&wanted, profile, cx)?);
    let section = Section { inputs: inputs.iter().map(|(_, input)| input.clone()).collect(), ..Section::default() };
    // The hints of a build's inputs, to move the lock on, are of no use here.
    let blobs = fetch::section(&section, profile, cx)
        .map_err(|error| Error::new(error.kind(), error.message()).hint(KEEPS_ALL))?;
    for ((source, input), blob) in inputs.into_iter().zip(blobs) {
        let name = input.name.rsplit('/').next().unwrap_or(&input.name).to_owned();
        out.files.entry(source).or_default().push((name, blob));
    }
    Ok(out)
}

/// `pool/main/k/kubernetes/x.dsc`: the folder is called as the source package is.
fn folder_of(path: &str) -> &str {
    path.rsplit('/').nth(1).unwrap_or(path)
}

fn source_of(blob: &Blob, cx: &Context<'_>) -> Result<Named> {
    let control = control(&cx.store, blob)?;
    named(&control).ok_or_else(|| Error::source("its control file has no name or no version"))
}

/// `Source: util-linux (2.41-5)`; a package without it is called as its source.
fn named(control: &str) -> Option<Named> {
    let version = deb822::field(control, "Version")?;
    match deb822::field(control, "Source") {
        None => Some((deb822::field(control, "Package")?.to_owned(), version.to_owned())),
        Some(source) => match source.split_once('(') {
            None => Some((source.trim().to_owned(), version.to_owned())),
            Some((name, other)) => {
                Some((name.trim().to_owned(), other.trim_end().trim_end_matches(')').trim().to_owned()))
            }
        },
    }
}

/// The files of source packages, out of the indexes.
fn looked_up(
    wanted: &BTreeMap<&str, BTreeSet<Named>>,
    profile: &Profile,
    cx: &Context<'_>,
) -> Result<Vec<(Named, Input)>> {
    let stage = cx.report.stage("sources", None);
    let client = proxy::client(cx.offline)?;
    let (mut out, mut lost) = (Vec::new(), Vec::new());
    for (from, wanted) in wanted {
        let Some(Source::Apt(apt)) = profile.sources.get(*from) else {
            return Err(Error::user(format!("source `{from}` is not declared")));
        };
        let archive = Archive::open(from, apt, cx, &client, &stage, &[])?;
        let mut found = archive.corresponding(wanted).context(|| format!("reading source `{from}`"))?;
        for source in wanted {
            match found.remove(source) {
                Some(files) => out.extend(files.into_iter().map(|file| {
                    let input = Input {
                        name: format!("source/{}_{}/{}", source.0, source.1, file.name),
                        location: file.location,
                        size: Some(file.size),
                        sha256: file.sha256,
                    };
                    (source.clone(), input)
                })),
                None => lost.push(format!("`{}` {} of source `{from}`", source.0, source.1)),
            }
        }
    }
    stage.done(0, false);
    match lost.is_empty() {
        true => Ok(out),
        false => {
            let message = format!("the archives no longer have these source packages: {}", lost.join(", "));
            Err(Error::new(Kind::Source, message)
                .hint(KEEPS_ALL)
                .hint("or move the lock on and build again: imagebuild update PROFILE"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_package_names_its_source_or_is_called_as_it() {
        let of = |control: &str| named(control).map(|(name, version)| format!("{name} {version}"));
        let same = "Package: a\nVersion: 1-2\n";
        assert_eq!(of(same).as_deref(), Some("a 1-2"));
        assert_eq!(of("Package: a\nSource: b\nVersion: 1-2\n").as_deref(), Some("b 1-2"));
        assert_eq!(of("Package: a\nSource: b (2:1-1)\nVersion: 1-2+b1\n").as_deref(), Some("b 2:1-1"));
        assert_eq!(of("Package: a\n"), None);
    }
}
