//! A reader of ISO 9660 that believes nothing: every number is bounded, every folder is read once.

use std::collections::{BTreeMap, BTreeSet};

use super::boot::{self, Entry};
use super::{BLOCK, BOOT_RECORD, FIRST, MAGIC, PRIMARY};
use crate::bytes::{Bytes, le32};
use crate::error::{Error, Result};

/// More files and folders than this are refused.
const MAX_FILES: usize = 65_536;
/// A folder of more bytes is refused.
const MAX_FOLDER: u64 = 4 << 20;
/// Bytes of all paths together; more are refused. Each path counts [`PATH`] bytes more, for what is kept beside it.
const MAX_PATHS: usize = 64 << 20;
const PATH: usize = 64;
/// Descriptors that are looked through for the last one.
const MAX_DESCRIPTORS: u64 = 32;

/// A volume whose descriptor was checked.
pub struct Reader<'a> {
    bytes: &'a dyn Bytes,
    label: String,
    length: u64,
    root: (u64, u64),
}

/// A file of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// `/` between components, none in front; Rock Ridge's names where there are any.
    pub path: String,
    /// First byte.
    pub at: u64,
    /// Bytes.
    pub length: u64,
}

fn bad(what: &str) -> Error {
    Error::user(format!("not an ISO 9660: {what}"))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u64> {
    let word = at.checked_add(4).and_then(|end| bytes.get(at..end)).ok_or_else(|| bad("too short"))?;
    Ok(u64::from(le32(word, 0)))
}

impl<'a> Reader<'a> {
    /// Checks the primary descriptor, and that there is a last one.
    pub fn new(bytes: &'a dyn Bytes) -> Result<Self> {
        let primary = descriptor(bytes, PRIMARY)?;
        if primary[0] != 1 || primary[128..132] != [0, 8, 8, 0] {
            return Err(bad("its first descriptor is not that of a volume with blocks of 2048 bytes"));
        }
        let mut blocks = FIRST..FIRST + MAX_DESCRIPTORS;
        if !blocks.any(|block| descriptor(bytes, block).is_ok_and(|found| found[0] == 255)) {
            return Err(bad("its descriptors do not end"));
        }
        let length = u32_at(&primary, 80)? * BLOCK;
        if length > bytes.length() {
            return Err(bad("it is cut"));
        }
        let root = (u32_at(&primary, 158)? * BLOCK, u32_at(&primary, 166)?);
        let label = String::from_utf8_lossy(&primary[40..72]).trim_end().to_owned();
        Ok(Reader { bytes, label, length, root })
    }

    /// The volume's name.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Bytes of the volume.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// What firmware starts; nothing where there is no boot record.
    pub fn boot(&self) -> Result<Vec<Entry>> {
        let record = descriptor(self.bytes, BOOT_RECORD)?;
        if record[0] != 0 || !record[7..].starts_with(b"EL TORITO SPECIFICATION\0") {
            return Ok(Vec::new());
        }
        let mut catalogue = vec![0; BLOCK as usize];
        self.bytes.read_at(&mut catalogue, u32_at(&record, 71)? * BLOCK).map_err(|_| bad("its catalogue is cut"))?;
        boot::read(&catalogue)
    }

    /// Every file, sorted by path.
    pub fn files(&self) -> Result<Vec<Found>> {
        let mut out = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut paths = 0;
        let mut queue = vec![(String::new(), self.root)];
        while let Some((prefix, (at, length))) = queue.pop() {
            if !seen.insert(at) || seen.len() + out.len() > MAX_FILES {
                return Err(bad("too many folders, or one in itself"));
            }
            if length > MAX_FOLDER {
                return Err(bad("a folder is too large"));
            }
            let mut bytes = vec![0; length as usize];
            self.bytes.read_at(&mut bytes, at).map_err(|_| bad("a folder is cut"))?;
            for block in bytes.chunks(BLOCK as usize) {
                let mut rest = block;
                while let Some(size) = rest.first().map(|size| usize::from(*size)).filter(|size| *size > 0) {
                    let record = rest.get(..size).filter(|record| record.len() > 33);
                    let record = record.ok_or_else(|| bad("a record of a folder is cut"))?;
                    rest = &rest[size..];
                    let Some(name) = name(record)? else { continue };
                    let place = (u32_at(record, 2)? * BLOCK, u32_at(record, 10)?);
                    let path = format!("{prefix}{name}");
                    paths += path.len() + PATH;
                    if paths > MAX_PATHS {
                        return Err(bad("its paths are too many or too long"));
                    }
                    if record[25] & 2 != 0 {
                        queue.push((format!("{path}/"), place));
                        continue;
                    }
                    if place.0.saturating_add(place.1) > self.bytes.length() {
                        return Err(bad(&format!("`{}` lies outside of the volume", path.escape_debug())));
                    }
                    let found = Found { path: path.clone(), at: place.0, length: place.1 };
                    if out.insert(path, found).is_some() || out.len() > MAX_FILES {
                        return Err(bad("a name is there twice, or too many are"));
                    }
                }
            }
        }
        Ok(out.into_values().collect())
    }
}

fn descriptor(bytes: &dyn Bytes, block: u64) -> Result<Vec<u8>> {
    let mut out = vec![0; BLOCK as usize];
    bytes.read_at(&mut out, block * BLOCK).map_err(|_| bad("too short"))?;
    if out[1..7] != *MAGIC {
        return Err(bad("no signature"));
    }
    Ok(out)
}

/// A record's name: Rock Ridge's, else the identifier without its version; none of the folder and its parent.
fn name(record: &[u8]) -> Result<Option<String>> {
    let length = usize::from(record[32]);
    let identifier = record.get(33..33 + length).ok_or_else(|| bad("a name is cut"))?;
    if matches!(identifier, [0 | 1]) {
        return Ok(None);
    }
    let mut rest = record.get((33 + length).next_multiple_of(2)..).unwrap_or_default();
    let mut text =
        String::from_utf8_lossy(identifier.split(|byte| *byte == b';').next().unwrap_or_default()).into_owned();
    while let [kind, more, size, ..] = rest {
        let entry = rest.get(..usize::from(*size)).filter(|entry| entry.len() >= 4);
        let entry = entry.ok_or_else(|| bad("an entry of Rock Ridge is cut"))?;
        if (*kind, *more) == (b'N', b'M') {
            text = String::from_utf8_lossy(entry.get(5..).unwrap_or_default()).into_owned();
        }
        rest = &rest[entry.len()..];
        if rest.len() < 4 {
            break;
        }
    }
    if text.is_empty() || text == "." || text == ".." || text.contains(['/', '\0']) {
        return Err(bad("a name that no file can have"));
    }
    Ok(Some(text))
}
