//! Whether two disks are the same, and where they first differ: the byte, the structure that it is in, the field, both
//! values, and what such a difference comes from.

mod fields;
mod places;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::image::Image;
use crate::bytes::Bytes;
use crate::error::{Context, Result};
use crate::output;

/// Bytes that are compared at once.
const PIECE: usize = 1 << 20;
/// Bytes of a value that are shown where the structure has no fields.
const SHOWN: u64 = 16;

/// The first difference of two disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The first byte that differs, from the disk's start.
    pub at: u64,
    /// The partition and the structure in it: `partition 2 (root), superblock of the squashfs`.
    pub structure: String,
    /// The field; none where the structure has none.
    pub field: Option<String>,
    /// Its value on either side.
    pub values: (String, String),
    /// What such a difference comes from.
    pub cause: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { at, structure, field, values: (ours, theirs), cause } = self;
        let field = field.as_ref().map(|field| format!(", {field}")).unwrap_or_default();
        write!(f, "byte {at}: {structure}{field}: {ours} instead of {theirs} ({cause})")
    }
}

/// A place of a disk: from where to where, what lies there, and what a difference there comes from.
#[derive(Debug, Clone)]
struct Place {
    range: Range<u64>,
    structure: String,
    field: Option<String>,
    cause: &'static str,
}

/// The disk in a file; none where it holds no partitions, as a kernel or a manifest of a bundle.
pub fn disk(path: &Path) -> Option<Arc<dyn Bytes>> {
    let disk = output::open(path).ok()?.disk;
    Image::of(disk.clone()).is_ok().then_some(disk)
}

/// The first difference between `image` and `again`, which was just built and is sound; none where they are the same.
pub fn first(image: &Arc<dyn Bytes>, again: &Arc<dyn Bytes>) -> Result<Option<Difference>> {
    let Some(at) = first_byte(&**image, &**again)? else { return Ok(None) };
    let (lengths, shorter) = ((image.length(), again.length()), image.length().min(again.length()));
    if at >= shorter {
        return Ok(Some(Difference {
            at,
            structure: "the disk".to_owned(),
            field: Some("length".to_owned()),
            values: (format!("{} bytes", lengths.0), format!("{} bytes", lengths.1)),
            cause: "`[layout]`, `[var]`, or the size rule of the output's cloud".to_owned(),
        }));
    }
    let place = places::at(again, at)?;
    // A field is shown as a whole, of anything larger what follows the byte.
    let range = match place.field {
        Some(_) if place.range.end - place.range.start <= 64 => place.range.clone(),
        _ => at..place.range.end.min(at.saturating_add(SHOWN)),
    };
    let value = |disk: &Arc<dyn Bytes>| -> Result<String> {
        let end = range.end.min(disk.length());
        let mut bytes = vec![0; end.saturating_sub(range.start) as usize];
        disk.read_at(&mut bytes, range.start)?;
        Ok(fields::shown(&bytes))
    };
    let values = (value(image)?, value(again)?);
    Ok(Some(Difference { at, structure: place.structure, field: place.field, values, cause: place.cause.to_owned() }))
}

/// Whether two files hold the same bytes.
pub fn same(a: &dyn Bytes, b: &dyn Bytes) -> Result<bool> {
    Ok(first_byte(a, b)?.is_none())
}

/// The first byte that differs, or that one of them alone has.
fn first_byte(a: &dyn Bytes, b: &dyn Bytes) -> Result<Option<u64>> {
    let doing = || "comparing".to_owned();
    let shorter = a.length().min(b.length());
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    let mut at = 0;
    while at < shorter {
        // Where neither knows of anything but zeros there is nothing to compare.
        let next =
            |bytes: &dyn Bytes| Ok::<_, std::io::Error>(bytes.next_data(at)?.map_or(shorter, |range| range.start));
        at = next(a).context(doing)?.min(next(b).context(doing)?);
        if at >= shorter {
            break;
        }
        let count = (shorter - at).min(PIECE as u64) as usize;
        a.read_at(&mut left[..count], at).context(doing)?;
        b.read_at(&mut right[..count], at).context(doing)?;
        if let Some(first) = left[..count].iter().zip(&right[..count]).position(|(x, y)| x != y) {
            return Ok(Some(at + first as u64));
        }
        at += count as u64;
    }
    Ok((a.length() != b.length()).then_some(shorter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_or_the_length() {
        let same = |a: &[u8], b: &[u8]| first_byte(&a.to_vec(), &b.to_vec()).unwrap();
        assert_eq!(same(b"", b""), None);
        assert_eq!(same(b"abc", b"abc"), None);
        assert_eq!(same(b"abc", b"abd"), Some(2));
        assert_eq!(same(b"abc", b"abcd"), Some(3));
        let mut long = vec![7; 3 * PIECE + 5];
        let other = long.clone();
        long[2 * PIECE + 1] = 8;
        assert_eq!(same(&long, &other), Some(2 * PIECE as u64 + 1));
    }
}
