//! Markdown for the comment of a merge request: short, the details folded.

use std::fmt::Write;

use super::line::{rest, value};
use super::{Change, Diff, Kind, Show, Told, counted, heading, verdict};
use crate::report::clean;

/// Comments of code hosts end at some 65,000 characters.
const LONGEST: usize = 60_000;
/// The detail of one change.
const DETAIL: usize = 4_000;

/// A heading, the verdict, and a section for each topic.
pub fn markdown(diff: &Diff, show: Show) -> String {
    let mut out = format!("### `{}` → `{}`\n\n**{}**\n", code(&diff.before), code(&diff.after), plain(&verdict(diff)));
    let mut left_out = 0;
    // Writing to a string cannot fail.
    for (topic, changes) in &diff.topics {
        let told = Told::of(changes, show);
        if told.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n#### {}\n", plain(&heading(*topic, changes)));
        for change in &told.single {
            let item = item(change);
            if out.len() + item.len() > LONGEST {
                left_out += 1;
                continue;
            }
            out += &item;
        }
        for group in &told.groups {
            let _ = writeln!(out, "- {}", plain(&group.summary()));
        }
        if let Some(counted) = counted(&told) {
            let _ = writeln!(out, "- *{}*", plain(&counted));
        }
    }
    for note in &diff.notes {
        let _ = writeln!(out, "\n> {}", plain(note));
    }
    if left_out > 0 {
        let _ = writeln!(out, "\n> {left_out} changes more than fit here");
    }
    out
}

fn item(change: &Change) -> String {
    let sign = match (change.flags.is_empty(), change.kind) {
        (false, _) => "⚠️ ",
        (true, Kind::Added) => "➕ ",
        (true, Kind::Removed) => "➖ ",
        (true, Kind::Changed) => "",
    };
    let value = value(change);
    let value = if value.is_empty() { value } else { format!(" `{}`", code(&value)) };
    let flags: Vec<&str> = change.flags.iter().map(|flag| flag.name()).collect();
    let flags = if flags.is_empty() { String::new() } else { format!(" **{}**", flags.join(", ")) };
    let mut out = format!("- {sign}`{}`{value}{flags}{}\n", code(&change.what), plain(&rest(change)));
    if !change.detail.is_empty() {
        let detail: String = change.detail.chars().take(DETAIL).collect();
        // A fence that the text itself cannot close.
        let fence = "`".repeat(longest_run(&detail).max(2) + 1);
        out += &format!("\n  <details><summary>detail</summary>\n\n  {fence}diff\n");
        for line in detail.lines() {
            out += &format!("  {}\n", clean(line));
        }
        out += &format!("  {fence}\n\n  </details>\n\n");
    }
    out
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Text within backticks.
fn code(text: &str) -> String {
    clean(text).replace('`', "ˋ")
}

/// Text that no markup comes out of.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for character in clean(text).chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '@' | '!') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}
