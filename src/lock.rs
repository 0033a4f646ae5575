//! What the inputs are: name, version, size, sha256, where found; TOML beside the profile.
//!
//! Sorted and unique; holds enough to fetch every input from any mirror, or from the store
//! alone, years later. One lock serves several architectures, a section each.

mod asked;
mod check;
mod file;

pub use asked::Wants;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::digest::Digest;
use crate::epoch::Epoch;

/// The version of the lock's format.
pub const SCHEMA: u32 = 1;

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The moment of the image: SOURCE_DATE_EPOCH when locking, else the newest release file's date.
    pub epoch: Epoch,
    /// The release files that the packages were chosen from.
    #[serde(default, rename = "release", skip_serializing_if = "Vec::is_empty")]
    pub releases: Vec<Release>,
    /// Dependencies that were left out: name, reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub without: BTreeMap<String, String>,
    /// The inputs of an image, by its architecture.
    #[serde(default)]
    pub image: BTreeMap<Arch, Section>,
    /// Toolchains, by the architecture of the host that builds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub toolchain: BTreeMap<Arch, Section>,
}

/// A release file that was verified when locking.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Key of the profile's source.
    pub from: String,
    /// Suite.
    pub suite: String,
    /// Its `Date`, seconds since 1970; an older one is refused later.
    pub date: u64,
    /// Of the signed text.
    pub sha256: Digest,
    /// Fingerprints of the keys that signed it and were accepted.
    pub signed_by: Vec<String>,
}

/// The inputs for one architecture.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Digest of what the profile asked of the sources for this section; a changed motd does not change it.
    pub asked: Option<Digest>,
    /// Binary packages of the root, by name.
    #[serde(default, rename = "package", skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<Package>,
    /// Everything else: payloads of preloaded images, source packages' files, files by URL.
    #[serde(default, rename = "input", skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
}

/// A binary package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version, an opaque string whose order the kind of its source knows.
    pub version: String,
    /// The architecture as the archive names it.
    pub arch: String,
    /// Key of the profile's source.
    pub from: String,
    /// Suite that had it.
    pub suite: String,
    /// Whether the profile asked for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub requested: bool,
    /// Path below the archive's root.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Of the file.
    pub sha256: Digest,
}

/// Any other input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What it is for, unique in the section: `preload/localhost/pause:1/catatonit`,
    /// `go/kubelet/kubernetes.dsc`, `url/https://…`.
    pub name: String,
    /// Where it lies.
    pub location: Location,
    /// Bytes, where they are known before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Of the file.
    pub sha256: Digest,
}

/// Where an input lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Location {
    /// A file of a package archive.
    Apt {
        /// Key of the profile's source.
        from: String,
        /// Suite that had it.
        suite: String,
        /// Path below the archive's root.
        path: String,
        /// Version of the package that it belongs to.
        version: String,
    },
    /// A URL.
    Url(String),
}
