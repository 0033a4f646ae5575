//! How it was made: stage by stage, what was reused, and why the rest was not.

use std::fmt::Write;

use super::{Build, Part};
use crate::audit::explain::{Cause, Fate, Step, groups, told};
use crate::audit::page::escape;
use crate::size::human;

/// Values that are named before the others are counted.
const NAMES: usize = 6;
/// Causes that are shown of one step.
const CAUSES: usize = 200;

/// The part; none where nobody remembers.
pub fn part(build: &Build) -> Option<Part> {
    let explanation = build.explanation.as_ref()?;
    let mut body = String::from("<ol class=\"stages\">\n");
    for steps in explanation.steps.chunk_by(|a, b| a.stage == b.stage) {
        let Some(first) = steps.first() else { continue };
        let _ = writeln!(body, "<li><h3>{}</h3>", first.stage.name());
        groups(steps).iter().for_each(|group| line(group, &mut body));
        body.push_str("</li>\n");
    }
    body.push_str("</ol>\n");
    Some(Part { id: "stages", title: "How it was made", body })
}

fn line(steps: &[&Step], out: &mut String) {
    let Some(first) = steps.first() else { return };
    let word = match first.fate {
        Fate::Always => "done every time",
        fate => fate.name(),
    };
    let names: Vec<String> =
        steps.iter().filter(|step| !step.value.is_empty()).take(NAMES).map(|step| escape(&step.value)).collect();
    let more = steps.len().saturating_sub(NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let bytes = steps.iter().filter_map(|step| step.bytes).fold(0, u64::saturating_add);
    let bytes = if bytes > 0 { format!(" <small>{}</small>", human(bytes)) } else { String::new() };
    let same = first.fate == Fate::Always && first.same == Some(true);
    let same = if same { " <small>came out as the last time</small>" } else { "" };
    let note = if first.note.is_empty() { String::new() } else { format!(" <small>{}</small>", escape(&first.note)) };
    let _ = writeln!(
        out,
        "<p><span class=\"fate {}\">{word}</span> {}{more}{bytes}{same}{note}</p>",
        first.fate.name(),
        names.join(", ")
    );
    if first.why.is_empty() {
        return;
    }
    out.push_str("<ul>\n");
    for cause in first.why.iter().take(CAUSES) {
        let _ = writeln!(out, "<li>{}</li>", escape(&told(&inside(cause))));
    }
    if first.why.len() > CAUSES {
        let _ = writeln!(out, "<li>and {} more</li>", first.why.len() - CAUSES);
    }
    out.push_str("</ul>\n");
}

/// A cause whose line names a file and no folder of the host.
fn inside(cause: &Cause) -> Cause {
    let name = |line: &String| line.rsplit('/').next().unwrap_or(line).to_owned();
    Cause { at: cause.at.as_ref().map(name), ..cause.clone() }
}
