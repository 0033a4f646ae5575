//! The attribute table: sets of extended attributes, each set once, each long value once.
//!
//! ```text
//! pairs    metadata blocks of: type u16, name length u16, name without prefix, value length u32, value
//! sets     metadata blocks of: place of the first pair u64, pairs u32, bytes u32
//! header   where pairs begin u64, sets u32, 0 u32; then where each block of sets begins u64
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use super::codec::Method;
use super::metadata::{BLOCK, Place, Writer, pack};
use crate::error::{Error, Result};
use crate::tree::Xattrs;

/// No attributes, as inodes say it.
pub const NONE: u32 = u32::MAX;
/// The type's bit for a value that is elsewhere, its place given instead.
pub const ELSEWHERE: u16 = 0x0100;
/// Name spaces by type.
pub const PREFIXES: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];
/// As long as a value may be (`XATTR_SIZE_MAX` of Linux).
pub const MAX_VALUE: usize = 65_536;
/// As long as a name may be (`XATTR_NAME_MAX` of Linux).
const MAX_NAME: usize = 255;

/// Sets in the order of their first use.
#[derive(Default)]
pub struct Sets {
    indexes: HashMap<Arc<Xattrs>, u32>,
    sets: Vec<Arc<Xattrs>>,
}

impl Sets {
    /// The index of a set; [`NONE`] for none.
    pub fn add(&mut self, set: Option<&Arc<Xattrs>>) -> Result<u32> {
        let Some(set) = set.filter(|set| !set.is_empty()) else { return Ok(NONE) };
        if let Some(index) = self.indexes.get(set) {
            return Ok(*index);
        }
        for (name, value) in set.iter() {
            split(name)?;
            if value.len() > MAX_VALUE {
                let message = format!("the attribute `{}` has {} bytes", name.escape_ascii(), value.len());
                return Err(Error::user(message).hint("expected at most 65536"));
            }
        }
        let index = self.sets.len() as u32;
        self.indexes.insert(set.clone(), index);
        self.sets.push(set.clone());
        Ok(index)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// The table as it lies at `start`, and where in it the header is.
    pub fn lay_out(&self, start: u64, method: &Method) -> Result<(Vec<u8>, u64)> {
        let mut entries = Vec::with_capacity(self.sets.len() * 16);
        let mut values: HashMap<&[u8], Place> = HashMap::new();
        let mut pairs = Writer::new(method.compressor()?);
        for set in &self.sets {
            let place = pairs.place();
            let mut size = 0u32;
            for (name, value) in set.iter() {
                size = size.saturating_add(write_pair(&mut pairs, &mut values, name, value)?);
            }
            entries.extend_from_slice(&place.packed().to_le_bytes());
            entries.extend_from_slice(&(set.len() as u32).to_le_bytes());
            entries.extend_from_slice(&size.to_le_bytes());
        }
        let mut bytes = pairs.finish()?;
        let mut compressor = method.compressor()?;
        let mut places = Vec::new();
        for block in entries.chunks(BLOCK) {
            places.push(start + bytes.len() as u64);
            pack(&mut compressor, block, &mut bytes)?;
        }
        let header = bytes.len() as u64;
        bytes.extend_from_slice(&start.to_le_bytes());
        bytes.extend_from_slice(&(self.sets.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend(places.iter().flat_map(|place| place.to_le_bytes()));
        Ok((bytes, header))
    }
}

/// Appends one pair; the bytes of the whole name and the value, which is what the set's size counts.
fn write_pair<'s>(
    pairs: &mut Writer,
    values: &mut HashMap<&'s [u8], Place>,
    name: &[u8],
    value: &'s [u8],
) -> Result<u32> {
    let (kind, rest) = split(name)?;
    let known = values.get(value).copied();
    let kind = if known.is_some() { kind | ELSEWHERE } else { kind };
    pairs.write(&kind.to_le_bytes())?;
    pairs.write(&(rest.len() as u16).to_le_bytes())?;
    pairs.write(rest)?;
    match known {
        Some(place) => {
            pairs.write(&8u32.to_le_bytes())?;
            pairs.write(&place.packed().to_le_bytes())?;
        }
        None => {
            let place = pairs.place();
            pairs.write(&(value.len() as u32).to_le_bytes())?;
            pairs.write(value)?;
            // A reference takes eight bytes itself.
            if value.len() > 8 {
                values.insert(value, place);
            }
        }
    }
    Ok((name.len() + value.len()) as u32)
}

/// The type and the name without its prefix.
fn split(name: &[u8]) -> Result<(u16, &[u8])> {
    let found = PREFIXES.iter().zip(0u16..).find_map(|(prefix, kind)| Some((kind, name.strip_prefix(*prefix)?)));
    match found {
        Some((kind, rest)) if !rest.is_empty() && name.len() <= MAX_NAME => Ok((kind, rest)),
        _ => Err(Error::user(format!("squashfs cannot hold the attribute `{}`", name.escape_ascii()))
            .hint("expected `user.`, `trusted.` or `security.` and a name, at most 255 bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &[u8])]) -> Arc<Xattrs> {
        Arc::new(pairs.iter().map(|(name, value)| (name.as_bytes().into(), (*value).into())).collect())
    }

    #[test]
    fn sets_and_long_values_are_kept_once() {
        let mut sets = Sets::default();
        assert_eq!(sets.add(None).unwrap(), NONE);
        assert_eq!(sets.add(Some(&set(&[]))).unwrap(), NONE);
        let (a, b) = (set(&[("user.a", &[1; 100])]), set(&[("user.b", &[1; 100]), ("security.c", b"x")]));
        assert_eq!([&a, &b, &a].map(|set| sets.add(Some(set)).unwrap()), [0, 1, 0]);
        let (bytes, header) =
            sets.lay_out(1000, &Method { codec: super::super::codec::Codec::None, level: 0, block: 4096 }).unwrap();
        // Pairs: 4+1+4+100, 4+1+4+1, 4+1+4+8; sets: two of 16.
        assert_eq!(header, 2 + 109 + 10 + 17 + 2 + 32);
        assert_eq!(bytes.len() as u64, header + 16 + 8);
    }

    #[test]
    fn what_has_no_place_is_refused() {
        let mut sets = Sets::default();
        for name in ["system.posix_acl_access", "user.", "x"] {
            assert!(sets.add(Some(&set(&[(name, b"v")]))).is_err(), "{name}");
        }
        assert!(sets.add(Some(&set(&[("user.a", &[0; MAX_VALUE + 1])]))).is_err());
    }
}
