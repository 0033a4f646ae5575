//! Compressors round any output: pieces of a fixed size, each compressed for itself by any thread.
//!
//! - gzip: one member (RFC 1952) whose deflate blocks are joined by full flushes.
//! - xz: one stream of several blocks, as `xz -T` writes it.
//! - zstd: frames back to back, each with its size and checksum, as `pzstd` writes them.
//!
//! The bytes depend on the pieces alone, so not on the number of threads; a piece of zeros is
//! compressed once.

use std::io::{self, Write};
use std::sync::Arc;

use flate2::{Compress, Crc, FlushCompress, Status};
use liblzma::stream::{Action, Check, Filters, LzmaOptions, Stream};

use crate::bytes::le32;
use crate::disk::{Sink, is_zero};
use crate::error::{Error, Result};
use crate::profile::Compression;
use crate::work::Queue;

/// Level of gzip; what its own default is.
const GZIP_LEVEL: u32 = 6;
/// Preset of xz; what its own default is.
const XZ_PRESET: u32 = 6;
/// Level of zstd: files are packed once and read often.
const ZSTD_LEVEL: i32 = 9;
/// An encoder of xz takes some 11 times its dictionary: together they stay below 200 MB.
const XZ_THREADS: usize = 4;
/// Magic, no flags (RFC 1952): deflate, no name, no time, unknown system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// What ends a deflate stream: an empty last block with fixed codes.
const DEFLATE_END: [u8; 2] = [3, 0];
/// Header and footer of an xz stream (The .xz File Format 1.2.1, section 2.1).
const XZ_FRAME: usize = 12;

impl Compression {
    /// What is added to a file's name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Compression::Gz => "gz",
            Compression::Xz => "xz",
            Compression::Zst => "zst",
        }
    }

    /// Bytes of a piece. The output depends on it.
    fn piece(self) -> usize {
        match self {
            Compression::Gz => 1 << 20,
            Compression::Xz | Compression::Zst => 4 << 20,
        }
    }
}

/// A piece, compressed.
struct Piece {
    bytes: Vec<u8>,
    /// Bytes of it before.
    length: usize,
    /// gzip: the checksum of them.
    crc: Crc,
    /// xz: the block's size without its padding.
    unpadded: u64,
}

/// A sink that compresses what passes into another one; ended by [`Compressed::finish`].
pub struct Compressed<'a> {
    method: Compression,
    inner: &'a mut dyn Sink,
    buffer: Vec<u8>,
    queue: Queue<Vec<u8>, Result<Piece>>,
    /// Of a whole piece of zeros.
    zeros: Option<Arc<Piece>>,
    /// Pieces that are not to be compressed again, by their number.
    known: std::collections::BTreeSet<u64>,
    pushed: u64,
    popped: u64,
    total: u64,
    crc: Crc,
    /// xz: unpadded and uncompressed size of each block.
    blocks: Vec<(u64, u64)>,
}

impl<'a> Compressed<'a> {
    /// Begins a compressed file on `inner`; `jobs` threads.
    pub fn new(method: Compression, jobs: usize, inner: &'a mut dyn Sink) -> Result<Self> {
        match method {
            Compression::Gz => inner.write_all(&GZIP_HEADER)?,
            Compression::Xz => inner.write_all(&xz_empty()?[..XZ_FRAME])?,
            Compression::Zst => {}
        }
        let jobs = if method == Compression::Xz { jobs.min(XZ_THREADS) } else { jobs };
        Ok(Compressed {
            method,
            inner,
            buffer: Vec::with_capacity(method.piece()),
            queue: Queue::new(jobs, || (), move |(), bytes: Vec<u8>| compress(method, &bytes)),
            zeros: None,
            known: Default::default(),
            pushed: 0,
            popped: 0,
            total: 0,
            crc: Crc::new(),
            blocks: Vec::new(),
        })
    }

    /// Writes what is left, and the end of the file.
    pub fn finish(mut self) -> Result<()> {
        if !self.buffer.is_empty() || self.method == Compression::Zst && self.pushed == 0 {
            self.flush_piece()?;
        }
        while let Some(piece) = self.queue.pop()? {
            self.put(piece)?;
        }
        match self.method {
            Compression::Gz => {
                self.inner.write_all(&DEFLATE_END)?;
                self.inner.write_all(&self.crc.sum().to_le_bytes())?;
                // Modulo 2^32, as the format has it.
                self.inner.write_all(&(self.total as u32).to_le_bytes())?;
            }
            Compression::Xz => self.inner.write_all(&xz_end(&self.blocks))?,
            Compression::Zst => {}
        }
        Ok(())
    }

    fn flush_piece(&mut self) -> Result<()> {
        let bytes = std::mem::replace(&mut self.buffer, Vec::with_capacity(self.method.piece()));
        let known = bytes.len() == self.method.piece() && is_zero(&bytes);
        if known && self.zeros.is_none() {
            self.zeros = Some(Arc::new(compress(self.method, &bytes)?));
        }
        if known {
            self.known.insert(self.pushed);
        }
        self.pushed += 1;
        // Nothing to do for a known one, but it waits for its turn like all others.
        if let Some(piece) = self.queue.push(if known { Vec::new() } else { bytes })? {
            self.put(piece)?;
        }
        Ok(())
    }

    fn put(&mut self, piece: Result<Piece>) -> Result<()> {
        let piece = match (self.known.remove(&self.popped), &self.zeros) {
            (true, Some(zeros)) => zeros.clone(),
            _ => Arc::new(piece?),
        };
        self.popped += 1;
        self.inner.write_all(&piece.bytes)?;
        self.total += piece.length as u64;
        self.crc.combine(&piece.crc);
        self.blocks.push((piece.unpadded, piece.length as u64));
        Ok(())
    }
}

impl Write for Compressed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.method.piece() - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        if self.buffer.len() == self.method.piece() {
            self.flush_piece().map_err(io::Error::other)?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Compressed<'_> {}

fn compress(method: Compression, bytes: &[u8]) -> Result<Piece> {
    let mut piece = Piece { bytes: Vec::new(), length: bytes.len(), crc: Crc::new(), unpadded: 0 };
    match method {
        Compression::Gz => {
            piece.crc.update(bytes);
            piece.bytes = deflate(bytes)?;
        }
        Compression::Xz => {
            let mut options = LzmaOptions::new_preset(XZ_PRESET).map_err(xz)?;
            options.dict_size(method.piece() as u32);
            let mut stream = Stream::new_stream_encoder(Filters::new().lzma2(&options), Check::Crc64).map_err(xz)?;
            // Incompressible data becomes longer by less than this.
            let mut out = vec![0; bytes.len() + bytes.len() / 1024 + 1024];
            stream.process(bytes, &mut out, Action::Finish).map_err(xz)?;
            out.truncate(stream.total_out() as usize);
            (piece.bytes, piece.unpadded) = xz_block(&out)?;
        }
        Compression::Zst => {
            let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
            compressor.include_checksum(true)?;
            piece.bytes = compressor.compress(bytes)?;
        }
    }
    Ok(piece)
}

/// Deflate blocks up to a full flush: they stand wherever they are put.
fn deflate(bytes: &[u8]) -> Result<Vec<u8>> {
    let bad = |error: &dyn std::fmt::Display| Error::system(format!("deflate cannot compress: {error}"));
    let mut compressor = Compress::new(flate2::Compression::new(GZIP_LEVEL), false);
    let mut out = vec![0; bytes.len() + bytes.len() / 512 + 1024];
    let status = compressor.compress(bytes, &mut out, FlushCompress::Full).map_err(|error| bad(&error))?;
    if status != Status::Ok || compressor.total_in() != bytes.len() as u64 {
        return Err(bad(&"the room was too small"));
    }
    out.truncate(compressor.total_out() as usize);
    Ok(out)
}

fn xz(error: liblzma::stream::Error) -> Error {
    Error::system(format!("xz cannot compress: {error}"))
}

/// A stream without blocks: its header is that of every stream with the same check.
fn xz_empty() -> Result<Vec<u8>> {
    let options = LzmaOptions::new_preset(XZ_PRESET).map_err(xz)?;
    let mut stream = Stream::new_stream_encoder(Filters::new().lzma2(&options), Check::Crc64).map_err(xz)?;
    let mut out = vec![0; 1024];
    stream.process(&[], &mut out, Action::Finish).map_err(xz)?;
    out.truncate(stream.total_out() as usize);
    Ok(out)
}

/// The one block of a stream, and its unpadded size out of the index.
fn xz_block(stream: &[u8]) -> Result<(Vec<u8>, u64)> {
    let bad = || Error::bug("a stream of xz without a block");
    let footer = stream.last_chunk::<XZ_FRAME>().ok_or_else(bad)?;
    // Behind a checksum: the index's size in words of 4 bytes, less one.
    let words = le32(footer, 4) as usize + 1;
    let index_at = stream.len().checked_sub(XZ_FRAME + words * 4).ok_or_else(bad)?;
    let block = stream.get(XZ_FRAME..index_at).ok_or_else(bad)?;
    // Indicator, number of records, then the first record's unpadded size.
    let record = stream.get(index_at + 2..).ok_or_else(bad)?;
    let mut unpadded = 0;
    for (at, byte) in record.iter().take(9).enumerate() {
        unpadded |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok((block.to_vec(), unpadded));
        }
    }
    Err(bad())
}

/// Index and footer of a stream with these blocks (The .xz File Format, sections 4 and 2.1.2).
fn xz_end(blocks: &[(u64, u64)]) -> Vec<u8> {
    let mut index = vec![0];
    number(&mut index, blocks.len() as u64);
    for (unpadded, length) in blocks {
        number(&mut index, *unpadded);
        number(&mut index, *length);
    }
    index.resize(index.len().next_multiple_of(4), 0);
    index.extend(crc32(&index).to_le_bytes());
    let mut footer = ((index.len() / 4 - 1) as u32).to_le_bytes().to_vec();
    // The check: CRC64.
    footer.extend([0, 4]);
    let mut out = index;
    out.extend(crc32(&footer).to_le_bytes());
    out.extend(footer);
    out.extend(b"YZ");
    out
}

/// A number in 7 bits a byte, the least first.
fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn packed(method: Compression, bytes: &[u8], jobs: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut sink = Compressed::new(method, jobs, &mut out).unwrap();
        sink.write_all(bytes).unwrap();
        sink.finish().unwrap();
        out
    }

    #[test]
    fn common_readers_get_every_byte_back() {
        let mut bytes = vec![0; (13 << 20) + 5];
        for (at, byte) in bytes[5 << 20..][..3 << 20].iter_mut().enumerate() {
            *byte = (at * at / 7) as u8;
        }
        for bytes in [&bytes[..], &bytes[..100], &[]] {
            for method in [Compression::Gz, Compression::Xz, Compression::Zst] {
                let out = packed(method, bytes, 3);
                assert!(out == packed(method, bytes, 1));
                let mut back = Vec::new();
                match method {
                    // One member, so the plain reader must do.
                    Compression::Gz => flate2::read::GzDecoder::new(&out[..]).read_to_end(&mut back).unwrap(),
                    Compression::Xz => liblzma::read::XzDecoder::new(&out[..]).read_to_end(&mut back).unwrap(),
                    Compression::Zst => zstd::Decoder::new(&out[..]).unwrap().read_to_end(&mut back).unwrap(),
                };
                assert!(back == bytes, "{method:?}");
            }
        }
    }
}
