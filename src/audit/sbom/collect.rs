//! From what was picked out of an image to its bill of materials.

use std::collections::BTreeMap;

use super::buildinfo::BuildInfo;
use super::oci::Container;
use super::packages;
use super::pick::{Picked, Program};
use super::purl::{self, Purl};
use super::scan::Scanned;
use super::{Bom, Component, Kind};
use crate::audit::Uki;
use crate::audit::dpkg::{self, Package};
use crate::audit::posture::Asked;
use crate::epoch::Epoch;
use crate::error::Result;
use crate::lock::{Location, Lock, Section};

/// Modules whose vendor and product the National Vulnerability Database has: by path, without a version's ending.
const CPES: &[(&str, &str)] = &[
    ("k8s.io/kubernetes", "kubernetes:kubernetes"),
    ("github.com/containerd/containerd", "linuxfoundation:containerd"),
    ("github.com/opencontainers/runc", "linuxfoundation:runc"),
    ("stdlib", "golang:go"),
];

/// Draws up the bill.
pub fn collect(scanned: Scanned, epoch: u32, uki: Option<&Uki>) -> Result<Bom> {
    let release = scanned.picked.release();
    let field = |name: &str| release.get(name).cloned().unwrap_or_default();
    let either = |a: &str, b: &str| Some(field(a)).filter(|text| !text.is_empty()).unwrap_or_else(|| field(b));
    let lock = scanned.lock.as_deref().and_then(|text| Lock::parse(text).ok());
    let section = lock.as_ref().and_then(|lock| lock.image.values().next());
    let root_hash = uki.and_then(|uki| uki.root_hash().ok());
    let mut bom = Bom {
        name: Some(either("IMAGE_ID", "ID")).filter(|name| !name.is_empty()).unwrap_or_else(|| "image".to_owned()),
        version: either("IMAGE_VERSION", "VERSION_ID"),
        epoch: Epoch(epoch),
        root_hash,
        distribution: (field("ID"), field("VERSION_ID"), field("PRETTY_NAME")),
        waivers: waivers(scanned.profile.as_deref(), Epoch(epoch)),
        components: BTreeMap::new(),
        warnings: scanned.warnings,
    };
    let mut adding = Adding { bom: &mut bom, within: None, prefix: String::new() };
    adding.all(&scanned.picked, section);
    for (path, container) in &scanned.containers {
        adding.container(path, container, section);
    }
    if let Some(uki) = uki {
        adding.boot(uki, scanned.picked.status().as_str());
    }
    Ok(bom)
}

/// What the profile of the record gives up; nothing where it cannot be read.
fn waivers(profile: Option<&str>, epoch: Epoch) -> BTreeMap<String, String> {
    let asked = profile.and_then(|text| Asked::carried(text, epoch).ok());
    let waivers = asked.map(|asked| asked.waivers).unwrap_or_default();
    waivers.into_iter().map(|(id, waiver)| (id, waiver.said())).collect()
}

/// What is added to, and where in it.
struct Adding<'a> {
    bom: &'a mut Bom,
    /// The container that all of it lies in.
    within: Option<String>,
    /// Sets its references apart from those of others.
    prefix: String,
}

impl Adding<'_> {
    fn put(&mut self, reference: &str, mut component: Component) -> String {
        let reference = format!("{}{reference}", self.prefix);
        component.within = component.within.or_else(|| self.within.clone());
        self.bom.components.entry(reference.clone()).or_insert(component);
        reference
    }

    fn all(&mut self, picked: &Picked, section: Option<&Section>) {
        let packages = dpkg::packages(&picked.status());
        let release = picked.release();
        let purls: Vec<String> = packages.iter().map(|package| binary(package, &release)).collect();
        let needs = packages::dependencies(&packages);
        let locked: BTreeMap<(&str, &str), _> = section
            .into_iter()
            .flat_map(|section| &section.packages)
            .map(|package| ((package.name.as_str(), package.version.as_str()), package))
            .collect();
        let mut by_name = BTreeMap::new();
        for ((package, purl), needs) in packages.iter().zip(&purls).zip(needs) {
            let mut component = Component::new(Kind::Package, &package.name, &package.version);
            let locked = locked.get(&(package.name.as_str(), package.version.as_str()));
            component.purl = Some(purl.clone());
            component.supplier = Some(package.maintainer.clone()).filter(|text| !text.is_empty());
            component.homepage = Some(package.homepage.clone()).filter(|page| super::is_url(page));
            component.licence = picked.licence(&package.name);
            component.sha256 = locked.map(|locked| locked.sha256);
            component.source = Some(source(package, &release));
            if let Some(locked) = locked {
                component.facts.insert("suite", locked.suite.clone());
                component.facts.insert("archive-path", locked.path.clone());
                component.facts.insert("requested", locked.requested.to_string());
            }
            let needs = needs.into_iter().filter_map(|index| purls.get(index));
            component.needs = needs.map(|purl| format!("{}{purl}", self.prefix)).collect();
            by_name.insert(package.name.as_str(), self.put(purl, component));
        }
        let owners = picked.owners();
        for (path, program) in &picked.programs {
            let owner = owners.get(path.as_str()).and_then(|name| by_name.get(name)).cloned();
            self.program(path, program, owner);
        }
    }

    fn program(&mut self, path: &str, program: &Program, owner: Option<String>) {
        let BuildInfo { go, path: package, main, modules, settings } = &program.info;
        let name = path.rsplit('/').next().unwrap_or(path);
        let version = main.as_ref().map(|main| main.version.clone()).unwrap_or_default();
        let mut component = Component::new(Kind::Program, name, &version);
        component.path = Some(path.to_owned());
        component.sha256 = Some(program.sha256);
        component.within = owner;
        component.facts.insert("go-version", go.clone());
        component.facts.insert("go-package", package.clone());
        let kept = ["vcs.revision", "vcs.time", "GOARCH", "GOOS", "CGO_ENABLED"];
        for (key, value) in settings {
            if let Some(name) = kept.iter().find(|kept| *kept == key) {
                component.facts.insert(name, value.clone());
            }
        }
        if let Some(main) = main.as_ref().filter(|main| !main.path.is_empty()) {
            component.purl = Some(purl::module(&main.path, &main.version));
            component.cpe = cpe(&main.path, &main.version);
        }
        let standard = go.strip_prefix("go").unwrap_or(go).split(' ').next().unwrap_or_default();
        component.needs.insert(self.module("stdlib", standard, ""));
        for module in modules {
            component.needs.insert(self.module(&module.path, &module.version, &module.sum));
        }
        self.put(&format!("file:{path}"), component);
    }

    fn module(&mut self, path: &str, version: &str, sum: &str) -> String {
        let mut component = Component::new(Kind::Module, path, version);
        let purl = purl::module(path, version);
        component.purl = Some(purl.clone());
        component.cpe = cpe(path, version);
        if !sum.is_empty() {
            component.facts.insert("go-sum", sum.to_owned());
        }
        self.put(&purl, component)
    }

    fn container(&mut self, path: &str, container: &Container, section: Option<&Section>) {
        let reference = format!("container:{}", container.digest);
        let name = if container.name.is_empty() { path } else { &container.name };
        let mut component = Component::new(Kind::Container, name, &container.digest);
        component.path = Some(path.to_owned());
        component.purl = image(&container.name, &container.digest);
        component.sha256 = container.digest.strip_prefix("sha256:").and_then(|hex| hex.parse().ok());
        let reference = self.put(&reference, component);
        let mut within = Adding { bom: self.bom, within: Some(reference.clone()), prefix: format!("{reference}!") };
        within.all(&container.picked, None);
        // Assembled from packages without a database of its own: the lock knows them.
        let prefix = format!("preload/{}/", container.name);
        for input in section.into_iter().flat_map(|section| &section.inputs) {
            let (Some(name), Location::Apt { version, path, suite, .. }) =
                (input.name.strip_prefix(&prefix), &input.location)
            else {
                continue;
            };
            // `POOL/NAME_VERSION_ARCH.deb`
            let arch = path.strip_suffix(".deb").and_then(|path| path.rsplit('_').next()).unwrap_or_default();
            let package = Package {
                name: name.to_owned(),
                version: version.clone(),
                arch: arch.to_owned(),
                ..Package::default()
            };
            let distribution = within.bom.distribution.clone();
            let release =
                BTreeMap::from([("ID".to_owned(), distribution.0), ("VERSION_ID".to_owned(), distribution.1)]);
            let mut component = Component::new(Kind::Package, name, version);
            let purl = binary(&package, &release);
            component.purl = Some(purl.clone());
            component.sha256 = Some(input.sha256);
            component.facts.insert("suite", suite.clone());
            component.facts.insert("archive-path", path.clone());
            within.put(&purl, component);
        }
    }

    /// The kernel and the initrd, which lie in the UKI and not in the root.
    fn boot(&mut self, uki: &Uki, status: &str) {
        let section =
            |name: &str| uki.sections.iter().find(|(section, ..)| section == name).map(|(.., sha256)| *sha256);
        let packages = dpkg::packages(status);
        let from = packages.iter().find(|package| package.name == format!("linux-image-{}", uki.release));
        let mut kernel = Component::new(Kind::Kernel, "linux", &uki.release);
        kernel.sha256 = section(".linux");
        if let Some(package) = from {
            // Debian's version without its own part is upstream's.
            let upstream = package.version.rsplit_once('-').map_or(package.version.as_str(), |(version, _)| version);
            kernel.cpe = plain(upstream).then(|| format!("cpe:2.3:o:linux:linux_kernel:{upstream}:*:*:*:*:*:*:*"));
            kernel.facts.insert("package", format!("{} {}", package.name, package.version));
        }
        let needs = self.bom.components.iter().filter(|(_, component)| {
            component.kind == Kind::Package && from.is_some_and(|from| component.name == from.name)
        });
        kernel.needs = needs.map(|(reference, _)| reference.clone()).collect();
        self.put("uki:linux", kernel);
        let mut initrd = Component::new(Kind::Initrd, "initrd", "");
        initrd.sha256 = section(".initrd");
        self.put("uki:initrd", initrd);
    }
}

fn release_name(release: &BTreeMap<String, String>) -> (&str, String) {
    let field = |name: &str| release.get(name).map(String::as_str).unwrap_or_default();
    let (id, version) = (field("ID"), field("VERSION_ID"));
    let namespace = if id.is_empty() { "debian" } else { id };
    (namespace, if version.is_empty() { id.to_owned() } else { format!("{id}-{version}") })
}

fn binary(package: &Package, release: &BTreeMap<String, String>) -> String {
    let (namespace, distro) = release_name(release);
    let (name, version) = &package.source;
    // What scanners match advisories by, where it is not the package itself.
    let upstream = match (name == &package.name, version == &package.version) {
        (true, true) => String::new(),
        (_, true) => name.clone(),
        _ if name.is_empty() => String::new(),
        _ => format!("{name}@{version}"),
    };
    let qualifiers =
        BTreeMap::from([("arch", package.arch.as_str()), ("distro", distro.as_str()), ("upstream", upstream.as_str())]);
    Purl { kind: "deb", namespace, name: &package.name, version: &package.version, qualifiers }.to_string()
}

fn source(package: &Package, release: &BTreeMap<String, String>) -> (String, String, String) {
    let (namespace, distro) = release_name(release);
    let (name, version) = package.source.clone();
    let qualifiers = BTreeMap::from([("arch", "source"), ("distro", distro.as_str())]);
    let purl = Purl { kind: "deb", namespace, name: &name, version: &version, qualifiers }.to_string();
    (name, version, purl)
}

/// `REGISTRY/PATH/NAME:TAG` and a digest.
fn image(reference: &str, digest: &str) -> Option<String> {
    let reference = reference.split('@').next().unwrap_or(reference);
    let (place, tag) = match reference.rsplit_once(':') {
        Some((place, tag)) if !tag.contains('/') => (place, tag),
        _ => (reference, ""),
    };
    let name = place.rsplit('/').next().filter(|name| !name.is_empty())?;
    let qualifiers = BTreeMap::from([("repository_url", if place.contains('/') { place } else { "" }), ("tag", tag)]);
    Some(Purl { kind: "oci", namespace: "", name, version: digest, qualifiers }.to_string())
}

fn cpe(module: &str, version: &str) -> Option<String> {
    let bare =
        module.rsplit_once("/v").filter(|(_, major)| major.parse::<u32>().is_ok()).map_or(module, |(bare, _)| bare);
    let (_, product) = CPES.iter().find(|(path, _)| *path == bare)?;
    let version = version.strip_prefix('v').unwrap_or(version);
    plain(version).then(|| format!("cpe:2.3:a:{product}:{version}:*:*:*:*:*:*:*"))
}

/// Whether a version needs no quotes in a CPE, and says a release and nothing else.
fn plain(version: &str) -> bool {
    !version.is_empty()
        && version.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::buildinfo::Module;
    use super::*;
    use crate::digest::Digest;

    const STATUS: &str = "\
Package: runc
Status: install ok installed
Version: 1.1.15+ds1-2+b4
Architecture: amd64
Source: runc (1.1.15+ds1-2)
Depends: libc6 (>= 2.38)
Homepage: not a page
Maintainer: Debian Go Packaging Team <team@example.org>

Package: libc6
Status: install ok installed
Version: 2.41-12
Architecture: amd64
Source: glibc
Homepage: https://www.gnu.org/software/libc/
";

    fn scanned() -> Scanned {
        let mut scanned = Scanned::default();
        let mut text = |path: &str, text: &str| assert!(scanned.picked.text(path.into(), text.into()));
        text("/usr/lib/dpkg-db/status", STATUS);
        text("/usr/lib/os-release", "ID=debian\nVERSION_ID=\"13\"\nIMAGE_ID=\"node\"\nIMAGE_VERSION=\"7\"\n");
        text("/usr/lib/dpkg-db/info/runc.list", "/.\n/usr\n/usr/sbin/runc\n");
        let module = Module { path: "golang.org/x/sys".into(), version: "v0.28.0".into(), sum: "h1:x".into() };
        let main =
            Module { path: "github.com/opencontainers/runc".into(), version: "v1.1.15".into(), sum: String::new() };
        let info = BuildInfo { go: "go1.24.4".into(), main: Some(main), modules: vec![module], ..BuildInfo::default() };
        let program = Program { info, sha256: Digest::of(b"runc"), size: 4 };
        scanned.picked.programs.insert("/usr/sbin/runc".into(), program);
        scanned
    }

    #[test]
    fn packages_programs_and_modules_hang_together() {
        let bom = collect(scanned(), 7, None).unwrap();
        assert_eq!((bom.name.as_str(), bom.version.as_str()), ("node", "7"));
        let runc = "pkg:deb/debian/runc@1.1.15%2Bds1-2%2Bb4?arch=amd64&distro=debian-13&upstream=runc%401.1.15%2Bds1-2";
        let libc = "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13&upstream=glibc";
        let keys: Vec<_> = bom.components.keys().map(String::as_str).collect();
        let modules = ["pkg:golang/golang.org/x/sys@v0.28.0", "pkg:golang/stdlib@1.24.4"];
        assert_eq!(keys, ["file:/usr/sbin/runc", libc, runc, modules[0], modules[1]]);
        assert_eq!(bom.components[runc].needs, BTreeSet::from([libc.to_owned()]));
        assert_eq!(bom.components[runc].homepage, None);
        let program = &bom.components["file:/usr/sbin/runc"];
        assert_eq!(program.within.as_deref(), Some(runc));
        assert_eq!(program.needs.len(), 2);
        assert_eq!(program.cpe.as_deref(), Some("cpe:2.3:a:linuxfoundation:runc:1.1.15:*:*:*:*:*:*:*"));
    }

    #[test]
    fn references_of_images_are_taken_apart() {
        let of = |name: &str| image(name, "sha256:ab").unwrap_or_default();
        assert_eq!(
            of("registry.k8s.io/pause:3.9"),
            "pkg:oci/pause@sha256:ab?repository_url=registry.k8s.io/pause&tag=3.9"
        );
        assert_eq!(of("localhost:5000/a/b"), "pkg:oci/b@sha256:ab?repository_url=localhost:5000/a/b");
        assert_eq!(of("pause"), "pkg:oci/pause@sha256:ab");
        assert_eq!(of(""), "");
        assert_eq!(
            cpe("github.com/containerd/containerd/v2", "v2.1.0").unwrap(),
            "cpe:2.3:a:linuxfoundation:containerd:2.1.0:*:*:*:*:*:*:*"
        );
        assert_eq!(cpe("github.com/containerd/containerd", "v1.7.24+ds"), None);
    }
}
