//! Tells the root's udev which disk was booted, so that its units can name partitions of that disk alone.
//!
//! | link | what |
//! |---|---|
//! | `/dev/disk/imagebuild/disk` | the disk that holds the sealed root |
//! | `/dev/disk/imagebuild/esp` | its ESP |
//! | `/dev/disk/imagebuild/var` | its partition for `/var`, once there is one |
//!
//! A partition of another disk never gets these names, whatever its labels and ids say.

use super::disks::Found;
use super::say;
use super::sys::{self, File, open};
use super::text::{Fault, Text};

/// Where udev looks for rules that are made at run time.
const RULES: &core::ffi::CStr = c"/run/udev/rules.d/61-imagebuild.rules";

/// Partition types of the Discoverable Partitions Specification, and our names.
const PARTITIONS: [(&str, &str); 2] =
    [("4d21b016-b534-45c2-a9fb-5c16e091fd2d", "var"), ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "esp")];

/// Writes the rules for the disk of the root.
pub fn write(found: &Found) -> Result<(), Fault> {
    let mut buffer = [0u8; 32];
    let mut path = Text::<128>::of(format_args!("/sys/block/{}/dev", found.disk));
    let number = say::read(path.c(), &mut buffer).and_then(|text| core::str::from_utf8(text).ok()).map(str::trim);
    let Some(number) = number else {
        return Err(Fault::of(format_args!("the number of disk {} cannot be read", found.disk)));
    };
    let (major, minor) = number.split_once(':').unwrap_or((number, ""));
    let mut rules = Text::<1024>::new();
    rules.put(format_args!(
        "SUBSYSTEM==\"block\", ENV{{DEVTYPE}}==\"disk\", ENV{{MAJOR}}==\"{major}\", ENV{{MINOR}}==\"{minor}\", \
         SYMLINK+=\"disk/imagebuild/disk\"\n"
    ));
    for (kind, name) in PARTITIONS {
        rules.put(format_args!(
            "SUBSYSTEM==\"block\", ENV{{DEVTYPE}}==\"partition\", ENV{{ID_PART_ENTRY_DISK}}==\"{number}\", \
             ENV{{ID_PART_ENTRY_TYPE}}==\"{kind}\", SYMLINK+=\"disk/imagebuild/{name}\"\n"
        ));
    }
    if !rules.whole() {
        return Err(Fault::of(format_args!("the rules for disk {} are too long", found.disk)));
    }
    let made = sys::make_directory(c"/run/udev", 0o755)
        .and_then(|()| sys::make_directory(c"/run/udev/rules.d", 0o755))
        .and_then(|()| File::make(RULES, open::WRITE | open::CREATE | open::EXCLUSIVE | open::NO_FOLLOW, 0o644))
        .and_then(|file| file.mode(0o644).and_then(|()| file.write(rules.bytes())));
    made.map_err(|errno| Fault::of(format_args!("telling udev of the disk: errno {errno}")))
}
