//! A program of the root: where it comes from, where it goes, how it is configured.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Package;
use crate::digest::Digest;
use crate::path::RootPath;

/// Where a program comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// Packages, installed into the root like those of the userland.
    Apt(Vec<Package>),
    /// One file from the network, by digest.
    Url(Url),
    /// One file beside the profile.
    File(PathBuf),
    /// A Go program, built from source.
    Go(Go),
}

/// `url.ARCH = { url, sha256 }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// http or https.
    pub url: String,
    /// Of the whole file.
    pub sha256: Digest,
}

/// `go = {...}`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Go {
    /// The source package and its archive.
    pub source: Package,
    /// The package of the toolchain (`golang-1.19-go`) and its archive.
    pub toolchain: Package,
    /// The import path of the command.
    pub package: String,
    /// The import path at which the source tree lies (GOPATH mode): `k8s.io/kubernetes`.
    pub root: String,
    /// What the program says of itself: `v1.20.2`.
    pub version: String,
    /// `-X` values of the linker, besides.
    pub define: BTreeMap<String, String>,
}

/// A program: where it comes from and where it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// Where it comes from.
    pub origin: Origin,
    /// Its version, where the origin does not tell (url, file).
    pub version: Option<String>,
    /// For a single file: its path in the root.
    pub path: RootPath,
    /// For an archive (.tar, .tar.gz, .tar.xz, .tar.zst): which members (globs) go to which folder.
    pub unpack: BTreeMap<String, RootPath>,
}

/// containerd or the kubelet: a program and its configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// The program.
    pub program: Program,
    /// Merged over what the tool generates.
    pub config: toml::Table,
    /// Further flags of its command line.
    pub args: Vec<String>,
}
