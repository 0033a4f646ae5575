//! The journal: kept on /var, bounded, never forwarded to a console that somebody may read.

use super::put::Put;
use crate::error::Result;
use crate::system::Inputs;
use crate::tree::Tree;

/// Lays journald's configuration into the tree.
pub(super) fn step(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<()> {
    let size = inputs.profile.journal.bytes();
    let text = format!(
        "[Journal]\nStorage=persistent\nSystemMaxUse={size}\nRuntimeMaxUse=16M\nMaxRetentionSec=1month\n\
         ForwardToSyslog=no\nForwardToConsole=no\nForwardToWall=no\n"
    );
    Put::new(tree, inputs, "journal").text("/etc/systemd/journald.conf.d/50-imagebuild.conf", 0o644, text)
}
