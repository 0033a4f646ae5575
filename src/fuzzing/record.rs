//! Files of our own that anybody may have changed: profile, lock, manifest, what is remembered of a build, packs of the store.

use std::fs;
use std::path::Path;

use super::{folder, text};
use crate::audit::explain::{self, Memory};
use crate::digest::Digest;
use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::profile::{LoadOptions, load_text, show};
use crate::store::Store;

/// A profile; what is sound means the same in canonical form.
pub fn profile(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let path = Path::new("profile.toml");
    let options = LoadOptions::default();
    if let Ok((profile, _)) = load_text(path, Some(text.to_owned()), &options) {
        let canonical = show(&profile, None);
        match load_text(path, Some(canonical), &options) {
            Ok((again, _)) => assert_eq!(again, profile),
            Err(error) => panic!("the canonical form is refused: {error}"),
        }
    }
}

/// A lock; what is sound comes back from its own text.
pub fn lock(bytes: &[u8]) {
    if let Ok(lock) = Lock::parse(&text(bytes)) {
        let again = lock.text().and_then(|text| Lock::parse(&text)).expect("a lock of ours");
        assert_eq!(again, lock);
    }
}

/// A manifest; what is sound comes back from its own text.
pub fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::parse(bytes) {
        let text = serde_json::to_vec(&manifest).expect("a manifest as JSON");
        assert_eq!(Manifest::parse(&text).expect("a manifest of ours"), manifest);
    }
}

/// What a store remembers of a build; what is sound comes back from its own text, and can be told.
pub fn memory(bytes: &[u8]) {
    if let Some(memory) = Memory::parse(&text(bytes)) {
        let told = serde_json::to_string(&memory).expect("a memory as JSON");
        assert_eq!(Memory::parse(&told), Some(memory.clone()));
        assert!(explain::text(&memory.explanation).chars().all(|c| c == '\n' || !c.is_control()));
    }
}

/// Packs of a store: entries of 80 bytes with the length of all before the values. Every second entry's check is mended.
pub fn packs(bytes: &[u8]) {
    let Some((count, rest)) = bytes.split_first() else { return };
    let (index, values) = rest.split_at(rest.len().min(usize::from(*count) * 80));
    let mut index = index.to_vec();
    let mut keys = Vec::new();
    for (at, entry) in index.chunks_exact_mut(80).enumerate() {
        if at % 2 == 0 {
            let check = Digest::of(&entry[..76]).0;
            entry[76..].copy_from_slice(&check[..4]);
        }
        let mut key = Digest([0; 32]);
        key.0.copy_from_slice(&entry[..32]);
        keys.push(key);
    }
    let folder = folder();
    let store = Store::open(folder.path()).expect("a store");
    fs::write(folder.path().join("packs/a.index"), &index).expect("an index");
    fs::write(folder.path().join("packs/a.pack"), values).expect("a pack");
    let packs = store.packs().expect("packs");
    for key in keys {
        if let Some(value) = packs.get(&key) {
            assert!(value.len() <= values.len(), "a value out of nothing");
        }
        packs.put(&key, [b"new", b"value"]).expect("a new value");
    }
}
