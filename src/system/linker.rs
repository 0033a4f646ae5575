//! The dynamic linker's cache, `/etc/ld.so.cache`, in the format 1.1 of glibc (`dl-cache.h`).
//!
//! ```text
//! "glibc-ld.so.cache1.1"  entries  bytes of strings  flags  extension offset  3 x 0   48 bytes
//! entry: flags  name  path  0  hwcap(8)                                               24 bytes each
//! strings, NUL-terminated; `name` and `path` are offsets from the file's start
//! ```
//!
//! Entries are sorted downwards as the linker's binary search expects. It only saves looking into
//! folders: a library that is not in the cache is found all the same where the linker looks by itself.

use std::cmp::Ordering;

use super::closure::{self, Elf};
use super::scripts::Account;
use super::{Inputs, Place};
use crate::arch::Arch;
use crate::error::Result;
use crate::path::RootPath;
use crate::tree::{NodeRef, Tree};

/// Writes the cache of all libraries in the linker's folders.
pub fn linker_cache(tree: &mut Tree, inputs: &Inputs<'_>, _: &Account) -> Result<()> {
    // ELF libraries of glibc, and the word length and kind of machine (`dl-cache.h`).
    let (flags, machine) = match inputs.profile.image.arch {
        Arch::Amd64 => (0x0303u32, object::elf::EM_X86_64.0),
        Arch::Arm64 => (0x0a03, object::elf::EM_AARCH64.0),
    };
    let mut entries: Vec<(String, String)> = Vec::new();
    for folder in closure::folders(tree)? {
        // These hold only the linker itself, which lies in another folder too.
        if folder.as_bytes().ends_with(b"lib64") {
            continue;
        }
        let Some(real) = tree.resolve(&folder) else { continue };
        for name in tree.directory(&real).into_iter().flat_map(|folder| folder.entries.keys()) {
            let Ok(name) = std::str::from_utf8(name) else { continue };
            if !(name.starts_with("lib") || name.starts_with("ld-")) || !name.contains(".so") {
                continue;
            }
            if library(tree, &real.join(name)?)?.is_some_and(|elf| is_named(&elf, name) && elf.machine == machine) {
                entries.push((name.to_owned(), folder.join(name)?.to_string()));
            }
        }
    }
    if entries.is_empty() {
        return Ok(());
    }
    // Of one name the folder that comes first stays first: the sort is stable.
    entries.sort_by(|a, b| order(b.0.as_bytes(), a.0.as_bytes()));
    Place::new(tree, inputs, "linker cache").file("/etc/ld.so.cache", 0o644, bytes(&entries, flags))
}

fn is_named(elf: &Elf, name: &str) -> bool {
    elf.soname.as_deref().is_none_or(|soname| soname == name)
}

fn library(tree: &Tree, path: &RootPath) -> Result<Option<Elf>> {
    let Some(real) = tree.resolve(path) else { return Ok(None) };
    match tree.get(&real) {
        Some(NodeRef::Leaf(..)) => match tree.file(&real) {
            Some((_, content)) if content.len() >= 64 => closure::read(content),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

fn bytes(entries: &[(String, String)], flags: u32) -> Vec<u8> {
    let start = 48 + 24 * entries.len();
    let mut strings = Vec::new();
    let mut table = Vec::new();
    for (name, path) in entries {
        let mut at = |text: &str| {
            let offset = start + strings.len();
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
            offset as u32
        };
        // The name is the end of the path, so its bytes serve both.
        let path_at = at(path);
        let name_at = path_at + (path.len() - name.len()) as u32;
        for word in [flags, name_at, path_at, 0, 0, 0] {
            table.extend_from_slice(&word.to_le_bytes());
        }
    }
    let mut out = b"glibc-ld.so.cache1.1".to_vec();
    // 2: little endian; no extensions.
    for word in [entries.len() as u32, strings.len() as u32, 2, 0, 0, 0, 0] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend(table);
    out.extend(strings);
    out
}

/// The order of `_dl_cache_libcmp`: digits compare as numbers and come after everything else.
fn order(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        match (a.first(), b.first()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => match (x.is_ascii_digit(), y.is_ascii_digit()) {
                (true, true) => {
                    let (left, right) = (number(&mut a), number(&mut b));
                    if left != right {
                        return left.cmp(&right);
                    }
                }
                (true, false) => return Ordering::Greater,
                (false, true) => return Ordering::Less,
                (false, false) if x != y => return x.cmp(y),
                (false, false) => (a, b) = (&a[1..], &b[1..]),
            },
        }
    }
}

fn number(text: &mut &[u8]) -> u64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    *text = rest;
    number.iter().fold(0u64, |sum, byte| sum.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_as_numbers() {
        assert_eq!(order(b"libx.so.10", b"libx.so.9"), Ordering::Greater);
        assert_eq!(order(b"liba.so", b"liba1.so"), Ordering::Less);
        assert_eq!(order(b"liba.so.1", b"liba.so.1"), Ordering::Equal);
    }
}
