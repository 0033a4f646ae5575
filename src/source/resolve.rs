//! Profile to lock: the release files are verified, the packages chosen, every input named by its digest.

use std::collections::{BTreeMap, BTreeSet};

use super::apt::archive::{Archive, SourceFile};
use super::apt::deb;
use super::apt::index::{StanzaId, Universe};
use super::apt::solve::{self, Ask, Chosen, left_out};
use super::apt::version;
use super::context::Context;
use super::http::Client;
use crate::arch::Arch;
use crate::epoch::Epoch;
use crate::error::{Context as _, Error, Kind, Result};
use crate::lock::{self, Input, Location, Lock, SCHEMA, Section, Wants};
use crate::profile::{Package, Profile, Source};
use crate::report::Stage;

/// What may move on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Only what does not fit the profile any more.
    Nothing,
    /// Everything.
    All,
    /// These packages, and what they need.
    Names(BTreeSet<String>),
}

impl Update {
    fn keeps(&self, name: &str) -> bool {
        match self {
            Update::Nothing => true,
            Update::All => false,
            Update::Names(names) => !names.contains(name),
        }
    }
}

/// Makes the lock of a profile, keeping of `previous` what need not change.
pub fn resolve(profile: &Profile, previous: Option<&Lock>, update: &Update, cx: &Context<'_>) -> Result<Lock> {
    let host = Arch::host();
    if let (Some(previous), Update::Nothing) = (previous, update)
        && previous.check(profile, host).is_ok()
    {
        return Ok(previous.clone());
    }
    let stage = cx.report.stage("resolve", None);
    let client = super::apt::proxy::client(cx.offline)?;
    let wants = Wants::of(profile)?;
    let resolver = Resolver::open(profile, &wants, previous, update, cx, &client, &stage)?;
    let lock = resolver.lock(host)?;
    stage.done(0, false);
    Ok(lock)
}

struct Resolver<'a> {
    profile: &'a Profile,
    wants: &'a Wants,
    previous: Option<&'a Lock>,
    update: &'a Update,
    cx: &'a Context<'a>,
    stage: &'a Stage<'a>,
    archives: BTreeMap<&'a str, Archive<'a>>,
}

impl<'a> Resolver<'a> {
    fn open(
        profile: &'a Profile,
        wants: &'a Wants,
        previous: Option<&'a Lock>,
        update: &'a Update,
        cx: &'a Context<'a>,
        client: &'a Client,
        stage: &'a Stage<'a>,
    ) -> Result<Self> {
        let mut names = wants.sources();
        names.extend(wants.go.values().map(|(_, toolchain)| toolchain.from.as_str()));
        let releases = previous.map(|lock| lock.releases.as_slice()).unwrap_or_default();
        let mut archives = BTreeMap::new();
        for name in names {
            let Some(Source::Apt(apt)) = profile.sources.get(name) else {
                return Err(Error::user(format!("source `{name}` is not declared"))
                    .hint(format!("declare it: [source.{name}.apt]")));
            };
            archives.insert(name, Archive::open(name, apt, cx, client, stage, releases)?);
        }
        let resolver = Resolver { profile, wants, previous, update, cx, stage, archives };
        resolver.check_names()?;
        Ok(resolver)
    }

    /// Refuses a name to move on that is not in the lock.
    fn check_names(&self) -> Result<()> {
        let (Update::Names(names), Some(lock)) = (self.update, self.previous) else { return Ok(()) };
        let sections = lock.image.values().chain(lock.toolchain.values());
        let known: BTreeSet<&str> = sections
            .flat_map(|section| {
                let packages = section.packages.iter().map(|package| package.name.as_str());
                packages.chain(section.inputs.iter().map(|input| package_of(&input.name)))
            })
            .chain(self.wants.go.iter().flat_map(|(component, (source, _))| [component.as_str(), source.name.as_str()]))
            .collect();
        let Some(name) = names.iter().find(|name| !known.contains(name.as_str())) else { return Ok(()) };
        let error = Error::user(format!("the lock has no package `{name}`"));
        let alike = |other: &str| strsim::jaro_winkler(other, name);
        let near = known.into_iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
        Err(match near.filter(|near| alike(near) > 0.8) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        })
    }

    fn lock(self, host: Option<Arch>) -> Result<Lock> {
        let arch = self.profile.image.arch;
        let mut lock = self.previous.cloned().unwrap_or(Lock {
            schema: SCHEMA,
            epoch: Epoch(0),
            releases: Vec::new(),
            without: BTreeMap::new(),
            image: BTreeMap::new(),
            toolchain: BTreeMap::new(),
        });
        lock.releases.retain(|release| {
            self.profile.sources.contains_key(&release.from) && !self.archives.contains_key(release.from.as_str())
        });
        lock.releases.extend(self.archives.values().flat_map(|archive| archive.releases.iter().cloned()));
        lock.releases.sort();
        lock.epoch = match Epoch::from_environment()? {
            Some(epoch) => epoch,
            None => {
                let newest = lock.releases.iter().map(|release| release.date).max().unwrap_or(0);
                Epoch(newest.try_into().map_err(|_| Error::source("a release file is dated after 2106"))?)
            }
        };
        let (section, used) = self.image(arch)?;
        let without = &self.profile.userland.without;
        // What another architecture needs left out is not known here: it stays while the profile says so.
        let others = lock.image.keys().any(|other| *other != arch);
        lock.without.retain(|key, _| others && without.contains_key(key));
        lock.without.extend(without.iter().filter(|(key, _)| used.contains(*key)).map(|(k, v)| (k.clone(), v.clone())));
        lock.image.insert(arch, section);
        if self.wants.go.is_empty() {
            lock.toolchain.clear();
        } else {
            let host = host.ok_or_else(|| Error::user("Go programs are built on hosts of amd64 or arm64 only"))?;
            lock.toolchain.insert(host, self.toolchain(host)?);
            for other in Arch::ALL.into_iter().filter(|other| *other != host) {
                lock.toolchain.extend(self.toolchain_elsewhere(other)?.map(|section| (other, section)));
            }
        }
        Ok(lock)
    }

    /// The toolchain of another kind of host, so that what a lock holds does not follow from who made it; none where the
    /// archives have none for it.
    fn toolchain_elsewhere(&self, host: Arch) -> Result<Option<Section>> {
        let mut archives = self.wants.go.values().filter_map(|(_, tools)| self.archives.get(tools.from.as_str()));
        if !archives.all(|archive| archive.offers(host)) {
            return Ok(None);
        }
        match self.toolchain(host) {
            // It is offered without this toolchain.
            Err(error) if error.kind() == Kind::User => Ok(None),
            section => section.map(Some),
        }
    }

    /// The packages and other inputs of an image, and which keys of `without` were used.
    fn image(&self, arch: Arch) -> Result<(Section, BTreeSet<String>)> {
        let before = self.previous.and_then(|lock| lock.image.get(&arch));
        let from: BTreeSet<&str> = self.wants.packages.iter().map(|package| package.from.as_str()).collect();
        let mut universe = self.universe(arch, &from)?;
        self.keep_alive(&mut universe, before)?;
        self.stage.at("choosing packages");
        let keep: BTreeMap<String, (String, String)> = before
            .into_iter()
            .flat_map(|section| &section.packages)
            .filter(|package| self.update.keeps(&package.name))
            .map(|package| (package.name.clone(), (package.from.clone(), package.version.clone())))
            .collect();
        let without = &self.profile.userland.without;
        let chosen = solve::solve(&universe, &Ask { packages: &self.wants.packages, without, keep: &keep })?;
        self.judge_without(&universe, &chosen);
        let mut packages = Vec::new();
        for id in &chosen.packages {
            let stanza = universe.stanza(*id);
            let requested = self.wants.packages.iter().any(|package| package.name == stanza.name());
            packages.push(stanza.locked(requested)?);
        }
        let mut inputs = self.preload(arch, &from, &universe, before)?;
        drop(universe);
        inputs.extend(self.go_sources(before)?);
        inputs.extend(self.wants.urls.iter().map(|(url, sha256)| Input {
            name: format!("url/{url}"),
            location: Location::Url(url.clone()),
            size: None,
            sha256: *sha256,
        }));
        inputs.sort();
        let asked = Some(self.wants.image(self.profile, arch));
        Ok((Section { asked, packages, inputs }, chosen.used))
    }

    fn universe(&self, arch: Arch, sources: &BTreeSet<&str>) -> Result<Universe> {
        let mut universe = Universe::new(arch.name());
        for name in sources {
            let archive = self.archives.get(name).ok_or_else(|| Error::bug("a source was not opened"))?;
            archive.packages(&mut universe).context(|| format!("reading source `{name}`"))?;
        }
        Ok(universe)
    }

    /// Adds packages of the lock that the archive no longer has, where the store still has them.
    fn keep_alive(&self, universe: &mut Universe, before: Option<&Section>) -> Result<()> {
        for package in before.into_iter().flat_map(|section| &section.packages) {
            let there = universe.named(&package.name).iter().map(|id| universe.stanza(*id));
            let there =
                there.into_iter().any(|stanza| stanza.version() == package.version && stanza.from == package.from);
            if there || !self.update.keeps(&package.name) || !self.archives.contains_key(package.from.as_str()) {
                continue;
            }
            let Some(blob) = self.cx.store.blob(&package.sha256) else {
                let what = format!("`{}` {} is neither in its archive nor in the store", package.name, package.version);
                self.cx.report.warn(format!("{what}: another version takes its place in the lock"));
                continue;
            };
            let control = deb::control(&self.cx.store, &blob)?;
            let (path, size, sha256) = (&package.path, package.size, package.sha256);
            let text = format!("Filename: {path}\nSize: {size}\nSHA256: {sha256}\n{}", control.trim_start());
            universe.add(&package.from, &package.suite, text)?;
        }
        Ok(())
    }

    /// What `without` names and nothing asked for is worth a word: a slip of the pen, or a template's entry that
    /// this image does not need.
    fn judge_without(&self, universe: &Universe, chosen: &Chosen) {
        let known = |name: &str| !universe.named(name).is_empty() || universe.providers(name).next().is_some();
        let mut idle = Vec::new();
        for key in self.profile.userland.without.keys().filter(|key| !chosen.used.contains(*key)) {
            let (name, dependant) = left_out(key);
            let unknown = [Some(name), dependant].into_iter().flatten().find(|name| !known(name));
            idle.push(match unknown.and_then(|name| universe.nearest(name)) {
                Some(near) => format!("`{key}` (did you mean `{near}`?)"),
                None => format!("`{key}`"),
            });
        }
        if !idle.is_empty() {
            let idle = idle.join(", ");
            self.cx.report.warn(format!("nothing in the image asks for what `without` leaves out: {idle}"));
        }
    }

    fn preload(
        &self,
        arch: Arch,
        loaded: &BTreeSet<&str>,
        universe: &Universe,
        before: Option<&Section>,
    ) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        let sources: BTreeSet<&str> = self.wants.preload.iter().map(|(_, package)| package.from.as_str()).collect();
        for source in sources {
            let other;
            let universe = if loaded.contains(source) {
                universe
            } else {
                other = self.universe(arch, &BTreeSet::from([source]))?;
                &other
            };
            for (image, package) in self.wants.preload.iter().filter(|(_, package)| package.from == source) {
                let name = format!("preload/{image}/{}", package.name);
                inputs.push(self.single(universe, package, name, before)?);
            }
        }
        Ok(inputs)
    }

    /// One package without its dependencies: the version that was locked, else the newest.
    fn single(&self, universe: &Universe, package: &Package, name: String, before: Option<&Section>) -> Result<Input> {
        let of_source = |id: &StanzaId| universe.stanza(*id).from == package.from;
        let versions = || universe.named(&package.name).iter().copied().filter(of_source);
        let locked = before.into_iter().flat_map(|section| &section.inputs).find(|input| input.name == name);
        if let Some(locked) = locked.filter(|_| self.update.keeps(&package.name)) {
            // What the archive has forgotten may still be in the store.
            let there = versions().any(|id| universe.stanza(id).field("SHA256") == locked.sha256.to_string());
            if there || self.cx.store.blob(&locked.sha256).is_some() {
                return Ok(locked.clone());
            }
        }
        let newest = versions().max_by(|a, b| {
            version::compare(universe.stanza(*a).version(), universe.stanza(*b).version()).then_with(|| b.cmp(a))
        });
        let newest = newest.ok_or_else(|| solve::unknown(universe, package))?;
        Ok(as_input(universe.stanza(newest).locked(true)?, name))
    }

    fn go_sources(&self, before: Option<&Section>) -> Result<Vec<Input>> {
        let mut inputs = Vec::new();
        for (component, (package, _)) in &self.wants.go {
            let prefix = format!("go/{component}/");
            let archive =
                self.archives.get(package.from.as_str()).ok_or_else(|| Error::bug("a source was not opened"))?;
            let locked: Vec<&Input> = before
                .into_iter()
                .flat_map(|section| &section.inputs)
                .filter(|input| input.name.starts_with(&prefix))
                .filter(|_| self.update.keeps(&package.name) && self.update.keeps(component))
                .filter(|input| matches!(&input.location, Location::Apt { from, .. } if *from == package.from))
                .collect();
            let found = archive.sources(&package.name)?;
            let named = |(_, files): &&(String, Vec<SourceFile>)| {
                !locked.is_empty()
                    && locked.len() == files.len()
                    && files.iter().all(|file| locked.iter().any(|input| input.sha256 == file.sha256))
            };
            let newest = found.iter().max_by(|a, b| version::compare(&a.0, &b.0));
            let chosen = found.iter().find(named).or(newest);
            let (_, files) = chosen.ok_or_else(|| {
                Error::user(format!("source `{}` has no source package `{}`", package.from, package.name))
            })?;
            inputs.extend(files.iter().map(|file| Input {
                name: format!("{prefix}{}", file.name),
                location: file.location.clone(),
                size: Some(file.size),
                sha256: file.sha256,
            }));
        }
        Ok(inputs)
    }

    /// Toolchains and the C library under whose loader they run, with all their dependencies.
    fn toolchain(&self, host: Arch) -> Result<Section> {
        let before = self.previous.and_then(|lock| lock.toolchain.get(&host));
        let mut inputs = Vec::new();
        let sources: BTreeSet<&str> = self.wants.go.values().map(|(_, toolchain)| toolchain.from.as_str()).collect();
        for source in sources {
            let universe = self.universe(host, &BTreeSet::from([source]))?;
            for (component, (_, toolchain)) in self.wants.go.iter().filter(|(_, (_, tools))| tools.from == source) {
                let prefix = format!("go/{component}/toolchain/");
                let keep = before
                    .into_iter()
                    .flat_map(|section| &section.inputs)
                    .filter_map(|input| match &input.location {
                        Location::Apt { from, version, .. } => {
                            let name = input.name.strip_prefix(&prefix)?;
                            self.update.keeps(name).then(|| (name.to_owned(), (from.clone(), version.clone())))
                        }
                        Location::Url(_) => None,
                    })
                    .collect();
                let libc = Package { name: "libc6".to_owned(), from: source.to_owned() };
                let packages = BTreeSet::from([toolchain.clone(), libc]);
                let ask = Ask { packages: &packages, without: &BTreeMap::new(), keep: &keep };
                let chosen = solve::solve(&universe, &ask)
                    .context(|| format!("choosing the toolchain `{}` of `{component}`", toolchain.name))?;
                for id in chosen.packages {
                    let locked = universe.stanza(id).locked(false)?;
                    let name = format!("{prefix}{}", locked.name);
                    inputs.push(as_input(locked, name));
                }
            }
        }
        inputs.sort();
        Ok(Section { asked: self.wants.toolchain(self.profile, host), packages: Vec::new(), inputs })
    }
}

fn as_input(package: lock::Package, name: String) -> Input {
    let lock::Package { version, from, suite, path, size, sha256, .. } = package;
    Input { name, location: Location::Apt { from, suite, path, version }, size: Some(size), sha256 }
}

/// The package that an input is or belongs to.
pub fn package_of(input: &str) -> &str {
    input.rsplit('/').next().unwrap_or(input)
}
