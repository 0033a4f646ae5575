//! The raw LZMA stream that GRUB's decompressor reads: no header, its settings built in.

use liblzma::stream::{Action, Filters, LzmaOptions, MatchFinder, Mode, Status, Stream};

use super::bad;
use crate::error::{Error, Result};

/// The preset's number; every setting that counts is stated below.
const PRESET: u32 = 6;
/// The decompressor addresses all of its output, so that the window may be as large.
const WINDOW: u32 = 1 << 20;

/// Settings of the decompressor (`lc`, `lp`, `pb` are fixed in its code), and an encoder's effort.
fn filters() -> Result<Filters> {
    let mut options = LzmaOptions::new_preset(PRESET).map_err(|error| Error::system(format!("LZMA: {error}")))?;
    options.literal_context_bits(3).literal_position_bits(0).position_bits(2).dict_size(WINDOW);
    options.mode(Mode::Normal).nice_len(273).match_finder(MatchFinder::BinaryTree4).depth(1000);
    let mut filters = Filters::new();
    filters.lzma1(&options);
    Ok(filters)
}

/// Compresses; the stream ends with a marker, which the decompressor, counting bytes, never reads.
pub fn encode(bytes: &[u8]) -> Result<Vec<u8>> {
    let broken = |error| Error::system(format!("LZMA cannot compress: {error}"));
    let mut stream = Stream::new_raw_encoder(&filters()?).map_err(broken)?;
    // What cannot be compressed grows by less than a hundredth.
    let mut out = vec![0; bytes.len() + bytes.len() / 64 + 4096];
    match stream.process(bytes, &mut out, Action::Finish).map_err(broken)? {
        Status::StreamEnd => {}
        _ => return Err(Error::bug("an LZMA stream that does not end")),
    }
    out.truncate(stream.total_out() as usize);
    Ok(out)
}

/// The first `length` bytes that a stream gives, whoever wrote it.
pub fn decode(stream: &[u8], length: usize) -> Result<Vec<u8>> {
    let broken = |_| bad("its core is damaged");
    let mut decoder = Stream::new_raw_decoder(&filters()?).map_err(broken)?;
    let mut out = vec![0; length];
    decoder.process(stream, &mut out, Action::Run).map_err(broken)?;
    match decoder.total_out() as usize == length {
        true => Ok(out),
        false => Err(bad("its core is cut")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        let bytes: Vec<u8> = (0..100_000u32).map(|at| (at.wrapping_mul(at) >> 9) as u8).collect();
        let stream = encode(&bytes).unwrap();
        // The range coder begins with a zero byte.
        assert_eq!(stream[0], 0);
        assert!(decode(&stream, bytes.len()).unwrap() == bytes);
        assert!(decode(&stream[..stream.len() / 2], bytes.len()).is_err());
    }
}
