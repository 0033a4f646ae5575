//! What a cluster gives a node, taken from systemd credentials (SMBIOS, or files on the ESP).
//!
//! | credential | becomes |
//! |---|---|
//! | `kubelet.bootstrap` | /etc/kubernetes/bootstrap-kubelet.conf |
//! | `kubernetes.ca` | /etc/kubernetes/pki/ca.crt |
//! | `system.hostname` | the host name; systemd itself reads it from SMBIOS, `identity` from the ESP |
//!
//! A credential that is not there changes nothing, so files that somebody else wrote stay. What the kubelet
//! waits for is said on the console.

use super::failure::say;
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
    put.unit("imagebuild-join.service", UNIT, &["multi-user.target"])?;
    for (name, credential, absent) in [
        ("ca", "kubernetes.ca", &[paths::CA][..]),
        ("kubeconfig", "kubelet.bootstrap", &[paths::BOOTSTRAP, paths::KUBECONFIG]),
    ] {
        let conditions = absent.iter().map(|path| format!("ConditionPathExists=!{path}\n"));
        let head: String = std::iter::once("After=imagebuild-join.service\n".to_owned()).chain(conditions).collect();
        let why = format!("`{credential}` is missing ({})", absent[0]);
        let text = say("the kubelet waits for credentials", &why, &head);
        put.unit(&format!("imagebuild-waits-{name}.service"), text, &["multi-user.target"])?;
    }
    Ok(())
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
