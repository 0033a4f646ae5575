//! What the Go linker leaves in a program: the compiler's version and every module (`debug/buildinfo`).
//!
//! ```text
//! section .go.buildinfo, 16-aligned:
//!   0  "\xff Go buildinf:"   14  size of a pointer   15  flags: 1 big-endian, 2 strings follow
//!  16  two pointers to strings (pointer, length)              before go 1.18
//!  32  two strings, each behind its length as a varint        from go 1.18 on
//! ```
//!
//! The first string is the version, the second the list of modules between two marks of 16 bytes.

use crate::bytes::{Bytes, le16, le32, le64};

const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
/// No program header table or list of modules is larger.
const LIMIT: u64 = 16 << 20;
/// As far as the magic is searched where no section says where it is, and in that section.
const SEARCH: u64 = 1 << 20;
/// More sections or segments than a linker makes.
const MAX_HEADERS: u64 = 4096;

/// A program's account of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildInfo {
    /// `go1.24.4`
    pub go: String,
    /// The package of `main`.
    pub path: String,
    /// The module that it is in.
    pub main: Option<Module>,
    /// What else was linked in; a module that another took the place of is told as that other one.
    pub modules: Vec<Module>,
    /// Settings of the build: `CGO_ENABLED`, `vcs.revision` and the like.
    pub settings: Vec<(String, String)>,
}

/// A Go module.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Module {
    /// Its path.
    pub path: String,
    /// Its version; empty where it was built from a working tree.
    pub version: String,
    /// `h1:` and the digest of its files, as go.sum has it.
    pub sum: String,
}

/// Where something of the file lies.
#[derive(Clone, Copy)]
struct Range {
    address: u64,
    at: u64,
    size: u64,
}

/// Reads a file; none where it is no program that Go linked. Damage is no error: what cannot be read is not there.
pub fn read(file: &dyn Bytes) -> Option<BuildInfo> {
    let elf = Elf::of(file)?;
    let place = elf.place()?;
    let found = elf.bytes(place.at, place.size.min(SEARCH))?;
    let offset = found.windows(16).step_by(16).position(|bytes| bytes.starts_with(MAGIC))?.checked_mul(16)?;
    let head = found.get(offset..offset.checked_add(32)?)?;
    let (width, flags) = (head[14], head[15]);
    let (go, modules) = if flags & 2 != 0 {
        let at = place.at.checked_add(offset as u64)?.checked_add(32)?;
        let (go, after) = elf.counted(at)?;
        (go, elf.counted(after)?.0)
    } else {
        if flags & 1 != u8::from(elf.big) || !matches!(width, 4 | 8) {
            return None;
        }
        let pointer = |at: usize| elf.word(head.get(at..)?, width);
        (elf.string(pointer(16)?, width)?, elf.string(pointer(16 + usize::from(width))?, width).unwrap_or_default())
    };
    let go = String::from_utf8(go).ok().filter(|go| !go.is_empty())?;
    Some(parse(go, &modules))
}

fn parse(go: String, modules: &[u8]) -> BuildInfo {
    let mut info = BuildInfo { go, ..BuildInfo::default() };
    // The marks are there or nothing is.
    let inner = match modules.len() {
        33.. if modules[modules.len() - 17] == b'\n' => modules.get(16..modules.len() - 16).unwrap_or_default(),
        _ => return info,
    };
    for line in String::from_utf8_lossy(inner).lines() {
        let mut fields = line.split('\t');
        let kind = fields.next().unwrap_or_default();
        let mut module = || {
            let mut next = || fields.next().unwrap_or_default().to_owned();
            let (path, version, sum) = (next(), next(), next());
            Module { path, version: if version == "(devel)" { String::new() } else { version }, sum }
        };
        match kind {
            "path" => info.path = module().path,
            "mod" => info.main = Some(module()),
            "dep" => info.modules.push(module()),
            "=>" => match info.modules.last_mut() {
                Some(last) => {
                    let by = module();
                    // A folder is no module that anyone could look up.
                    if !by.path.starts_with(['.', '/']) {
                        *last = by;
                    }
                }
                None => info.main = Some(module()),
            },
            "build" => {
                if let Some((key, value)) = line.strip_prefix("build\t").and_then(|rest| rest.split_once('=')) {
                    info.settings.push((key.to_owned(), value.to_owned()));
                }
            }
            _ => {}
        }
    }
    info
}

/// As much of an ELF file as is needed to find things in it.
struct Elf<'a> {
    file: &'a dyn Bytes,
    wide: bool,
    big: bool,
    segments: Vec<(u32, Range)>,
    sections: Vec<(u32, Range)>,
    names: Option<Range>,
}

impl<'a> Elf<'a> {
    fn of(file: &'a dyn Bytes) -> Option<Self> {
        let mut head = [0; 64];
        file.read_at(&mut head, 0).ok()?;
        let wide = match head.get(..6)? {
            [0x7f, b'E', b'L', b'F', class @ (1 | 2), 1 | 2] => *class == 2,
            _ => return None,
        };
        let big = head[5] == 2;
        let mut elf = Elf { file, wide, big, segments: Vec::new(), sections: Vec::new(), names: None };
        let (half, word) = (|at| elf.half(&head, at), |at: usize| elf.word(head.get(at..)?, if wide { 8 } else { 4 }));
        let (programs, sections, counts) = if wide { (word(32)?, word(40)?, 54) } else { (word(28)?, word(32)?, 42) };
        let [psize, pcount, ssize, scount, sindex] = [0, 2, 4, 6, 8].map(|at| half(counts + at));
        let rows = |at: u64, size: u16, count: u16, least: u16| -> Option<Vec<Vec<u8>>> {
            if count == 0 || size < least || u64::from(count) > MAX_HEADERS {
                return Some(Vec::new());
            }
            let table = elf.bytes(at, u64::from(size) * u64::from(count))?;
            Some(table.chunks_exact(size.into()).map(<[u8]>::to_vec).collect())
        };
        let segments = rows(programs, psize?, pcount?, if wide { 56 } else { 32 })?;
        // A program may have lost its sections.
        let table = rows(sections, ssize?, scount?, if wide { 64 } else { 40 }).unwrap_or_default();
        let (segments, table): (Vec<_>, Vec<_>) = (
            segments.iter().filter_map(|row| elf.segment(row)).collect(),
            table.iter().filter_map(|row| elf.section(row)).collect(),
        );
        elf.names = table.get(usize::from(sindex?)).map(|(_, range)| *range);
        (elf.segments, elf.sections) = (segments, table);
        Some(elf)
    }

    /// Kind (loaded and writable or not) and place of a segment.
    fn segment(&self, row: &[u8]) -> Option<(u32, Range)> {
        const LOAD: u32 = 1;
        let kind = self.full(row, 0)?;
        let (flags, at, address, size) = match self.wide {
            true => (self.full(row, 4)?, self.long(row, 8)?, self.long(row, 16)?, self.long(row, 32)?),
            false => {
                (self.full(row, 24)?, self.full(row, 4)?.into(), self.full(row, 8)?.into(), self.full(row, 16)?.into())
            }
        };
        (kind == LOAD).then_some((flags, Range { address, at, size }))
    }

    /// Offset of the name, and place.
    fn section(&self, row: &[u8]) -> Option<(u32, Range)> {
        let (address, at, size) = match self.wide {
            true => (self.long(row, 16)?, self.long(row, 24)?, self.long(row, 32)?),
            false => (self.full(row, 12)?.into(), self.full(row, 16)?.into(), self.full(row, 20)?.into()),
        };
        Some((self.full(row, 0)?, Range { address, at, size }))
    }

    /// Where the account begins: its own section, or the first segment that may be written but not run.
    fn place(&self) -> Option<Range> {
        const NAME: &[u8] = b".go.buildinfo\0";
        const WRITE: u32 = 2;
        const RUN: u32 = 1;
        let named = self.names.and_then(|names| {
            let texts = self.bytes(names.at, names.size.min(LIMIT))?;
            let is = |offset: u32| texts.get(offset as usize..).is_some_and(|text| text.starts_with(NAME));
            self.sections.iter().find(|(name, _)| is(*name)).map(|(_, range)| *range)
        });
        let data = || self.segments.iter().find(|(flags, _)| flags & (WRITE | RUN) == WRITE).map(|(_, range)| *range);
        named.or_else(data)
    }

    /// At most as many bytes as there are; none where there are none, or more than are read.
    fn bytes(&self, at: u64, size: u64) -> Option<Vec<u8>> {
        let size = size.min(self.file.length().checked_sub(at)?);
        if size > LIMIT {
            return None;
        }
        let mut bytes = vec![0; size as usize];
        self.file.read_at(&mut bytes, at).ok()?;
        Some(bytes)
    }

    /// Exactly as many.
    fn exact(&self, at: u64, size: u64) -> Option<Vec<u8>> {
        self.bytes(at, size).filter(|bytes| bytes.len() as u64 == size)
    }

    /// A string behind its length as a varint, and where it ends.
    fn counted(&self, at: u64) -> Option<(Vec<u8>, u64)> {
        let head = self.bytes(at, 10)?;
        let (mut length, mut used) = (0u64, 0);
        loop {
            let byte = *head.get(used)?;
            length |= u64::from(byte & 0x7f).checked_shl(7 * used as u32)?;
            used += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let start = at.checked_add(used as u64)?;
        Some((self.exact(start, length)?, start.checked_add(length)?))
    }

    /// The string whose header (pointer, length) lies at an address.
    fn string(&self, address: u64, width: u8) -> Option<Vec<u8>> {
        let header = self.exact(self.offset(address)?, 2 * u64::from(width))?;
        let (data, length) = (self.word(&header, width)?, self.word(header.get(width.into()..)?, width)?);
        if length == 0 {
            return Some(Vec::new());
        }
        self.exact(self.offset(data)?, length)
    }

    /// Where an address lies in the file.
    fn offset(&self, address: u64) -> Option<u64> {
        self.segments.iter().find_map(|(_, range)| {
            let inside = address.checked_sub(range.address).filter(|inside| *inside < range.size)?;
            range.at.checked_add(inside)
        })
    }

    fn half(&self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes: [u8; 2] = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.big { u16::from_be_bytes(bytes) } else { le16(&bytes, 0) })
    }

    fn full(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.big { u32::from_be_bytes(bytes) } else { le32(&bytes, 0) })
    }

    fn long(&self, bytes: &[u8], at: usize) -> Option<u64> {
        let bytes: [u8; 8] = bytes.get(at..at.checked_add(8)?)?.try_into().ok()?;
        Some(if self.big { u64::from_be_bytes(bytes) } else { le64(&bytes, 0) })
    }

    /// A number of 4 or 8 bytes at the start of `bytes`.
    fn word(&self, bytes: &[u8], width: u8) -> Option<u64> {
        if width == 8 { self.long(bytes, 0) } else { self.full(bytes, 0).map(u64::from) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "path\texample.org/x/cmd/y\nmod\texample.org/x\t(devel)\t\n\
                        dep\tgithub.com/a/b\tv1.2.3\th1:abc=\n\
                        dep\tgithub.com/c/d\tv0.1.0\th1:def=\n=>\tgithub.com/e/f\tv0.2.0\th1:ghi=\n\
                        dep\tk8s.io/api\tv0.0.0\n=>\t./staging/api\t(devel)\t\n\
                        build\tCGO_ENABLED=0\nbuild\tvcs.revision=0123\n";

    fn marked(list: &str) -> Vec<u8> {
        [&[0x30; 16][..], list.as_bytes(), &[0xf9; 16]].concat()
    }

    /// An ELF file with one writable segment that holds `data` at an address, and a section for it if it is named.
    fn elf(data: &[u8], named: bool) -> Vec<u8> {
        const DATA: usize = 64 + 56 + 128;
        let mut file = vec![0u8; DATA];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"\x7fELF\x02\x01\x01");
        put(32, &64u64.to_le_bytes());
        put(40, &120u64.to_le_bytes());
        for (at, value) in [(54, 56u16), (56, 1), (58, 64), (60, if named { 2 } else { 0 }), (62, 0)] {
            put(at, &value.to_le_bytes());
        }
        put(64, &1u32.to_le_bytes());
        put(68, &6u32.to_le_bytes());
        put(72, &(DATA as u64).to_le_bytes());
        put(80, &0x40_0000u64.to_le_bytes());
        put(96, &(data.len() as u64).to_le_bytes());
        // Section 0 holds the names, behind the data; section 1 is the account.
        put(120 + 24, &((DATA + data.len()) as u64).to_le_bytes());
        put(120 + 32, &15u64.to_le_bytes());
        put(184, &1u32.to_le_bytes());
        put(184 + 24, &(DATA as u64).to_le_bytes());
        put(184 + 32, &(data.len() as u64).to_le_bytes());
        file.extend_from_slice(data);
        file.extend_from_slice(b"\0.go.buildinfo\0");
        file
    }

    fn inline(list: &str) -> Vec<u8> {
        let mut data = [&[0; 16][..], MAGIC, &[8, 2], &[0; 16]].concat();
        data.extend_from_slice(b"\x08go1.24.4");
        let list = marked(list);
        data.extend_from_slice(&[(list.len() & 0x7f) as u8 | 0x80, (list.len() >> 7) as u8]);
        data.extend_from_slice(&list);
        data
    }

    fn pointers(list: &str) -> Vec<u8> {
        let (version, list) = (b"go1.16.3", marked(list));
        let base = 0x40_0000u64;
        let mut data = [&MAGIC[..], &[8, 0]].concat();
        for value in [base + 32, base + 48, base + 64, version.len() as u64, base + 72, list.len() as u64] {
            data.extend_from_slice(&value.to_le_bytes());
        }
        data.extend_from_slice(version);
        data.extend_from_slice(&list);
        data
    }

    #[test]
    fn both_forms_are_read_with_and_without_a_section() {
        for named in [true, false] {
            let info = read(&elf(&inline(LIST), named)).unwrap();
            assert_eq!((info.go.as_str(), info.path.as_str()), ("go1.24.4", "example.org/x/cmd/y"));
            assert_eq!(info.main.unwrap(), Module { path: "example.org/x".into(), ..Module::default() });
            let modules: Vec<_> = info.modules.iter().map(|m| (m.path.as_str(), m.version.as_str())).collect();
            assert_eq!(modules, [("github.com/a/b", "v1.2.3"), ("github.com/e/f", "v0.2.0"), ("k8s.io/api", "v0.0.0")]);
            assert_eq!(info.settings[1], ("vcs.revision".to_owned(), "0123".to_owned()));
            let info = read(&elf(&pointers(LIST), named)).unwrap();
            assert_eq!((info.go.as_str(), info.modules.len()), ("go1.16.3", 3));
        }
    }

    #[test]
    fn no_cut_and_no_flipped_byte_does_harm() {
        for whole in [elf(&inline(LIST), true), elf(&pointers(LIST), true)] {
            for at in 0..whole.len() {
                drop(read(&whole[..at].to_vec()));
                let mut spoilt = whole.clone();
                spoilt[at] ^= 0xff;
                drop(read(&spoilt));
            }
        }
        assert_eq!(read(&b"#!/bin/sh\n".to_vec()), None);
        assert_eq!(read(&elf(&[0; 4096], true)), None);
    }
}
