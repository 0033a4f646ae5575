//! `[containerd]`, `[runc]`, `[cni]`, `[kubelet]`, `[program]`, `[[preload]]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::image::Packages;
use super::{Directory, File, Free, Link, List, Map, Opt, PackageRef, Parsed};
use crate::digest::Digest;
use crate::path::RootPath;

/// A program: exactly one of `apt`, `url`, `file` and `go` says where it comes from.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Program {
    /// Packages, installed like those of the userland: `"containerd"` or a list.
    pub apt: Packages,
    /// A file from the network, by digest; often one for each architecture
    /// (`url.amd64 = { ... }`).
    pub url: Opt<Url>,
    /// A file beside the profile.
    pub file: Opt<String>,
    /// A Go program, built from source.
    pub go: Opt<Go>,
    /// Its version, where the origin does not tell. containerd and the kubelet need one
    /// with `url` and `file`, since their configuration depends on it.
    pub version: Opt<String>,
    /// The program's path in the root; `/usr/bin/NAME` by default (`/usr/sbin/runc` for
    /// runc from a package, the folder `/usr/lib/cni` for the CNI plugins).
    pub path: Opt<Parsed<RootPath>>,
    /// For an archive (`.tar`, `.tar.gz`, `.tgz`, `.tar.xz`, `.tar.zst`): which members
    /// (globs) go to which folder: `{ "bin/*" = "/usr/bin" }`.
    pub unpack: Map<String, Parsed<RootPath>>,
}

/// containerd or the kubelet: a program (exactly one of `apt`, `url`, `file` and `go`) and
/// its configuration.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Component {
    /// Packages, installed like those of the userland: `"containerd"` or a list.
    pub apt: Packages,
    /// A file from the network, by digest; often one for each architecture
    /// (`url.amd64 = { ... }`).
    pub url: Opt<Url>,
    /// A file beside the profile.
    pub file: Opt<String>,
    /// A Go program, built from source.
    pub go: Opt<Go>,
    /// Its version; needed with `url` and `file`, since the configuration depends on it.
    pub version: Opt<String>,
    /// The program's path in the root; `/usr/bin/containerd`, `/usr/bin/kubelet` by default.
    pub path: Opt<Parsed<RootPath>>,
    /// For an archive: which members (globs) go to which folder.
    pub unpack: Map<String, Parsed<RootPath>>,
    /// Configuration in the program's own words, merged over what the tool generates.
    pub config: Opt<Free>,
    /// Further flags of the command line.
    pub args: List<String>,
}

/// A file from the network, by digest.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Url {
    /// http or https.
    #[schemars(extend("x-needed" = true))]
    pub url: Opt<String>,
    /// Of the whole file, 64 hexadecimal digits.
    #[schemars(extend("x-needed" = true))]
    pub sha256: Opt<Parsed<Digest>>,
}

/// A Go program, built from the source package of an archive with a toolchain of an archive.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Go {
    /// The source package: `"kubernetes"` or `{ name, from }`.
    #[schemars(extend("x-needed" = true))]
    pub source: Opt<PackageRef>,
    /// The binary package of the toolchain: `"golang-1.19-go"` or `{ name, from }`.
    #[schemars(extend("x-needed" = true))]
    pub toolchain: Opt<PackageRef>,
    /// The package source of both, where they do not name one.
    pub from: Opt<String>,
    /// The import path of the command: `k8s.io/kubernetes/cmd/kubelet`.
    #[schemars(extend("x-needed" = true))]
    pub package: Opt<String>,
    /// The import path at which the source tree lies; by default what stands before `/cmd/`
    /// in `package`.
    pub root: Opt<String>,
    /// What the program says of itself: `v1.20.2`.
    #[schemars(extend("x-needed" = true))]
    pub version: Opt<String>,
    /// Further `-X` values of the linker.
    pub define: Map<String, String>,
}

/// A container image that is there from the start: an OCI archive (`archive`), or assembled
/// from `packages` and files by the tool.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Preload {
    /// The reference by which pods name it: `localhost/pause:1`.
    #[schemars(extend("x-needed" = true))]
    pub name: Opt<String>,
    /// An OCI archive: `archive.file = "pause.tar"` or `archive.url = { url, sha256 }`.
    pub archive: Opt<Archive>,
    /// Packages whose files are unpacked, without what they depend on.
    pub packages: List<PackageRef>,
    /// Globs of paths that are kept; all of them where there is none.
    pub include: List<String>,
    /// Folders of the image.
    pub directory: List<Directory>,
    /// Files of the image.
    pub file: List<File>,
    /// Symbolic links of the image.
    pub link: List<Link>,
    /// The program that runs, and its first arguments.
    pub entrypoint: List<String>,
    /// Arguments that a pod may replace.
    pub cmd: List<String>,
    /// `NAME=value`.
    pub env: List<String>,
    /// `uid` or `uid:gid`; root by default.
    pub user: Opt<String>,
}

/// Where an OCI archive comes from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Archive {
    /// A file beside the profile.
    File(super::super::place::At<String>),
    /// A file from the network, by digest.
    Url(Url),
}
