//! qcow2, versions 2 and 3 (QEMU, docs/interop/qcow2.rst).
//!
//! ```text
//! header | refcount table | refcount blocks | level 1 | level 2 ... | plain clusters | compressed ones
//! ```
//!
//! - All numbers are big-endian. A cluster of zeros is left out.
//! - Compressed clusters lie back to back, each with its length in sectors of 512 bytes.

mod read;
mod write;

pub use read::Qcow2Disk;

/// `QFI\xfb`
pub const MAGIC: [u8; 4] = *b"QFI\xfb";
/// Least and largest size of a cluster, as powers of two.
const CLUSTER_BITS: std::ops::RangeInclusive<u32> = 9..=21;
/// Header of version 2.
const HEADER_2: u64 = 72;
/// Header of version 3 with the type of compression, padded to a multiple of 8.
const HEADER_3: u64 = 112;
/// Incompatible feature: the type of compression is not zlib.
const COMPRESSION_TYPE: u64 = 1 << 3;
/// Of an entry of level 1 or 2: the cluster has one reference, so it may be written in place.
const COPIED: u64 = 1 << 63;
/// Of an entry of level 2: the cluster is compressed.
const COMPRESSED: u64 = 1 << 62;
/// Of an entry of level 2, version 3: the cluster reads as zeros.
const ZERO: u64 = 1;
/// Where a cluster lies, in an entry of either level.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// Sectors by which a compressed cluster's length is told.
const SECTOR: u64 = 512;
/// As large as a level 1 table may be; QEMU's own bound.
const MAX_LEVEL_1: u64 = 32 << 20;

/// Deflate's window in qcow2: 2^12 bytes.
const WINDOW_BITS: u8 = 12;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bytes::Bytes;
    use crate::disk::Disk;
    use crate::epoch::Epoch;
    use crate::guid::Guid;
    use crate::output::{Emit, Format};
    use crate::profile::{ClusterCodec, Qcow2};
    use crate::size::Size;

    fn emitted(format: Qcow2, disk: &Disk, jobs: usize) -> Vec<u8> {
        let spool = tempfile::tempdir().unwrap();
        let how = Emit { jobs, seed: Guid::seed("x"), epoch: Epoch(1), name: "x_1", spool: spool.path() };
        let mut out = Vec::new();
        format.emit(disk, &how, &mut out).unwrap();
        assert_eq!(format.measure(disk).unwrap_or(out.len() as u64), out.len() as u64);
        out
    }

    /// Noise, runs, a tail that is no whole cluster.
    fn bytes() -> Vec<u8> {
        let mut bytes = vec![0; (5 << 20) + 1536];
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

    #[test]
    fn what_is_written_is_read_again_in_every_form() {
        let bytes = bytes();
        let disk = Disk::of(Arc::new(bytes.clone())).unwrap();
        for version in [2, 3] {
            for cluster_bits in [9, 12, 16, 21] {
                for codec in [ClusterCodec::None, ClusterCodec::Deflate, ClusterCodec::Zstd] {
                    if version == 2 && codec == ClusterCodec::Zstd {
                        continue;
                    }
                    let format = Qcow2 { version, cluster: Size(1 << cluster_bits), codec };
                    let file = emitted(format, &disk, 3);
                    assert!(file == emitted(format, &disk, 1), "{format:?}");
                    let read: Arc<dyn Bytes> = Arc::new(Qcow2Disk::new(Arc::new(file)).unwrap());
                    assert_eq!(read.length(), bytes.len() as u64);
                    let mut out = Vec::new();
                    Disk::of(read).unwrap().emit(2, &mut out).unwrap();
                    assert!(out == bytes, "{format:?}");
                }
            }
        }
    }

    #[test]
    fn headers_that_lie_are_refused_or_read_within_bounds() {
        let disk = Disk::of(Arc::new(bytes())).unwrap();
        let file = emitted(Qcow2 { codec: ClusterCodec::Zstd, ..Qcow2::default() }, &disk, 1);
        for at in 0..112 {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bad = file.clone();
                bad[at] = value;
                let Ok(read) = Qcow2Disk::new(Arc::new(bad)) else { continue };
                let mut buffer = [0; 512];
                drop(read.read_at(&mut buffer, 0));
                drop(read.next_data(0));
            }
        }
    }
}
