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

pub use read::open;

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
    use crate::output::tests::{hostile, round_trip};
    use crate::profile::{ClusterCodec, Qcow2};
    use crate::size::Size;

    #[test]
    fn what_is_written_is_read_again_in_every_form() {
        for version in [2, 3] {
            for cluster_bits in [9, 12, 16, 21] {
                for codec in [ClusterCodec::None, ClusterCodec::Deflate, ClusterCodec::Zstd] {
                    if version == 2 && codec == ClusterCodec::Zstd {
                        continue;
                    }
                    round_trip(&Qcow2 { version, cluster: Size(1 << cluster_bits), codec }, 1);
                }
            }
        }
    }

    #[test]
    fn headers_and_tables_that_lie_are_refused_or_read_within_bounds() {
        let file = round_trip(&Qcow2 { codec: ClusterCodec::Zstd, ..Qcow2::default() }, 1);
        hostile(&file, 0..112);
        // Level 1 and the only table of level 2.
        for cluster in [3, 4] {
            hostile(&file, cluster << 16..(cluster << 16) + 80);
        }
    }
}
