//! A qcow2 file that holds nothing yet and stands on an image: what a guest writes goes there.
//!
//! ```text
//! cluster 0   header, extensions, path of the image
//!         1   refcount table: one entry
//!         2   refcount block: one for each cluster in use
//!         3.. level 1 table: all zero, hence every byte is the image's, or zero past its end
//! ```
//!
//! Format: QEMU, docs/interop/qcow2.rst, version 3.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{Context, Error, Result};

const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// One entry of level 1 leads to one cluster of level 2, each of whose entries leads to a cluster.
const PER_ENTRY: u64 = CLUSTER / 8 * CLUSTER;
/// What one level 1 table of one cluster covers: more than any disk that is tried out.
const MAX_SIZE: u64 = CLUSTER / 8 * PER_ENTRY;
const HEADER: u32 = 104;
/// The longest path of a backing file.
const MAX_PATH: usize = 1023;
/// Extension "backing file format name".
const BACKING_FORMAT: u32 = 0xe279_2aca;

/// Writes the overlay `path` of `size` bytes over the image at `backing`, an absolute path; `format` is QEMU's name
/// of what it is.
pub fn write(path: &Path, backing: &Path, format: &str, size: u64) -> Result<()> {
    let head = head(backing.as_os_str().as_bytes(), format, size)?;
    let doing = || format!("writing `{}`", path.display());
    let file = File::create(path).context(doing)?;
    file.write_all_at(&head, 0).context(doing)?;
    file.write_all_at(&(2 * CLUSTER).to_be_bytes(), CLUSTER).context(doing)?;
    let counts: Vec<u8> = [1u16; 4].iter().flat_map(|count| count.to_be_bytes()).collect();
    file.write_all_at(&counts, 2 * CLUSTER).context(doing)?;
    file.set_len(4 * CLUSTER).context(doing)
}

fn head(backing: &[u8], format: &str, size: u64) -> Result<Vec<u8>> {
    if backing.len() > MAX_PATH {
        return Err(Error::user(format!("the image's path has more than {MAX_PATH} bytes")));
    }
    if size > MAX_SIZE || !size.is_multiple_of(512) {
        return Err(Error::user(format!("a disk of {size} bytes cannot be had"))
            .hint("expected a multiple of 512, at most 4 TiB"));
    }
    let mut extensions = Vec::new();
    extensions.extend(BACKING_FORMAT.to_be_bytes());
    extensions.extend((format.len() as u32).to_be_bytes());
    extensions.extend(format.as_bytes());
    extensions.resize(extensions.len().next_multiple_of(8), 0);
    extensions.extend([0; 8]);
    let name_at = HEADER as usize + extensions.len();

    let mut head = b"QFI\xfb".to_vec();
    head.extend(3u32.to_be_bytes());
    head.extend((name_at as u64).to_be_bytes());
    head.extend((backing.len() as u32).to_be_bytes());
    head.extend(CLUSTER_BITS.to_be_bytes());
    head.extend(size.to_be_bytes());
    // Not encrypted.
    head.extend(0u32.to_be_bytes());
    // At most 8192, since the size is bounded.
    head.extend((size.div_ceil(PER_ENTRY) as u32).to_be_bytes());
    head.extend((3 * CLUSTER).to_be_bytes());
    head.extend(CLUSTER.to_be_bytes());
    head.extend(1u32.to_be_bytes());
    // No snapshots, no features.
    head.extend([0; 4 + 8 + 3 * 8]);
    // Reference counts of 2^4 bits.
    head.extend(4u32.to_be_bytes());
    head.extend(HEADER.to_be_bytes());
    head.extend(extensions);
    head.extend(backing);
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_its_size_and_the_path_its_place() {
        let head = head(b"/x.raw", "raw", 5 << 30).unwrap();
        assert_eq!(head[100..104], HEADER.to_be_bytes());
        let at = u64::from_be_bytes(head[8..16].try_into().unwrap()) as usize;
        assert_eq!(&head[at..], b"/x.raw");
        // 512 MiB an entry.
        assert_eq!(head[36..40], 10u32.to_be_bytes());
    }

    #[test]
    fn what_the_format_cannot_say_is_refused() {
        assert!(head(&[b'x'; 1024], "raw", 512).is_err());
        assert!(head(b"/x", "raw", 513).is_err());
        assert!(head(b"/x", "raw", MAX_SIZE + 512).is_err());
        assert!(head(b"/x", "raw", MAX_SIZE).is_ok());
    }
}
