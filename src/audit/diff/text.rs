//! Differences of text, as `diff -u` shows them.

use similar::{Algorithm, TextDiff};

/// Lines around a difference.
const CONTEXT: usize = 3;
/// As many bytes of a text are compared line by line.
pub const LIMIT: u64 = 256 << 10;
/// As many lines of one difference are told.
const LINES: usize = 400;

/// The hunks, without file names; cut where they are very long.
pub fn unified(before: &str, after: &str) -> String {
    // Myers without a bound is quadratic where texts share little; lines of at most `LIMIT` bytes keep that small.
    let diff = TextDiff::configure().algorithm(Algorithm::Myers).diff_lines(before, after);
    let text = diff.unified_diff().context_radius(CONTEXT).missing_newline_hint(true).to_string();
    let mut lines = text.lines();
    let mut out: String = lines.by_ref().take(LINES).map(|line| format!("{line}\n")).collect();
    let rest = lines.count();
    if rest > 0 {
        out.push_str(&format!("... {rest} lines more\n"));
    }
    out
}

/// Bytes as text, where they are that.
pub fn of(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_line_stands_between_its_neighbours() {
        assert_eq!(unified("a\nb\nc\n", "a\nB\nc\n"), "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
    }

    #[test]
    fn a_long_difference_is_cut() {
        let long: String = (0..1000).map(|number| format!("{number}\n")).collect();
        let text = unified("", &long);
        assert_eq!(text.lines().count(), LINES + 1);
        assert!(text.ends_with("lines more\n"), "{text}");
    }
}
