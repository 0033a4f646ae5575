//! `[cloud.NAME]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Format, List, Map, Opt, Parsed};
use crate::profile::{Compression, Starts};
use crate::size::Size;

/// What a cloud, a hypervisor or a kind of machine asks of an image. `imagebuild clouds` lists those that the
/// tool knows; a table here adds one, or takes the place of the tool's of that name.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cloud {
    /// What people call it.
    #[schemars(extend("x-needed" = true))]
    pub title: Opt<String>,
    /// The format that is written, and its options.
    #[schemars(extend("x-needed" = true))]
    pub format: Opt<Format>,
    /// How the whole file is compressed; not at all by default.
    pub compress: Opt<Compression>,
    /// Names of other formats that its import takes: an output may ask for one of them instead.
    pub accepts: List<String>,
    /// What the size of the disk must be. A disk that is smaller grows to it.
    pub size: Opt<SizeRule>,
    /// Bytes of a logical sector of its disks: `512` (the default) or `4096`.
    pub sector: Opt<u32>,
    /// How its machines start a disk; `uefi` by default.
    pub firmware: Opt<Starts>,
    /// Words of the command line that its machines need; they lie in an addon of the UKI.
    pub cmdline: List<String>,
    /// Modules without which its machines have no disk or no network; each must be there.
    pub drivers: Opt<Drivers>,
    /// Features of the guest that an import names (`UEFI_COMPATIBLE`).
    pub features: List<String>,
    /// What an import tells of the image, by the import's own names.
    pub metadata: Map<String, String>,
    /// Commands that import the file. `{file}`, `{size}` (its bytes), `{sha256}`, `{name}`, `{disk}` (bytes of the
    /// disk), `{gib}` (the same in GiB, rounded up), `{arch}` and keys of `metadata` are filled in; words in
    /// capitals are for people.
    pub import: List<String>,
    /// Where these rules are written down.
    pub source: Opt<String>,
}

/// What the size of a disk must be.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SizeRule {
    /// A multiple of this.
    pub multiple: Opt<Parsed<Size>>,
    /// Exactly this.
    pub exact: Opt<Parsed<Size>>,
    /// This at most.
    pub most: Opt<Parsed<Size>>,
}

/// Names of kernel modules.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Drivers {
    /// Of the disk: each must be in the kernel or the initrd, which takes those along that it has not.
    pub disk: List<String>,
    /// Of the network: each must be in the kernel, the initrd or the root.
    pub network: List<String>,
}

/// Rows that are built in.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clouds {
    /// By name.
    pub cloud: Map<String, Cloud>,
}
