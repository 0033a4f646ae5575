//! `[cluster]`, `[network]`, `[journal]`, `[var]`, `[writable]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{List, Opt, Parsed};
use crate::size::Size;

/// Whether the kubelet joins a cluster.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Cluster {
    /// The kubelet waits for a bootstrap kubeconfig, a systemd credential, and joins.
    Join {},
    /// No API server: the static pods only.
    Standalone {},
}

/// The network.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// A fixed host name; by default a credential's, DHCP's, or one made of the machine id.
    pub hostname: Opt<String>,
    /// DHCP on every wired interface; `true` by default.
    pub dhcp: Opt<bool>,
    /// Time servers; the distribution's by default.
    pub ntp: List<String>,
}

/// The journal.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// Its bound on the disk; `"64M"` by default.
    pub size: Opt<Parsed<Size>>,
}

/// The writable partition.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Var {
    /// Its least size, a multiple of 1 MiB; it grows to the end of the disk at first boot. `"1G"` by default.
    pub size: Opt<Parsed<Size>>,
    /// How it is encrypted; `encryption.none = {}` by default.
    pub encryption: Opt<Encryption>,
}

/// How `/var` is encrypted.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Encryption {
    /// Not at all.
    None {},
}

/// How long what is written survives.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Writable {
    /// Kept under /var.
    Persistent,
    /// Reset by each start.
    Volatile,
    /// Not writable: takes a default away.
    Sealed,
}
