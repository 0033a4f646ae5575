//! A VMDK file as a disk.

use std::io;
use std::sync::Arc;

use flate2::{Decompress, FlushDecompress, Status};

use super::{AT_END, MAGIC, MARKED, PACKED, SECTOR, ZEROED};
use crate::bytes::{Bytes, le32, le64};
use crate::error::{Error, Result};
use crate::output::mapped::{Kept, Map, Mapped, Place, bad};

/// How a descriptor that stands by itself begins: its disk is in other files.
pub const DESCRIPTOR: &[u8] = b"# Disk DescriptorFile";
/// Entries of a directory that are read: 64 TiB in grains of 16 KiB.
const MOST_TABLES: u64 = 8 << 20;
/// Bytes of a grain that are read, and of the descriptor.
const MOST: u64 = 1 << 20;

/// The disk of a VMDK that is one file.
pub fn open(file: Arc<dyn Bytes>) -> Result<Arc<dyn Bytes>> {
    let refused = |why: io::Error| Error::source(format!("a VMDK that cannot be read: {why}"));
    let grains = Grains::read(&*file).map_err(refused)?;
    Ok(Arc::new(Mapped::new(file, grains)))
}

/// Where the grains are.
#[derive(Debug)]
struct Grains {
    size: u64,
    grain: u64,
    per_table: u64,
    packed: bool,
    zeroed: bool,
    /// The sector of each table; 0 where there is none.
    directory: Vec<u32>,
    tables: Kept<Vec<u32>>,
}

impl Grains {
    fn read(file: &dyn Bytes) -> io::Result<Self> {
        let mut head = [0; SECTOR as usize];
        let cut = |_| bad("it is cut");
        file.read_at(&mut head, 0).map_err(cut)?;
        if head.starts_with(DESCRIPTOR) {
            return Err(bad("its disk is in other files"));
        }
        if le64(&head, 56) == AT_END {
            // Footer and the marker of the end are the last two sectors.
            let end = file.length() / SECTOR * SECTOR;
            file.read_at(&mut head, end.checked_sub(2 * SECTOR).ok_or_else(|| bad("it is cut"))?).map_err(cut)?;
        }
        let (version, flags) = (le32(&head, 4), le32(&head, 8));
        if head[..4] != MAGIC || !(1..=3).contains(&version) {
            return Err(bad("its header is damaged, or of a version that is not known"));
        }
        let packed = flags & PACKED != 0;
        if packed && (flags & MARKED == 0 || head[77..79] != [1, 0]) {
            return Err(bad("its grains are packed in a way that is not known"));
        }
        let (capacity, grain, per_table) = (le64(&head, 12), le64(&head, 20), u64::from(le32(&head, 44)));
        if !grain.is_power_of_two() || grain > MOST / SECTOR || !(1..=512).contains(&per_table) {
            return Err(bad(format!("tables of {per_table} grains of {grain} sectors")));
        }
        let tables = capacity.div_ceil(grain * per_table);
        if capacity == 0 || tables > MOST_TABLES {
            return Err(bad(format!("a disk of {capacity} sectors")));
        }
        no_parent(file, le64(&head, 28), le64(&head, 36))?;
        let directory = le64(&head, 56).checked_mul(SECTOR).ok_or_else(|| bad("a directory past its end"))?;
        let directory = words(file, directory, tables)?;
        Ok(Grains {
            size: capacity * SECTOR,
            grain: grain * SECTOR,
            per_table,
            packed,
            zeroed: flags & ZEROED != 0,
            directory,
            tables: Kept::default(),
        })
    }
}

impl Map for Grains {
    fn size(&self) -> u64 {
        self.size
    }

    fn block(&self) -> u64 {
        self.grain
    }

    fn place(&self, file: &dyn Bytes, number: u64) -> io::Result<Place> {
        let table = match self.directory.get((number / self.per_table) as usize) {
            None | Some(0) => return Ok(Place::Nowhere),
            Some(sector) => u64::from(*sector) * SECTOR,
        };
        let table = self.tables.get(table, || words(file, table, self.per_table))?;
        Ok(match table.get((number % self.per_table) as usize) {
            None | Some(0) => Place::Nowhere,
            Some(1) if self.zeroed => Place::Nowhere,
            Some(sector) if self.packed => Place::Packed(u64::from(*sector) * SECTOR),
            Some(sector) => Place::Plain(u64::from(*sector) * SECTOR),
        })
    }

    fn absent_up_to(&self, _: &dyn Bytes, number: u64) -> io::Result<u64> {
        let table = number / self.per_table;
        let none = self.directory.iter().skip(table as usize).take_while(|sector| **sector == 0).count() as u64;
        Ok(if none == 0 { number + 1 } else { (table + none) * self.per_table })
    }

    fn unpack(&self, file: &dyn Bytes, at: u64, out: &mut [u8]) -> io::Result<()> {
        let past_end = |_| bad("a grain lies past the end of the file");
        let mut marker = [0; 12];
        file.read_at(&mut marker, at).map_err(past_end)?;
        let length = u64::from(le32(&marker, 8));
        if length > 2 * self.grain + SECTOR {
            return Err(bad("a packed grain that is longer than an unpacked one"));
        }
        let mut packed = vec![0; length as usize];
        file.read_at(&mut packed, at + marker.len() as u64).map_err(past_end)?;
        let mut unpacker = Decompress::new(true);
        let status = unpacker.decompress(&packed, out, FlushDecompress::Finish);
        let status = status.map_err(|error| bad(format!("a packed grain: {error}")))?;
        // The last one may be as short as the disk.
        let length = unpacker.total_out() as usize;
        out.iter_mut().skip(length).for_each(|byte| *byte = 0);
        if status != Status::StreamEnd || length == 0 {
            return Err(bad("a packed grain is not whole"));
        }
        Ok(())
    }
}

/// An error where the descriptor within the file says that the disk is that of another file, with changes.
fn no_parent(file: &dyn Bytes, at: u64, sectors: u64) -> io::Result<()> {
    if at == 0 || sectors == 0 {
        return Ok(());
    }
    let length = sectors.saturating_mul(SECTOR).min(MOST);
    let mut bytes = vec![0; length.min(file.length()) as usize];
    let at = at.checked_mul(SECTOR).ok_or_else(|| bad("its descriptor lies past its end"))?;
    file.read_at(&mut bytes, at).map_err(|_| bad("its descriptor lies past its end"))?;
    let text = String::from_utf8_lossy(&bytes);
    let parent = text.lines().find_map(|line| line.trim().strip_prefix("parentCID=").map(str::trim));
    match parent.is_some_and(|parent| !parent.eq_ignore_ascii_case("ffffffff")) {
        true => Err(bad("it holds only the differences to another file")),
        false => Ok(()),
    }
}

fn words(file: &dyn Bytes, at: u64, count: u64) -> io::Result<Vec<u32>> {
    // Asked first: the count is the file's own word.
    if at.checked_add(count * 4).is_none_or(|end| end > file.length()) {
        return Err(bad("a table lies past the end of the file"));
    }
    let mut bytes = vec![0; count as usize * 4];
    file.read_at(&mut bytes, at)?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect())
}
