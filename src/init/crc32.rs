//! CRC-32 as GPT uses it (reflected, polynomial 0xedb88320).

/// A checksum that is being computed.
#[derive(Clone, Copy)]
pub struct Crc32(u32);

impl Crc32 {
    /// The checksum of nothing.
    pub const fn new() -> Self {
        Crc32(!0)
    }

    /// Takes more bytes in. Bit by bit: a table would be larger than what is checked.
    pub fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 ^= u32::from(byte);
            for _ in 0..8 {
                let carry = if self.0 & 1 == 1 { 0xedb8_8320 } else { 0 };
                self.0 = (self.0 >> 1) ^ carry;
            }
        }
    }

    /// The checksum of all bytes so far.
    pub fn value(self) -> u32 {
        !self.0
    }
}

impl Default for Crc32 {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_value_of_the_catalogue() {
        let mut crc = Crc32::new();
        crc.update(b"1234");
        crc.update(b"56789");
        assert_eq!(crc.value(), 0xcbf4_3926);
        assert_eq!(Crc32::new().value(), 0);
    }
}
