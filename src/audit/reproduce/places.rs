//! What lies at a byte of a disk: partition table, ESP and its files, root and its files, hash tree.

use std::ops::Range;
use std::sync::Arc;

use super::Place;
use super::fields::{self, Field};
use crate::audit::image::{Image, Slot};
use crate::bytes::{Bytes, Part};
use crate::disk::{ESP_TYPE, fat, gpt};
use crate::error::Result;
use crate::squashfs::{self, NodeKind, Superblock};
use crate::verity;

const CONTENT: &str = "what is in the root";
const UNUSED: &str = "damage, or a change by hand: a build leaves zeros there";

/// What lies at byte `at` of a sound disk.
pub fn at(disk: &Arc<dyn Bytes>, at: u64) -> Result<Place> {
    let image = Image::of(disk.clone())?;
    let sector = u64::from(image.table.sector);
    if let Some(place) = table(&image.table, disk.length(), at) {
        return Ok(place);
    }
    for (number, entry) in image.table.entries.iter().enumerate() {
        let (start, length) = image.place(entry);
        if !(start..start + length).contains(&at) {
            continue;
        }
        let name = format!("partition {}", number + 1);
        let part: Arc<dyn Bytes> = Arc::new(Part::new(disk.clone(), start, length)?);
        let slots: Vec<Slot> = image.ukis()?.iter().filter_map(|uki| image.slot(&uki.root_hash().ok()?).ok()).collect();
        let inside = at - start;
        let place = if entry.kind == ESP_TYPE {
            esp(&part, inside)?
        } else if slots.iter().any(|slot| slot.root.0 == start) {
            root(&part, inside)?
        } else if slots.iter().any(|slot| slot.verity.0 == start) {
            tree(inside)
        } else {
            plain(0..length, "its bytes", UNUSED)
        };
        let label = entry.label.escape_debug();
        return Ok(Place {
            range: place.range.start + start..place.range.end + start,
            structure: format!("{name} (`{label}`), {}", place.structure),
            ..place
        });
    }
    Ok(plain(at..(at / sector + 1) * sector, "between partitions", UNUSED))
}

fn plain(range: Range<u64>, structure: &str, cause: &'static str) -> Place {
    Place { range, structure: structure.to_owned(), field: None, cause }
}

/// The field at `inside` of a structure that begins at `start`.
fn field(fields: &[Field], start: u64, inside: u64, structure: &str) -> Place {
    match fields.iter().find(|(range, ..)| range.contains(&inside)) {
        Some((range, name, cause)) => Place {
            range: start + range.start..start + range.end,
            structure: structure.to_owned(),
            field: Some((*name).to_owned()),
            cause,
        },
        None => plain(start + inside..start + inside + 1, &format!("behind the {structure}"), UNUSED),
    }
}

/// Both copies of the partition table, and the sector before the first.
fn table(table: &gpt::Table, length: u64, at: u64) -> Option<Place> {
    let sector = u64::from(table.sector);
    if at < sector {
        return Some(field(&fields::MBR, 0, at, "first sector (MBR)"));
    }
    // Entries have 128 bytes, and the tables that are written 128 of them.
    let entries = 128 * 128u64;
    let backup = length - sector;
    for (header, first, copy) in
        [(sector, 2 * sector, "partition table"), (backup, backup - entries, "backup of the partition table")]
    {
        if (header..header + sector).contains(&at) {
            return Some(field(&fields::GPT, header, at - header, &format!("header of the {copy}")));
        }
        if (first..first + entries).contains(&at) {
            let number = (at - first) / 128;
            let start = first + number * 128;
            return Some(field(&fields::ENTRY, start, at - start, &format!("entry {} of the {copy}", number + 1)));
        }
    }
    None
}

fn esp(part: &Arc<dyn Bytes>, inside: u64) -> Result<Place> {
    let reader = fat::Reader::new(&**part)?;
    let sector = reader.sector();
    if inside < sector {
        return Ok(field(&fields::FAT, 0, inside, "boot sector of the FAT"));
    }
    let tables = reader.tables();
    if inside < tables.start {
        return Ok(plain(inside..tables.start, "reserved sectors of the FAT", "the tool's version"));
    }
    if tables.contains(&inside) {
        return Ok(plain(inside..tables.end, "tables of the FAT", "number and sizes of the files of the ESP"));
    }
    for file in reader.files()? {
        if let Some(range) = reader.clusters(&file)?.into_iter().find(|range| range.contains(&inside)) {
            let cause = match file.path.rsplit('/').next().unwrap_or_default() {
                name if name.ends_with(".addon.efi") => {
                    "`cmdline` of the output, its cloud, or the version of systemd-boot-efi"
                }
                name if file.path.starts_with("EFI/Linux/") && name.ends_with(".efi") => {
                    "kernel, `kernel.cmdline`, root hash, os-release, or the version of systemd-boot-efi"
                }
                _ => "the version of systemd-boot, or of the tool",
            };
            return Ok(Place {
                range,
                structure: format!("file `{}` of the ESP", file.path.escape_debug()),
                field: None,
                cause,
            });
        }
    }
    Ok(plain(inside..inside + 1, "folders or free clusters of the FAT", "names of the files of the ESP, or damage"))
}

fn root(part: &Arc<dyn Bytes>, inside: u64) -> Result<Place> {
    let image = squashfs::Image::new(Box::new(Part::new(part.clone(), 0, part.length())?))?;
    let superblock: &Superblock = image.superblock();
    if inside < squashfs::SUPERBLOCK as u64 {
        return Ok(field(&fields::SQUASHFS, 0, inside, "superblock of the squashfs"));
    }
    if inside >= superblock.bytes_used {
        return Ok(plain(inside..part.length(), "padding behind the squashfs", UNUSED));
    }
    let mut tables = vec![
        (superblock.inode_table, "inodes of the squashfs"),
        (superblock.directory_table, "folders of the squashfs"),
        (superblock.fragment_table, "index of the fragments of the squashfs"),
        (superblock.export_table, "export table of the squashfs"),
        (superblock.id_table, "owners of the squashfs"),
        (superblock.xattr_table, "attributes of the squashfs"),
    ];
    tables.retain(|(start, _)| *start < superblock.bytes_used);
    tables.sort_unstable();
    if let Some(number) = tables.iter().rposition(|(start, _)| *start <= inside) {
        let end = tables.get(number + 1).map_or(superblock.bytes_used, |(start, _)| *start);
        // The index of a table lies behind the blocks that it leads to.
        let cause = "modes, owners, times or names of files";
        return Ok(plain(inside..end, tables[number].1, cause));
    }
    let mut found: Option<(Range<u64>, Vec<String>)> = None;
    image.walk(&mut |node| {
        if let NodeKind::File(_) = node.kind
            && let Some(range) = image.stored(&node)?.into_iter().find(|range| range.contains(&inside))
        {
            found.get_or_insert_with(|| (range, Vec::new())).1.push(node.path.to_string());
        }
        Ok(())
    })?;
    Ok(match found {
        Some((range, paths)) => {
            let more = paths.len() - 1;
            let more = if more > 0 { format!(" and {more} more that share the block") } else { String::new() };
            plain(
                range,
                &format!("content of `{}`{more}", paths[0].escape_debug()),
                "the package, input or line of the profile that brought the file",
            )
        }
        None => plain(inside..inside + 1, "data of the squashfs", CONTENT),
    })
}

fn tree(inside: u64) -> Place {
    let block = verity::BLOCK as u64;
    if inside < 512 {
        return field(&fields::VERITY, 0, inside, "superblock of the hash tree");
    }
    let number = inside / block;
    let structure = if number == 0 {
        "padding of the superblock of the hash tree".to_owned()
    } else {
        format!("block {number} of the hash tree")
    };
    plain(inside..(number + 1) * block, &structure, if number == 0 { UNUSED } else { CONTENT })
}
