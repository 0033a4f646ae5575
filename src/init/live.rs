//! A root that came by CD, by an image of one or by network has no disk of its own: /var lies in memory then.
//!
//! | file | what |
//! |---|---|
//! | `/run/imagebuild/live` | a mark that units of the root may ask for |
//! | `/run/systemd/system/var.mount` | in place of the root's own unit, which waits for a partition |
//! | `/run/systemd/system/systemd-repart.service`, `systemd-growfs@var.service`, `efi.automount` | masked: there is no disk |

use core::ffi::CStr;

use super::sys::{self, File, open};
use super::text::Fault;

/// The marker.
const MARK: &CStr = c"/run/imagebuild/live";

/// The unit in place of the root's own.
const UNIT: &CStr = c"/run/systemd/system/var.mount";

/// Units of the root that would wait for the disk.
const MASKED: [&CStr; 3] = [
    c"/run/systemd/system/systemd-repart.service",
    c"/run/systemd/system/systemd-growfs@var.service",
    c"/run/systemd/system/efi.automount",
];

/// Never noexec: volume plugins and CNI DaemonSets put programs there.
const VAR: &str = "\
[Unit]
Description=/var in memory
DefaultDependencies=no
Before=local-fs.target umount.target
Conflicts=umount.target

[Mount]
What=tmpfs
Where=/var
Type=tmpfs
Options=mode=0755,size=80%,nr_inodes=0,nodev,nosuid
";

/// Tells the root's systemd that nothing is kept.
pub fn write() -> Result<(), Fault> {
    let made = [c"/run/imagebuild", c"/run/systemd", c"/run/systemd/system"]
        .into_iter()
        .try_for_each(|folder| sys::make_directory(folder, 0o755))
        .and_then(|()| put(MARK, b""))
        .and_then(|()| put(UNIT, VAR.as_bytes()))
        .and_then(|()| MASKED.into_iter().try_for_each(|unit| sys::link(c"/dev/null", unit)));
    made.map_err(|errno| Fault::of(format_args!("telling systemd that /var is in memory: errno {errno}")))
}

fn put(path: &CStr, bytes: &[u8]) -> sys::Result<()> {
    let file = File::make(path, open::WRITE | open::CREATE | open::EXCLUSIVE | open::NO_FOLLOW, 0o644)?;
    file.mode(0o644).and_then(|()| file.write(bytes))
}
