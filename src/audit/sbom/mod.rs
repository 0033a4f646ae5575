//! Bills of materials: everything that an image holds, by name, version, origin and licence.
//!
//! ```text
//! image ─┬─ kernel and initrd, out of the UKI
//!        ├─ packages of dpkg's database ── programs that Go linked ── their modules
//!        ├─ programs of no package
//!        └─ preloaded container images ── packages, programs
//! ```
//!
//! Read out of the image by our own readers, so that the same document comes of a build and of the image alone; what
//! the record of the image tells besides (digests of packages, the lock's inputs of containers) is taken in where
//! there is one. No clock and no chance: the time is the image's, ids are derived from the root hash.

mod build;
mod buildinfo;
mod collect;
mod copyright;
mod cyclonedx;
mod licence;
mod oci;
mod packages;
mod pick;
mod purl;
mod scan;
mod spdx;

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::Uki;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::Result;
use crate::guid::Guid;
use crate::report::pretty;
use crate::squashfs;

pub use build::of_build;
pub use buildinfo::{BuildInfo, Module};
pub use licence::{Licence, Text};

/// A fuzzer's ways in.
#[cfg(any(test, fuzzing))]
pub use {buildinfo::read as read_buildinfo, copyright::licence as read_copyright, oci::read as read_container};

/// The forms of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Format {
    /// SPDX 2.3, JSON.
    Spdx,
    /// CycloneDX 1.6, JSON.
    Cyclonedx,
}

impl Format {
    /// Every one of them.
    pub const ALL: [Format; 2] = [Format::Spdx, Format::Cyclonedx];

    /// The name of the document beside a manifest.
    pub fn file(self) -> &'static str {
        match self {
            Format::Spdx => "sbom.spdx.json",
            Format::Cyclonedx => "sbom.cdx.json",
        }
    }
}

/// A bill of materials, in no format yet.
#[derive(Debug, Clone)]
pub struct Bom {
    /// The image: `IMAGE_ID` of its os-release, else its distribution's id.
    pub name: String,
    /// `IMAGE_VERSION`, else `VERSION_ID`.
    pub version: String,
    /// The moment of the image.
    pub epoch: Epoch,
    /// What its root is known by.
    pub root_hash: Option<Digest>,
    /// The distribution, as os-release has it: `ID`, `VERSION_ID`, `PRETTY_NAME`.
    pub distribution: (String, String, String),
    /// Checks and rules that the image's profile gives up, by id, with reason and last day.
    pub waivers: BTreeMap<String, String>,
    /// Everything in it, by its reference.
    pub components: BTreeMap<String, Component>,
    /// What could not be looked into.
    pub warnings: Vec<String>,
}

/// The kinds of component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A binary package.
    Package,
    /// A program that Go linked.
    Program,
    /// A Go module, or the standard library.
    Module,
    /// The kernel.
    Kernel,
    /// The initrd.
    Initrd,
    /// A container image.
    Container,
}

/// Something in the image.
#[derive(Debug, Clone)]
pub struct Component {
    /// What it is.
    pub kind: Kind,
    /// Name.
    pub name: String,
    /// Version; empty where it is not known.
    pub version: String,
    /// Package URL.
    pub purl: Option<String>,
    /// CPE 2.3, where there can be no doubt.
    pub cpe: Option<String>,
    /// `Name <address>`
    pub supplier: Option<String>,
    /// What its files are licensed under.
    pub licence: Option<Licence>,
    /// Of the package, the program, the kernel.
    pub sha256: Option<Digest>,
    /// Source package: name, version, package URL.
    pub source: Option<(String, String, String)>,
    /// The project's page.
    pub homepage: Option<String>,
    /// Where it lies in the root.
    pub path: Option<String>,
    /// Further facts by name.
    pub facts: BTreeMap<&'static str, String>,
    /// What holds it; the image where there is none.
    pub within: Option<String>,
    /// References of what it needs.
    pub needs: BTreeSet<String>,
}

impl Component {
    fn new(kind: Kind, name: impl Into<String>, version: impl Into<String>) -> Self {
        Component {
            kind,
            name: name.into(),
            version: version.into(),
            purl: None,
            cpe: None,
            supplier: None,
            licence: None,
            sha256: None,
            source: None,
            homepage: None,
            path: None,
            facts: BTreeMap::new(),
            within: None,
            needs: BTreeSet::new(),
        }
    }
}

impl Bom {
    /// Reads a root, and the UKI that starts it where there is one.
    ///
    /// # Errors
    /// What is no sound file system, or holds more than is looked into. What lies in it and cannot be read (a container
    /// image in a form of its own) is a warning.
    pub fn read(root: &squashfs::Image, uki: Option<&Uki>) -> Result<Self> {
        collect::collect(scan::scan(root)?, root.epoch(), uki)
    }

    /// The document; ends in a line break.
    pub fn write(&self, format: Format) -> Result<String> {
        let value = match format {
            Format::Spdx => spdx::document(self),
            Format::Cyclonedx => cyclonedx::document(self),
        };
        pretty(&value)
    }

    /// An id that no other document has, unless it is the same.
    fn id(&self, of: &str) -> Guid {
        let hash = self.root_hash.map(|hash| hash.to_string()).unwrap_or_default();
        Guid::seed(&self.name).derive(&format!("sbom {of} {} {hash}", self.version))
    }

    /// The image's moment, RFC 3339.
    fn moment(&self) -> String {
        jiff::Timestamp::from_second(i64::from(self.epoch.0)).map(|at| at.to_string()).unwrap_or_default()
    }
}

/// `Name <address>`, taken apart.
fn person(text: &str) -> (&str, Option<&str>) {
    match text.split_once('<') {
        Some((name, rest)) => (name.trim(), rest.split('>').next().map(str::trim).filter(|at| at.contains('@'))),
        None => (text.trim(), None),
    }
}

/// Whether a page may stand where a format wants a URL.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let sound = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@!$&'()*+,;=%".contains(c);
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && rest.chars().all(sound))
}
