//! /var and the ESP: always the partitions of the disk that holds the running root.
//!
//! The initrd knows that disk and leaves a rule for udev, which makes the links below
//! `/dev/disk/imagebuild`; units name nothing but these links, so encryption can come between. At first boot
//! systemd-repart makes slot B and /var, at each boot both /var's partition and its file system grow
//! to the disk's end. A disk that is too small, or a /var that cannot be mounted, says so on the console and
//! the node starts again.

use super::failure::say;
use super::put::Put;
use crate::error::Result;
use crate::system::Inputs;
use crate::tree::Tree;

/// Lays mount points and units into the tree.
pub(super) fn step(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<()> {
    let mut put = Put::new(tree, inputs, "var");
    // What starts before /var is mounted (resolved has a private /var/tmp) needs these to exist.
    for (path, mode) in [("/var", 0o755), ("/var/tmp", 0o1777), ("/efi", 0o755)] {
        put.directory(path, mode)?;
    }
    for path in ["/var/cache", "/var/lib", "/var/log", "/var/spool"] {
        put.keep_directory(path, 0o755)?;
    }
    put.unit("var.mount", VAR, &["local-fs.target.requires"])?;
    put.pull("systemd-growfs@var.service", "var.mount")?;
    // Both count from the start. systemd's own 90 s are too few for a slow machine's udev, and repart then fails for
    // want of a disk; /var comes after it.
    put.dropin("dev-disk-imagebuild-disk.device", "10-node", "[Unit]\nJobRunningTimeoutSec=5min\n")?;
    put.dropin("dev-disk-imagebuild-var.device", "10-node", "[Unit]\nJobRunningTimeoutSec=8min\n")?;
    put.dropin("systemd-repart.service", "10-node", REPART)?;
    for (name, what, why) in [
        ("disk", "the disk does not hold what the image needs", "see `minimum_disk` of its manifest"),
        ("var", "/var cannot be mounted", "nothing was changed"),
    ] {
        put.unit(&format!("imagebuild-{name}-failed.service"), say(what, why, FAILED), &[])?;
        put.pull("imagebuild-reboot.timer", &format!("imagebuild-{name}-failed.service"))?;
    }
    // systemd's own options, and noexec: nothing of a node is started from there.
    put.dropin("tmp.mount", "10-node", TMP)?;
    put.unit("efi.mount", EFI, &[])?;
    put.unit("efi.automount", EFI_AUTOMOUNT, &["local-fs.target"])
}

const FAILED: &str = "DefaultDependencies=no\nConflicts=shutdown.target\nBefore=shutdown.target\n";

/// Never noexec: volume plugins and CNI DaemonSets put programs there.
const VAR: &str = "\
[Unit]
Description=/var
DefaultDependencies=no
After=local-fs-pre.target systemd-repart.service systemd-fsck@dev-disk-imagebuild-var.service
Requires=systemd-fsck@dev-disk-imagebuild-var.service
Before=local-fs.target umount.target
Conflicts=umount.target
OnFailure=imagebuild-var-failed.service

[Mount]
What=/dev/disk/imagebuild/var
Where=/var
Type=ext4
Options=nodev,nosuid
TimeoutSec=5min
";

const TMP: &str = "\
[Mount]
Options=mode=1777,strictatime,nosuid,nodev,noexec,size=50%%,nr_inodes=1m
";

const REPART: &str = "\
[Unit]
# udev has to have seen the disk, or there is no root device to start from.
After=dev-disk-imagebuild-disk.device
Wants=dev-disk-imagebuild-disk.device
OnFailure=imagebuild-disk-failed.service
";

const EFI: &str = "\
[Unit]
Description=EFI system partition

[Mount]
What=/dev/disk/imagebuild/esp
Where=/efi
Type=vfat
Options=umask=0077,nodev,nosuid,noexec
";

/// Mounted while somebody looks: a vfat that is mounted for months is one that a power cut breaks.
const EFI_AUTOMOUNT: &str = "\
[Unit]
Description=EFI system partition, when it is looked at
ConditionPathExists=/sys/firmware/efi

[Automount]
Where=/efi
TimeoutIdleSec=2min
";
