//! What tests of all formats share.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::open::{self, Opened};
use super::packed::Unpack;
use super::{Emit, FileSink, Format};
use crate::bytes::Bytes;
use crate::digest::{Digest, Hasher};
use crate::disk::Disk;
use crate::epoch::Epoch;
use crate::error::Result;
use crate::guid::Guid;
use crate::size::Size;

/// The file that `format` makes of `disk`: the same by one thread and by three, in memory and on a disk.
pub fn emitted(format: &dyn Format, disk: &Disk) -> Vec<u8> {
    let spool = tempfile::tempdir().unwrap();
    let how = |jobs| Emit { jobs, seed: Guid::seed("x"), epoch: Epoch(1 << 30), name: "x_1", spool: spool.path() };
    let emit = |jobs| {
        let how = how(jobs);
        let mut out = Vec::new();
        format.emit(disk, &how, &mut out).unwrap();
        assert_eq!(format.measure(disk).unwrap_or(out.len() as u64), out.len() as u64);
        out
    };
    let out = emit(3);
    assert!(out == emit(1));
    for hasher in [None, Some(Hasher::default())] {
        let path = spool.path().join("file");
        let mut sink = FileSink::new(&File::create(&path).unwrap(), None, hasher).unwrap();
        format.emit(disk, &how(3), &mut sink).unwrap();
        let (length, hasher) = sink.finish().unwrap();
        assert_eq!(length, out.len() as u64);
        assert!(std::fs::read(&path).unwrap() == out);
        assert!(hasher.is_none_or(|hasher| hasher.finish() == Digest::of(&out)));
    }
    out
}

fn opened(file: Arc<dyn Bytes>) -> Result<Opened> {
    open::of(file, Unpack { limit: Size(Size::GIB), folder: Path::new(".") })
}

/// The disk in a file, which must be of the kind `kind`.
pub fn read_back(file: Vec<u8>, kind: &str) -> Vec<u8> {
    let Opened { kind: found, disk, .. } = opened(Arc::new(file)).unwrap();
    assert_eq!(found.name(), kind);
    let (mut out, length) = (Vec::new(), disk.length());
    Disk::of(disk).unwrap().emit(2, &mut out).unwrap();
    assert_eq!(out.len() as u64, length);
    out
}

/// The file that `format` makes of [`sample`], once it is read back: the same, with zeros up to a whole `unit`.
pub fn round_trip(format: &dyn Format, unit: usize) -> Vec<u8> {
    let mut bytes = sample();
    let file = emitted(format, &Disk::of(Arc::new(bytes.clone())).unwrap());
    bytes.resize(bytes.len().next_multiple_of(unit), 0);
    assert!(read_back(file.clone(), format.name()) == bytes, "{} in units of {unit}", format.name());
    file
}

/// Noise, runs, a tail that is no whole cluster.
pub fn sample() -> Vec<u8> {
    let mut bytes = vec![0; (9 << 20) + 1536];
    let mut state = 1u32;
    for byte in &mut bytes[70_000..400_000] {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    bytes[1 << 20..3 << 20].fill(b'r');
    let end = bytes.len();
    bytes[end - 700..].fill(7);
    bytes
}

/// A file with one byte replaced.
#[derive(Debug)]
struct Patched(Arc<Vec<u8>>, usize, u8);

impl Bytes for Patched {
    fn length(&self) -> u64 {
        self.0.length()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_at(buffer, offset)?;
        let place = (self.1 as u64).checked_sub(offset).filter(|place| *place < buffer.len() as u64);
        if let Some(place) = place {
            buffer[place as usize] = self.2;
        }
        Ok(())
    }
}

/// Opens and reads the file with each byte of `range` replaced: it may be refused, and no more.
pub fn hostile(file: &[u8], range: Range<usize>) {
    let file = Arc::new(file.to_vec());
    for at in range {
        for value in [0, 1, 0x7f, 0xff] {
            let Ok(read) = opened(Arc::new(Patched(file.clone(), at, value))) else { continue };
            let (mut buffer, length) = ([0; 512], read.disk.length());
            drop(read.disk.read_at(&mut buffer, 0));
            drop(read.disk.read_at(&mut buffer, length.saturating_sub(512)));
            let mut at = 0;
            while let Ok(Some(data)) = read.disk.next_data(at) {
                assert!(data.start >= at && data.end > data.start && data.end <= length);
                at = data.end;
            }
        }
    }
}
