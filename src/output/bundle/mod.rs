//! Outputs of several files, made of what a disk is made of.

mod netboot;
mod oci;
mod split;
mod update;

use crate::disk::Disk;
use crate::tree::Content;

/// The name of the list of digests, as sha256sum and systemd-sysupdate know it.
pub const SUMS: &str = "SHA256SUMS";

/// Some text as a file.
fn text(text: String) -> Disk {
    Disk::whole(Content::bytes(text.into_bytes()))
}
