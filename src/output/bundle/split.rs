//! Each partition, the UKI, the kernel and the initrd as files of their own.

use super::text;
use crate::disk::{Disk, Role};
use crate::error::Result;
use crate::output::{Bundle, Emit, Files, Made};
use crate::profile::Split;

impl Bundle for Split {
    fn name(&self) -> &'static str {
        "split"
    }

    fn emit(&self, made: &Made<'_>, how: &Emit<'_>, files: &mut dyn Files) -> Result<()> {
        let (boot, pieces) = (made.boot, made.pieces);
        files.put("esp.fat", &esp(made, how)?)?;
        files.put("root.squashfs", &Disk::whole(pieces.root.clone()))?;
        files.put("root.verity", &Disk::whole(pieces.verity.clone()))?;
        files.put("uki.efi", &Disk::whole(boot.uki.clone()))?;
        files.put("vmlinuz", &Disk::whole(boot.image.clone()))?;
        files.put("initrd", &Disk::whole(boot.initrd.clone()))?;
        files.put("cmdline", &text(format!("{}\n", boot.cmdline)))?;
        Ok(())
    }
}

/// The ESP by itself: the bytes that it has in the disk.
fn esp(made: &Made<'_>, how: &Emit<'_>) -> Result<Disk> {
    let partition = made.layout.partition(Role::Esp)?;
    Disk::new(partition.length, crate::disk::esp(made.layout, &made.pieces.esp, how.epoch)?)
}
