//! Small derived values by key, many in a file.
//!
//! ```text
//! packs/XXXX.pack    values, back to back
//! packs/XXXX.index   80 bytes each: key 32, sha256 of the value 32, offset 8, length 4, check 4
//! ```
//!
//! - Each process that adds values appends to files of its own, so builds never meet.
//! - An entry is written after its value; whatever a kill or a full disk leaves (a cut entry, a
//!   value that is not there) is found by check, length or digest and counts as missing.
//! - A value's digest is checked whenever it is read.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};
use std::time::SystemTime;

use crate::digest::{Digest, Hasher};
use crate::error::{Context, Result};

/// Bytes of an entry.
const ENTRY: usize = 80;
/// Entries are written so many at a time.
const BATCH: usize = 64;
/// As large as an index may be to be read: three million values.
const MAX_INDEX: u64 = 256 << 20;

/// The packs of a store.
pub struct Packs {
    folder: PathBuf,
    reuse: bool,
    files: Vec<Pack>,
    /// Where the values of earlier runs are.
    known: HashMap<Digest, Location>,
    /// Further places of values that several packs hold, should the first prove unreadable.
    spare: HashMap<Digest, Vec<Location>>,
    /// Keys that this run has added.
    added: RwLock<HashMap<Digest, ()>>,
    own: Mutex<Option<Own>>,
    found: AtomicU64,
    made: AtomicU64,
}

struct Pack {
    path: PathBuf,
    file: OnceLock<Option<File>>,
    used: AtomicBool,
}

#[derive(Clone, Copy)]
struct Location {
    pack: u32,
    length: u32,
    offset: u64,
    digest: Digest,
}

/// The files that this process appends to.
struct Own {
    values: File,
    index: File,
    end: u64,
    entries: Vec<u8>,
}

impl Packs {
    pub(super) fn open(folder: &Path, reuse: bool) -> Result<Self> {
        let reading = || format!("reading `{}`", folder.display());
        let mut files = Vec::new();
        let (mut known, mut spare) = (HashMap::new(), HashMap::new());
        let mut names: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(folder).context(reading)? {
            names.push(entry.context(reading)?.path());
        }
        names.retain(|path| path.extension().is_some_and(|extension| extension == "index"));
        names.sort();
        for path in names {
            // One that cannot be read, or is gone by now, holds nothing for us.
            let Ok(bytes) = read_index(&path) else { continue };
            let pack = files.len() as u32;
            for entry in bytes.chunks_exact(ENTRY) {
                if let Some((key, location)) = decode(entry, pack)
                    && let Some(other) = known.insert(key, location)
                {
                    spare.entry(key).or_insert_with(Vec::new).push(other);
                }
            }
            let path = path.with_extension("pack");
            files.push(Pack { path, file: OnceLock::new(), used: Default::default() });
        }
        let (added, own, found, made) = Default::default();
        Ok(Packs { folder: folder.to_owned(), reuse, files, known, spare, added, own, found, made })
    }

    /// The value of `key`, if it is here whole and may be used.
    pub fn get(&self, key: &Digest) -> Option<Vec<u8>> {
        let first = self.known.get(key).filter(|_| self.reuse)?;
        let others = self.spare.get(key).into_iter().flatten();
        let value = std::iter::once(first).chain(others).find_map(|location| self.read(location))?;
        self.found.fetch_add(1, Ordering::Relaxed);
        Some(value)
    }

    /// How many values were found, and how many were given to be added.
    pub fn counts(&self) -> (u64, u64) {
        (self.found.load(Ordering::Relaxed), self.made.load(Ordering::Relaxed))
    }

    /// The value at a place, if it is whole.
    fn read(&self, location: &Location) -> Option<Vec<u8>> {
        let pack = self.files.get(location.pack as usize)?;
        let file = pack.file.get_or_init(|| File::open(&pack.path).ok()).as_ref()?;
        let mut value = vec![0; location.length as usize];
        file.read_exact_at(&mut value, location.offset).ok()?;
        pack.used.store(true, Ordering::Relaxed);
        (Digest::of(&value) == location.digest).then_some(value)
    }

    /// Adds a value, given in two parts; one whose key is there already is not added again,
    /// unless it proved unreadable.
    pub fn put(&self, key: &Digest, value: [&[u8]; 2]) -> Result<()> {
        self.made.fetch_add(1, Ordering::Relaxed);
        // Where values may not be used, nobody has looked whether the old one is whole.
        if !self.reuse && self.known.contains_key(key) {
            return Ok(());
        }
        if self.added.write().unwrap_or_else(PoisonError::into_inner).insert(*key, ()).is_some() {
            return Ok(());
        }
        let mut hasher = Hasher::default();
        value.iter().for_each(|part| hasher.update(part));
        let digest = hasher.finish();
        let writing = || format!("adding to the store's packs in `{}`", self.folder.display());
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let own = match &mut *own {
            Some(own) => own,
            none => none.insert(Own::create(&self.folder)?),
        };
        own.append(key, digest, value).context(writing)
    }

    /// Takes packs away that no build has used since `before`; the bytes that this frees.
    pub fn prune(&self, before: SystemTime) -> Result<u64> {
        let mut freed = 0;
        for pack in &self.files {
            let index = pack.path.with_extension("index");
            let used = fs::metadata(&index).and_then(|metadata| metadata.modified());
            if used.is_ok_and(|used| used < before) {
                for path in [&index, &pack.path] {
                    freed += fs::metadata(path).map_or(0, |metadata| metadata.len());
                    fs::remove_file(path).context(|| format!("removing `{}`", path.display()))?;
                }
            }
        }
        Ok(freed)
    }
}

/// The last entries go out, and packs that were of use are marked for [`Packs::prune`].
impl Drop for Packs {
    fn drop(&mut self) {
        // What cannot be written is made again by the next build.
        if let Some(own) = self.own.get_mut().unwrap_or_else(PoisonError::into_inner) {
            drop(own.flush());
        }
        for pack in self.files.iter().filter(|pack| pack.used.load(Ordering::Relaxed)) {
            let index = File::options().append(true).open(pack.path.with_extension("index"));
            drop(index.and_then(|index| index.set_modified(SystemTime::now())));
        }
    }
}

impl Own {
    fn create(folder: &Path) -> Result<Self> {
        let making = || format!("making a pack in `{}`", folder.display());
        let builder = || tempfile::Builder::new().prefix("").suffix(".pack").rand_bytes(12).tempfile_in(folder);
        let (values, path) = builder().context(making)?.keep().map_err(|error| error.error).context(making)?;
        let index = File::options().append(true).create_new(true).open(path.with_extension("index")).context(making)?;
        Ok(Own { values, index, end: 0, entries: Vec::new() })
    }

    fn append(&mut self, key: &Digest, digest: Digest, value: [&[u8]; 2]) -> std::io::Result<()> {
        let offset = self.end;
        for part in value {
            self.values.write_all_at(part, self.end)?;
            self.end += part.len() as u64;
        }
        let length = u32::try_from(self.end - offset).map_err(|_| std::io::Error::other("a value of 4 GiB"))?;
        self.entries.extend_from_slice(&encode(key, &digest, offset, length));
        if self.entries.len() >= BATCH * ENTRY { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.index.write_all(&self.entries)?;
        self.entries.clear();
        Ok(())
    }
}

fn read_index(path: &Path) -> std::io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > MAX_INDEX {
        return Err(std::io::Error::other("too large to be an index"));
    }
    fs::read(path)
}

fn encode(key: &Digest, digest: &Digest, offset: u64, length: u32) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..32].copy_from_slice(&key.0);
    entry[32..64].copy_from_slice(&digest.0);
    entry[64..72].copy_from_slice(&offset.to_le_bytes());
    entry[72..76].copy_from_slice(&length.to_le_bytes());
    let check = check(&entry);
    entry[76..].copy_from_slice(&check);
    entry
}

fn decode(entry: &[u8], pack: u32) -> Option<(Digest, Location)> {
    let entry: &[u8; ENTRY] = entry.try_into().ok()?;
    if entry[76..] != check(entry) {
        return None;
    }
    let digest = |at: usize| {
        let mut digest = Digest([0; 32]);
        digest.0.copy_from_slice(&entry[at..at + 32]);
        digest
    };
    let offset = u64::from_le_bytes(entry[64..72].try_into().ok()?);
    let length = u32::from_le_bytes(entry[72..76].try_into().ok()?);
    Some((digest(0), Location { pack, length, offset, digest: digest(32) }))
}

/// The first four bytes of the digest of all before them.
fn check(entry: &[u8; ENTRY]) -> [u8; 4] {
    let digest = Digest::of(&entry[..76]).0;
    [digest[0], digest[1], digest[2], digest[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Digest {
        Digest::of(&number.to_le_bytes())
    }

    fn filled(folder: &Path, numbers: std::ops::Range<u32>) {
        let packs = Packs::open(folder, true).unwrap();
        for number in numbers {
            packs.put(&key(number), [format!("value {number}").as_bytes(), b"!"]).unwrap();
        }
    }

    fn value(folder: &Path, number: u32) -> Option<Vec<u8>> {
        Packs::open(folder, true).unwrap().get(&key(number))
    }

    fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().unwrap() == extension).collect();
        paths.sort();
        paths
    }

    #[test]
    fn values_come_back_from_several_packs_and_are_added_once() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 0..200);
        filled(folder.path(), 200..210);
        assert_eq!(value(folder.path(), 7).unwrap(), b"value 7!");
        assert_eq!(value(folder.path(), 205).unwrap(), b"value 205!");
        assert_eq!(value(folder.path(), 210), None);
        assert_eq!(files(folder.path(), "index").len(), 2);
        let fresh = Packs::open(folder.path(), false).unwrap();
        assert_eq!(fresh.get(&key(7)), None);
        fresh.put(&key(7), [b"x", b""]).unwrap();
        drop(fresh);
        assert_eq!(files(folder.path(), "index").len(), 2);
    }

    #[test]
    fn what_is_cut_or_garbled_is_missing_and_can_be_added_again() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 0..10);
        let index = files(folder.path(), "index").remove(0);
        let bytes = fs::read(&index).unwrap();
        fs::write(&index, &bytes[..9 * ENTRY + 40]).unwrap();
        assert_eq!(value(folder.path(), 9), None);
        let mut garbled = bytes.clone();
        garbled[8 * ENTRY + 64] ^= 1;
        fs::write(&index, &garbled).unwrap();
        assert_eq!(value(folder.path(), 8), None);
        assert!(value(folder.path(), 9).is_some());
        fs::write(&index, &bytes).unwrap();
        let pack = index.with_extension("pack");
        let values = fs::read(&pack).unwrap();
        fs::write(&pack, &values[..20]).unwrap();
        assert!(value(folder.path(), 0).is_some() && value(folder.path(), 9).is_none());
        fs::write(&pack, [&b"X"[..], &values[1..]].concat()).unwrap();
        assert!(value(folder.path(), 0).is_none() && value(folder.path(), 9).is_some());
        filled(folder.path(), 0..10);
        assert!((0..10).all(|number| value(folder.path(), number).is_some()));
    }

    #[test]
    fn packs_that_nobody_used_can_be_pruned() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 0..1);
        filled(folder.path(), 1..2);
        for index in files(folder.path(), "index") {
            File::options().append(true).open(&index).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        assert!(value(folder.path(), 0).is_some());
        let packs = Packs::open(folder.path(), true).unwrap();
        assert!(packs.prune(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(60)).unwrap() > 0);
        assert!(value(folder.path(), 0).is_some() && value(folder.path(), 1).is_none());
        assert_eq!(files(folder.path(), "pack").len(), 1);
    }
}
