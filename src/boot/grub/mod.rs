//! GRUB for machines with a BIOS, put together from the files of its package; no program of it is run.
//!
//! ```text
//! core.img:  diskboot (512) | decompressor | LZMA( kernel | modules, configuration, prefix )
//! disk:      boot.img in sector 0, core.img at the start of the BIOS boot partition
//! CD:        cdboot.img (2048) | core.img, a file; boot_hybrid.img in sector 0, for a USB stick
//! ```
//!
//! - GRUB cannot read a UKI, so kernel and initrd lie beside it as files, with the UKI's own command line.
//! - The configuration is part of the core: nothing on the disk can change it, there is no menu, and
//!   what fails ends in a restart.
//! - GRUB's files are data of the image (GPL-3+); offsets in them are those of `grub-core/boot/i386/pc`.

mod config;
mod kernel;
mod lzma;
mod modules;
mod payload;

pub use config::{Place, check_words, text as config};
pub use lzma::decode as unpack;

use std::collections::BTreeMap;

use crate::disk::{BOOT_CODE, BootCode};
use crate::error::{Context, Error, Result};
use crate::path::RootPath;
use crate::tree::{Content, Tree};

/// Where the package puts its files.
pub const FOLDER: &str = "/usr/lib/grub/i386-pc";
/// Where the whole of GRUB lies in a tree.
pub const TREE: &str = "/usr/lib/grub";

/// A file of GRUB is smaller: the largest has 200 kB.
const MAX_FILE: u64 = 4 << 20;
/// Bytes of boot.img and of diskboot.img; GRUB's own blocks are of this size.
const SECTOR: usize = 512;
/// The decompressor's code must end below this (`GRUB_DECOMPRESSOR_I386_PC_MAX_DECOMPRESSOR_SIZE`).
const MAX_DECOMPRESSOR: usize = 0xe00;
/// The decompressor with its stream is loaded at 0x9000 and must end at 0x78000.
const MAX_PACKED: usize = 0x78000 - 0x9000;
/// The kernel with its zeros must end at 0x68000.
const MAX_KERNEL: u64 = 0x68000;

/// Fields of the decompressor: bytes of the stream, bytes that it gives.
const PACKED_SIZE: usize = 0x08;
const PLAIN_SIZE: usize = 0x0c;
/// First entry of the block list in diskboot.img: u64 sector, u16 count, u16 segment.
const BLOCK_LIST: usize = 0x1f4;
/// Where boot.img has the sector of the core.
const CORE_SECTOR: usize = 0x5c;
/// Where boot_hybrid.img has it.
const HYBRID_CORE_SECTOR: usize = 0x1b0;
/// Bytes of cdboot.img, which is the first block of a boot file on a CD.
const CD_BLOCK: usize = 2048;
/// Where the boot file has its table: block of the volume's descriptor, own block, own length, sum of the rest.
const CD_TABLE: usize = 8;
/// Where that sum begins.
const CD_SUMMED: usize = 64;
/// Block of the primary volume descriptor (ECMA-119, 6.7.1).
const CD_DESCRIPTOR: u32 = 16;
/// Two bytes of boot.img that are made `nop nop` on a hard disk, so that a BIOS that lies of the drive's
/// number is not believed.
const DRIVE_CHECK: usize = 0x66;
const NOPS: [u8; 2] = [0x90, 0x90];

/// The files of GRUB in a tree, by name.
#[derive(Debug, Clone)]
pub struct Files(BTreeMap<String, Content>);

/// A composed GRUB, its core not yet told where it lies.
#[derive(Debug, Clone)]
pub struct Grub {
    boot: Vec<u8>,
    hybrid: Vec<u8>,
    cdboot: Vec<u8>,
    core: Vec<u8>,
}

impl Files {
    /// The files of `tree`; none where GRUB is not there.
    pub fn find(tree: &Tree) -> Result<Option<Self>> {
        let folder = RootPath::new(FOLDER)?;
        let Some(directory) = tree.directory(&folder) else { return Ok(None) };
        let mut files = BTreeMap::new();
        for name in directory.entries.keys() {
            let name = String::from_utf8_lossy(name).into_owned();
            if let Some((_, content)) = tree.file(&folder.join(&name)?) {
                files.insert(name, content.clone());
            }
        }
        Ok(Some(Files(files)))
    }

    /// A set of files of any origin.
    pub fn new(files: BTreeMap<String, Content>) -> Self {
        Files(files)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        let content = self.0.get(name).ok_or_else(|| {
            Error::user(format!("the tree has no `{FOLDER}/{name}`"))
                .hint("expected it from grub-pc-bin in `userland.packages`")
        })?;
        content.read(MAX_FILE).context(|| format!("reading `{FOLDER}/{name}`"))
    }

    /// A file that has exactly `size` bytes.
    fn sized(&self, name: &str, size: usize) -> Result<Vec<u8>> {
        let bytes = self.read(name)?;
        match bytes.len() == size {
            true => Ok(bytes),
            false => Err(bad(&format!("`{name}` has {} bytes instead of {size}", bytes.len()))),
        }
    }
}

impl Grub {
    /// Composes GRUB out of `files` with `modules` and what they need, `config` and `prefix` inside.
    pub fn compose(files: &Files, modules: &[&str], config: &str, prefix: &str) -> Result<Self> {
        let kernel = kernel::Kernel::read(&files.read("kernel.img")?)?;
        if kernel.end > MAX_KERNEL {
            return Err(bad("its kernel is too large"));
        }
        let table = files.read("moddep.lst")?;
        let order = modules::order(&String::from_utf8_lossy(&table), modules)?;
        let mut bytes = Vec::with_capacity(order.len());
        for name in &order {
            bytes.push(files.read(&format!("{name}.mod"))?);
        }
        let mut plain = kernel.bytes;
        plain.extend(payload::area(&bytes, config, prefix)?);
        let mut packed = files.read("lzma_decompress.img")?;
        if packed.len() > MAX_DECOMPRESSOR || packed.len() < PLAIN_SIZE + 4 {
            return Err(bad("its decompressor has an impossible size"));
        }
        let stream = lzma::encode(&plain)?;
        put(&mut packed, PACKED_SIZE, &(stream.len() as u32).to_le_bytes())?;
        put(&mut packed, PLAIN_SIZE, &(plain.len() as u32).to_le_bytes())?;
        packed.extend(&stream);
        if packed.len() > MAX_PACKED {
            return Err(bad(&format!("core and modules have {} bytes, more than {MAX_PACKED}", packed.len())));
        }
        let mut core = files.sized("diskboot.img", SECTOR)?;
        let count = packed.len().div_ceil(SECTOR) as u16;
        put(&mut core, BLOCK_LIST + 8, &count.to_le_bytes())?;
        core.extend(packed);
        Ok(Grub {
            boot: files.sized("boot.img", SECTOR)?,
            hybrid: files.sized("boot_hybrid.img", SECTOR)?,
            cdboot: files.sized("cdboot.img", CD_BLOCK)?,
            core,
        })
    }

    /// The core as it was composed: what `grub-mkimage` would write.
    pub fn core(&self) -> &[u8] {
        &self.core
    }

    /// Boot code and core for a core that begins at byte `at` of a disk whose sectors have `sector` bytes.
    ///
    /// # Errors
    /// Sectors of other than 512 bytes: GRUB's first stages copy 512 bytes a block, and SeaBIOS does not
    /// start such disks.
    pub fn on_disk(&self, at: u64, sector: u32) -> Result<BootCode> {
        if sector != SECTOR as u32 {
            return Err(Error::user(format!("a BIOS cannot boot a disk with sectors of {sector} bytes"))
                .hint("expected sectors of 512 bytes, or UEFI alone in `boot.firmware`"));
        }
        let first = at / SECTOR as u64;
        let mut core = self.core.clone();
        put(&mut core, BLOCK_LIST, &(first + 1).to_le_bytes())?;
        let mut boot = self.boot.clone();
        put(&mut boot, CORE_SECTOR, &first.to_le_bytes())?;
        put(&mut boot, DRIVE_CHECK, &NOPS)?;
        boot.truncate(BOOT_CODE);
        Ok(BootCode { code: boot, core: Content::bytes(core) })
    }

    /// Bytes of the boot file on a CD.
    pub fn cd_length(&self) -> u64 {
        (self.cdboot.len() + self.core.len()) as u64
    }

    /// The boot file of a CD that begins at byte `at`, and the code that finds it where the same bytes lie on a
    /// USB stick.
    pub fn on_cd(&self, at: u64) -> Result<BootCode> {
        let block = u32::try_from(at / CD_BLOCK as u64).map_err(|_| Error::bug("a boot file beyond 8 TiB"))?;
        // In sectors: the core begins behind the block of cdboot.
        let core = at / SECTOR as u64 + (CD_BLOCK / SECTOR) as u64;
        let mut file = [self.cdboot.as_slice(), &self.core].concat();
        put(&mut file, CD_BLOCK + BLOCK_LIST, &(core + 1).to_le_bytes())?;
        let words = file.get(CD_SUMMED..).unwrap_or_default().chunks(4);
        let sum = words.fold(0u32, |sum, word| {
            let mut whole = [0; 4];
            whole[..word.len()].copy_from_slice(word);
            sum.wrapping_add(u32::from_le_bytes(whole))
        });
        for (index, value) in [CD_DESCRIPTOR, block, file.len() as u32, sum].into_iter().enumerate() {
            put(&mut file, CD_TABLE + 4 * index, &value.to_le_bytes())?;
        }
        let mut hybrid = self.hybrid.clone();
        put(&mut hybrid, HYBRID_CORE_SECTOR, &core.to_le_bytes())?;
        put(&mut hybrid, DRIVE_CHECK, &NOPS)?;
        hybrid.truncate(BOOT_CODE);
        Ok(BootCode { code: hybrid, core: Content::bytes(file) })
    }
}

fn bad(what: &str) -> Error {
    Error::user(format!("GRUB cannot be composed: {what}"))
}

/// Writes `value` over the bytes at `at`.
fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> Result<()> {
    let place = bytes.get_mut(at..at + value.len()).ok_or_else(|| bad("a file of it is too short"))?;
    place.copy_from_slice(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::le32;

    fn grub() -> Grub {
        Grub { boot: vec![1; 512], hybrid: vec![3; 512], cdboot: vec![4; 2048], core: vec![2; 1000] }
    }

    #[test]
    fn the_first_sectors_name_the_place_of_the_core() {
        let code = grub().on_disk(1 << 20, 512).unwrap();
        assert_eq!(code.code.len(), BOOT_CODE);
        assert_eq!(code.code[CORE_SECTOR..][..8], 2048u64.to_le_bytes());
        assert_eq!(code.code[DRIVE_CHECK..][..2], NOPS);
        let core = code.core.read(1 << 20).unwrap();
        assert_eq!(core[BLOCK_LIST..][..8], 2049u64.to_le_bytes());
        assert_eq!(core.len(), 1000);
    }

    /// The offsets that xorriso's `--grub2-boot-info` and `--grub2-mbr` write.
    #[test]
    fn a_cd_is_told_its_place_and_so_is_a_stick() {
        let code = grub().on_cd(33 * 2048).unwrap();
        assert_eq!(code.code[0x1b0..][..8], (4 * 33 + 4u64).to_le_bytes());
        let file = code.core.read(1 << 20).unwrap();
        assert_eq!(file.len(), 3048);
        assert_eq!(file[2548..][..8], (4 * 33 + 5u64).to_le_bytes());
        let word = |at: usize| le32(&file, at);
        assert_eq!((word(8), word(12), word(16)), (16, 33, 3048));
        let sum =
            file[64..].chunks(4).fold(0u32, |sum, word| sum.wrapping_add(u32::from_le_bytes(word.try_into().unwrap())));
        assert_eq!(word(20), sum);
    }

    #[test]
    fn sectors_of_4096_bytes_are_refused() {
        let error = grub().on_disk(1 << 20, 4096).unwrap_err();
        assert!(error.to_string().contains("sectors of 4096 bytes"), "{error}");
    }

    #[test]
    fn a_missing_file_names_its_package() {
        let error = Grub::compose(&Files::new(BTreeMap::new()), &[], "", "").unwrap_err();
        assert_eq!(error.hints(), ["expected it from grub-pc-bin in `userland.packages`"]);
    }
}
