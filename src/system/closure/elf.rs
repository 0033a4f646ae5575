//! What the dynamic linker reads of an ELF file, and the note of libraries loaded while running.

use std::io::{BufReader, Read, Seek, SeekFrom};

use object::elf;
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use object::read::{ReadCache, ReadRef};
use object::{Endianness, elf::FileHeader64};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::path::RootPath;
use crate::tree::Content;

/// The type of systemd's note (ELF dlopen metadata, 1.0), and its owner.
const DLOPEN: (elf::NoteType, &[u8]) = (elf::NoteType(0x407c_0c0a), b"FDO");
/// No table of strings, dynamic section or note is larger.
const LIMIT: u64 = 16 << 20;

/// An executable or a library.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elf {
    /// `e_machine`.
    pub machine: u16,
    /// The program that loads it.
    pub interpreter: Option<RootPath>,
    /// Its own name as a library.
    pub soname: Option<String>,
    /// Libraries that it needs.
    pub needed: Vec<String>,
    /// Folders that are searched first; `$ORIGIN` is its own.
    pub runpath: Vec<String>,
    /// Libraries that it may load while running.
    pub dlopen: Vec<Dlopen>,
}

/// A library that a program may load while running: any of `names` will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dlopen {
    /// What for.
    pub feature: String,
    /// How much it is missed.
    pub weight: Weight,
    /// File names, the best first.
    pub names: Vec<String>,
}

/// How much a library is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// The program does not work.
    Required,
    /// A part of it does not.
    Recommended,
    /// Hardly.
    Suggested,
}

#[derive(Deserialize)]
struct Note {
    #[serde(default)]
    feature: String,
    #[serde(default)]
    priority: Option<Weight>,
    soname: Vec<String>,
}

/// Reads a file; none where it is no 64-bit ELF file of the dynamic linker's.
pub fn read(content: &Content) -> Result<Option<Elf>> {
    let mut reader = content.open()?;
    let mut magic = [0u8; 5];
    reader.read_exact(&mut magic)?;
    if magic != *b"\x7fELF\x02" {
        return Ok(None);
    }
    reader.seek(SeekFrom::Start(0))?;
    let cache = ReadCache::new(BufReader::new(reader));
    match parse(&cache) {
        Ok(elf) => Ok(elf),
        Err(error) => Err(Error::source(format!("a damaged ELF file: {error}"))),
    }
}

/// What is in the bytes of a file; none where it is no 64-bit ELF file of the dynamic linker's.
pub fn parse<'data, R: ReadRef<'data>>(data: R) -> object::Result<Option<Elf>> {
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    if ![elf::ET_EXEC, elf::ET_DYN].contains(&header.e_type(endian)) {
        return Ok(None);
    }
    let mut out = Elf { machine: header.e_machine(endian).0, ..Elf::default() };
    let headers = header.program_headers(endian, data)?;
    // Where an address lies in the file.
    let offset = |address: u64| {
        headers.iter().filter(|header| header.p_type(endian) == elf::PT_LOAD).find_map(|header| {
            let inside = address.checked_sub(header.p_vaddr(endian))?;
            (inside < header.p_filesz(endian)).then(|| header.p_offset(endian).checked_add(inside))?
        })
    };
    for header in headers {
        if header.p_filesz(endian) > LIMIT && header.p_type(endian) != elf::PT_LOAD {
            return Ok(Some(out));
        }
        if let Some(interpreter) = header.interpreter(endian, data)? {
            out.interpreter = RootPath::new(interpreter).ok();
        }
        if let Some(mut notes) = header.notes(endian, data)? {
            while let Ok(Some(note)) = notes.next() {
                if (note.n_type(endian), note.name()) == DLOPEN {
                    out.dlopen.extend(dlopen(note.desc()));
                }
            }
        }
        if let Some(dynamic) = header.dynamic(endian, data)? {
            let value = |tag: elf::DynamicTag| {
                let entry = dynamic.iter().find(|entry| entry.tag(endian) == tag);
                entry.map(|entry| entry.d_val(endian))
            };
            let (Some(start), Some(size)) = (value(elf::DT_STRTAB).and_then(offset), value(elf::DT_STRSZ)) else {
                continue;
            };
            let strings = data.read_bytes_at(start, size.min(LIMIT)).unwrap_or_default();
            let string = |at: u64| {
                let text = strings.get(usize::try_from(at).ok()?..)?;
                let end = text.iter().position(|byte| *byte == 0)?;
                Some(String::from_utf8_lossy(text.get(..end)?).into_owned())
            };
            let all = |tag: elf::DynamicTag| {
                let entries = dynamic.iter().take_while(|entry| entry.tag(endian) != elf::DT_NULL);
                entries.filter(move |entry| entry.tag(endian) == tag).filter_map(|entry| string(entry.d_val(endian)))
            };
            out.needed = all(elf::DT_NEEDED).collect();
            out.soname = all(elf::DT_SONAME).next();
            // RPATH counts only where there is no RUNPATH.
            let paths = all(elf::DT_RUNPATH).next().or_else(|| all(elf::DT_RPATH).next());
            let paths = paths.unwrap_or_default();
            out.runpath = paths.split(':').filter(|path| !path.is_empty()).map(str::to_owned).collect();
        }
    }
    Ok(Some(out))
}

fn dlopen(json: &[u8]) -> Vec<Dlopen> {
    let end = json.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    let notes: Vec<Note> = serde_json::from_slice(json.get(..end).unwrap_or_default()).unwrap_or_default();
    let one = |note: Note| Dlopen {
        feature: note.feature,
        // Without a word it is recommended, the specification says.
        weight: note.priority.unwrap_or(Weight::Recommended),
        names: note.soname,
    };
    notes.into_iter().map(one).collect()
}
