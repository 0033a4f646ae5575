//! ISO images: one file that starts from a CD and from a USB stick, and leaves no trace on the machine.

use crate::boot::{CD_GRUB, INITRD, KERNEL};
use crate::disk::{CdBoot, Disk, Hybrid};
use crate::error::Result;
use crate::output::{Emit, Made, Medium};
use crate::profile::Iso;
use crate::tree::Content;

impl Medium for Iso {
    fn name(&self) -> &'static str {
        "iso"
    }

    fn disk(&self, made: &Made<'_>, how: &Emit<'_>) -> Result<Disk> {
        let boot = made.boot;
        let mut esp = made.installer.map_or(&made.pieces.esp, |installer| &installer.esp).clone();
        let about = format!(
            "{}\nstarts from a CD, and from a USB stick that this image is written to as it is.\n\n{}\n",
            how.name, boot.cmdline
        );
        let mut files =
            std::collections::BTreeMap::from([("about.txt".to_owned(), Content::bytes(about.into_bytes()))]);
        let grub = made.cd;
        if grub.is_some() {
            // GRUB reads them here; the ESP is for UEFI alone.
            for path in [KERNEL, INITRD] {
                files.extend(esp.remove_entry(path));
            }
        }
        let at = |at: u64| grub.map_or_else(|| Err(crate::error::Error::bug("no GRUB")), |grub| grub.on_cd(at));
        let bios = grub.map(|grub| CdBoot { path: CD_GRUB, length: grub.cd_length(), at: &at });
        let hybrid = Hybrid {
            layout: made.layout,
            pieces: made.pieces,
            esp: &esp,
            files,
            bios,
            installer: made.installer.map(|installer| &installer.sealed),
            seed: how.seed,
            name: how.name,
            epoch: how.epoch,
        };
        hybrid.disk()
    }
}
