//! What machines without a disk boot: the root travels as a further initrd, so the init needs no code for networks.
//!
//! | file | for |
//! |---|---|
//! | `vmlinuz`, `initrd`, `root.cpio`, `boot.ipxe` | iPXE, and any loader that takes several initrds |
//! | `netboot.efi` | UEFI HTTP boot and TFTP: one UKI with all of it |
//!
//! The root is verified like any other, by the root hash of the command line; without Secure Boot
//! that holds against nobody who can change the command line.

use super::text;
use crate::boot::command_line_with;
use crate::boot::cpio::{Cpio, DIRECTORY};
use crate::boot::uki;
use crate::disk::{Disk, Extent};
use crate::epoch::Epoch;
use crate::error::{Context, Error, Result};
use crate::output::{Bundle, Emit, Files, Made};
use crate::profile::Netboot;
use crate::tree::Content;

/// Where the init looks for it (src/init/carried.rs).
const FOLDER: &str = "carried";
/// A module is smaller.
const MAX_MODULE: u64 = 64 << 20;

impl Bundle for Netboot {
    fn name(&self) -> &'static str {
        "netboot"
    }

    fn emit(&self, made: &Made<'_>, how: &Emit<'_>, files: &mut dyn Files) -> Result<()> {
        let boot = made.boot;
        let root = carried(made, how.epoch).context(|| "packing the root as an initrd".into())?;
        files.put("vmlinuz", &Disk::whole(boot.image.clone()))?;
        files.put("initrd", &Disk::whole(boot.initrd.clone()))?;
        files.put("root.cpio", &root)?;
        files.put("netboot.efi", &whole(made, &root).context(|| "making the UKI for the network".into())?)?;
        files.put("boot.ipxe", &text(script(&command_line_with(&boot.cmdline, made.words))))?;
        Ok(())
    }
}

/// Paths are relative: iPXE looks beside the script.
fn script(cmdline: &str) -> String {
    // iPXE puts all initrds behind each other, under this one name.
    format!("#!ipxe\nkernel vmlinuz initrd=initrd.magic {cmdline}\ninitrd initrd\ninitrd root.cpio\nboot\n")
}

/// The archive with root, hash tree and the modules of loop devices.
fn carried(made: &Made<'_>, epoch: Epoch) -> Result<Disk> {
    let mut cpio = Cpio::new(epoch);
    cpio.entry(FOLDER, DIRECTORY, (0, 0), &[])?;
    let mut list = String::new();
    for (number, module) in made.boot.carried.iter().enumerate() {
        // In the order of loading; the ending tells how it is compressed.
        let ending = module.path.rsplit('/').next().and_then(|name| name.split_once('.')).map_or("ko", |(_, end)| end);
        let path = format!("{FOLDER}/{number}.{ending}");
        cpio.entry(&path, crate::boot::cpio::FILE, (0, 0), &module.content.read(MAX_MODULE)?)?;
        list += &format!("/{path}\n");
    }
    cpio.entry(&format!("{FOLDER}/modules"), crate::boot::cpio::FILE, (0, 0), list.as_bytes())?;
    let mut extents = Vec::new();
    let mut at = 0;
    let mut put = |content: Content, pad: u64| {
        let length = content.len();
        extents.push(Extent { at, content });
        at += length.next_multiple_of(pad);
    };
    for (name, content) in [("root.squashfs", &made.pieces.root), ("root.verity", &made.pieces.verity)] {
        put(Content::bytes(cpio.before(&format!("{FOLDER}/{name}"), content.len())?), 1);
        put(content.clone(), 4);
    }
    put(Content::bytes(cpio.finish()?), 1);
    Disk::new(at, extents)
}

/// One UKI: the initrd and the root behind each other in its section `.initrd`.
fn whole(made: &Made<'_>, root: &Disk) -> Result<Disk> {
    let boot = made.boot;
    let stub = boot.stub.read(uki::MAX_STUB)?;
    // Archives begin at multiples of 4.
    let second = boot.initrd.len().next_multiple_of(4);
    // The words of the output, too: no addon is found where the firmware fetched a UKI by itself.
    let cmdline = Content::bytes(command_line_with(&boot.cmdline, made.words).into_bytes());
    let release = Content::bytes(boot.kernel.as_bytes());
    let os_release = Content::bytes(boot.os_release.clone());
    let initrds = second.checked_add(root.len()).filter(|length| *length <= uki::MAX_SECTION);
    let initrds = initrds.ok_or_else(|| {
        Error::user("the root is too large to be carried in a UKI").hint("expected some 500 MiB at most")
    })?;
    let sections = [
        (".osrel", os_release.len()),
        (".cmdline", cmdline.len()),
        (".uname", release.len()),
        (".initrd", initrds),
        (".linux", boot.image.len()),
    ];
    let (head, places, length) = uki::layout(&stub, &sections)?;
    let mut extents = vec![Extent { at: 0, content: Content::bytes(head) }];
    let [osrel, cmd, uname, initrd, linux] = places[..] else { return Err(Error::bug("five sections, other places")) };
    for (at, content) in [(osrel, os_release), (cmd, cmdline), (uname, release), (linux, boot.image.clone())] {
        extents.push(Extent { at, content });
    }
    extents.push(Extent { at: initrd, content: boot.initrd.clone() });
    let further = root.extents().iter();
    extents.extend(further.map(|extent| Extent { at: initrd + second + extent.at, content: extent.content.clone() }));
    Disk::new(length, extents)
}
