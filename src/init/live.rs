//! A root that came by CD, by an image of one or by network has no disk of its own: /var lies in memory then, or on a
//! partition that the command line asks for (`var.rs`).
//!
//! | file | what |
//! |---|---|
//! | `/run/imagebuild/live` | a mark that units of the root may ask for |
//! | `/run/systemd/system/systemd-repart.service`, `efi.automount` | masked: there is no disk |
//! | `/run/systemd/system/var.mount` | in place of the root's own unit, which waits for a partition |
//! | `/run/systemd/system/systemd-growfs@var.service` | masked: memory does not grow |
//!
//! The last two are not there where /var is on a partition.

use core::ffi::CStr;

use super::links;
use super::pick::Name;
use super::sys::{self, File, open};
use super::text::Fault;
use super::var;

/// The marker.
const MARK: &CStr = c"/run/imagebuild/live";

/// The unit in place of the root's own.
const UNIT: &CStr = c"/run/systemd/system/var.mount";

/// Units of the root that would wait for the disk, or change another one.
const DISK: [&CStr; 2] = [c"/run/systemd/system/systemd-repart.service", c"/run/systemd/system/efi.automount"];

/// The unit that grows /var to its partition.
const GROW: &CStr = c"/run/systemd/system/systemd-growfs@var.service";

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

/// Tells the root's systemd where /var is; `medium` is the disk that the root came from.
pub fn prepare(medium: Option<&Name>) -> Result<(), Fault> {
    let var = var::find()?;
    if medium.is_some() || var.is_some() {
        links::write(medium, var.as_ref().map(|partition| partition.number))?;
    }
    let in_memory = || put(UNIT, VAR.as_bytes()).and_then(|()| mask(GROW));
    let made = [c"/run/imagebuild", c"/run/systemd", c"/run/systemd/system"]
        .into_iter()
        .try_for_each(|folder| sys::make_directory(folder, 0o755))
        .and_then(|()| put(MARK, b""))
        .and_then(|()| DISK.into_iter().try_for_each(mask))
        .and_then(|()| if var.is_some() { Ok(()) } else { in_memory() });
    made.map_err(|errno| Fault::of(format_args!("telling systemd where /var is: errno {errno}")))
}

fn mask(unit: &CStr) -> sys::Result<()> {
    sys::link(c"/dev/null", unit)
}

fn put(path: &CStr, bytes: &[u8]) -> sys::Result<()> {
    let file = File::make(path, open::WRITE | open::CREATE | open::EXCLUSIVE | open::NO_FOLLOW, 0o644)?;
    file.mode(0o644).and_then(|()| file.write(bytes))
}
