//! What a medium installs a disk with: one sealed file system, and the words of the command line that start it.
//!
//! ```text
//! medium:  | ESP, its addon names the installer's root hash | root | verity | installer | its verity |
//!                                                               |                 | esp.img, root.verity,
//!                                                               |                 | repart.d/, units,
//!                                                               |                 | core.img, boot-code.conf
//! disk:    | BIOS boot, ESP, with the addon of a disk | root | verity | signature |  <- systemd-repart copies
//! ```
//!
//! - What is copied is read through dm-verity while it is copied: the root from its own device, ESP and hash tree from
//!   files of the installer. Its root hash is on the command line beside the root's, so it is as sealed as that is.
//! - The init (src/init/install.rs) finds, mounts and starts it, chooses the disk and refuses one that holds data.
//! - Labels, types, ids and sizes are those of the disk image of the same build: what was installed is that disk.
//! - A BIOS starts the first sector of the disk, to which systemd-repart writes no code: systemd-tmpfiles does, the
//!   last of all, and leaves the table in the rest of that sector as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::digest::Digest;
use crate::disk::{self, ALIGNMENT, BootCode, Disk, Layout, NO_AUTO, Partition, Pieces, READ_ONLY, Role, Unwritten};
use crate::epoch::Epoch;
use crate::error::Result;
use crate::node::failure;
use crate::path::RootPath;
use crate::profile::{Codec, Install, Then};
use crate::root::Root;
use crate::squashfs::Options;
use crate::tree::{Content, Meta, Tree};

/// Where the init mounts it.
const PLACE: &str = "/run/imagebuild/install";
/// What the init links the chosen disk to.
const DISK: &str = "/run/imagebuild/disk";
/// Whole blocks are what dm-verity has.
const BLOCK: u64 = 4096;

/// What a medium has beyond the root that it starts.
#[derive(Debug, Clone)]
pub struct Installer {
    /// The file system.
    pub sealed: Root,
    /// Files of the medium's own ESP, which has other words than the disk's.
    pub esp: BTreeMap<String, Content>,
}

/// How it is packed: kernel, initrd and hashes do not get smaller.
pub fn packing(epoch: Epoch, jobs: usize) -> Options {
    Options { codec: Codec::None, level: 0, block_size: 1 << 17, epoch: epoch.0, jobs }
}

/// The words of the command line for an installer with this root hash.
pub fn words(install: &Install, root_hash: &Digest) -> Vec<String> {
    let mut words = vec![format!("imagebuild.installer={root_hash}")];
    if let Some(disk) = &install.disk {
        let erase = if install.erase { ",erase" } else { "" };
        let then = if install.then == Then::Poweroff { ",poweroff" } else { "" };
        words.push(format!("imagebuild.install={disk}{erase}{then}"));
    }
    words
}

/// Its files, for a disk of this layout with these contents; `bios`: what a BIOS runs, where the disk has it.
pub fn tree(layout: &Layout, pieces: &Pieces, bios: Option<&BootCode>, epoch: Epoch) -> Result<Tree> {
    let mut tree = Tree::default();
    let mut put = |path: String, content: Content| -> Result<()> {
        let meta = Meta::new(0o644, epoch.0).from(&"installer".into());
        tree.put_file(&RootPath::new(format!("/{path}"))?, meta, content)
    };
    for (number, partition) in layout.partitions.iter().enumerate() {
        let name = format!("repart.d/{}0-{}.conf", number + 1, slug(partition.role));
        put(name, Content::bytes(definition(partition).into_bytes()))?;
    }
    put("esp.img".to_owned(), esp(layout, pieces, epoch)?)?;
    put("root.verity".to_owned(), pieces.verity.clone())?;
    if let Some(bios) = bios {
        put("core.img".to_owned(), whole_blocks(&bios.core)?)?;
        put("boot-code.conf".to_owned(), Content::bytes(boot_code(&bios.code).into_bytes()))?;
    }
    put("minimum-disk".to_owned(), Content::bytes(format!("{}\n", layout.sizes.minimum_disk()?).into_bytes()))?;
    let seed = layout.seed;
    for (name, text) in [
        ("default.target", TARGET.to_owned()),
        ("reboot.service", service("starts again", "reboot", &seed, bios.is_some())),
        ("poweroff.service", service("is switched off", "poweroff", &seed, bios.is_some())),
        ("failed.service", failed()),
    ] {
        put(name.to_owned(), Content::bytes(text.into_bytes()))?;
    }
    Ok(tree)
}

fn slug(role: Role) -> &'static str {
    match role {
        Role::Bios => "bios",
        Role::Esp => "esp",
        Role::Root => "root",
        Role::Verity => "verity",
        Role::Signature => "sig",
    }
}

/// What systemd-repart is to make (repart.d(5)).
fn definition(partition: &Partition) -> String {
    let Partition { kind, id, label, length, attributes, .. } = partition;
    let from = match partition.role {
        Role::Esp => Some(format!("{PLACE}/esp.img")),
        Role::Root => Some("/dev/mapper/root".to_owned()),
        Role::Verity => Some(format!("{PLACE}/root.verity")),
        Role::Bios => Some(format!("{PLACE}/core.img")),
        Role::Signature => None,
    };
    let mut text =
        format!("[Partition]\nType={kind}\nUUID={id}\nLabel={label}\nSizeMinBytes={length}\nSizeMaxBytes={length}\n");
    for (bit, line) in [(NO_AUTO, "NoAuto=yes\n"), (READ_ONLY, "ReadOnly=yes\n")] {
        if attributes & bit != 0 {
            text.push_str(line);
        }
    }
    if let Some(from) = from {
        text.push_str(&format!("CopyBlocks={from}\n"));
    }
    text
}

/// The ESP's bytes up to the last that is in use: what follows means nothing to anybody.
fn esp(layout: &Layout, pieces: &Pieces, epoch: Epoch) -> Result<Content> {
    let extents = disk::esp(layout, &pieces.esp, epoch)?;
    let end = extents.iter().map(|extent| extent.at + extent.content.len()).max().unwrap_or(0);
    let length = end.next_multiple_of(BLOCK);
    Ok(Content::part(Arc::new(Unwritten::new(Disk::new(length, extents)?)), 0, length))
}

const TARGET: &str = "\
[Unit]
Description=Installation
Requires=basic.target imagebuild-install.service
After=basic.target
AllowIsolate=yes
";

/// GRUB's core, of which systemd-repart copies whole blocks only.
fn whole_blocks(core: &Content) -> Result<Content> {
    let mut bytes = core.read(ALIGNMENT)?;
    bytes.resize(bytes.len().next_multiple_of(BLOCK as usize), 0);
    Ok(Content::bytes(bytes))
}

/// What writes the first bytes of the disk and nothing behind them (tmpfiles.d(5), `w~`).
fn boot_code(code: &[u8]) -> String {
    format!("w~ {DISK} - - - - {}\n", BASE64.encode(code))
}

fn service(what: &str, action: &str, seed: &crate::guid::Guid, bios: bool) -> String {
    let code = match bios {
        true => format!("ExecStart=systemd-tmpfiles --create {PLACE}/boot-code.conf\n"),
        false => String::new(),
    };
    format!(
        "[Unit]\n\
         Description=Copy of the system to the disk\n\
         After=basic.target\n\
         OnFailure=imagebuild-install-failed.service\n\
         SuccessAction={action}\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         # It refuses a disk that has a partition table, too.\n\
         ExecStart=systemd-repart --dry-run=no --empty=require --seed={seed} --definitions={PLACE}/repart.d {DISK}\n\
         {code}\
         {}\
         ExecStartPost=-systemd-tmpfiles --create -\n\
         TimeoutStartSec=infinity\n\
         StandardOutput=journal+console\n\
         StandardError=journal+console\n",
        failure::line(5, &format!("installed: the machine {what}"))
    )
}

fn failed() -> String {
    format!(
        "[Unit]\n\
         Description=The installation failed\n\
         {}Wants=imagebuild-reboot.timer\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         {}\
         ExecStart=-systemd-tmpfiles --create -\n",
        failure::REBOOT_HEAD,
        failure::line(3, "the system was not installed: see the messages above")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::{cmdline, order};

    #[test]
    fn the_init_reads_the_words() {
        let hash = Digest::of(b"installer");
        let line = |install: &Install| words(install, &hash).join(" ");
        let read = |line: &str| cmdline::installer(line.as_bytes()).unwrap().map(|hash| hash.0);
        let asked = Install::default();
        assert_eq!((read(&line(&asked)), cmdline::install(line(&asked).as_bytes())), (Some(hash.0), Ok(None)));
        for (disk, erase, then) in [("auto", false, Then::Reboot), ("/dev/nvme0n1", true, Then::Poweroff)] {
            let line = line(&Install { disk: Some(disk.to_owned()), erase, then });
            assert_eq!(read(&line), Some(hash.0));
            let order = order::parse(cmdline::install(line.as_bytes()).unwrap().unwrap()).unwrap();
            assert_eq!(order.disk, disk.strip_prefix("/dev/").map(str::as_bytes));
            assert_eq!((order.erase, order.power_off), (erase, then == Then::Poweroff));
        }
    }

    #[test]
    fn sealed_partitions_are_copied_with_their_attributes_and_the_signatures_stays_empty() {
        let partition = |role, attributes| Partition {
            role,
            kind: disk::ESP_TYPE,
            id: disk::ESP_TYPE,
            label: "x".to_owned(),
            attributes,
            at: 0,
            length: 1 << 20,
        };
        let root = definition(&partition(Role::Root, NO_AUTO | READ_ONLY));
        assert!(root.contains("NoAuto=yes\nReadOnly=yes\nCopyBlocks=/dev/mapper/root\n"), "{root}");
        let esp = definition(&partition(Role::Esp, 0));
        assert!(esp.contains("SizeMaxBytes=1048576\nCopyBlocks=/run/imagebuild/install/esp.img\n"), "{esp}");
        assert!(!definition(&partition(Role::Signature, 0)).contains("CopyBlocks"));
    }

    #[test]
    fn code_for_a_bios_is_written_last_and_stays_clear_of_the_table() {
        let core = Content::bytes(vec![7; 150_001]);
        assert_eq!(whole_blocks(&core).unwrap().len(), 37 * BLOCK);
        let line = boot_code(&[0xff; crate::disk::BOOT_CODE]);
        let digits = line.strip_prefix("w~ /run/imagebuild/disk - - - - ").unwrap().trim_end();
        assert_eq!(BASE64.decode(digits).unwrap(), [0xff; 440]);
        let seed = disk::ESP_TYPE;
        let text = service("starts again", "reboot", &seed, true);
        assert!(text.find("systemd-repart").unwrap() < text.find("/boot-code.conf\n").unwrap(), "{text}");
        assert!(!service("starts again", "reboot", &seed, false).contains("boot-code"));
    }
}
