//! What is zeros, by pieces of 4 KiB.

use std::ops::Range;

/// Bytes of a piece: what file systems make holes of.
pub const PIECE: usize = 4 << 10;

/// Whether there is nothing but zeros.
pub fn is_zero(bytes: &[u8]) -> bool {
    // Words at a time, which the compiler turns into the widest compare there is.
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| word.iter().fold(0, |all, byte| all | byte) == 0) && rest.iter().all(|byte| *byte == 0)
}

/// Sorted runs of pieces that are not zeros; those between which less than `gap` bytes lie are one.
pub fn runs(bytes: &[u8], gap: usize) -> impl Iterator<Item = Range<usize>> {
    let mut pieces = bytes.chunks(PIECE).enumerate().filter(|(_, piece)| !is_zero(piece)).map(|(nth, piece)| {
        let start = nth * PIECE;
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
}
