//! The steps that make the tree; they stand in for what maintainer scripts would have done.
//!
//! No code of the target is ever run. Each step is one file, each `fn(&mut Tree, &Inputs)`.

pub mod depmod;

use std::collections::BTreeMap;

use crate::epoch::Epoch;
use crate::profile::Profile;
use crate::report::Report;
use crate::source::{Member, Package};
use crate::tree::Content;

/// All that the steps may look at.
pub struct Inputs<'a> {
    /// What to build.
    pub profile: &'a Profile,
    /// The moment of every time stamp.
    pub epoch: Epoch,
    /// The packages of the root, sorted by name.
    pub packages: &'a [Package],
    /// Files that other origins brought (kubelet, containerd by URL ...), by the program's name.
    pub programs: &'a BTreeMap<String, Vec<Member>>,
    /// Files of the profile whose bytes came from disk or network, by the path or URL as written.
    pub files: &'a BTreeMap<String, Content>,
    /// Preloaded container images as OCI archives: reference, digest of the manifest, archive.
    pub images: &'a [Image],
    /// Where warnings go.
    pub report: &'a Report,
}

/// A preloaded container image, ready to be laid into the root.
#[derive(Debug, Clone)]
pub struct Image {
    /// The reference by which pods name it.
    pub name: String,
    /// Digest of its manifest, `sha256:…` without the prefix.
    pub digest: crate::digest::Digest,
    /// An OCI layout as a tar archive.
    pub archive: Content,
}
