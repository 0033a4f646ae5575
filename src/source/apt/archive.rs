//! A signed archive, opened: its release files verified, its indexes had by digest.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::deb822;
use super::index::{Universe, confined};
use super::keys::Keys;
use super::mirror::{self, Host};
use super::release::Release;
use super::{seen, signature};
use crate::arch::Arch;
use crate::digest::Digest;
use crate::error::{Context as _, Error, Result};
use crate::lock;
use crate::profile::Apt;
use crate::report::Stage;
use crate::source::Context;
use crate::source::codec::Codec;
use crate::source::download::{self, Job};
use crate::source::http::{Client, Failure};
use crate::store::Blob;

/// The largest release file that is read.
const MAX_RELEASE: u64 = 16 << 20;
/// The largest index, uncompressed.
const MAX_INDEX: u64 = 1 << 30;

/// A suite whose release file was verified.
pub struct Suite {
    name: String,
    bases: Vec<String>,
    release: Release,
}

/// An archive with all its suites.
pub struct Archive<'a> {
    name: &'a str,
    apt: &'a Apt,
    context: &'a Context<'a>,
    client: &'a Client,
    stage: &'a Stage<'a>,
    suites: Vec<Suite>,
    /// What the lock says of the release files.
    pub releases: Vec<lock::Release>,
}

/// A file of a source package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub location: lock::Location,
    /// Bytes.
    pub size: u64,
    /// Of the file.
    pub sha256: Digest,
}

/// Seconds since 1970, now. Judging release files is the one use of the clock.
fn now() -> Result<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map(|since| since.as_secs()).map_err(|_| Error::system("this machine's clock is before 1970"))
}

/// Addresses of a suite of a source, by flags, environment, profile and the host's apt.
pub fn bases(name: &str, apt: &Apt, suite: &str, context: &Context<'_>) -> Result<Vec<String>> {
    let host = Host::read(Path::new("/etc/apt"))?;
    mirror::bases(name, apt, suite, &context.mirrors, &|variable| std::env::var(variable).ok(), &host)
}

impl<'a> Archive<'a> {
    /// Fetches and verifies the release file of every suite; none may be older than in `previous`.
    pub fn open(
        name: &'a str,
        apt: &'a Apt,
        context: &'a Context<'a>,
        client: &'a Client,
        stage: &'a Stage<'a>,
        previous: &[lock::Release],
    ) -> Result<Self> {
        let keys = Keys::load(&apt.keyring).context(|| format!("opening source `{name}`"))?;
        let mut archive = Archive { name, apt, context, client, stage, suites: Vec::new(), releases: Vec::new() };
        for suite in &apt.suites {
            let before = previous.iter().find(|known| known.from == name && known.suite == *suite);
            archive
                .open_suite(suite, &keys, before)
                .context(|| format!("opening suite `{suite}` of source `{name}`"))?;
        }
        Ok(archive)
    }

    fn open_suite(&mut self, suite: &str, keys: &Keys, before: Option<&lock::Release>) -> Result<()> {
        let bases = bases(self.name, self.apt, suite, self.context)?;
        self.stage.at(format!("{suite} InRelease"));
        let (base, bytes) = self.first(&bases, &format!("dists/{suite}/InRelease"))?;
        let now = now()?;
        let read = || -> Result<_> {
            let message = std::str::from_utf8(&bytes).map_err(|_| Error::source("is no text"))?;
            let signed = signature::verify(message, keys, now)?;
            let release = Release::parse(&signed.text, suite, now)?;
            Ok((signed, release))
        };
        let (signed, release) = read().context(|| format!("verifying `{base}/dists/{suite}/InRelease`"))?;
        let newest = before.map_or(0, |before| before.date);
        seen::no_older(&self.context.store, &release, suite, newest)?;
        self.releases.push(lock::Release {
            from: self.name.to_owned(),
            suite: suite.to_owned(),
            date: release.date,
            sha256: Digest::of(signed.text.as_bytes()),
            signed_by: signed.by,
        });
        // The mirror that gave the release file is the likeliest to have the rest of that state.
        let mut order = vec![base.clone()];
        order.extend(bases.into_iter().filter(|other| *other != base));
        self.suites.push(Suite { name: suite.to_owned(), bases: order, release });
        Ok(())
    }

    /// A small file from the first mirror that has it.
    fn first(&self, bases: &[String], path: &str) -> Result<(String, Vec<u8>)> {
        let mut last = Error::bug("a suite without a mirror");
        for base in bases {
            let url = mirror::address(base, path);
            match self.client.get(&url, MAX_RELEASE) {
                Ok(bytes) => return Ok((base.clone(), bytes)),
                Err(failure) => {
                    let gone = matches!(failure, Failure::Gone(_));
                    last = Error::from(failure).context(format!("fetching `{url}`"));
                    if gone {
                        last = last.hint("is the suite's name right, and the mirror of its archive?");
                    }
                }
            }
        }
        Err(last)
    }

    /// Whether every suite has packages for an architecture.
    pub fn offers(&self, arch: Arch) -> bool {
        let names = |suite: &Suite| suite.release.architectures.iter().any(|known| known == arch.name());
        self.suites.iter().all(names)
    }

    /// Adds the binary packages of every suite and component.
    pub fn packages(&self, universe: &mut Universe) -> Result<()> {
        for suite in &self.suites {
            let arch = universe.arch().to_owned();
            let known = &suite.release.architectures;
            if !known.is_empty() && !known.contains(&arch) {
                return Err(Error::user(format!(
                    "suite `{}` of source `{}` has no packages for {arch}",
                    suite.name, self.name
                )));
            }
            for component in &self.apt.components {
                self.component(suite, component)?;
                let mut archs = vec![arch.as_str()];
                archs.extend(suite.release.apart.then_some("all"));
                for arch in archs {
                    let path = format!("{component}/binary-{arch}/Packages");
                    match self.index(suite, &path)? {
                        Some(text) => universe.add(self.name, &suite.name, text)?,
                        None if arch == "all" => {}
                        None => return Err(Error::source(format!("suite `{}` has no `{path}`", suite.name))),
                    }
                }
            }
        }
        Ok(())
    }

    fn component(&self, suite: &Suite, component: &str) -> Result<()> {
        let known = &suite.release.components;
        if known.is_empty() || known.iter().any(|name| name == component) {
            return Ok(());
        }
        let error =
            Error::user(format!("suite `{}` of source `{}` has no component `{component}`", suite.name, self.name));
        Err(error.hint(format!("it has {}", known.join(", "))))
    }

    /// The files of source packages by name and version, as far as the archive has them.
    pub fn corresponding(
        &self,
        wanted: &BTreeSet<(String, String)>,
    ) -> Result<BTreeMap<(String, String), Vec<SourceFile>>> {
        let mut found = BTreeMap::new();
        self.each_source(&mut |suite, paragraph| {
            let field = |name| deb822::field(paragraph, name).unwrap_or_default().to_owned();
            let named = (field("Package"), field("Version"));
            if wanted.contains(&named) && !found.contains_key(&named) {
                let (_, files) = self.source(suite, paragraph, &named.0)?;
                found.insert(named, files);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Every version of a source package: version, files.
    pub fn sources(&self, package: &str) -> Result<Vec<(String, Vec<SourceFile>)>> {
        let mut found = Vec::new();
        self.each_source(&mut |suite, paragraph| {
            if deb822::field(paragraph, "Package") == Some(package) {
                found.push(self.source(suite, paragraph, package)?);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Tells `tell` every paragraph of the indexes of source packages.
    fn each_source(&self, tell: &mut dyn FnMut(&Suite, &str) -> Result<()>) -> Result<()> {
        for suite in &self.suites {
            for component in &self.apt.components {
                self.component(suite, component)?;
                let path = format!("{component}/source/Sources");
                let Some(text) = self.index(suite, &path)? else {
                    return Err(Error::source(format!("suite `{}` has no `{path}`", suite.name)));
                };
                deb822::paragraphs(&text).try_for_each(|paragraph| tell(suite, paragraph))?;
            }
        }
        Ok(())
    }

    fn source(&self, suite: &Suite, paragraph: &str, package: &str) -> Result<(String, Vec<SourceFile>)> {
        source_files(paragraph, self.name, &suite.name)
            .context(|| format!("reading source package `{package}` of suite `{}`", suite.name))
    }

    /// The text of an index, in whatever form of it is there.
    fn index(&self, suite: &Suite, path: &str) -> Result<Option<String>> {
        let release = &suite.release;
        let forms = [".xz", ".gz", ".zst", ""].map(|ending| format!("{path}{ending}"));
        let Some((form, (sha256, size))) = forms.iter().find_map(|form| Some((form, release.file(form)?))) else {
            return Ok(None);
        };
        let limit = release.file(path).map_or(MAX_INDEX, |(_, size)| size).min(MAX_INDEX);
        let blob =
            self.have(suite, form, sha256, size).context(|| format!("fetching index `{form}` of `{}`", suite.name))?;
        let mut text = Vec::with_capacity(limit.min(256 << 20) as usize);
        let mut reader = Codec::of_name(form).decode(blob.open()?, limit)?;
        reader.read_to_end(&mut text).context(|| format!("reading index `{form}` of `{}`", suite.name))?;
        Ok(Some(String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())))
    }

    fn have(&self, suite: &Suite, form: &str, sha256: Digest, size: u64) -> Result<Blob> {
        if let Some(blob) = self.context.store.blob(&sha256) {
            return Ok(blob);
        }
        let name = format!("{} {form}", suite.name);
        self.stage.at(name.as_str());
        let folder = form.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut urls = Vec::new();
        for base in &suite.bases {
            if suite.release.by_hash {
                urls.push(mirror::address(base, &format!("dists/{}/{folder}/by-hash/SHA256/{sha256}", suite.name)));
            }
            urls.push(mirror::address(base, &format!("dists/{}/{form}", suite.name)));
        }
        let job = Job { name, urls, sha256, size: Some(size) };
        let had = download::one(self.client, &self.context.store, &|bytes| self.stage.advance(bytes), &job);
        had.map_err(|lost| lost.error.hint("the mirror may be in the middle of an update: try again in a few minutes"))
    }
}

/// Version and files of a paragraph of a `Sources` index.
fn source_files(paragraph: &str, from: &str, suite: &str) -> Result<(String, Vec<SourceFile>)> {
    let field = |name: &str| deb822::field(paragraph, name).ok_or_else(|| Error::source(format!("it has no `{name}`")));
    let (version, folder) = (field("Version")?, field("Directory")?);
    let mut files = Vec::new();
    for line in field("Checksums-Sha256")?.lines().filter(|line| !line.trim().is_empty()) {
        let bad = || Error::source(format!("`{}` is not a digest, a size and a name", line.trim()));
        let mut words = line.split_ascii_whitespace();
        let (sha256, size, name) = (words.next(), words.next(), words.next());
        let name = name.filter(|name| !name.contains('/')).ok_or_else(bad)?;
        let path = confined(&format!("{folder}/{name}")).ok_or_else(bad)?;
        let (from, suite, version) = (from.to_owned(), suite.to_owned(), version.to_owned());
        files.push(SourceFile {
            name: name.to_owned(),
            location: lock::Location::Apt { from, suite, path, version },
            size: size.and_then(|size| size.parse().ok()).ok_or_else(bad)?,
            sha256: sha256.and_then(|sha256| sha256.parse().ok()).ok_or_else(bad)?,
        });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((version.to_owned(), files))
}
