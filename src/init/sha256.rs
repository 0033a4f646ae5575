//! SHA-256 (FIPS 180-4), for the few blocks that are checked before the kernel takes over.

/// A digest that is being computed.
pub struct Sha256 {
    state: [u32; 8],
    block: [u8; 64],
    filled: usize,
    total: u64,
}

/// The fractional parts of the cube roots of the first 64 primes (section 4.2.2).
const K: [u32; 64] = cube_roots();

/// The fractional parts of the square roots of the first eight primes (section 5.3.3).
const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

const fn cube_roots() -> [u32; 64] {
    let mut out = [0u32; 64];
    let (mut found, mut candidate) = (0, 2u128);
    while found < 64 {
        let mut divisor = 2u128;
        let mut prime = true;
        while divisor * divisor <= candidate {
            if candidate % divisor == 0 {
                prime = false;
            }
            divisor += 1;
        }
        if prime {
            // The integer cube root of candidate * 2^96 holds 32 bits of fraction.
            let wanted = candidate << 96;
            let (mut low, mut high) = (0u128, 1u128 << 36);
            while high - low > 1 {
                let middle = (low + high) / 2;
                if middle * middle * middle <= wanted {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            out[found] = (low & 0xffff_ffff) as u32;
            found += 1;
        }
        candidate += 1;
    }
    out
}

impl Sha256 {
    /// The digest of nothing.
    pub const fn new() -> Self {
        Sha256 { state: START, block: [0; 64], filled: 0, total: 0 }
    }

    /// Takes more bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if let Some(slot) = self.block.get_mut(self.filled) {
                *slot = byte;
            }
            self.filled += 1;
            self.total += 1;
            if self.filled == self.block.len() {
                self.compress();
                self.filled = 0;
            }
        }
    }

    /// The digest of all bytes so far.
    pub fn finish(mut self) -> [u8; 32] {
        let bits = self.total * 8;
        self.update(&[0x80]);
        while self.filled != 56 {
            self.update(&[0]);
        }
        self.update(&bits.to_be_bytes());
        let mut out = [0u8; 32];
        for (to, word) in out.chunks_exact_mut(4).zip(self.state) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        out
    }

    fn compress(&mut self) {
        let mut w = [0u32; 64];
        for (to, from) in w.iter_mut().zip(self.block.chunks_exact(4)) {
            *to = from.iter().fold(0, |word, byte| (word << 8) | u32::from(*byte));
        }
        for t in 16..64 {
            let (a, b) = (w[t - 15], w[t - 2]);
            let small = a.rotate_right(7) ^ a.rotate_right(18) ^ (a >> 3);
            let large = b.rotate_right(17) ^ b.rotate_right(19) ^ (b >> 10);
            w[t] = small.wrapping_add(large).wrapping_add(w[t - 7]).wrapping_add(w[t - 16]);
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = self.state;
        for (word, k) in w.iter().zip(K) {
            let sum = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let choice = (e & f) ^ (!e & g);
            let one = h.wrapping_add(sum).wrapping_add(choice).wrapping_add(k).wrapping_add(*word);
            let sum = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let two = sum.wrapping_add((a & b) ^ (a & c) ^ (b & c));
            (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(one), c, b, a, one.wrapping_add(two));
        }
        for (state, add) in self.state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *state = state.wrapping_add(add);
        }
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_builders_digest_at_every_length() {
        let bytes: Vec<u8> = (0..300u32).map(|n| (n * 7) as u8).collect();
        for len in 0..bytes.len() {
            let mut ours = Sha256::new();
            let (a, b) = bytes[..len].split_at(len / 3);
            ours.update(a);
            ours.update(b);
            assert_eq!(ours.finish(), crate::digest::Digest::of(&bytes[..len]).0, "{len}");
        }
    }
}
