//! GUIDs as partition tables and EFI variables hold them.

use core::fmt;

use super::text::{Hex, nibble};

/// A GUID; bytes in textual (big-endian) order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guid(pub [u8; 16]);

/// How many characters a GUID's text has.
pub const TEXT: usize = 36;

impl Guid {
    /// No GUID: the type of a partition entry that is not in use.
    pub const NIL: Guid = Guid([0; 16]);

    /// The GUID of 16 bytes in the mixed order of GPT and EFI, the first three fields of
    /// which are little-endian.
    pub fn from_mixed(b: [u8; 16]) -> Self {
        Guid([b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]])
    }

    /// The GUID that 36 characters with four hyphens write out, in either case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != TEXT {
            return None;
        }
        let mut bytes = [0u8; 16];
        let mut digits = 0usize;
        for (at, &character) in text.iter().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if character != b'-' {
                    return None;
                }
                continue;
            }
            let slot = bytes.get_mut(digits / 2)?;
            *slot = (*slot << 4) | nibble(character)?;
            digits += 1;
        }
        Some(Guid(bytes))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (a, b) = self.0.split_at(4);
        let (b, c) = b.split_at(2);
        let (c, d) = c.split_at(2);
        let (d, e) = d.split_at(2);
        write!(f, "{}-{}-{}-{}-{}", Hex(a), Hex(b), Hex(c), Hex(d), Hex(e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let text = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
        let guid = Guid::parse(text.as_bytes()).unwrap();
        assert_eq!(guid.to_string(), text);
        assert_eq!(Guid::parse(text.to_uppercase().as_bytes()), Some(guid));
        for bad in ["", "c12a7328", "c12a7328+f81f-11d2-ba4b-00a0c93ec93b", "c12a7328-f81f-11d2-ba4b-00a0c93ec93g"] {
            assert_eq!(Guid::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn mixed_order_agrees_with_the_builder() {
        let theirs: crate::guid::Guid = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709".parse().unwrap();
        assert_eq!(Guid::from_mixed(theirs.to_mixed()).0, theirs.0);
    }
}
