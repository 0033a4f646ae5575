//! What is laid into the root beside packages: images, pods, accounts, units, files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Package, Url};
use crate::path::RootPath;

/// `[[preload]]`
#[derive(Debug, Clone, PartialEq)]
pub struct Preload {
    /// The reference by which pods name it: `localhost/pause:1`.
    pub name: String,
    /// Where it comes from.
    pub image: PreloadImage,
}

/// How a preloaded container image comes to be.
#[derive(Debug, Clone, PartialEq)]
pub enum PreloadImage {
    /// An OCI archive beside the profile.
    File(PathBuf),
    /// An OCI archive from the network.
    Url(Url),
    /// Assembled by the tool.
    Assemble {
        /// Packages whose payload is unpacked, without dependencies.
        packages: Vec<Package>,
        /// Globs of paths to keep; all where empty.
        include: Vec<String>,
        /// Files and links laid over.
        edits: Vec<Edit>,
        /// Entry point.
        entrypoint: Vec<String>,
        /// Arguments.
        cmd: Vec<String>,
        /// `NAME=value`.
        env: Vec<String>,
        /// `uid[:gid]`.
        user: Option<String>,
    },
}

/// `[[pod]]`: a static pod as the kubelet takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pod {
    /// `metadata.name`; the file's name too.
    pub name: String,
    /// The whole manifest (apiVersion, kind, metadata, spec).
    pub manifest: toml::Table,
}

/// `[[user]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Group id of the group of the same name.
    pub gid: u32,
    /// Home; `/nonexistent` by default.
    pub home: String,
    /// Shell; `/usr/sbin/nologin` by default.
    pub shell: String,
    /// Other groups that it belongs to.
    pub groups: Vec<String>,
}

/// `[[unit]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// `name.service`, or any other type.
    pub name: String,
    /// The text of the unit, where the profile brings it.
    pub text: Option<String>,
    /// Drop-ins by file name, `.conf` included.
    pub dropins: BTreeMap<String, String>,
    /// Enabled, disabled, masked, or as its package asks.
    pub state: UnitState,
}

/// Whether a unit starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitState {
    /// As its package asks.
    Default,
    /// Its `[Install]` section is carried out.
    Enabled,
    /// No link to it is left, wherever it came from.
    Disabled,
    /// Linked to `/dev/null`.
    Masked,
}

/// A change of the tree that the profile asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// `[[file]]`
    File {
        /// Where.
        path: RootPath,
        /// The bytes.
        content: FileContent,
        /// Permission bits.
        mode: u16,
        /// Owner and group by name or number.
        owner: (String, String),
    },
    /// `[[directory]]`
    Directory {
        /// Where.
        path: RootPath,
        /// Permission bits.
        mode: u16,
        /// Owner and group by name or number.
        owner: (String, String),
    },
    /// `[[link]]`
    Link {
        /// Where.
        path: RootPath,
        /// What it points to, literally.
        target: String,
    },
    /// `[[mode]]`
    Mode {
        /// Which; must exist.
        path: RootPath,
        /// Permission bits, or as they are.
        mode: Option<u16>,
        /// Owner and group, or as they are.
        owner: Option<(String, String)>,
    },
    /// `remove = ["GLOB"]`; a glob that matches nothing is an error.
    Remove(String),
}

/// The bytes of a file of the profile.
#[derive(Debug, Clone, PartialEq)]
pub enum FileContent {
    /// Written in the profile.
    Text(String),
    /// A file beside the profile.
    File(PathBuf),
    /// From the network, by digest.
    Url(Url),
}
