//! What systemd-sysupdate on a running node fetches: root, hash tree and UKI under names that say which
//! version and which partition ids they are, and the digests of all (sysupdate.d(5)). The transfers that fetch
//! them are a step of the node.

use std::fmt::Write as _;

use super::{SUMS, text};
use crate::disk::Disk;
use crate::error::Result;
use crate::guid::Guid;
use crate::init::cmdline;
use crate::output::{Bundle, Emit, Files, Made};
use crate::profile::Update;

impl Bundle for Update {
    fn name(&self) -> &'static str {
        "update"
    }

    fn emit(&self, made: &Made<'_>, _: &Emit<'_>, files: &mut dyn Files) -> Result<()> {
        let name = made.image.name();
        let hash = cmdline::root_hash(made.boot.cmdline.as_bytes()).map_err(crate::error::Error::bug)?;
        let (root, verity) = Guid::of_root_hash(&crate::digest::Digest(hash.0));
        let contents = [
            // The id of the partition is a part of the name: so the node gives it to the partition it writes.
            (format!("{name}_{}.verity", plain(&verity)), &made.pieces.verity),
            (format!("{name}_{}.root", plain(&root)), &made.pieces.root),
            (format!("{name}.efi"), &made.boot.uki),
        ];
        let mut sums = String::new();
        for (name, content) in contents {
            let written = files.put(&name, &Disk::whole(content.clone()))?;
            // Writing to a string cannot fail.
            let _ = writeln!(sums, "{}  {name}", written.sha256);
        }
        files.put(SUMS, &text(sums))?;
        Ok(())
    }
}

/// As sysupdate's `@u` reads it.
fn plain(id: &Guid) -> String {
    hex::encode(id.0)
}
