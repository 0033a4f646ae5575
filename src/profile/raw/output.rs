//! `[[output]]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Opt, Parsed};
use crate::profile::{ClusterCodec, Compression};
use crate::size::Size;

/// A file that is written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Output {
    /// The format and its options: `format.raw = {}`.
    #[schemars(extend("x-needed" = true))]
    pub format: Opt<Format>,
    /// How the whole file is compressed: `gz`, `xz` or `zst`; not at all by default.
    pub compress: Opt<Compression>,
    /// What tells this file from others: `node_1.0.0.NAME.qcow2`; small letters, digits and `-`.
    pub name: Opt<String>,
}

/// A format and its options.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Format {
    /// A raw disk.
    Raw {},
    /// QEMU's disk: clusters of zeros are left out, others may be compressed.
    Qcow2(Qcow2),
}

/// The options of qcow2.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Qcow2 {
    /// `3` (the default), or `2` for hosts older than QEMU 1.1.
    pub version: Opt<u32>,
    /// Bytes of a cluster, a power of two from `"512"` to `"2M"`; `"64K"` by default.
    pub cluster: Opt<Parsed<Size>>,
    /// How clusters are compressed: `none` (the default), `deflate`, or `zstd` (version 3, QEMU 5.1
    /// and later).
    pub codec: Opt<ClusterCodec>,
}
