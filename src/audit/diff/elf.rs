//! Executables and libraries by what they are linked of, not by their bytes.

use std::collections::BTreeSet;
use std::fmt::Write;

use object::{Object, ObjectSection, ObjectSymbol};

use crate::system::closure::elf;

/// As many symbols are named.
const NAMED: usize = 20;

/// Whether bytes begin as an ELF file does.
pub fn is_elf(head: &[u8]) -> bool {
    head.starts_with(b"\x7fELF")
}

/// What is worth knowing of an ELF file.
#[derive(Default)]
struct Facts {
    build_id: String,
    needed: BTreeSet<String>,
    exported: BTreeSet<String>,
    imported: BTreeSet<String>,
    sections: BTreeSet<(String, u64)>,
}

/// Build id, needed libraries and symbols that differ, or else sections, a line each; empty where nothing is known.
pub fn compare(before: &[u8], after: &[u8]) -> String {
    let (Some(old), Some(new)) = (facts(before), facts(after)) else { return String::new() };
    let mut out = String::new();
    // Writing to a string cannot fail.
    if old.build_id != new.build_id {
        let _ = writeln!(out, "build id {} -> {}", word(&old.build_id), word(&new.build_id));
    }
    for (what, old, new) in [
        ("needs", &old.needed, &new.needed),
        ("exports", &old.exported, &new.exported),
        ("imports", &old.imported, &new.imported),
    ] {
        list(&mut out, &format!("{what} no longer"), old.difference(new));
        list(&mut out, &format!("{what} now"), new.difference(old));
    }
    // Sections say little where the rest says it.
    let sections = new.sections.difference(&old.sections).filter(|_| out.is_empty());
    let sections: Vec<String> = sections
        .map(|(name, size)| {
            let was = old.sections.iter().find(|section| section.0 == *name).map(|section| section.1);
            let was = was.map_or_else(|| "none".to_owned(), |size| size.to_string());
            format!("section {} {was} -> {size} bytes\n", name.escape_debug())
        })
        .collect();
    out.extend(sections);
    out
}

fn word(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

fn list<'a>(out: &mut String, what: &str, names: impl Iterator<Item = &'a String>) {
    let names: Vec<String> = names.map(|name| name.escape_debug().to_string()).collect();
    if names.is_empty() {
        return;
    }
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let _ = writeln!(out, "{what}: {}{more}", names[..names.len().min(NAMED)].join(", "));
}

fn facts(bytes: &[u8]) -> Option<Facts> {
    let file = object::File::parse(bytes).ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut facts = Facts {
        build_id: file.build_id().ok().flatten().map(hex::encode).unwrap_or_default(),
        needed: elf::parse(bytes).ok().flatten().map(|elf| elf.needed.into_iter().collect()).unwrap_or_default(),
        ..Facts::default()
    };
    for symbol in file.dynamic_symbols() {
        let Ok(name) = symbol.name_bytes() else { continue };
        let set = if symbol.is_undefined() { &mut facts.imported } else { &mut facts.exported };
        set.insert(text(name));
    }
    for section in file.sections() {
        facts.sections.insert((text(section.name_bytes().ok()?), section.size()));
    }
    Some(facts)
}
