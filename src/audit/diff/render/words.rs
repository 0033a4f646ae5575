//! Plain text.

use std::fmt::Write;

use super::line::{rest, sign, value};
use super::{Diff, Show, Told, counted, heading, verdict};
use crate::report::{clean, visible};

/// Topics with their changes, and the verdict as the last line.
pub fn text(diff: &Diff, show: Show) -> String {
    let mut out = format!("--- {}\n+++ {}\n", clean(&diff.before), clean(&diff.after));
    // Writing to a string cannot fail.
    for (topic, changes) in &diff.topics {
        let told = Told::of(changes, show);
        if told.is_empty() && diff.topics.len() > 1 && !diff.is_cosmetic() {
            continue;
        }
        let _ = writeln!(out, "\n{}", heading(*topic, changes));
        for change in &told.single {
            let value = value(change);
            let gap = if value.is_empty() { "" } else { "  " };
            let _ = writeln!(out, "  {} {}{gap}{value}{}", sign(change), clean(&change.what), rest(change));
            for line in change.detail.lines() {
                let line: String = line.chars().map(|c| if c == '\t' { c } else { visible(c) }).collect();
                let _ = writeln!(out, "      {line}");
            }
        }
        for group in &told.groups {
            let _ = writeln!(out, "  ~ {}", clean(&group.summary()));
        }
        if let Some(counted) = counted(&told) {
            let _ = writeln!(out, "    ({counted})");
        }
    }
    for note in &diff.notes {
        let _ = writeln!(out, "\nnote: {}", clean(note));
    }
    let _ = writeln!(out, "\n{}", verdict(diff));
    out
}
