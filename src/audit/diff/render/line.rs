//! One change in words.

use super::super::{Change, Kind};
use crate::report::clean;

/// Longer values are cut.
const LONGEST: usize = 300;

/// The sign before a change.
pub fn sign(change: &Change) -> char {
    match (change.flags.is_empty(), change.kind) {
        (false, _) => '!',
        (true, Kind::Added) => '+',
        (true, Kind::Removed) => '-',
        (true, Kind::Changed) => '~',
    }
}

/// `1.0 -> 1.1`, cut where it is very long; empty where a change says nothing but that it is.
pub fn value(change: &Change) -> String {
    match (&change.before, &change.after) {
        (Some(before), Some(after)) if before == after => cut(after),
        (Some(before), Some(after)) => format!("{} -> {}", cut(before), cut(after)),
        (None, Some(after)) => cut(after),
        (Some(before), None) => cut(before),
        (None, None) => String::new(),
    }
}

/// Notes, flags and causes.
pub fn rest(change: &Change) -> String {
    let mut out = String::new();
    if !change.notes.is_empty() {
        out += &format!(" [{}]", change.notes.join("; "));
    }
    if !change.because.is_empty() {
        out += &format!(" <- {}", change.because.join("; "));
    }
    clean(&out)
}

fn cut(text: &str) -> String {
    let text = clean(text);
    match text.char_indices().nth(LONGEST) {
        None => text,
        Some((at, _)) => format!("{}...", &text[..at]),
    }
}
