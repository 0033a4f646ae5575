//! VMDK in one file: streamOptimized and monolithicSparse (VMware, Virtual Disk Format 5.0).
//!
//! ```text
//! stream:  header | descriptor | (grain ... | grain table) ... | grain directory | footer | end
//! sparse:  header | descriptor | directory, tables | directory, tables | grains
//! ```
//!
//! - All numbers are little-endian; places count sectors of 512 bytes.
//! - A stream's grains are packed by deflate, each with its place in front; what describes them comes behind them.
//! - The descriptor is text. Where it names other files, or a parent, the file is not read.

mod descriptor;
mod read;
mod sparse;
mod stream;

pub use read::{DESCRIPTOR, open};

use crate::disk::{Disk, Sink};
use crate::error::Result;
use crate::output::{Emit, Format};
use crate::profile::{Vmdk, VmdkKind};

/// `KDMV`
pub const MAGIC: [u8; 4] = *b"KDMV";
/// Bytes of a sector, of the header and of a marker.
const SECTOR: u64 = 512;
/// Bytes of a grain that we write: what VMware writes.
pub const GRAIN: u64 = 64 << 10;
/// Entries of a grain table: what VMware writes.
const ENTRIES: u64 = 512;
/// Bytes of a grain table.
const TABLE: u64 = ENTRIES * 4;
/// Sectors of the descriptor.
const DESCRIPTOR_SECTORS: u64 = 20;
/// Flags: the bytes for end-of-line tests are there.
const NEWLINES: u32 = 1;
/// Flags: there are two sets of directory and tables.
const REDUNDANT: u32 = 1 << 1;
/// Flags: an entry of 1 is a grain of zeros.
const ZEROED: u32 = 1 << 2;
/// Flags: grains are packed.
const PACKED: u32 = 1 << 16;
/// Flags: each grain has its place in front.
const MARKED: u32 = 1 << 17;
/// The place of a directory that is told in the footer.
const AT_END: u64 = u64::MAX;

impl Format for Vmdk {
    fn name(&self) -> &'static str {
        "vmdk"
    }

    fn emit(&self, disk: &Disk, how: &Emit<'_>, sink: &mut dyn Sink) -> Result<()> {
        // The capacity must be whole grains.
        let disk = disk.rounded(GRAIN);
        match self.kind {
            VmdkKind::Stream => stream::emit(*self, &disk, how, sink),
            VmdkKind::Sparse => sparse::file(*self, &disk, how)?.emit(how.jobs, sink),
        }
    }
}

/// The header, which a stream has once more as its footer.
struct Header {
    version: u32,
    flags: u32,
    /// Bytes of the disk.
    size: u64,
    /// Where both directories are, in sectors.
    redundant_at: u64,
    directory_at: u64,
    /// Sectors before the first grain.
    overhead: u64,
}

impl Header {
    fn bytes(&self) -> [u8; SECTOR as usize] {
        let mut out = [0; SECTOR as usize];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(4, &self.version.to_le_bytes());
        put(8, &self.flags.to_le_bytes());
        put(12, &(self.size / SECTOR).to_le_bytes());
        put(20, &(GRAIN / SECTOR).to_le_bytes());
        put(28, &1u64.to_le_bytes());
        put(36, &DESCRIPTOR_SECTORS.to_le_bytes());
        put(44, &(ENTRIES as u32).to_le_bytes());
        put(48, &self.redundant_at.to_le_bytes());
        put(56, &self.directory_at.to_le_bytes());
        put(64, &self.overhead.to_le_bytes());
        // Closed cleanly; then what a transfer as text would break.
        put(72, b"\0\n \r\n");
        put(77, &u16::from(self.flags & PACKED != 0).to_le_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use crate::output::tests::{hostile, round_trip};
    use crate::profile::{Vmdk, VmdkKind};

    fn written(kind: VmdkKind) -> Vec<u8> {
        round_trip(&Vmdk { kind, ..Vmdk::default() }, 64 << 10)
    }

    #[test]
    fn a_stream_is_read_again_and_lies_in_it_are_refused_or_read_within_bounds() {
        let file = written(VmdkKind::Stream);
        hostile(&file, 0..90);
        hostile(&file, file.len() - 2600..file.len());
    }

    #[test]
    fn a_sparse_file_is_read_again_and_lies_in_it_are_refused_or_read_within_bounds() {
        let file = written(VmdkKind::Sparse);
        hostile(&file, 0..90);
        hostile(&file, file.len() - 2600..file.len());
        hostile(&file, 21 * 512..21 * 512 + 3000);
    }
}
