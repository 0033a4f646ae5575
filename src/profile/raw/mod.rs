//! The profile as it is written: every key is optional here, and knows its place.
//!
//! The comments of these types are the reference manual (`docs/profile.md`) and the
//! descriptions of the JSON schema. What a key needs, and what follows when it is not
//! there, is decided in `resolve`.

mod cloud;
mod content;
mod image;
mod output;
mod program;
mod system;
mod value;

pub use cloud::{Cloud, Clouds, Drivers, SizeRule};
pub use content::{Acknowledgement, Directory, File, Link, Mode, Pod, Unit, UnitState, User};
pub use image::{Boot, Image, Kernel, Layout, Pack, Posture, Source, SourceApt, Userland, Waiver};
pub use output::{Format, Install, Iso, Oci, Output, Ova, Product, Qcow2, Update, Vhd, Vhdx, Vmdk};
pub use program::{Archive, Component, Go, Preload, Program, Url};
pub use system::{Cluster, Encryption, Journal, Network, Var, Writable};
pub use value::{Free, FreeData, OneOrMany, PackageRef, Parsed, SysctlValue};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::place::At;
use crate::path::RootPath;

/// A key that may be absent.
pub type Opt<T> = Option<At<T>>;
/// A list whose elements know their places.
pub type List<T> = Option<At<Vec<At<T>>>>;
/// Named things, whose names know their places.
pub type Map<K, V> = Option<At<BTreeMap<At<K>, At<V>>>>;

/// A profile says what an image holds. One file, TOML, read strictly: a key that is not
/// in this reference is an error.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// Version of the format: `1`.
    #[schemars(extend("x-needed" = true))]
    pub schema: Opt<i64>,
    /// Templates by name and profiles by path (from the folder of this file) that this one
    /// lies over, the first at the bottom.
    pub extends: List<String>,
    /// What the image is called.
    #[schemars(extend("x-needed" = true))]
    pub image: Opt<Image>,
    /// Archives that packages come from, by a name of your choice.
    pub source: Map<String, Source>,
    /// The kernel and its settings.
    #[schemars(extend("x-needed" = true))]
    pub kernel: Opt<Kernel>,
    /// What the image boots on.
    pub boot: Opt<Boot>,
    /// The packages of the root.
    #[schemars(extend("x-needed" = true))]
    pub userland: Opt<Userland>,
    /// containerd and its configuration.
    #[schemars(extend("x-needed" = true))]
    pub containerd: Opt<Component>,
    /// runc, where containerd's packages do not bring it.
    pub runc: Opt<Program>,
    /// The CNI plugins, where the image is to hold them.
    pub cni: Opt<Program>,
    /// The kubelet and its configuration.
    #[schemars(extend("x-needed" = true))]
    pub kubelet: Opt<Component>,
    /// Whether the kubelet joins a cluster; `join = {}` by default.
    pub cluster: Opt<Cluster>,
    /// Further programs by name (`[program.crictl]`).
    pub program: Map<String, Program>,
    /// Container images that are there from the start.
    pub preload: List<Preload>,
    /// Static pods, sealed in the root.
    pub pod: List<Pod>,
    /// Accounts beyond those of packages.
    pub user: List<User>,
    /// Units of systemd.
    pub unit: List<Unit>,
    /// Folders, made before the files.
    pub directory: List<Directory>,
    /// Files, laid over what packages bring.
    pub file: List<File>,
    /// Symbolic links, made after the files.
    pub link: List<Link>,
    /// Modes and owners of what packages bring, set after the links.
    pub mode: List<Mode>,
    /// Globs of paths that are taken away last; one that matches nothing stops the build.
    pub remove: List<String>,
    /// The network.
    pub network: Opt<Network>,
    /// The journal.
    pub journal: Opt<Journal>,
    /// The writable partition.
    pub var: Opt<Var>,
    /// What may be written beside `/var`, `/run` and `/tmp`, and for how long. By default
    /// `"/etc/kubernetes" = "persistent"`, `"/etc/cni" = "volatile"` and
    /// `"/etc/resolv.conf" = "volatile"`; a path that is named here adds to those or
    /// changes one, and `"sealed"` takes one away.
    pub writable: Map<Parsed<RootPath>, Writable>,
    /// Sizes of the partitions. They never follow from the content: a later release must
    /// fit the disks that this one made.
    pub layout: Opt<Layout>,
    /// How the root is packed.
    pub pack: Opt<Pack>,
    /// What is written: one for each file.
    #[schemars(extend("x-needed" = true))]
    pub output: List<Output>,
    /// Clouds, hypervisors and machines that the tool does not know, or knows otherwise.
    pub cloud: Map<String, Cloud>,
    /// Rules that the finished tree must keep.
    pub posture: Opt<Posture>,
    /// Checks and defaults that are given up, by id (`[waive.kubelet-anonymous]`).
    pub waive: Map<String, Waiver>,
}
