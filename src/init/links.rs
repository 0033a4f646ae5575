//! Tells the root's udev which disk was booted, so that its units can name partitions of that disk alone, or which
//! partition of another is /var, where the command line said so.
//!
//! | link | what |
//! |---|---|
//! | `/dev/disk/imagebuild/disk` | the disk that holds the sealed root |
//! | `/dev/disk/imagebuild/esp` | its ESP |
//! | `/dev/disk/imagebuild/var` | its partition for `/var`, once there is one; or the one that was asked for |
//!
//! No other partition ever gets these names, whatever its labels and ids say.

use super::pick::Name;
use super::say;
use super::sys::{self, File, open};
use super::text::{Fault, Text};

/// Where udev looks for rules that are made at run time.
const RULES: &core::ffi::CStr = c"/run/udev/rules.d/61-imagebuild.rules";

/// Partition types of the Discoverable Partitions Specification, and our names.
const PARTITIONS: [(&str, &str); 2] =
    [("4d21b016-b534-45c2-a9fb-5c16e091fd2d", "var"), ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "esp")];

/// Writes the rules for the disk of the root, where it has one; `var` is the number of the partition for `/var`, where
/// that is not left to the disk.
pub fn write(disk: Option<&Name>, var: Option<(u32, u32)>) -> Result<(), Fault> {
    let mut rules = Text::<1024>::new();
    if let Some(disk) = disk {
        of_disk(disk, var.is_some(), &mut rules)?;
    }
    if let Some((major, minor)) = var {
        rules.put(format_args!(
            "SUBSYSTEM==\"block\", ENV{{MAJOR}}==\"{major}\", ENV{{MINOR}}==\"{minor}\", SYMLINK+=\"disk/imagebuild/var\"\n"
        ));
    }
    if !rules.whole() {
        return Err(Fault::of(format_args!("the rules for udev are too long")));
    }
    let made = sys::make_directory(c"/run/udev", 0o755)
        .and_then(|()| sys::make_directory(c"/run/udev/rules.d", 0o755))
        .and_then(|()| File::make(RULES, open::WRITE | open::CREATE | open::EXCLUSIVE | open::NO_FOLLOW, 0o644))
        .and_then(|file| file.mode(0o644).and_then(|()| file.write(rules.bytes())));
    made.map_err(|errno| Fault::of(format_args!("telling udev of the disk: errno {errno}")))
}

/// Those for a disk, and for its partitions but a /var that is elsewhere.
fn of_disk(disk: &Name, elsewhere: bool, rules: &mut Text<1024>) -> Result<(), Fault> {
    let mut buffer = [0u8; 32];
    let mut path = Text::<128>::of(format_args!("/sys/block/{disk}/dev"));
    let number = say::read(path.c(), &mut buffer).and_then(|text| core::str::from_utf8(text).ok()).map(str::trim);
    let Some(number) = number else {
        return Err(Fault::of(format_args!("the number of disk {disk} cannot be read")));
    };
    let (major, minor) = number.split_once(':').unwrap_or((number, ""));
    rules.put(format_args!(
        "SUBSYSTEM==\"block\", ENV{{DEVTYPE}}==\"disk\", ENV{{MAJOR}}==\"{major}\", ENV{{MINOR}}==\"{minor}\", \
         SYMLINK+=\"disk/imagebuild/disk\"\n"
    ));
    for (kind, name) in PARTITIONS.into_iter().filter(|(_, name)| !elsewhere || *name != "var") {
        rules.put(format_args!(
            "SUBSYSTEM==\"block\", ENV{{DEVTYPE}}==\"partition\", ENV{{ID_PART_ENTRY_DISK}}==\"{number}\", \
             ENV{{ID_PART_ENTRY_TYPE}}==\"{kind}\", SYMLINK+=\"disk/imagebuild/{name}\"\n"
        ));
    }
    Ok(())
}
