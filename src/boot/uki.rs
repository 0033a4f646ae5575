//! PE files: sections appended to systemd's stub, and read back.
//!
//! The stub is code of others and read as such: every offset is checked. What is appended obeys the
//! stub's own alignments; a section at an address that is not aligned makes some firmware restart for ever.

use crate::error::{Error, Result};

/// systemd's stubs have about 100 kB.
pub const MAX_STUB: u64 = 16 << 20;
/// The largest section that is taken in: a kernel with everything built in is below.
pub const MAX_SECTION: u64 = 512 << 20;

/// Bytes of the COFF header that follows the signature.
const COFF: usize = 20;
/// Bytes of a section header.
const HEADER: usize = 40;
/// PE32+.
const MAGIC: u16 = 0x20b;
/// Initialized data, readable.
const DATA: u32 = 0x4000_0040;
/// More sections than this are refused.
const MAX_SECTIONS: u16 = 96;

/// A section of a PE file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Name, without the padding.
    pub name: String,
    /// Where it is loaded, relative to the image's base.
    pub address: u32,
    /// Bytes of it that mean something.
    pub size: u32,
    /// Where it lies in the file.
    pub offset: u32,
    /// Bytes that it takes in memory.
    pub memory: u32,
    /// Bytes that it takes in the file, padding included.
    pub raw: u32,
}

/// A PE file whose headers were checked.
#[derive(Debug)]
pub struct Pe<'a> {
    bytes: &'a [u8],
    coff: usize,
    table: usize,
    sections: Vec<Section>,
}

fn bad(what: &str) -> Error {
    Error::user(format!("not a PE file for UEFI: {what}"))
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16> {
    let slice = at.checked_add(2).and_then(|end| bytes.get(at..end)).ok_or_else(|| bad("too short"))?;
    Ok(u16::from_le_bytes([slice[0], slice[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    Ok(u32::from(u16_at(bytes, at)?) | u32::from(u16_at(bytes, at.saturating_add(2))?) << 16)
}

impl<'a> Pe<'a> {
    /// Checks the headers.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        if !bytes.starts_with(b"MZ") {
            return Err(bad("no signature"));
        }
        let start = u32_at(bytes, 0x3c)? as usize;
        if bytes.get(start..start.saturating_add(4)) != Some(b"PE\0\0") {
            return Err(bad("no PE signature"));
        }
        let coff = start + 4;
        let count = u16_at(bytes, coff + 2)?;
        let optional = usize::from(u16_at(bytes, coff + 16)?);
        if count > MAX_SECTIONS || optional < 112 || u16_at(bytes, coff + COFF)? != MAGIC {
            return Err(bad("its optional header is not that of PE32+"));
        }
        let table = coff + COFF + optional;
        let mut sections = Vec::new();
        for index in 0..usize::from(count) {
            let at = table + index * HEADER;
            let name = bytes.get(at..at + 8).ok_or_else(|| bad("too short"))?;
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            let (virtual_size, raw) = (u32_at(bytes, at + 8)?, u32_at(bytes, at + 16)?);
            let section = Section {
                name: name.escape_ascii().to_string(),
                address: u32_at(bytes, at + 12)?,
                size: virtual_size.min(raw),
                offset: u32_at(bytes, at + 20)?,
                memory: virtual_size,
                raw,
            };
            let end = u64::from(section.offset) + u64::from(raw);
            if raw > 0 && end > bytes.len() as u64 {
                return Err(bad(&format!("the section `{}` reaches past the end", section.name)));
            }
            sections.push(section);
        }
        Ok(Pe { bytes, coff, table, sections })
    }

    /// The sections, in the order of the file's table.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The machine that it is for, as PE has it.
    pub fn machine(&self) -> u16 {
        u16_at(self.bytes, self.coff).unwrap_or(0)
    }

    /// To what sections are aligned in memory and in the file, and where the image ends in memory.
    pub fn shape(&self) -> Result<(u32, u32, u32)> {
        let optional = self.coff + COFF;
        Ok((u32_at(self.bytes, optional + 32)?, u32_at(self.bytes, optional + 36)?, u32_at(self.bytes, optional + 56)?))
    }

    /// The bytes of a section.
    pub fn data(&self, section: &Section) -> &'a [u8] {
        let start = section.offset as usize;
        self.bytes.get(start..start.saturating_add(section.size as usize)).unwrap_or_default()
    }

    /// The bytes of the section of a name.
    pub fn named(&self, name: &str) -> Option<&'a [u8]> {
        self.sections.iter().find(|section| section.name == name).map(|section| self.data(section))
    }

    /// Whether an Authenticode signature is attached.
    pub fn is_signed(&self) -> Result<bool> {
        let optional = self.coff + COFF;
        // The fifth data directory; there may be fewer.
        let directories = u32_at(self.bytes, optional + 108)?;
        Ok(directories > 4 && self.table >= optional + 112 + 40 && u32_at(self.bytes, optional + 112 + 36)? != 0)
    }
}

/// `stub` with `sections` behind its own, in the order given.
pub fn append(stub: &[u8], sections: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let lengths: Vec<(&str, u64)> = sections.iter().map(|(name, bytes)| (*name, bytes.len() as u64)).collect();
    let (mut out, places, length) = layout(stub, &lengths)?;
    out.resize(length as usize, 0);
    for ((_, bytes), at) in sections.iter().zip(places) {
        out[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }
    Ok(out)
}

/// The same with the sections' bytes elsewhere: the stub with its new headers, where each section's bytes
/// begin, and the length of the whole file; zeros in between.
pub fn layout(stub: &[u8], sections: &[(&str, u64)]) -> Result<(Vec<u8>, Vec<u64>, u64)> {
    let pe = Pe::parse(stub)?;
    if pe.is_signed()? {
        return Err(bad("it is signed, and the signature would not hold any more"));
    }
    let optional = pe.coff + COFF;
    let (align, file_align) = (u32_at(stub, optional + 32)?, u32_at(stub, optional + 36)?);
    // The PE format bounds the one by 64 KiB; a larger one would blow the file up.
    let sound = file_align.is_power_of_two() && (0x200..=0x1_0000).contains(&file_align);
    if !sound || !align.is_power_of_two() || align < 0x1000 {
        return Err(bad("its alignments are not those of a page and a sector"));
    }
    let first_data = pe.sections.iter().filter(|section| section.raw > 0).map(|section| section.offset as usize).min();
    let headers = (u32_at(stub, optional + 60)? as usize).min(first_data.unwrap_or(usize::MAX)).min(stub.len());
    let table_end = pe.table + (pe.sections.len() + sections.len()) * HEADER;
    if table_end > headers {
        return Err(bad("it has no room for further sections"));
    }
    let too_large = || Error::user("a UKI of 4 GiB or more");
    let mut image_end = u32_at(stub, optional + 56)?;
    let mut initialized = u32_at(stub, optional + 8)?;
    let mut out = stub.to_vec();
    let mut places = Vec::with_capacity(sections.len());
    let mut end = out.len() as u64;
    for (index, (name, length)) in sections.iter().enumerate() {
        if name.len() > 8 || pe.named(name).is_some() {
            return Err(Error::bug(format!("the section `{name}` cannot be added")));
        }
        let size = u32::try_from(*length).map_err(|_| too_large())?;
        let raw = size.checked_next_multiple_of(file_align).ok_or_else(too_large)?;
        let offset = u32::try_from(end.next_multiple_of(u64::from(file_align))).map_err(|_| too_large())?;
        let address = image_end.checked_next_multiple_of(align).ok_or_else(too_large)?;
        places.push(u64::from(offset));
        end = u64::from(offset) + u64::from(raw);
        let mut header = [0; HEADER];
        header[..name.len()].copy_from_slice(name.as_bytes());
        for (at, value) in [(8, size), (12, address), (16, raw), (20, offset), (36, DATA)] {
            header[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        let at = pe.table + (pe.sections.len() + index) * HEADER;
        out[at..at + HEADER].copy_from_slice(&header);
        image_end =
            address.checked_add(size).and_then(|end| end.checked_next_multiple_of(align)).ok_or_else(too_large)?;
        initialized = initialized.checked_add(raw).ok_or_else(too_large)?;
    }
    let count = (pe.sections.len() + sections.len()) as u16;
    out[pe.coff + 2..pe.coff + 4].copy_from_slice(&count.to_le_bytes());
    // Time stamp and checksum are zero: the one would be a clock, the other is not looked at.
    for (at, value) in [(pe.coff + 4, 0), (optional + 8, initialized), (optional + 56, image_end), (optional + 64, 0)] {
        out[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    Ok((out, places, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest stub: one section of code.
    pub fn stub() -> Vec<u8> {
        let mut out = vec![0; 0x600];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"MZ");
        put(0x3c, &0x40u32.to_le_bytes());
        put(0x40, b"PE\0\0");
        put(0x44, &[0x64, 0x86, 1, 0]);
        put(0x44 + 16, &[0xf0, 0, 0x2e, 0x02]);
        let optional = 0x58;
        put(optional, &MAGIC.to_le_bytes());
        for (at, value) in
            [(16, 0x1000u32), (20, 0x1000), (32, 0x1000), (36, 0x200), (56, 0x2000), (60, 0x400), (108, 16)]
        {
            put(optional + at, &value.to_le_bytes());
        }
        put(optional + 68, &10u16.to_le_bytes());
        let table = optional + 0xf0;
        put(table, b".text");
        for (at, value) in [(8, 0x10u32), (12, 0x1000), (16, 0x200), (20, 0x400), (36, 0x6000_0020)] {
            put(table + at, &value.to_le_bytes());
        }
        put(0x400, &[0xc3]);
        out
    }

    #[test]
    fn sections_come_back() {
        let uki = append(&stub(), &[(".cmdline", b"quiet"), (".linux", &[7; 5000])]).unwrap();
        let pe = Pe::parse(&uki).unwrap();
        let names: Vec<_> = pe.sections().iter().map(|section| (section.name.as_str(), section.address)).collect();
        assert_eq!(names, [(".text", 0x1000), (".cmdline", 0x2000), (".linux", 0x3000)]);
        assert_eq!(pe.named(".cmdline"), Some(&b"quiet"[..]));
        assert_eq!(pe.named(".linux"), Some(&[7; 5000][..]));
        assert_eq!(uki.len() % 0x200, 0);
        assert_eq!(u32_at(&uki, 0x58 + 56).unwrap(), 0x5000);
        assert!(append(&uki, &[(".linux", b"again")]).is_err());
    }

    #[test]
    fn a_full_table_and_damage_are_errors() {
        let stub = stub();
        let many: Vec<(&str, &[u8])> = vec![(".a", b"x"); 20];
        assert!(append(&stub, &many).is_err());
        for end in 0..0x180 {
            assert!(Pe::parse(&stub[..end]).is_err(), "{end} bytes");
        }
        let mut far = stub.clone();
        far[0x3c..0x40].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Pe::parse(&far).is_err());
        let mut long = stub.clone();
        long[0x148 + 16..0x148 + 20].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Pe::parse(&long).is_err());
        // Headers that are said to go on behind the end of a file without sections.
        let mut empty = stub[..0x200].to_vec();
        empty[0x46..0x48].fill(0);
        empty[0x58 + 60..0x58 + 64].copy_from_slice(&u32::MAX.to_le_bytes());
        let many: Vec<(&str, &[u8])> = vec![(".a", b"x"); 8];
        assert!(append(&empty, &many).is_err());
        let mut coarse = stub.clone();
        coarse[0x58 + 36..0x58 + 40].copy_from_slice(&0x8000_0000u32.to_le_bytes());
        assert!(append(&coarse, &[(".a", b"x")]).is_err());
    }
}
