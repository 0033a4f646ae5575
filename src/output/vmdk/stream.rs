//! streamOptimized: grains packed, one after the other, and behind them what tells where they are.

use std::sync::Arc;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::descriptor::descriptor;
use super::{AT_END, ENTRIES, GRAIN, Header, MARKED, NEWLINES, PACKED, SECTOR, TABLE};
use crate::disk::{Disk, Sink, is_zero};
use crate::error::{Error, Result};
use crate::output::Emit;
use crate::output::noise::is_noise;
use crate::profile::Vmdk;
use crate::size::human;
use crate::tree::Opened;
use crate::work::Queue;

/// As QEMU's and VMware's own default.
const LEVEL: u32 = 6;
/// Sectors before the first grain: where VMware begins.
const OVERHEAD: u64 = 128;
/// Grains that a thread packs at once.
const BATCH: u64 = 16;
/// Kinds of markers.
const GRAIN_TABLE: u32 = 1;
const GRAIN_DIRECTORY: u32 = 2;
const FOOTER: u32 = 3;

/// Writes the file; every byte of the disk is read once.
pub fn emit(format: Vmdk, disk: &Disk, how: &Emit<'_>, sink: &mut dyn Sink) -> Result<()> {
    let mut header = Header {
        // What compressed disks have, and flags that no other version has.
        version: 3,
        flags: NEWLINES | PACKED | MARKED,
        size: disk.len(),
        redundant_at: 0,
        directory_at: AT_END,
        overhead: OVERHEAD,
    };
    sink.write_all(&header.bytes())?;
    let text = descriptor(format, disk.len(), how.seed, how.name)?;
    sink.write_all(&text)?;
    sink.skip(OVERHEAD * SECTOR - SECTOR - text.len() as u64)?;

    let mut file = Tables {
        sink,
        sector: OVERHEAD,
        directory: vec![0; disk.len().div_ceil(GRAIN * ENTRIES) as usize],
        table: Box::new([0; ENTRIES as usize]),
        open: None,
    };
    let shared = Arc::new(disk.clone());
    let mut queue = Queue::new(how.jobs, Tools::default, move |tools, (first, end): (u64, u64)| {
        let mut packed = Vec::new();
        for number in first..end {
            tools.grain.resize(GRAIN as usize, 0);
            shared.read_at(&mut tools.opened, number * GRAIN, &mut tools.grain)?;
            if !is_zero(&tools.grain) {
                packed.push((number, tools.marked(number)?));
            }
        }
        Ok::<_, Error>(packed)
    });
    for range in disk.touched(GRAIN, BATCH) {
        if let Some(packed) = queue.push(range)? {
            file.put(packed?)?;
        }
    }
    while let Some(packed) = queue.pop()? {
        file.put(packed?)?;
    }
    file.end_table()?;

    header.directory_at = file.end()?;
    let mut end = marker(1, FOOTER).to_vec();
    end.extend(header.bytes());
    // The marker of the end: of no kind.
    end.extend([0; SECTOR as usize]);
    Ok(file.sink.write_all(&end)?)
}

/// The file behind its descriptor.
struct Tables<'s> {
    sink: &'s mut dyn Sink,
    /// The next one.
    sector: u64,
    directory: Vec<u32>,
    /// The table of the last grain, and its number.
    table: Box<[u32; ENTRIES as usize]>,
    open: Option<u64>,
}

impl Tables<'_> {
    fn put(&mut self, packed: Vec<(u64, Vec<u8>)>) -> Result<()> {
        for (number, bytes) in packed {
            let table = number / ENTRIES;
            if self.open != Some(table) {
                self.end_table()?;
                self.open = Some(table);
            }
            self.table[(number % ENTRIES) as usize] = self.here()?;
            self.write(&bytes)?;
        }
        Ok(())
    }

    /// Writes the table of the grains before, if there is one.
    fn end_table(&mut self) -> Result<()> {
        let Some(number) = self.open.take() else { return Ok(()) };
        self.write(&marker(TABLE / SECTOR, GRAIN_TABLE))?;
        self.directory[number as usize] = self.here()?;
        let bytes: Vec<u8> = self.table.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        self.table.fill(0);
        self.write(&bytes)
    }

    /// Writes the directory; gives its sector.
    fn end(&mut self) -> Result<u64> {
        let mut bytes: Vec<u8> = self.directory.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        bytes.resize(bytes.len().next_multiple_of(SECTOR as usize), 0);
        self.write(&marker(bytes.len() as u64 / SECTOR, GRAIN_DIRECTORY))?;
        let at = self.here()?;
        self.write(&bytes)?;
        Ok(at.into())
    }

    fn here(&self) -> Result<u32> {
        u32::try_from(self.sector).map_err(|_| {
            Error::user(format!("a file of more than {}", human(SECTOR << 32))).hint("a VMDK holds up to 2 TiB")
        })
    }

    /// Whole sectors.
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.sink.write_all(bytes)?;
        self.sector += bytes.len() as u64 / SECTOR;
        Ok(())
    }
}

/// What a thread that packs keeps.
struct Tools {
    opened: Opened,
    grain: Vec<u8>,
    deflate: Compress,
    /// For noise: it only copies.
    store: Compress,
}

impl Default for Tools {
    fn default() -> Self {
        let [deflate, store] = [LEVEL, 0].map(|level| Compress::new(Compression::new(level), true));
        Tools { opened: Opened::default(), grain: Vec::new(), deflate, store }
    }
}

impl Tools {
    /// The grain, packed, behind its place and length; whole sectors.
    fn marked(&mut self, number: u64) -> Result<Vec<u8>> {
        let deflate = if is_noise(&self.grain) { &mut self.store } else { &mut self.deflate };
        deflate.reset();
        let mut out = vec![0; 12 + self.grain.len() + self.grain.len() / 64 + 1024];
        let bad = |why: String| Error::system(format!("deflate cannot compress: {why}"));
        let status = deflate.compress(&self.grain, &mut out[12..], FlushCompress::Finish);
        if status.map_err(|error| bad(error.to_string()))? != Status::StreamEnd {
            return Err(bad("the room was too small".into()));
        }
        let length = deflate.total_out() as usize;
        out[..8].copy_from_slice(&(number * GRAIN / SECTOR).to_le_bytes());
        out[8..12].copy_from_slice(&(length as u32).to_le_bytes());
        // Behind what was written there are the zeros that it began with.
        let whole = (12 + length).next_multiple_of(SECTOR as usize);
        out.truncate(12 + length);
        out.resize(whole, 0);
        Ok(out)
    }
}

/// What says that so many sectors of a kind follow.
fn marker(sectors: u64, kind: u32) -> [u8; SECTOR as usize] {
    let mut out = [0; SECTOR as usize];
    out[..8].copy_from_slice(&sectors.to_le_bytes());
    out[12..16].copy_from_slice(&kind.to_le_bytes());
    out
}
