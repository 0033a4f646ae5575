//! Outputs of several files, made of what a disk is made of.

mod netboot;
mod oci;
mod split;
mod update;

use crate::disk::{Disk, Extent};
use crate::error::Result;
use crate::tree::Content;

/// The name of the list of digests, as sha256sum and systemd-sysupdate know it.
pub const SUMS: &str = "SHA256SUMS";

/// A file that is nothing but `content`.
fn file(content: Content) -> Result<Disk> {
    Disk::new(content.len(), vec![Extent { at: 0, content }])
}

/// Some text as a file.
fn text(text: String) -> Result<Disk> {
    file(Content::bytes(text.into_bytes()))
}
