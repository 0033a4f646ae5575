//! The order of Debian's versions (`deb-version(7)`): `[epoch:]upstream[-revision]`.
//!
//! Any text has a place in the order; nothing is refused, so an index cannot break it.

use std::cmp::Ordering;

/// Which of two versions is the later one.
pub fn compare(a: &str, b: &str) -> Ordering {
    let ((epoch_a, a), (epoch_b, b)) = (epoch(a), epoch(b));
    // Without leading zeros the longer number is the larger; no number is too large.
    let number = |digits: &str| (digits.len(), digits.to_owned());
    let (upstream_a, revision_a) = revision(a);
    let (upstream_b, revision_b) = revision(b);
    number(epoch_a)
        .cmp(&number(epoch_b))
        .then_with(|| part(upstream_a.as_bytes(), upstream_b.as_bytes()))
        .then_with(|| part(revision_a.as_bytes(), revision_b.as_bytes()))
}

fn epoch(version: &str) -> (&str, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => (epoch.trim_start_matches('0'), rest),
        _ => ("", version),
    }
}

fn revision(version: &str) -> (&str, &str) {
    version.rsplit_once('-').unwrap_or((version, ""))
}

/// Stretches of other characters and of digits in turn.
fn part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        while weight(a.first()) != 0 || weight(b.first()) != 0 {
            match weight(a.first()).cmp(&weight(b.first())) {
                Ordering::Equal => (a, b) = (rest(a), rest(b)),
                unequal => return unequal,
            }
        }
        let (number_a, after_a) = digits(a);
        let (number_b, after_b) = digits(b);
        let order = number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (after_a, after_b);
    }
    Ordering::Equal
}

fn rest(bytes: &[u8]) -> &[u8] {
    bytes.get(1..).unwrap_or_default()
}

/// `~` before the end, the end (and digits) before letters, letters before the rest.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None => 0,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}

/// The number at the front without leading zeros, and what follows it.
fn digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    let (number, after) = bytes.split_at(end);
    let start = number.iter().position(|byte| *byte != b'0').unwrap_or(number.len());
    (&number[start..], after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_manual_s_order() {
        let rising = [
            "~~",
            "~~a",
            "~",
            "",
            "0.9",
            "1.0~rc1-1",
            "1.0-1",
            "1.0-1+b4",
            "1.0-10",
            "1.0a",
            "1.0+x",
            "1.0.1",
            "1:0.1",
        ];
        for pair in rising.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        for (a, b) in [("1.0", "1.0-0"), ("0:1", "1"), ("1.01", "1.1"), ("1.0-1", "1.0-01")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    proptest! {
        /// Another implementation agrees.
        #[test]
        fn as_debversion(a in "([0-9]:)?[0-9][0-9a-c.+~]{0,6}(-[0-9a-c.+~]{1,4})?", b in "([0-9]:)?[0-9][0-9a-c.+~]{0,6}(-[0-9a-c.+~]{1,4})?") {
            let (left, right): (debversion::Version, debversion::Version) = (a.parse().unwrap(), b.parse().unwrap());
            prop_assert_eq!(compare(&a, &b), left.cmp(&right));
        }
    }
}
