//! The files of the ESP: boot manager, its settings, the UKI under the name that updates expect.

use std::collections::BTreeMap;

use crate::arch::Arch;
use crate::error::{Error, Result};
use crate::profile::Image;
use crate::tree::Content;

/// The menu stays hidden and no one can edit the command line.
const SETTINGS: &str = "timeout 0\neditor no\nauto-entries no\nauto-firmware no\nsecure-boot-enroll off\n";
/// The kind of entries that others may add; `bootctl` looks for it.
const ENTRIES: &str = "type1\n";

/// Where the firmware looks when no boot entry is set: `EFI/BOOT/BOOTX64.EFI`.
pub fn loader_path(arch: Arch) -> String {
    format!("EFI/BOOT/BOOT{}.EFI", arch.efi().to_uppercase())
}

/// Where the UKI of an image lies.
///
/// systemd-boot reads `+N` at the end of a name as a counter of tries, so a version may not hold a `+`: a profile
/// with one is refused when it is loaded.
pub fn uki_path(image: &Image) -> Result<String> {
    if image.version.contains('+') {
        return Err(Error::bug(format!("the version `{}` holds a `+`", image.version)));
    }
    Ok(format!("EFI/Linux/{}.efi", image.name()))
}

/// Every file by its path.
pub fn files(image: &Image, manager: &Content, uki: &Content) -> Result<BTreeMap<String, Content>> {
    Ok(BTreeMap::from([
        (loader_path(image.arch), manager.clone()),
        (format!("EFI/systemd/systemd-boot{}.efi", image.arch.efi()), manager.clone()),
        (uki_path(image)?, uki.clone()),
        ("loader/entries.srel".to_owned(), Content::bytes(ENTRIES.as_bytes())),
        ("loader/loader.conf".to_owned(), Content::bytes(SETTINGS.as_bytes())),
    ]))
}
