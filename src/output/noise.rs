//! What no compressor makes smaller: packed and hashed data, recognised without compressing it at full cost.

/// Bytes that are counted.
const SAMPLE: usize = 16 << 10;
/// They are taken from so many places.
const PLACES: usize = 16;
/// What the counts of a sample's 256 values may deviate from each other, as chi squared: 255 is what pure chance has
/// on average, and this is a code for single bytes that saves less than half a percent.
const DEVIATION: u64 = 1100;

/// Whether the bytes are noise: all values are as frequent as the others, and there are no repetitions.
///
/// What a format does with noise decides its bytes, so this does as well.
pub fn is_noise(bytes: &[u8]) -> bool {
    bytes.len() >= SAMPLE && even(bytes) && !repeats(bytes)
}

/// Whether no value is much more frequent than another.
fn even(bytes: &[u8]) -> bool {
    let mut counts = [0u32; 256];
    let length = SAMPLE / PLACES;
    for place in bytes.chunks(bytes.len() / PLACES).take(PLACES) {
        place.iter().take(length).for_each(|byte| counts[usize::from(*byte)] += 1);
    }
    let squares: u64 = counts.iter().map(|count| u64::from(*count).pow(2)).sum();
    // Sum of (count - mean)^2 / mean, where the mean is SAMPLE / 256.
    squares <= (SAMPLE as u64 + DEVIATION) * (SAMPLE as u64 / 256)
}

/// Whether a quick search finds repetitions worth a percent.
fn repeats(bytes: &[u8]) -> bool {
    lz4_flex::block::compress(bytes).len() < bytes.len() - bytes.len() / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn noise_is_told_from_what_can_be_packed() {
        let noise = noise(64 << 10);
        assert!(is_noise(&noise));
        assert!(is_noise(&noise[..SAMPLE + 5]));
        // Too short to tell.
        assert!(!is_noise(&noise[..SAMPLE - 1]));
        // Repeated, of seven bits, half zeros.
        assert!(!is_noise(&noise[..32 << 10].repeat(2)));
        assert!(!is_noise(&noise.iter().map(|byte| byte & 0x7f).collect::<Vec<_>>()));
        let mut half = noise.clone();
        half[..32 << 10].fill(0);
        assert!(!is_noise(&half));
    }
}
