//! Who a node is: its machine id and its host name, never the same for two nodes of one image.
//!
//! - The machine id is the firmware's (`systemd.machine_id=firmware` on the command line). Where the firmware
//!   has none, the one that systemd made up at first boot is kept on /var and laid over the new
//!   one at each later start, before the journal moves to /var.
//! - The host name is the profile's, else the credential `system.hostname`'s, else DHCP's where it comes in
//!   time, else `node-` and the machine id. PID 1 takes the credential from SMBIOS; one of the ESP has to be
//!   decrypted, which PID 1 does for units only.

use super::paths;
use super::put::Put;
use crate::error::Result;
use crate::system::Inputs;
use crate::tree::Tree;

/// The word of the command line by which PID 1 takes the firmware's id; for the step that makes the command line.
pub const CMDLINE: &str = "systemd.machine_id=firmware";

/// Lays the units of both into the tree.
pub(super) fn step(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<()> {
    let mut put = Put::new(tree, inputs, "identity");
    put.text(&format!("{}/machine-id.conf", paths::TMPFILES), 0o644, KEEP)?;
    put.unit("imagebuild-machine-id-keep.service", KEEP_UNIT, &["local-fs.target"])?;
    put.unit("imagebuild-machine-id.service", MACHINE_ID, &["local-fs.target"])?;
    // It would write the id into /etc, which is sealed.
    put.tree.remove(&crate::path::RootPath::new(
        "/usr/lib/systemd/system/sysinit.target.wants/systemd-machine-id-commit.service",
    )?);
    match &inputs.profile.network.hostname {
        Some(name) => put.text("/etc/hostname", 0o644, format!("{name}\n")),
        None => {
            put.text(&format!("{}/hostname-credential.conf", paths::TMPFILES), 0o644, CREDENTIAL)?;
            put.unit("imagebuild-hostname-credential.service", CREDENTIAL_UNIT, &["sysinit.target"])?;
            put.text(&format!("{}/hostname.conf", paths::TMPFILES), 0o644, HOSTNAME)?;
            put.unit("imagebuild-hostname.service", HOSTNAME_UNIT, &["multi-user.target"])
        }
    }
}

/// Copied once: `C` leaves a file that is there alone.
const KEEP: &str = "\
d /var/lib/imagebuild 0755 root root
C /var/lib/imagebuild/machine-id 0444 root root - /etc/machine-id
";

/// Only where no firmware says who the machine is; else a copied disk would keep the other machine's id.
const KEEP_UNIT: &str = "\
[Unit]
Description=Keep the machine id
DefaultDependencies=no
RequiresMountsFor=/var
After=var.mount
Before=local-fs.target imagebuild-machine-id.service shutdown.target
Conflicts=shutdown.target
ConditionPathExists=!/sys/class/dmi/id/product_uuid
ConditionPathExists=!/proc/device-tree/vm,uuid
ConditionPathExists=!/sys/hypervisor/uuid
ConditionPathExists=!/var/lib/imagebuild/machine-id

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=systemd-tmpfiles --create /usr/lib/imagebuild/machine-id.conf
";

const MACHINE_ID: &str = "\
[Unit]
Description=Use the kept machine id
DefaultDependencies=no
RequiresMountsFor=/var
After=var.mount
Before=local-fs.target systemd-journal-flush.service systemd-networkd.service shutdown.target
Conflicts=shutdown.target
ConditionPathExists=!/sys/class/dmi/id/product_uuid
ConditionPathExists=!/proc/device-tree/vm,uuid
ConditionPathExists=!/sys/hypervisor/uuid
ConditionPathExists=/var/lib/imagebuild/machine-id

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=mount --bind -o ro /var/lib/imagebuild/machine-id /etc/machine-id
# The journal names its folder by the id that it read when it started.
ExecStart=systemctl --no-block restart systemd-journald.service
";

const CREDENTIAL: &str = "w^ /proc/sys/kernel/hostname - - - - system.hostname\n";

/// /var holds the host's key, which a credential may be encrypted with.
const CREDENTIAL_UNIT: &str = "\
[Unit]
Description=Take the host name of a credential
DefaultDependencies=no
RequiresMountsFor=/var
Before=systemd-networkd.service shutdown.target
Conflicts=shutdown.target
ConditionHost=localhost
ConditionDirectoryNotEmpty=/run/credstore.encrypted

[Service]
Type=oneshot
RemainAfterExit=yes
ImportCredential=system.hostname
ExecStart=systemd-tmpfiles --create /usr/lib/imagebuild/hostname-credential.conf
";

const HOSTNAME: &str = "w /proc/sys/kernel/hostname - - - - node-%m\n";

/// Waits for DHCP only where something else (a kubelet that joins) waits for the network anyway.
const HOSTNAME_UNIT: &str = "\
[Unit]
Description=Name the node by its machine id
After=systemd-networkd-wait-online.service
Before=kubelet.service
ConditionHost=localhost

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=systemd-tmpfiles --create /usr/lib/imagebuild/hostname.conf
";
