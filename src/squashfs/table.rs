//! Lookup tables: entries of one size in metadata blocks, then the place of each block.

use super::codec::Method;
use super::metadata::{self, BLOCK};
use crate::error::Result;

/// A table, laid out.
pub struct Table {
    /// The metadata blocks and the index behind them.
    pub bytes: Vec<u8>,
    /// Where in `bytes` the index begins: the superblock's pointer, but for attributes.
    pub index: u64,
}

/// Lays `entries` (whole entries, back to back) out as a table that begins at `start` of the image.
pub fn lay_out(entries: &[u8], start: u64, method: &Method) -> Result<Table> {
    let mut compressor = method.compressor()?;
    let mut bytes = Vec::new();
    let mut places = Vec::new();
    for block in entries.chunks(BLOCK) {
        places.push(start + bytes.len() as u64);
        metadata::pack(&mut compressor, block, &mut bytes)?;
    }
    let index = bytes.len() as u64;
    bytes.extend(places.iter().flat_map(|place| place.to_le_bytes()));
    Ok(Table { bytes, index })
}
