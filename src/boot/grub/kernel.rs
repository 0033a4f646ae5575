//! GRUB's kernel: an ELF file of 32 bits, laid flat as it lies in memory.

use object::LittleEndian;
use object::elf::{FileHeader32, SHF_ALLOC, SHT_NOBITS};
use object::read::elf::{FileHeader, SectionHeader};

use super::bad;
use crate::error::Result;

/// Where the kernel is linked to.
const BASE: u32 = 0x9000;
/// Larger than any place for it; what lies beyond is damage.
const MAX: usize = 0x68000;

/// The flat kernel.
pub struct Kernel {
    /// Its bytes, from [`BASE`] on. The modules follow at once: that is where it looks for them.
    pub bytes: Vec<u8>,
    /// Where its memory ends, zeros that are not in the file included.
    pub end: u64,
}

impl Kernel {
    /// Reads kernel.img.
    pub fn read(elf: &[u8]) -> Result<Self> {
        let broken = |_| bad("kernel.img is no ELF file of 32 bits");
        let header = FileHeader32::<LittleEndian>::parse(elf).map_err(broken)?;
        let endian = header.endian().map_err(broken)?;
        let sections = header.sections(endian, elf).map_err(broken)?;
        let mut bytes: Vec<u8> = Vec::new();
        let mut end = u64::from(BASE);
        let mut text = None;
        for section in sections.iter().filter(|section| section.sh_flags(endian).0 & SHF_ALLOC.0 != 0) {
            let (address, size) = (section.sh_addr(endian), section.sh_size(endian));
            end = end.max(u64::from(address) + u64::from(size));
            if section.sh_type(endian) == SHT_NOBITS {
                continue;
            }
            if sections.section_name(endian, section).map_err(broken)? == b".text" {
                text = Some(address);
            }
            let data = section.data(endian, elf).map_err(broken)?;
            let at = address.checked_sub(BASE).ok_or_else(|| bad("kernel.img has a section below its base"))? as usize;
            let stop = at.checked_add(data.len()).filter(|stop| *stop <= MAX);
            let stop = stop.ok_or_else(|| bad("kernel.img is too large"))?;
            if bytes.len() < stop {
                bytes.resize(stop, 0);
            }
            bytes[at..stop].copy_from_slice(data);
        }
        match text {
            Some(BASE) => Ok(Kernel { bytes, end }),
            _ => Err(bad("kernel.img is not linked to 0x9000")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file with the sections `.text` at `address` and `.bss`.
    fn elf(address: u32) -> Vec<u8> {
        let mut out = vec![0; 52];
        out[..7].copy_from_slice(b"\x7fELF\x01\x01\x01");
        out[16..20].copy_from_slice(&[2, 0, 3, 0]);
        out[20] = 1;
        for (at, value) in [(40, 52u16), (46, 40), (48, 4), (50, 3)] {
            out[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        let names = b"\0.text\0.bss\0";
        out.extend(b"code");
        out.extend(names);
        let table = out.len() as u32;
        out[32..36].copy_from_slice(&table.to_le_bytes());
        let rows = [
            [0; 10],
            [1, 1, 2, address, 52, 4, 0, 0, 1, 0],
            [7, 8, 2, address + 8, 0, 100, 0, 0, 1, 0],
            [0, 3, 0, 0, 56, names.len() as u32, 0, 0, 1, 0],
        ];
        out.extend(rows.iter().flatten().flat_map(|word: &u32| word.to_le_bytes()));
        out
    }

    #[test]
    fn zeros_are_counted_and_not_written() {
        let kernel = Kernel::read(&elf(BASE)).unwrap();
        assert_eq!(kernel.bytes, b"code");
        assert_eq!(kernel.end, 0x9000 + 8 + 100);
    }

    #[test]
    fn damage_and_other_bases_are_errors() {
        assert!(Kernel::read(&elf(BASE + 4096)).is_err());
        assert!(Kernel::read(&elf(0x1000)).is_err());
        let good = elf(BASE);
        for end in 0..good.len() {
            assert!(Kernel::read(&good[..end]).is_err(), "{end}");
        }
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0xff;
            // Any answer will do.
            let _ = Kernel::read(&bytes);
        }
    }
}
