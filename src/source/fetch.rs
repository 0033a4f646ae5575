//! Lock to store: every input that is not there yet, many at once, each verified.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::apt::archive;
use super::apt::mirror::address;
use super::context::Context;
use super::download::{self, Job, Lost, MAX_UNKNOWN};
use super::resolve::package_of;
use crate::arch::Arch;
use crate::digest::Digest;
use crate::error::{Context as _, Error, Kind, Result};
use crate::lock::{Location, Lock, Section};
use crate::profile::{Apt, Profile, Source};
use crate::store::{Blob, Entry, Hold, Part, Recipe};

/// What the journal calls an input.
pub const KIND: &str = "input";

/// Downloads at once; more would only divide the same line.
const MAX_THREADS: usize = 8;

/// Every input of a build, in the store.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    /// Binary packages of the root, by name.
    pub packages: BTreeMap<String, Blob>,
    /// Other inputs, by the lock's name, those of toolchains included.
    pub inputs: BTreeMap<String, Blob>,
    /// While it lives, nothing is collected from the store.
    _hold: Option<Arc<Hold>>,
}

impl Fetched {
    /// An input by its name in the lock.
    pub fn input(&self, name: &str) -> Result<&Blob> {
        self.inputs.get(name).ok_or_else(|| Error::new(Kind::Lock, format!("the lock has no input `{name}`")))
    }

    /// A file by URL.
    pub fn url(&self, url: &str) -> Result<&Blob> {
        self.input(&format!("url/{url}"))
    }
}

/// Has every input of `lock` that a build of `arch` on `host` takes; reads no release file.
///
/// The lock beside the profile is noted in the store as one in use.
pub fn fetch(lock: &Lock, profile: &Profile, arch: Arch, host: Option<Arch>, cx: &Context<'_>) -> Result<Fetched> {
    let hold = Some(Arc::new(cx.store.share()?));
    let path = Lock::path_for(&profile.path);
    if path.is_file() {
        cx.store.register(&path)?;
    }
    let mut sections = vec![lock.section(arch)?];
    sections.extend(host.and_then(|host| lock.toolchain.get(&host)));
    let wanted: Vec<Wanted<'_>> = sections.into_iter().flat_map(wanted).collect();
    let blobs = have(&wanted, profile, cx)?;
    let mut fetched = Fetched { _hold: hold, ..Fetched::default() };
    for (one, blob) in wanted.iter().zip(blobs) {
        match one.package {
            true => fetched.packages.insert(one.name.to_owned(), blob),
            false => fetched.inputs.insert(one.name.to_owned(), blob),
        };
    }
    Ok(fetched)
}

/// Has everything that `lock` names, for every architecture, by digest.
pub fn everything(lock: &Lock, profile: &Profile, cx: &Context<'_>) -> Result<BTreeMap<Digest, Blob>> {
    let sections = lock.image.values().chain(lock.toolchain.values());
    let wanted: Vec<Wanted<'_>> = sections.flat_map(wanted).collect();
    let blobs = have(&wanted, profile, cx)?;
    Ok(wanted.iter().map(|one| one.sha256).zip(blobs).collect())
}

/// Has everything that one section names, in its order: packages, then inputs.
pub fn section(section: &Section, profile: &Profile, cx: &Context<'_>) -> Result<Vec<Blob>> {
    have(&wanted(section).collect::<Vec<_>>(), profile, cx)
}

/// An input that is not in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The lock's name for it.
    pub name: String,
    /// Version, of what has one.
    pub version: Option<String>,
    /// Bytes, where they are known.
    pub size: Option<u64>,
    /// Of the file.
    pub sha256: Digest,
    /// Source and suite, of what comes from an archive.
    pub from: Option<String>,
    /// Where it would be looked for, the best place first; nowhere where nothing says where the archive is.
    pub urls: Vec<String>,
}

/// What [`fetch()`] would fetch; nothing is.
pub fn missing(
    lock: &Lock,
    profile: &Profile,
    arch: Arch,
    host: Option<Arch>,
    cx: &Context<'_>,
) -> Result<Vec<Missing>> {
    let toolchain = host.and_then(|host| lock.toolchain.get(&host));
    let sections = std::iter::once(lock.section(arch)?).chain(toolchain);
    let mut places = Places { profile, cx, bases: BTreeMap::new() };
    let mut out = Vec::new();
    for one in sections.flat_map(wanted).filter(|one| cx.store.blob(&one.sha256).is_none()) {
        let (version, from) = match one.place {
            Place::Apt { from, suite, version, .. } => (Some(version.to_owned()), Some(format!("{from} {suite}"))),
            Place::Url(_) => (None, None),
        };
        let urls = places.offline(&one);
        let Wanted { name, size, sha256, .. } = one;
        out.push(Missing { name: name.to_owned(), version, size, sha256, from, urls });
    }
    Ok(out)
}

/// Every one of `wanted` in the store, in order.
fn have(wanted: &[Wanted<'_>], profile: &Profile, cx: &Context<'_>) -> Result<Vec<Blob>> {
    let missing: Vec<&Wanted<'_>> = wanted.iter().filter(|one| cx.store.blob(&one.sha256).is_none()).collect();
    let total: u64 = missing.iter().filter_map(|one| one.size).sum();
    let stage = cx.report.stage("fetch", Some(total));
    if !missing.is_empty() {
        let client = super::apt::proxy::client(cx.offline)?;
        let mut places = Places { profile, cx, bases: BTreeMap::new() };
        let jobs = missing.iter().map(|one| places.job(one)).collect::<Result<Vec<_>>>()?;
        let threads = cx.jobs.saturating_mul(2).clamp(2, MAX_THREADS);
        let lost = download::all(&client, &cx.store, &stage, threads, &jobs);
        if !lost.is_empty() {
            return Err(blame(lost, &missing, profile));
        }
    }
    let blob = |one: &Wanted<'_>| {
        cx.store.blob(&one.sha256).ok_or_else(|| Error::bug(format!("`{}` was not fetched", one.name)))
    };
    let blobs = wanted.iter().map(blob).collect::<Result<Vec<_>>>()?;
    let fresh: BTreeSet<Digest> = missing.iter().map(|one| one.sha256).collect();
    for (one, blob) in wanted.iter().zip(&blobs) {
        cx.store.journal().note(Entry {
            recipe: Recipe::new(KIND, one.name, vec![Part::new("file", one.sha256.to_string())]),
            key: one.sha256,
            reused: !fresh.contains(&one.sha256),
            bytes: blob.length(),
            blocks: None,
        });
    }
    stage.done(total, missing.is_empty());
    Ok(blobs)
}

/// A file beside the profile, in the store: what is built is what was read, whatever happens to the file.
pub fn local(path: &Path, cx: &Context<'_>) -> Result<Blob> {
    let doing = || format!("reading `{}`", path.display());
    let file = std::fs::File::open(path).context(doing)?;
    cx.store.insert_new(MAX_UNKNOWN, file).context(doing)
}

/// Several of them, by path.
pub fn locals(paths: &BTreeSet<PathBuf>, cx: &Context<'_>) -> Result<BTreeMap<PathBuf, Blob>> {
    paths.iter().map(|path| Ok((path.clone(), local(path, cx)?))).collect()
}

/// Something of a lock that must be in the store.
pub struct Wanted<'a> {
    /// The lock's name for it.
    pub name: &'a str,
    /// Whether it is a package of the root.
    pub package: bool,
    /// Bytes, where they are known.
    pub size: Option<u64>,
    /// Of the file.
    pub sha256: Digest,
    place: Place<'a>,
}

enum Place<'a> {
    Apt { from: &'a str, suite: &'a str, path: &'a str, version: &'a str },
    Url(&'a str),
}

/// Everything that a section names.
pub fn wanted(section: &Section) -> impl Iterator<Item = Wanted<'_>> {
    let packages = section.packages.iter().map(|package| Wanted {
        name: &package.name,
        package: true,
        size: Some(package.size),
        sha256: package.sha256,
        place: Place::Apt {
            from: &package.from,
            suite: &package.suite,
            path: &package.path,
            version: &package.version,
        },
    });
    packages.chain(section.inputs.iter().map(|input| Wanted {
        name: &input.name,
        package: false,
        size: input.size,
        sha256: input.sha256,
        place: match &input.location {
            Location::Apt { from, suite, path, version } => Place::Apt { from, suite, path, version },
            Location::Url(url) => Place::Url(url),
        },
    }))
}

/// Where files of archives lie.
struct Places<'a> {
    profile: &'a Profile,
    cx: &'a Context<'a>,
    bases: BTreeMap<(String, String), Vec<String>>,
}

impl Places<'_> {
    fn job(&mut self, one: &Wanted<'_>) -> Result<Job> {
        let urls = match one.place {
            Place::Url(url) => vec![url.to_owned()],
            // A store that is all there is needs no mirror.
            Place::Apt { .. } if self.cx.offline => self.offline(one),
            Place::Apt { from, suite, path, .. } => self.urls(from, suite, path)?,
        };
        Ok(Job { name: package_of(one.name).to_owned(), urls, sha256: one.sha256, size: one.size })
    }

    fn urls(&mut self, from: &str, suite: &str, path: &str) -> Result<Vec<String>> {
        let Some(Source::Apt(apt)) = self.profile.sources.get(from) else {
            return Err(Error::new(Kind::Lock, format!("the lock names a source `{from}` that the profile has not")));
        };
        let mut urls: Vec<String> = self.of(from, apt, suite)?.iter().map(|base| address(base, path)).collect();
        // A security update moves to the main archive with the next point release, out of its folder `updates`.
        if suite.ends_with("-security") {
            let moved = path.replacen("pool/updates/", "pool/", 1);
            for other in apt.suites.iter().filter(|other| *other != suite && !other.ends_with("-security")) {
                let bases = self.of(from, apt, other).unwrap_or_default();
                urls.extend(bases.iter().map(|base| address(base, &moved)));
            }
        }
        let mut seen = BTreeSet::new();
        urls.retain(|url| seen.insert(url.clone()));
        Ok(urls)
    }

    fn of(&mut self, from: &str, apt: &Apt, suite: &str) -> Result<Vec<String>> {
        let key = (from.to_owned(), suite.to_owned());
        if let Some(known) = self.bases.get(&key) {
            return Ok(known.clone());
        }
        let bases = archive::bases(from, apt, suite, self.cx)?;
        self.bases.insert(key, bases.clone());
        Ok(bases)
    }

    /// Mirrors on this machine's disks may still be read; others only serve to name what is missing.
    fn offline(&mut self, one: &Wanted<'_>) -> Vec<String> {
        match one.place {
            Place::Apt { from, suite, path, .. } => self.urls(from, suite, path).unwrap_or_default(),
            Place::Url(url) => vec![url.to_owned()],
        }
    }
}

/// As many names stand in a hint.
const NAMED: usize = 40;

/// One error for all that was not had: what is gone from its archive first, as only the user can mend that.
fn blame(lost: Vec<Lost>, missing: &[&Wanted<'_>], profile: &Profile) -> Error {
    let profile = profile.path.display();
    let gone: Vec<&Wanted<'_>> = missing
        .iter()
        .copied()
        .filter(|one| lost.iter().any(|lost| lost.gone && lost.name == package_of(one.name)))
        .collect();
    if gone.is_empty() {
        let Some(first) = lost.into_iter().find(|lost| !lost.gone) else {
            return Error::bug("files were lost without a cause");
        };
        // Whoever asks no server, or reaches none, wants to know all that is missing.
        let mut names: Vec<&str> = missing.iter().map(|one| package_of(one.name)).collect();
        names.dedup();
        names.retain(|name| *name != first.name);
        let more = names.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let named = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        return match names.is_empty() {
            true => first.error,
            false => first.error.hint(format!("not in the store besides: {named}{more}")),
        };
    }
    let mut lines = Vec::new();
    let mut names = BTreeSet::new();
    let mut urls = false;
    for one in gone {
        match one.place {
            Place::Apt { from, suite, version, .. } => {
                let name = package_of(one.name);
                lines.push(format!("`{name}` {version} (suite `{suite}` of source `{from}`)"));
                // A source package's files move on together, under the component's name.
                names.insert(
                    one.name
                        .strip_prefix("go/")
                        .filter(|rest| !rest.contains("/toolchain/"))
                        .map_or(name, |rest| rest.split_once('/').map_or(rest, |(component, _)| component)),
                );
            }
            Place::Url(url) => {
                urls = true;
                lines.push(format!("`{url}`"));
            }
        }
    }
    let mut error = Error::source(format!("no longer to be had, and not in the store: {}", lines.join(", ")));
    if !names.is_empty() {
        let names = names.into_iter().collect::<Vec<_>>().join(" ");
        error = error
            .hint(format!("move just this on: imagebuild update {profile} {names}"))
            .hint("or name a mirror that still has it: --mirror NAME=URL")
            .hint("to keep what a lock names, `imagebuild vendor` copies it while it is there");
    }
    if urls {
        error = error.hint(format!("change the URL in `{profile}`"));
    }
    error
}
