//! Text of a fixed capacity, since there is no allocator.
//!
//! What does not fit is cut off, and the text remembers it: a message may be cut, a path
//! or a table that was cut is never used.

use core::ffi::CStr;
use core::fmt;

/// Up to `N` bytes of text.
#[derive(Clone, Copy)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
    cut: bool,
}

/// What went wrong, for a person: one line.
pub type Fault = Text<320>;

impl<const N: usize> Text<N> {
    /// No text.
    pub const fn new() -> Self {
        Text { bytes: [0; N], len: 0, cut: false }
    }

    /// The text of `arguments`.
    pub fn of(arguments: fmt::Arguments<'_>) -> Self {
        let mut text = Self::new();
        text.put(arguments);
        text
    }

    /// Appends formatted text.
    pub fn put(&mut self, arguments: fmt::Arguments<'_>) {
        if fmt::write(self, arguments).is_err() {
            self.cut = true;
        }
    }

    /// Appends bytes as they are.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = N.saturating_sub(self.len);
        let taken = bytes.len().min(room);
        if let (Some(to), Some(from)) =
            (self.bytes.get_mut(self.len..self.len.saturating_add(taken)), bytes.get(..taken))
        {
            to.copy_from_slice(from);
            self.len = self.len.saturating_add(taken);
        }
        self.cut |= taken < bytes.len();
    }

    /// The bytes so far.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// The text, where it is UTF-8.
    pub fn str(&self) -> &str {
        core::str::from_utf8(self.bytes()).unwrap_or("?")
    }

    /// Whether all that was put in is there.
    pub fn whole(&self) -> bool {
        !self.cut
    }

    /// The text as a C string; an empty one where it was cut or holds a NUL, which every
    /// system call that takes a path refuses.
    pub fn c(&mut self) -> &CStr {
        self.push(&[0]);
        let terminated = self.len;
        if self.cut {
            return c"";
        }
        self.len = self.len.saturating_sub(1);
        self.bytes.get(..terminated).and_then(|bytes| CStr::from_bytes_with_nul(bytes).ok()).unwrap_or(c"")
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.str())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.str())
    }
}

/// Bytes, shown as lower-case hexadecimal digits.
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The value of one hexadecimal digit.
pub fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_text_is_no_path() {
        let mut text = Text::<4>::new();
        text.push(b"abc");
        assert_eq!(text.c().to_bytes(), b"abc");
        assert_eq!(text.bytes(), b"abc");
        text.push(b"d");
        assert!(text.whole());
        assert_eq!(text.c().to_bytes(), b"", "no room for the NUL");
        text.push(b"e");
        assert!(!text.whole());
        assert_eq!(text.bytes(), b"abcd");
    }

    #[test]
    fn text_with_a_nul_is_no_path() {
        let mut text = Text::<8>::new();
        text.push(b"a\0b");
        assert_eq!(text.c().to_bytes(), b"");
    }

    #[test]
    fn hex_both_ways() {
        assert_eq!(Text::<8>::of(format_args!("{}", Hex(&[0, 0xaf]))).str(), "00af");
        assert_eq!((nibble(b'F'), nibble(b'9'), nibble(b'g')), (Some(15), Some(9), None));
    }
}
