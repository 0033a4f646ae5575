//! `[[file]]`, `[[directory]]`, `[[link]]`, `[[mode]]`, `[[user]]`, `[[unit]]`, `[[pod]]`, `[[userland.script]]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Free, List, Map, Opt, Parsed, Url};
use crate::digest::Digest;
use crate::path::RootPath;

/// A file; exactly one of `text`, `file` and `url` says what it holds.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// Where: an absolute path.
    #[schemars(extend("x-needed" = true))]
    pub path: Opt<Parsed<RootPath>>,
    /// Its text.
    pub text: Opt<String>,
    /// A file beside the profile.
    pub file: Opt<String>,
    /// A file from the network, by digest.
    pub url: Opt<Url>,
    /// Permission bits in octal, as a string; `"0644"` by default.
    pub mode: Opt<String>,
    /// Owner and group by name or number; `"root:root"` by default.
    pub owner: Opt<String>,
}

/// A folder.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Directory {
    /// Where: an absolute path.
    #[schemars(extend("x-needed" = true))]
    pub path: Opt<Parsed<RootPath>>,
    /// Permission bits in octal, as a string; `"0755"` by default.
    pub mode: Opt<String>,
    /// Owner and group by name or number; `"root:root"` by default.
    pub owner: Opt<String>,
}

/// A symbolic link.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Link {
    /// Where: an absolute path.
    #[schemars(extend("x-needed" = true))]
    pub path: Opt<Parsed<RootPath>>,
    /// What it points to, taken literally.
    #[schemars(extend("x-needed" = true))]
    pub target: Opt<String>,
}

/// The mode, the owner or both of what a package brings.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mode {
    /// Which; the build stops where it is not there.
    #[schemars(extend("x-needed" = true))]
    pub path: Opt<Parsed<RootPath>>,
    /// Permission bits in octal, as a string; as they are by default.
    pub mode: Opt<String>,
    /// Owner and group by name or number; as they are by default.
    pub owner: Opt<String>,
}

/// An account, with a group of the same name.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct User {
    /// Login name.
    #[schemars(extend("x-needed" = true))]
    pub name: Opt<String>,
    /// User id.
    #[schemars(extend("x-needed" = true))]
    pub uid: Opt<u32>,
    /// Group id; the user id by default.
    pub gid: Opt<u32>,
    /// Home; `/nonexistent` by default.
    pub home: Opt<String>,
    /// Login shell; `/usr/sbin/nologin` by default.
    pub shell: Opt<String>,
    /// Other groups that it belongs to.
    pub groups: List<String>,
}

/// A unit of systemd: a new one, drop-ins for one, or whether one starts.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Unit {
    /// `name.service`, or any other type of unit.
    #[schemars(extend("x-needed" = true))]
    pub name: Opt<String>,
    /// The text of the unit, where the profile brings it.
    pub text: Opt<String>,
    /// Drop-ins by file name: `{ "10-limits.conf" = "[Service]\n..." }`.
    pub dropins: Map<String, String>,
    /// `enabled`, `disabled`, `masked`, or `default`: as its package asks.
    pub state: Opt<UnitState>,
}

/// Whether a unit starts.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
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

/// A static pod, as the kubelet takes it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pod {
    /// Its name, the same as `metadata.name`.
    #[schemars(extend("x-needed" = true))]
    pub name: Opt<String>,
    /// The manifest in Kubernetes' own words: apiVersion, kind, metadata, spec.
    #[schemars(extend("x-needed" = true))]
    pub manifest: Opt<Free>,
}

/// A maintainer script that the profile takes responsibility for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Acknowledgement {
    /// The package.
    #[schemars(extend("x-needed" = true))]
    pub package: Opt<String>,
    /// `preinst`, `postinst` or `triggers`.
    #[schemars(extend("x-needed" = true))]
    pub script: Opt<String>,
    /// Of what is left of the script, as the failed build printed it; a changed script
    /// asks again.
    #[schemars(extend("x-needed" = true))]
    pub sha256: Opt<Parsed<Digest>>,
    /// Why it may be passed over.
    #[schemars(extend("x-needed" = true))]
    pub reason: Opt<String>,
}
