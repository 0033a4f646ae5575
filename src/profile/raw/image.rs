//! `[image]`, `[source]`, `[kernel]`, `[userland]`, `[layout]`, `[pack]`, `[[output]]`, `[posture]`, `[waive]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Acknowledgement, List, Map, OneOrMany, Opt, PackageRef, Parsed, SysctlValue};
use crate::arch::Arch;
use crate::path::RootPath;
use crate::profile::posture::Set;
use crate::profile::{Codec, Firmware};
use crate::size::Size;

/// What the image is called.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Image {
    /// IMAGE_ID of os-release: letters, digits, `-` and `.`. Partitions are labelled
    /// `<id>_<version>`, so both together have 35 characters at most.
    #[schemars(extend("x-needed" = true))]
    pub id: Opt<String>,
    /// IMAGE_VERSION of os-release: letters, digits, `.`, `-`, `~` and `^`.
    #[schemars(extend("x-needed" = true))]
    pub version: Opt<String>,
    /// `amd64` or `arm64`; `--arch` overrides it.
    #[schemars(extend("x-needed" = true))]
    pub arch: Opt<Arch>,
}

/// An archive of packages, by its kind.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Source {
    /// A signed Debian archive.
    Apt(SourceApt),
}

/// A signed Debian archive.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SourceApt {
    /// Suites of one distribution: `["trixie", "trixie-updates", "trixie-security"]`.
    #[schemars(extend("x-needed" = true))]
    pub suites: List<String>,
    /// Components; `["main"]` by default.
    pub components: List<String>,
    /// Whose signatures count: `"debian"` (built in, the default), or a file of keys.
    pub keyring: Opt<String>,
    /// Where the archive is to be had, http or https. By default what the configuration of
    /// the building host's own apt names; `--mirror NAME=URL` and `IMAGEBUILD_MIRROR_NAME`
    /// win over both.
    pub mirror: Opt<String>,
}

/// The kernel and its settings.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Kernel {
    /// The package of the kernel: `"linux-image-cloud-${arch}"`.
    #[schemars(extend("x-needed" = true))]
    pub apt: Opt<PackageRef>,
    /// Words of the kernel's command line, beside those that the tool sets. Without a
    /// `console=` among them, the architecture's serial console and the screen are added.
    pub cmdline: List<String>,
    /// Modules that are loaded at start, beside those that containerd and the kubelet need.
    pub modules: List<String>,
    /// Kernel settings (`"vm.max_map_count" = 262144`), over the tool's own.
    pub sysctl: Map<String, SysctlValue>,
    /// Globs of modules that are left out of the root, below `kernel/` (`drivers/gpu/**`).
    pub exclude: List<String>,
}

/// What the image boots on.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Boot {
    /// Kinds of firmware: `["uefi"]` (the default), or `["uefi", "bios"]`. A BIOS is for amd64 alone, with
    /// `layout.slots = 1`, since nothing there could choose between two; the package grub-pc-bin
    /// brings what it runs, and kernel and initrd lie on the ESP twice.
    pub firmware: List<Firmware>,
}

/// The packages of the root.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Userland {
    /// The source of every package that does not name one. By default the only source, or
    /// the one named `debian`.
    pub from: Opt<String>,
    /// The packages, as `"name"` or `{ name, from }`; what they depend on comes with them.
    #[schemars(extend("x-needed" = true))]
    pub packages: List<PackageRef>,
    /// Globs of paths that are left out of the tree (`/usr/share/locale/**`).
    pub exclude: List<String>,
    /// Dependencies that are left out, each with the reason: `perl = "only legacy tools"`,
    /// or for one dependant alone `"perl < iptables" = "..."`.
    pub without: Map<String, String>,
    /// Maintainer scripts that no step covers, each acknowledged with a reason.
    pub script: List<Acknowledgement>,
}

/// Sizes of the partitions.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Layout {
    /// The data partition of a slot, a multiple of 1 MiB; `"512M"` by default. Its verity
    /// partition follows from it.
    pub slot: Opt<Parsed<Size>>,
    /// `2` (A and B, the default) or `1`.
    pub slots: Opt<u8>,
    /// The EFI system partition, at least `"260M"` and a multiple of 1 MiB; `"512M"` by default.
    pub esp: Opt<Parsed<Size>>,
}

/// How the root is packed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pack {
    /// `zstd` (the default), `xz`, `gzip`, `lz4` or `none`.
    pub codec: Opt<Codec>,
    /// zstd: 1 to 22, 15 by default. xz: 0 to 9, 6 by default. gzip: 1 to 9, 9 by default.
    /// lz4 and none have no levels.
    pub level: Opt<i32>,
    /// Bytes of a block, a power of two from `"4K"` to `"1M"`; `"128K"` by default.
    pub block: Opt<Parsed<Size>>,
}

/// Rules that the finished node must keep.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Posture {
    /// Sets of rules: `general` (any machine), `container-host` (holds `general`), `nist-800-190`, `cis-node`, or
    /// `none`. All of them by default. One rule is given up by `[waive.ID]`.
    pub rules: List<Set>,
    /// Further rules, by id.
    pub also: List<String>,
    /// Files that may have capabilities.
    pub capabilities: List<Parsed<RootPath>>,
}

/// A check or a default that is given up.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Waiver {
    /// Why.
    #[schemars(extend("x-needed" = true))]
    pub reason: Opt<String>,
    /// The last day on which it holds: `2027-06-30`. It is judged against the moment that
    /// the lock fixes, never the clock.
    pub until: Opt<String>,
}

/// One package or several.
pub type Packages = Opt<OneOrMany<PackageRef>>;
