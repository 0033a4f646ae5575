//! A set of files to the extents of an ISO 9660 volume.

use std::collections::BTreeMap;

use super::boot::{Entry, catalogue};
use super::record::{Kind, both16, both32, civil, identifier, record};
use super::{BLOCK, BOOT_RECORD, CATALOGUE, MAGIC, PRIMARY, TABLES, TERMINATOR};
use crate::disk::Extent;
use crate::epoch::Epoch;
use crate::error::{Error, Result};
use crate::tree::Content;

/// A volume that holds `files`.
pub struct Volume<'a> {
    /// Files by path, `/` between components; folders follow from them. Each has less than 4 GiB.
    pub files: &'a BTreeMap<String, Content>,
    /// What firmware starts; the first is the default.
    pub boot: Vec<Entry>,
    /// The volume's name: at most 32 capitals, digits and `_`.
    pub label: &'a str,
    /// Bytes of the medium, a whole number of blocks.
    pub length: u64,
    /// The moment of every time stamp.
    pub epoch: Epoch,
}

/// A folder, in the order of path tables: breadth first, each level by parent and identifier.
struct Folder {
    path: String,
    identifier: Vec<u8>,
    parent: usize,
    /// By identifier: the name, and the index of a folder or the path of a file.
    entries: BTreeMap<Vec<u8>, (String, Below)>,
    block: u64,
    length: u64,
}

enum Below {
    Folder(usize),
    File(String),
}

/// Everything but the bytes of files.
struct Plan {
    folders: Vec<Folder>,
    tables: u64,
    places: BTreeMap<String, u64>,
    end: u64,
}

impl Volume<'_> {
    /// The byte at which a file begins.
    pub fn place(&self, path: &str) -> Result<u64> {
        let place = self.plan()?.places.get(path).copied();
        place.ok_or_else(|| Error::bug(format!("the volume holds no `{path}`")))
    }

    /// The byte behind the last file.
    pub fn end(&self) -> Result<u64> {
        self.plan().map(|plan| plan.end)
    }

    /// The volume's extents, from byte 32,768 of the medium on.
    ///
    /// Errors: names that do not fit, files that do not fit, too large ones.
    pub fn extents(&self) -> Result<Vec<Extent>> {
        let plan = self.plan()?;
        if plan.end > self.length || !self.length.is_multiple_of(BLOCK) {
            return Err(Error::user(format!("the files do not fit a volume of {} bytes", self.length)));
        }
        if let Some((path, _)) = self.files.iter().find(|(_, content)| u32::try_from(content.len()).is_err()) {
            return Err(Error::user(format!("`{path}` has 4 GiB or more, too much for an ISO 9660")));
        }
        let mut out = vec![
            Extent { at: PRIMARY * BLOCK, content: Content::bytes(self.primary(&plan)?) },
            Extent { at: TERMINATOR * BLOCK, content: Content::bytes(descriptor(255)) },
        ];
        if !self.boot.is_empty() {
            out.push(Extent { at: BOOT_RECORD * BLOCK, content: Content::bytes(boot_record()) });
            out.push(Extent { at: CATALOGUE * BLOCK, content: Content::bytes(catalogue(&self.boot)?) });
        }
        for (index, big) in [false, true].into_iter().enumerate() {
            let at = (TABLES + index as u64 * plan.tables) * BLOCK;
            out.push(Extent { at, content: Content::bytes(plan.path_table(big)?) });
        }
        for (index, folder) in plan.folders.iter().enumerate() {
            out.push(Extent { at: folder.block * BLOCK, content: Content::bytes(self.folder(&plan, index)?) });
        }
        for (path, content) in self.files {
            if let Some(at) = plan.places.get(path) {
                out.push(Extent { at: *at, content: content.clone() });
            }
        }
        Ok(out)
    }

    fn plan(&self) -> Result<Plan> {
        let mut folders = self.folders()?;
        let table: usize = folders.iter().map(|folder| table_entry(&folder.identifier)).sum();
        let tables = (table as u64).div_ceil(BLOCK);
        let mut block = TABLES + 2 * tables;
        for index in 0..folders.len() {
            // Sizes of records do not depend on what they point to.
            let bytes = self.records(&folders, index, |_| (0, 0))?;
            folders[index].block = block;
            folders[index].length = bytes.len() as u64;
            block += folders[index].length / BLOCK;
        }
        let mut places = BTreeMap::new();
        for (path, content) in self.files {
            places.insert(path.clone(), block * BLOCK);
            block += content.len().div_ceil(BLOCK);
        }
        Ok(Plan { folders, tables, places, end: block * BLOCK })
    }

    /// All folders, the root first, with their entries.
    fn folders(&self) -> Result<Vec<Folder>> {
        let empty = |path: &str, identifier, parent| Folder {
            path: path.to_owned(),
            identifier,
            parent,
            entries: BTreeMap::new(),
            block: 0,
            length: 0,
        };
        let mut folders = vec![empty("", vec![0], 0)];
        let mut at = 0;
        while at < folders.len() {
            let prefix = match folders[at].path.as_str() {
                "" => String::new(),
                path => format!("{path}/"),
            };
            // Names below, folders once.
            let mut names: BTreeMap<&str, bool> = BTreeMap::new();
            for path in self.files.keys() {
                let Some(rest) = path.strip_prefix(&prefix) else { continue };
                match rest.split_once('/') {
                    Some((name, _)) => names.insert(name, true),
                    None => names.insert(rest, false),
                };
            }
            let mut rows = Vec::new();
            for (name, folder) in names {
                rows.push((identifier(name, folder)?, name.to_owned(), folder));
            }
            rows.sort();
            for (identifier, name, folder) in rows {
                let path = format!("{prefix}{name}");
                let below = match folder {
                    true => {
                        folders.push(empty(&path, identifier.clone(), at));
                        Below::Folder(folders.len() - 1)
                    }
                    false => Below::File(path),
                };
                if folders[at].entries.insert(identifier, (name.clone(), below)).is_some() {
                    return Err(Error::user(format!("two names in an ISO 9660 are too much like `{name}`")));
                }
            }
            at += 1;
        }
        Ok(folders)
    }

    /// The records of a folder, none across the end of a block; `place` gives block and length.
    fn records(&self, folders: &[Folder], index: usize, place: impl Fn(&Below) -> (u32, u32)) -> Result<Vec<u8>> {
        let time = civil(self.epoch)?;
        let folder = &folders[index];
        let links = |index: usize| {
            2 + folders[index].entries.values().filter(|(_, below)| matches!(below, Below::Folder(_))).count() as u32
        };
        let own = place(&Below::Folder(index));
        let above = place(&Below::Folder(folder.parent));
        let mut rows = vec![
            record(Kind::Own { root: index == 0 }, &[0], "", own, links(index), &time)?,
            record(Kind::Parent, &[1], "", above, links(folder.parent), &time)?,
        ];
        for (identifier, (name, below)) in &folder.entries {
            let (kind, links) = match below {
                Below::Folder(index) => (Kind::Folder, links(*index)),
                Below::File(_) => (Kind::File, 1),
            };
            rows.push(record(kind, identifier, name, place(below), links, &time)?);
        }
        let mut out: Vec<u8> = Vec::new();
        for row in rows {
            let room = BLOCK as usize - out.len() % BLOCK as usize;
            if row.len() > room {
                out.resize(out.len() + room, 0);
            }
            out.extend(row);
        }
        out.resize(out.len().next_multiple_of(BLOCK as usize), 0);
        Ok(out)
    }

    fn folder(&self, plan: &Plan, index: usize) -> Result<Vec<u8>> {
        // Bytes and blocks are counted with 32 bits: `extents` and `primary` saw to it that there are no more.
        self.records(&plan.folders, index, |below| match below {
            Below::Folder(index) => (plan.folders[*index].block as u32, plan.folders[*index].length as u32),
            Below::File(path) => {
                let at = plan.places.get(path).copied().unwrap_or_default();
                ((at / BLOCK) as u32, self.files.get(path).map_or(0, Content::len) as u32)
            }
        })
    }

    fn primary(&self, plan: &Plan) -> Result<Vec<u8>> {
        let sound = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        if self.label.len() > 32 || !self.label.bytes().all(sound) {
            return Err(Error::bug(format!("`{}` is no name of a volume", self.label)));
        }
        let blocks = u32::try_from(self.length / BLOCK).map_err(|_| Error::user("an ISO 9660 of 8 TiB or more"))?;
        let table: usize = plan.folders.iter().map(|folder| table_entry(&folder.identifier)).sum();
        let root = plan.folders.first().ok_or_else(|| Error::bug("a volume without a root"))?;
        let mut out = descriptor(1);
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        // Texts are filled with spaces.
        put(8, &[b' '; 64]);
        put(40, self.label.as_bytes());
        put(80, &both32(blocks));
        put(120, &both16(1));
        put(124, &both16(1));
        put(128, &both16(BLOCK as u16));
        put(132, &both32(table as u32));
        put(140, &(TABLES as u32).to_le_bytes());
        put(148, &((TABLES + plan.tables) as u32).to_be_bytes());
        // The root's record, as it stands in the descriptor: without Rock Ridge.
        let time = civil(self.epoch)?;
        let place = (root.block as u32, root.length as u32);
        let mut own = record(Kind::Own { root: false }, &[0], "", place, 2, &time)?;
        own.truncate(34);
        own[0] = 34;
        put(156, &own);
        put(190, &[b' '; 623]);
        put(574, b"IMAGEBUILD");
        let stamp = time.strftime("%Y%m%d%H%M%S00").to_string();
        // Made, changed; it neither expires nor waits.
        put(813, stamp.as_bytes());
        put(830, stamp.as_bytes());
        put(847, b"0000000000000000");
        put(864, b"0000000000000000");
        put(881, &[1]);
        Ok(out)
    }
}

impl Plan {
    fn path_table(&self, big: bool) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for folder in &self.folders {
            let (block, parent) = (folder.block as u32, u16::try_from(folder.parent + 1));
            let parent = parent.map_err(|_| Error::user("too many folders for an ISO 9660"))?;
            out.extend([folder.identifier.len() as u8, 0]);
            match big {
                true => out.extend(block.to_be_bytes().into_iter().chain(parent.to_be_bytes())),
                false => out.extend(block.to_le_bytes().into_iter().chain(parent.to_le_bytes())),
            }
            out.extend(&folder.identifier);
            out.resize(out.len().next_multiple_of(2), 0);
        }
        Ok(out)
    }
}

/// Bytes of a path table's entry.
fn table_entry(identifier: &[u8]) -> usize {
    8 + identifier.len().next_multiple_of(2)
}

fn descriptor(kind: u8) -> Vec<u8> {
    let mut out = vec![0; BLOCK as usize];
    out[0] = kind;
    out[1..7].copy_from_slice(MAGIC);
    out
}

/// Says where the boot catalogue is.
fn boot_record() -> Vec<u8> {
    let mut out = descriptor(0);
    let name = b"EL TORITO SPECIFICATION";
    out[7..7 + name.len()].copy_from_slice(name);
    out[71..75].copy_from_slice(&(CATALOGUE as u32).to_le_bytes());
    out
}
