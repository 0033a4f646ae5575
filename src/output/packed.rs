//! An image that was compressed as a whole: unpacked into a file without a name, with holes for zeros.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::bytes::{Bytes, Front, Whole};
use crate::disk::is_zero;
use crate::error::{Context, Error, Result};
use crate::size::Size;
use crate::source::codec::Codec;

/// Bytes that are looked at for holes.
const PIECE: usize = 64 << 10;
/// Bytes that are unpacked at once.
const BUFFER: usize = 1 << 20;

/// How far a compressed image may be unpacked, and where.
#[derive(Debug, Clone, Copy)]
pub struct Unpack<'a> {
    /// Bytes, zeros included.
    pub limit: Size,
    /// The folder; where nothing can be written there, the system's for temporary files.
    pub folder: &'a Path,
}

/// The codec of a file that begins with these bytes, if they are a codec's.
pub fn codec(head: &[u8]) -> Option<Codec> {
    match head {
        [0x1f, 0x8b, 8, ..] => Some(Codec::Gzip),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Codec::Xz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Codec::Zstd),
        _ => None,
    }
}

/// All that `file` holds.
pub fn unpack(file: Arc<dyn Bytes>, codec: Codec, how: Unpack<'_>) -> Result<Arc<dyn Bytes>> {
    let doing = || "unpacking a compressed image".to_owned();
    let out = tempfile::tempfile_in(how.folder).or_else(|_| tempfile::tempfile()).context(doing)?;
    let mut reader = codec.decode(Front::new(file), u64::MAX).context(doing)?;
    let mut buffer = vec![0; BUFFER];
    let mut position = 0;
    loop {
        let count = fill(&mut reader, &mut buffer).context(doing)?;
        position += count as u64;
        if position > how.limit.bytes() {
            let message = format!("a compressed image that is larger than {}", how.limit);
            return Err(Error::source(message).hint("raise the limit: imagebuild convert --limit SIZE"));
        }
        for (nth, piece) in buffer[..count].chunks(PIECE).enumerate() {
            put(&out, piece, position - (count - nth * PIECE) as u64).context(doing)?;
        }
        if count < buffer.len() {
            break;
        }
    }
    out.set_len(position).context(doing)?;
    Ok(Arc::new(Whole::of(out)?))
}

fn put(out: &File, piece: &[u8], at: u64) -> std::io::Result<()> {
    if is_zero(piece) { Ok(()) } else { out.write_all_at(piece, at) }
}

/// Fills the buffer as far as there is anything.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match reader.read(&mut buffer[done..])? {
            0 => break,
            count => done += count,
        }
    }
    Ok(done)
}
