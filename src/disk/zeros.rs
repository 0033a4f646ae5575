//! What of a disk is zeros, by pieces of 4 KiB.

use std::ops::Range;

/// Bytes of a piece: what file systems make holes of.
pub const PIECE: u64 = 4 << 10;
/// Bytes of a unit: a piece for each bit of a word.
pub const UNIT: u64 = 64 * PIECE;

/// Whether there is nothing but zeros.
pub fn is_zero(bytes: &[u8]) -> bool {
    // Words at a time, which the compiler turns into the widest compare there is.
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| word.iter().fold(0, |all, byte| all | byte) == 0) && rest.iter().all(|byte| *byte == 0)
}

/// Sorted runs of pieces that are not zeros; those between which less than `gap` bytes lie are one.
pub fn runs(bytes: &[u8], gap: usize) -> impl Iterator<Item = Range<usize>> {
    let mut pieces =
        bytes.chunks(PIECE as usize).enumerate().filter(|(_, piece)| !is_zero(piece)).map(|(nth, piece)| {
            let start = nth * PIECE as usize;
            start..start + piece.len()
        });
    let mut open = pieces.next();
    std::iter::from_fn(move || {
        let mut run = open.take()?;
        for piece in pieces.by_ref() {
            if piece.start - run.end >= gap.max(1) {
                open = Some(piece);
                break;
            }
            run.end = piece.end;
        }
        Some(run)
    })
}

/// The pieces of a disk that are not zeros.
#[derive(Debug)]
pub struct Filled {
    /// Numbers of units, sorted, and in each a bit for each piece.
    units: Vec<(u64, u64)>,
}

impl Filled {
    /// The unit `number`, whose bytes these are; none where it is zeros.
    pub fn unit(number: u64, bytes: &[u8]) -> Option<(u64, u64)> {
        let mut mask = 0;
        for (nth, piece) in bytes.chunks(PIECE as usize).enumerate() {
            mask |= u64::from(!is_zero(piece)) << nth;
        }
        (mask != 0).then_some((number, mask))
    }

    /// What such units, sorted, are together.
    pub fn of(units: Vec<(u64, u64)>) -> Self {
        Filled { units }
    }

    /// The numbers of the chunks of `size` bytes, a power of two of at least a piece, that hold anything, sorted.
    pub fn chunks(&self, size: u64) -> Vec<u64> {
        let mut found = Vec::new();
        if size >= UNIT {
            found.extend(self.units.iter().map(|(number, _)| number / (size / UNIT)));
            found.dedup();
            return found;
        }
        let pieces = size / PIECE;
        let (each, bits) = (UNIT / size, u64::MAX >> (64 - pieces));
        for (number, mask) in &self.units {
            found.extend((0..each).filter(|nth| mask >> (nth * pieces) & bits != 0).map(|nth| number * each + nth));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_leave_wide_gaps_out() {
        let mut bytes = vec![0; 10 * 4096 + 5];
        for at in [4096, 3 * 4096 + 7, 8 * 4096, 10 * 4096 + 4] {
            bytes[at] = 1;
        }
        let found = |gap| runs(&bytes, gap).map(|run| (run.start, run.end)).collect::<Vec<_>>();
        let end = bytes.len();
        assert_eq!(found(0), [(4096, 8192), (12_288, 16_384), (32_768, 36_864), (40_960, end)]);
        assert_eq!(found(8192), [(4096, 16_384), (32_768, end)]);
        assert_eq!(runs(&[0; 100_000], 0).count(), 0);
        assert_eq!(runs(&[], 0).count(), 0);
    }

    #[test]
    fn chunks_of_any_size_are_found_by_their_pieces() {
        let mut unit = vec![0; UNIT as usize];
        unit[5 * 4096] = 1;
        unit[63 * 4096] = 1;
        let units =
            [Filled::unit(0, &unit), Filled::unit(1, &vec![0; UNIT as usize]), Filled::unit(9, &unit[..6 * 4096])];
        let filled = Filled::of(units.into_iter().flatten().collect());
        assert_eq!(filled.chunks(4096), [5, 63, 9 * 64 + 5]);
        assert_eq!(filled.chunks(64 << 10), [0, 3, 36]);
        assert_eq!(filled.chunks(UNIT), [0, 9]);
        assert_eq!(filled.chunks(1 << 20), [0, 2]);
        assert_eq!(filled.chunks(4 << 20), [0]);
    }
}
