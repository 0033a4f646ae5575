//! A byte of each structure of a disk, and what `reproduce` calls it.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use imagebuild::audit::{Image, reproduce};
use imagebuild::bytes::{Bytes, Whole};
use imagebuild::disk::fat;
use imagebuild::squashfs::NodeKind;

/// A disk with another byte at one place.
#[derive(Debug)]
struct Spoilt {
    whole: Arc<dyn Bytes>,
    at: u64,
}

impl Bytes for Spoilt {
    fn length(&self) -> u64 {
        self.whole.length()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.whole.read_at(buffer, offset)?;
        if let Some(byte) = self.at.checked_sub(offset).and_then(|inside| buffer.get_mut(inside as usize)) {
            *byte ^= 0x41;
        }
        Ok(())
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        let own = (self.at >= offset).then_some(self.at..self.at + 1);
        let next = self.whole.next_data(offset)?;
        Ok(match (own, next) {
            (Some(own), Some(next)) if own.start < next.start => Some(own),
            (own, None) => own,
            (_, next) => next,
        })
    }
}

/// Spoils each place of the disk at `raw` in turn, and asserts that its structure is named; gives how many there are.
pub fn all_are_named(raw: &Path) -> usize {
    let sound: Arc<dyn Bytes> = Arc::new(Whole::open(raw).unwrap());
    let image = Image::open(raw).unwrap();
    let place = |number: usize| image.place(&image.table.entries[number]);
    let (esp, root, tree) = (place(0), place(1), place(2));
    let part = image.part(esp).unwrap();
    let reader = fat::Reader::new(&part).unwrap();
    let files = reader.files().unwrap();
    let uki = &image.ukis().unwrap()[0];
    let file = |path: &str| {
        let file = files.iter().find(|file| file.path == path).unwrap();
        esp.0 + reader.clusters(file).unwrap()[0].start
    };
    let squashfs = imagebuild::audit::root(&image, image.slot(&uki.root_hash().unwrap()).unwrap()).unwrap();
    let superblock = squashfs.superblock().clone();
    // A small file: it shares its block with others.
    let mut shared = None;
    squashfs
        .walk(&mut |node| {
            if matches!(node.kind, NodeKind::File(1..=1000)) && shared.is_none() {
                shared = Some(root.0 + squashfs.stored(&node)?[0].start);
            }
            Ok(())
        })
        .unwrap();
    let end = sound.length();
    let cases = [
        (3, "first sector (MBR), boot code".to_owned()),
        (450, "first sector (MBR), partitions".to_owned()),
        (512 + 17, "header of the partition table, checksum of the header".to_owned()),
        (512 + 60, "header of the partition table, id of the disk".to_owned()),
        (1024 + 128 + 17, "entry 2 of the partition table, id".to_owned()),
        (1024 + 128 + 60, "entry 2 of the partition table, name".to_owned()),
        (1024 + 2 * 128 + 33, "entry 3 of the partition table, first sector".to_owned()),
        (end - 512 + 41, "header of the backup of the partition table, first usable sector".to_owned()),
        (end - 512 - 128 * 128 + 3, "entry 1 of the backup of the partition table, type".to_owned()),
        (esp.0 + 68, "boot sector of the FAT, serial number".to_owned()),
        (esp.0 + reader.tables().start + 9, "tables of the FAT".to_owned()),
        (file(&uki.path) + 100, format!("file `{}` of the ESP", uki.path)),
        (file("EFI/BOOT/BOOTX64.EFI") + 7, "file `EFI/BOOT/BOOTX64.EFI` of the ESP".to_owned()),
        (root.0 + 9, "superblock of the squashfs, time".to_owned()),
        (root.0 + 21, "superblock of the squashfs, codec".to_owned()),
        (shared.unwrap() + 2, "more that share the block".to_owned()),
        (root.0 + superblock.inode_table + 3, "inodes of the squashfs".to_owned()),
        (root.0 + superblock.directory_table + 3, "folders of the squashfs".to_owned()),
        (root.0 + superblock.id_table + 1, "owners of the squashfs".to_owned()),
        (root.0 + superblock.bytes_used + 1, "padding behind the squashfs".to_owned()),
        (tree.0 + 90, "superblock of the hash tree, salt".to_owned()),
        (tree.0 + 1000, "padding of the superblock of the hash tree".to_owned()),
        (tree.0 + 4096 + 5, "block 1 of the hash tree".to_owned()),
        (esp.0 - 3, "between partitions".to_owned()),
    ];
    for (at, wanted) in &cases {
        let other: Arc<dyn Bytes> = Arc::new(Spoilt { whole: sound.clone(), at: *at });
        let found = reproduce::first(&other, &sound).unwrap().unwrap();
        assert_eq!(found.at, *at);
        assert!(found.to_string().contains(wanted.as_str()), "{at}: {found}, not {wanted}");
        assert_ne!(found.values.0, found.values.1, "{found}");
    }
    cases.len()
}
