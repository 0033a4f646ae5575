//! Finds partitions by their ids, or by a label, in a GUID partition table.
//!
//! The disk is hostile: checksums of header and entries must fit, every size is bounded
//! before it is used, and an id that occurs twice is an error. What the kernel's own
//! reader would refuse (block/partitions/efi.c) is refused here too.

use super::crc32::Crc32;
use super::guid::Guid;

/// The smallest and the largest logical sector there is.
const SECTORS: [u32; 4] = [512, 1024, 2048, 4096];

/// The kernel knows no other size of an entry.
const ENTRY: usize = 128;

/// Where the name of an entry begins: 36 units of UTF-16, to its end.
const NAME: usize = 56;

/// Linux numbers at most 256 partitions of a disk.
const MOST_ENTRIES: u32 = 256;

/// A disk as this module sees it.
pub trait Disk {
    /// Fills `buffer` from a byte offset; false when that cannot be done.
    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> bool;
}

impl<F: FnMut(u64, &mut [u8]) -> bool> Disk for F {
    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> bool {
        self(offset, buffer)
    }
}

/// A partition that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partition {
    /// Its number, from 1, as in the kernel's name for it.
    pub number: u32,
    /// Its first byte on the disk.
    pub start: u64,
    /// Its bytes.
    pub size: u64,
}

/// Why a table could not be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The disk could not be read.
    Read,
    /// There is no such table.
    Absent,
    /// There is one, and it is wrong.
    Broken(&'static str),
}

/// Looks `wanted` up in the table of a disk of `sectors` logical sectors of `sector` bytes.
///
/// The backup table at the end of the disk is used when the first one is not good.
pub fn find<const N: usize>(
    disk: &mut dyn Disk,
    sector: u32,
    sectors: u64,
    wanted: &[Guid; N],
) -> Result<[Option<Partition>; N], Error> {
    let mut found = [None; N];
    walk(disk, sector, sectors, &mut |entry| {
        let Some(entry) = entry else {
            found = [None; N];
            return Ok(());
        };
        let id = entry.id();
        for (slot, _) in found.iter_mut().zip(wanted).filter(|(_, wanted)| **wanted == id) {
            let partition = entry.partition()?;
            if slot.is_some() {
                return Err(Error::Broken("two partitions have the same id"));
            }
            *slot = Some(partition);
        }
        Ok(())
    })?;
    Ok(found)
}

/// The first partition with a label, and how many have it; the disk is that of [`find`].
pub fn labelled(
    disk: &mut dyn Disk,
    sector: u32,
    sectors: u64,
    label: &[u8],
) -> Result<(Option<Partition>, u32), Error> {
    let (mut first, mut count) = (None, 0u32);
    walk(disk, sector, sectors, &mut |entry| {
        let Some(entry) = entry else {
            (first, count) = (None, 0);
            return Ok(());
        };
        if entry.has_label(label) {
            let partition = entry.partition()?;
            count += 1;
            first.get_or_insert(partition);
        }
        Ok(())
    })?;
    Ok((first, count))
}

/// What is done with an entry that is in use; none where a table begins, and what was found in another is void.
type Visit<'a> = &'a mut dyn FnMut(Option<&Entry<'_>>) -> Result<(), Error>;

/// Visits every entry of a good table.
fn walk(disk: &mut dyn Disk, sector: u32, sectors: u64, visit: Visit<'_>) -> Result<(), Error> {
    if !SECTORS.contains(&sector) || sectors < 4 || sectors > u64::MAX / u64::from(sector) {
        return Err(Error::Absent);
    }
    let geometry = Geometry { sector, sectors };
    let first = match geometry.table(disk, 1, visit) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    match geometry.table(disk, sectors - 1, visit) {
        Ok(()) => Ok(()),
        // A table that is there and wrong says more than one that is not there.
        Err(Error::Broken(what)) if first == Error::Absent => Err(Error::Broken(what)),
        Err(_) => Err(first),
    }
}

#[derive(Clone, Copy)]
struct Geometry {
    sector: u32,
    sectors: u64,
}

struct Header {
    entries: u64,
    count: u32,
    checksum: u32,
    usable: (u64, u64),
}

impl Geometry {
    fn read(&self, disk: &mut dyn Disk, lba: u64, buffer: &mut [u8]) -> Result<(), Error> {
        let offset = lba.checked_mul(u64::from(self.sector)).ok_or(Error::Read)?;
        if disk.read(offset, buffer) { Ok(()) } else { Err(Error::Read) }
    }

    fn header(&self, disk: &mut dyn Disk, lba: u64) -> Result<Header, Error> {
        let mut block = [0u8; 512];
        self.read(disk, lba, &mut block)?;
        if !block.starts_with(b"EFI PART") {
            return Err(Error::Absent);
        }
        let size = usize::try_from(u32_at(&block, 12)).unwrap_or(usize::MAX);
        let stated = u32_at(&block, 16);
        // The checksum is over the header with its own field as zero.
        let mut zeroed = block;
        zeroed[16..20].fill(0);
        // 92 bytes are defined; a header of more than 512 has never been.
        let covered = if size >= 92 { zeroed.get(..size) } else { None };
        let mut crc = Crc32::new();
        crc.update(covered.ok_or(Error::Broken("its header has an impossible size"))?);
        if crc.value() != stated {
            return Err(Error::Broken("the checksum of its header is wrong"));
        }
        let header = Header {
            usable: (u64_at(&block, 40), u64_at(&block, 48)),
            entries: u64_at(&block, 72),
            count: u32_at(&block, 80),
            checksum: u32_at(&block, 88),
        };
        if u64_at(&block, 24) != lba {
            return Err(Error::Broken("its header belongs elsewhere"));
        }
        if u32_at(&block, 84) as usize != ENTRY {
            return Err(Error::Broken("its entries are not 128 bytes long"));
        }
        if header.count == 0 || header.count > MOST_ENTRIES {
            return Err(Error::Broken("it has no entries or too many"));
        }
        let (first, last) = header.usable;
        if first > last || last >= self.sectors {
            return Err(Error::Broken("its usable sectors are not on the disk"));
        }
        let bytes = u64::from(header.count) * ENTRY as u64;
        let end = header.entries.checked_add(bytes.div_ceil(u64::from(self.sector)));
        if header.entries < 2 || end.is_none_or(|end| end > self.sectors) {
            return Err(Error::Broken("its entries are not on the disk"));
        }
        Ok(header)
    }

    fn table(&self, disk: &mut dyn Disk, lba: u64, visit: Visit<'_>) -> Result<(), Error> {
        visit(None)?;
        let header = self.header(disk, lba)?;
        let start = header.entries.checked_mul(u64::from(self.sector)).ok_or(Error::Read)?;
        let mut crc = Crc32::new();
        let mut chunk = [0u8; 4 * ENTRY];
        let mut number = 0u32;
        while number < header.count {
            let take = (header.count - number).min(4);
            let bytes = chunk.get_mut(..take as usize * ENTRY).ok_or(Error::Read)?;
            let offset = start.checked_add(u64::from(number) * ENTRY as u64).ok_or(Error::Read)?;
            if !disk.read(offset, bytes) {
                return Err(Error::Read);
            }
            crc.update(bytes);
            for bytes in bytes.chunks_exact(ENTRY) {
                number += 1;
                let entry = Entry { bytes, number, usable: header.usable, sector: self.sector };
                // Not in use; and an entry without an id is nobody's.
                if guid_at(bytes, 0) != Guid::NIL && entry.id() != Guid::NIL {
                    visit(Some(&entry))?;
                }
            }
        }
        if crc.value() == header.checksum { Ok(()) } else { Err(Error::Broken("the checksum of its entries is wrong")) }
    }
}

/// An entry that is in use.
struct Entry<'a> {
    bytes: &'a [u8],
    number: u32,
    usable: (u64, u64),
    sector: u32,
}

impl Entry<'_> {
    fn id(&self) -> Guid {
        guid_at(self.bytes, 16)
    }

    /// Whether its name, UTF-16 that ends at the first zero, is an ASCII text.
    fn has_label(&self, label: &[u8]) -> bool {
        let name = self.bytes.get(NAME..).unwrap_or(&[]).chunks_exact(2).map(|unit| [unit[0], unit[1]]);
        let name = name.take_while(|unit| *unit != [0, 0]);
        name.eq(label.iter().map(|byte| [*byte, 0]))
    }

    fn partition(&self) -> Result<Partition, Error> {
        let (first, last) = (u64_at(self.bytes, 32), u64_at(self.bytes, 40));
        if first > last || first < self.usable.0 || last > self.usable.1 {
            return Err(Error::Broken("a partition lies outside of the usable sectors"));
        }
        // Within the disk, whose bytes fit u64: checked in `walk` and `header`.
        let sector = u64::from(self.sector);
        Ok(Partition { number: self.number, start: first * sector, size: (last - first + 1) * sector })
    }
}

fn guid_at(bytes: &[u8], at: usize) -> Guid {
    Guid::from_mixed(array_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// `N` bytes at a fixed place of a buffer of fixed size.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0u8; N];
    if let Some(from) = at.checked_add(N).and_then(|end| bytes.get(at..end)) {
        out.copy_from_slice(from);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Guid = Guid([7; 16]);

    fn id(n: u8) -> Guid {
        Guid([n; 16])
    }

    fn mixed(guid: Guid) -> [u8; 16] {
        Guid::from_mixed(guid.0).0
    }

    fn crc(bytes: &[u8]) -> u32 {
        let mut crc = Crc32::new();
        crc.update(bytes);
        crc.value()
    }

    /// A disk of 200 sectors with the partitions given as (slot, id, first, last).
    struct Image {
        sector: usize,
        bytes: Vec<u8>,
    }

    impl Image {
        fn new(sector: usize, partitions: &[(usize, Guid, u64, u64)]) -> Self {
            let mut image = Image { sector, bytes: vec![0; 200 * sector] };
            let array_sectors = (128 * ENTRY).div_ceil(sector);
            let mut array = vec![0u8; 128 * ENTRY];
            for (slot, id, first, last) in partitions {
                let entry = &mut array[slot * ENTRY..][..ENTRY];
                entry[..16].copy_from_slice(&mixed(KIND));
                entry[16..32].copy_from_slice(&mixed(*id));
                entry[32..40].copy_from_slice(&first.to_le_bytes());
                entry[40..48].copy_from_slice(&last.to_le_bytes());
            }
            for (lba, at) in [(1usize, 2usize), (199, 199 - array_sectors)] {
                image.bytes[at * sector..][..array.len()].copy_from_slice(&array);
                let mut header = [0u8; 92];
                header[..8].copy_from_slice(b"EFI PART");
                header[8..12].copy_from_slice(&[0, 0, 1, 0]);
                header[12..16].copy_from_slice(&92u32.to_le_bytes());
                header[24..32].copy_from_slice(&(lba as u64).to_le_bytes());
                header[32..40].copy_from_slice(&(200 - lba as u64).to_le_bytes());
                header[40..48].copy_from_slice(&(2 + array_sectors as u64).to_le_bytes());
                header[48..56].copy_from_slice(&(198 - array_sectors as u64).to_le_bytes());
                header[72..80].copy_from_slice(&(at as u64).to_le_bytes());
                header[80..84].copy_from_slice(&128u32.to_le_bytes());
                header[84..88].copy_from_slice(&(ENTRY as u32).to_le_bytes());
                header[88..92].copy_from_slice(&crc(&array).to_le_bytes());
                image.bytes[lba * sector..][..92].copy_from_slice(&header);
                image.sign(lba);
            }
            image
        }

        fn sign(&mut self, lba: usize) {
            let header = &mut self.bytes[lba * self.sector..][..92];
            header[16..20].fill(0);
            let sum = crc(header);
            header[16..20].copy_from_slice(&sum.to_le_bytes());
        }

        /// Writes into both headers and makes their checksums right again.
        fn patch(&mut self, at: usize, value: &[u8]) -> &mut Self {
            for lba in [1, 199] {
                self.bytes[lba * self.sector + at..][..value.len()].copy_from_slice(value);
                self.sign(lba);
            }
            self
        }

        fn find<const N: usize>(&self, wanted: &[Guid; N]) -> Result<[Option<Partition>; N], Error> {
            let mut disk = |offset: u64, buffer: &mut [u8]| {
                let range = offset as usize..offset as usize + buffer.len();
                self.bytes.get(range).map(|from| buffer.copy_from_slice(from)).is_some()
            };
            find(&mut disk, self.sector as u32, 200, wanted)
        }
    }

    #[test]
    fn finds_by_id_at_both_sector_sizes() {
        for sector in [512, 4096] {
            let image = Image::new(sector, &[(0, id(1), 40, 49), (127, id(2), 60, 60)]);
            let size = sector as u64;
            let [one, two, three] = image.find(&[id(1), id(2), id(3)]).unwrap();
            assert_eq!(one, Some(Partition { number: 1, start: 40 * size, size: 10 * size }));
            assert_eq!(two, Some(Partition { number: 128, start: 60 * size, size }));
            assert_eq!(three, None);
        }
    }

    #[test]
    fn finds_by_label_and_counts() {
        let mut image =
            Image::new(512, &[(0, id(1), 40, 49), (1, id(2), 50, 59), (2, id(3), 60, 69), (4, id(4), 5, 6)]);
        let long = "x".repeat(36);
        for (slot, label) in [(0, "keep"), (1, "keeper"), (2, &long), (4, "out"), (7, "nobody")] {
            let units: Vec<u8> = label.encode_utf16().flat_map(u16::to_le_bytes).collect();
            for at in [2 * 512, 167 * 512] {
                image.bytes[at + slot * ENTRY + NAME..][..units.len()].copy_from_slice(&units);
            }
        }
        let sign = |image: &mut Image| {
            let sum = crc(&image.bytes[2 * 512..][..128 * ENTRY]);
            image.patch(88, &sum.to_le_bytes());
        };
        sign(&mut image);
        let find = |image: &Image, label: &str| {
            let mut disk = |offset: u64, buffer: &mut [u8]| {
                let range = offset as usize..offset as usize + buffer.len();
                image.bytes.get(range).map(|from| buffer.copy_from_slice(from)).is_some()
            };
            labelled(&mut disk, 512, 200, label.as_bytes())
        };
        let keep = Partition { number: 1, start: 40 * 512, size: 10 * 512 };
        assert_eq!(find(&image, "keep"), Ok((Some(keep), 1)));
        assert_eq!(find(&image, &long).unwrap().1, 1);
        for label in ["kee", "Keep", "nobody", &long[1..]] {
            assert_eq!(find(&image, label), Ok((None, 0)), "{label}");
        }
        assert!(matches!(find(&image, "out"), Err(Error::Broken(_))));
        for at in [2 * 512, 167 * 512] {
            image.bytes[at + ENTRY + NAME + 8..][..4].fill(0);
        }
        sign(&mut image);
        assert_eq!(find(&image, "keep"), Ok((Some(keep), 2)));
    }

    #[test]
    fn an_entry_without_a_type_is_no_partition() {
        let mut image = Image::new(512, &[(0, id(1), 40, 49)]);
        for at in [2 * 512, 167 * 512] {
            image.bytes[at..][..16].fill(0);
            let sum = crc(&image.bytes[at..][..128 * ENTRY]);
            image.patch(88, &sum.to_le_bytes());
        }
        assert_eq!(image.find(&[id(1)]), Ok([None]));
        let nobody = Image::new(512, &[(0, Guid::NIL, 40, 49), (1, Guid::NIL, 50, 59)]);
        assert_eq!(nobody.find(&[Guid::NIL]), Ok([None]));
    }

    #[test]
    fn falls_back_to_the_backup() {
        let good = Image::new(512, &[(3, id(1), 40, 49)]);
        for damaged in [512, 512 + 16, 512 + 60, 2 * 512 + 3 * ENTRY + 20] {
            let mut image = Image::new(512, &[(3, id(1), 40, 49)]);
            image.bytes[damaged] ^= 1;
            assert_eq!(image.find(&[id(1)]), good.find(&[id(1)]), "byte {damaged}");
        }
    }

    #[test]
    fn both_damaged_is_an_error() {
        let mut image = Image::new(512, &[(0, id(1), 40, 49)]);
        image.bytes[2 * 512 + 40] ^= 1;
        image.bytes[167 * 512 + 40] ^= 1;
        assert_eq!(image.find(&[id(1)]), Err(Error::Broken("the checksum of its entries is wrong")));
        image.bytes[512] ^= 1;
        image.bytes[199 * 512] ^= 1;
        assert_eq!(image.find(&[id(1)]), Err(Error::Absent));
    }

    #[test]
    fn refuses_tables_made_to_harm() {
        let broken = |at: usize, value: &[u8]| {
            let mut image = Image::new(512, &[(0, id(1), 40, 49)]);
            let result = image.patch(at, value).find(&[id(1)]);
            assert!(matches!(result, Err(Error::Broken(_))), "{at}: {result:?}");
        };
        for size in [0u32, 91, 513, u32::MAX] {
            // The checksum is over 92 bytes: what matters is that nothing is read outside.
            broken(12, &size.to_le_bytes());
        }
        broken(24, &7u64.to_le_bytes());
        for count in [0, 257, u32::MAX] {
            broken(80, &count.to_le_bytes());
        }
        for size in [0u32, 64, 256, u32::MAX] {
            broken(84, &size.to_le_bytes());
        }
        for lba in [0, 1, 190, u64::MAX - 1, u64::MAX] {
            broken(72, &lba.to_le_bytes());
        }
        broken(48, &200u64.to_le_bytes());
        broken(48, &u64::MAX.to_le_bytes());
        broken(40, &u64::MAX.to_le_bytes());
        broken(88, &0u32.to_le_bytes());
    }

    #[test]
    fn refuses_partitions_made_to_harm() {
        for partitions in [
            &[(0, id(1), 40, 49), (1, id(1), 60, 69)][..],
            &[(0, id(1), 49, 40)],
            &[(0, id(1), 1, 49)],
            &[(0, id(1), 40, 199)],
            &[(0, id(1), 40, u64::MAX)],
            &[(0, id(1), 0, u64::MAX)],
        ] {
            let result = Image::new(512, partitions).find(&[id(1)]);
            assert!(matches!(result, Err(Error::Broken(_))), "{partitions:?}: {result:?}");
        }
    }

    #[test]
    fn survives_disks_that_cannot_be_read_or_have_impossible_sizes() {
        let mut unreadable = |_: u64, _: &mut [u8]| false;
        assert_eq!(find(&mut unreadable, 512, 200, &[id(1)]), Err(Error::Read));
        for (sector, sectors) in [(0, 200), (513, 200), (8192, 200), (512, 0), (512, 3), (512, u64::MAX)] {
            assert!(find(&mut unreadable, sector, sectors, &[id(1)]).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn survives_any_damage(at in 0usize..200 * 512, value: u8, more in 512usize..8192, other: u8) {
            let mut image = Image::new(512, &[(0, id(1), 40, 49), (5, id(2), 50, 59)]);
            image.bytes[at] = value;
            image.bytes[more] = other;
            image.sign(1);
            if let Ok([Some(one), Some(two)]) = image.find(&[id(1), id(2)]) {
                assert_eq!((one.start, two.start), (40 * 512, 50 * 512));
            }
        }
    }
}
