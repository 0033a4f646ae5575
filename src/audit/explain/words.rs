//! An explanation as text and as JSON.

use std::fmt::Write;

use super::{Cause, Explanation, Fate, Step};
use crate::error::{Error, Result};
use crate::report::clean;
use crate::size::human;

/// Causes that are told of one step.
const CAUSES: usize = 40;
/// Values that are named where several share what is told of them.
const NAMES: usize = 8;
/// Digits of a digest for people.
const DIGITS: usize = 12;

/// A line for every stage, and for values of one that share their fate and its causes; the causes below.
pub fn text(explanation: &Explanation) -> String {
    let stages = explanation.steps.chunk_by(|a, b| a.stage == b.stage);
    stages.flat_map(groups).map(|group| line(&group)).collect()
}

/// Steps of one stage that are told in one line; what was reused comes first.
pub fn groups(steps: &[Step]) -> Vec<Vec<&Step>> {
    let mut groups: Vec<Vec<&Step>> = Vec::new();
    let alike = |a: &Step, b: &Step| {
        let same = a.fate != Fate::Always || a.same == b.same;
        same && (a.fate, &a.why, &a.note) == (b.fate, &b.why, &b.note)
    };
    for step in steps {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| alike(first, step))) {
            Some(group) => group.push(step),
            None => groups.push(vec![step]),
        }
    }
    groups.sort_by_key(|group| group.first().map(|first| first.fate != Fate::Reused));
    groups
}

fn line(steps: &[&Step]) -> String {
    let Some(first) = steps.first() else { return String::new() };
    let mut out = format!("{:<9} {:<7}", first.stage.name(), first.fate.name());
    let named: Vec<String> =
        steps.iter().filter(|step| !step.value.is_empty()).map(|step| short(&step.value)).collect();
    let names = match named.len() {
        0 => String::new(),
        count if count <= NAMES => named.join(", "),
        count => format!("{}, ... ({count} in all)", named.get(..NAMES).unwrap_or_default().join(", ")),
    };
    let bytes: u64 = steps.iter().filter_map(|step| step.bytes).fold(0, u64::saturating_add);
    let bytes = (bytes > 0).then(|| human(bytes));
    let same = steps.iter().all(|step| step.same == Some(true)) && first.fate == Fate::Always;
    let same = same.then(|| "came out as the last time".to_owned());
    let note = (!first.note.is_empty()).then(|| clean(&first.note));
    let notes: Vec<String> = [bytes, same, note].into_iter().flatten().collect();
    let parts: Vec<String> = [names, notes.join(", ")].into_iter().filter(|part| !part.is_empty()).collect();
    out = format!("{out} {}", parts.join(": ")).trim_end().to_owned();
    out.push('\n');
    for cause in first.why.iter().take(CAUSES) {
        let _ = writeln!(out, "{:18} {}", "", told(cause));
    }
    if first.why.len() > CAUSES {
        let _ = writeln!(out, "{:18} ... and {} more, which --json tells", "", first.why.len() - CAUSES);
    }
    out
}

/// One cause in words: `~ package openssl  3.0.16-1 -> 3.0.17-1  <- node.toml:12`.
pub fn told(cause: &Cause) -> String {
    let what = clean(&cause.what);
    let value = |text: &String| short(text);
    let mut out = match (&cause.before, &cause.after) {
        (None, None) => format!("because {what}"),
        (Some(before), None) => format!("- {what}  {}", value(before)),
        (None, Some(after)) => format!("+ {what}  {}", value(after)),
        (Some(before), Some(after)) => format!("~ {what}  {} -> {}", value(before), value(after)),
    };
    out.truncate(out.trim_end().len());
    if let Some(line) = &cause.at {
        let _ = write!(out, "  <- {}", clean(line));
    }
    out
}

/// On one line, digests cut.
fn short(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        match word.len() == 64 {
            true => out.extend(word.chars().take(DIGITS)),
            false => out.push_str(word),
        }
        word.clear();
    };
    for character in clean(&text.replace('\n', "\\n")).chars() {
        if character.is_ascii_hexdigit() {
            word.push(character);
        } else {
            flush(&mut word, &mut out);
            out.push(character);
        }
    }
    flush(&mut word, &mut out);
    out
}

/// A step for machines.
pub fn value(step: &Step) -> Result<serde_json::Value> {
    let mut value = serde_json::to_value(step).map_err(|error| Error::bug(error.to_string()))?;
    value["event"] = "explain".into();
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::explain::Stage;

    #[test]
    fn values_of_one_fate_are_told_on_one_line() {
        let step =
            |value: &str, fate, why: &[Cause]| Step { why: why.to_vec(), ..Step::new(Stage::Unpack, value, fate) };
        let digest = "ab".repeat(32);
        let cause = Cause {
            what: "package openssl".into(),
            before: Some("1\n".into()),
            after: Some(format!("2 (sha256:{digest})")),
            at: Some("node.toml:3".into()),
        };
        let steps = vec![
            step("bash\u{1b}", Fate::Reused, &[]),
            step("openssl", Fate::Anew, &[cause]),
            step("zlib", Fate::Reused, &[]),
        ];
        let expected = "unpack    reused  bash\u{fffd}, zlib\nunpack    anew    openssl\n                   \
             ~ package openssl  1\\n -> 2 (sha256:abababababab)  <- node.toml:3\n";
        assert_eq!(text(&Explanation { first: false, steps }), expected);
        let many = (0..20).map(|number| step(&format!("p{number}"), Fate::Reused, &[])).collect();
        let told = text(&Explanation { first: false, steps: many });
        assert_eq!(told, "unpack    reused  p0, p1, p2, p3, p4, p5, p6, p7, ... (20 in all)\n");
        let causes = vec![Cause::said("x"); CAUSES + 2];
        let told = text(&Explanation { first: false, steps: vec![step("p", Fate::Anew, &causes)] });
        assert!(told.ends_with("... and 2 more, which --json tells\n") && told.lines().count() == CAUSES + 2, "{told}");
    }
}
