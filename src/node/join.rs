//! What a cluster gives a node, taken from systemd credentials (SMBIOS, or files on the ESP).
//!
//! | credential | becomes |
//! |---|---|
//! | `kubelet.bootstrap` | /etc/kubernetes/bootstrap-kubelet.conf |
//! | `kubernetes.ca` | /etc/kubernetes/pki/ca.crt |
//! | `system.hostname` | the host name; systemd itself reads it |
//!
//! A credential that is not there changes nothing, so files that somebody else wrote stay.

use super::paths;
use super::put::Put;
use crate::error::Result;
use crate::profile::Cluster;
use crate::system::Inputs;
use crate::tree::Tree;

/// Lays the unit into the tree; nothing for a node that joins none.
pub(super) fn step(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<()> {
    if inputs.profile.cluster == Cluster::Standalone {
        return Ok(());
    }
    let mut put = Put::new(tree, inputs, "join");
    let lines = format!(
        "d {}/pki 0755 root root\n\
         f+^ {} 0600 root root - kubelet.bootstrap\n\
         f+^ {} 0600 root root - kubernetes.ca\n",
        paths::CLUSTER,
        paths::BOOTSTRAP,
        paths::CA
    );
    put.text(&format!("{}/join.conf", paths::TMPFILES), 0o644, lines)?;
    put.unit("imagebuild-join.service", UNIT, &["multi-user.target"])
}

const UNIT: &str = "\
[Unit]
Description=Take what the cluster gives
RequiresMountsFor=/etc/kubernetes
Before=kubelet.service kubelet.path

[Service]
Type=oneshot
RemainAfterExit=yes
ImportCredential=kubelet.bootstrap
ImportCredential=kubernetes.ca
ExecStart=systemd-tmpfiles --create /usr/lib/imagebuild/join.conf
";
