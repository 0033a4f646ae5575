//! How the node stands to the rules that its profile asks for; of an image that says nothing, to all of them.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Build, Part, code, ticked};
use crate::audit::page::escape;
use crate::audit::posture::{Breach, Outcome, State};

/// As many places are named of one rule.
const PLACES: usize = 12;

/// The part; none of what is no image. Of two builds, a rule that stood otherwise before says so.
pub fn part(before: Option<&Build>, build: &Build) -> Option<Part> {
    let report = build.posture.as_ref()?;
    if report.outcomes.is_empty() {
        let body = "<p class=\"note\">the profile asks for no rule</p>\n".to_owned();
        return Some(Part { id: "posture", title: "Posture", body });
    }
    let old: BTreeMap<&str, &'static str> = before
        .and_then(|before| before.posture.as_ref())
        .map(|report| report.outcomes.iter().map(|outcome| (&*outcome.rule.id, outcome.state.name())).collect())
        .unwrap_or_default();
    let states = ["broken", "waived", "unknown", "kept"];
    let of = |state: &str| report.outcomes.iter().filter(|outcome| outcome.state.name() == state).collect::<Vec<_>>();
    let sets: Vec<&str> = report.sets.iter().map(|set| set.name()).collect();
    let mut body = String::from("<div class=\"posture\">");
    for state in states {
        let count = of(state).len();
        if count > 0 {
            let _ = write!(body, "<span class=\"{state}\" style=\"flex-grow:{count}\">{count} {}</span>", said(state));
        }
    }
    let _ = writeln!(body, "</div>\n<p class=\"note\">{} rules: {}</p>", report.outcomes.len(), sets.join(", "));
    let mut rows = String::new();
    for state in ["broken", "waived", "unknown"] {
        of(state).into_iter().for_each(|outcome| row(outcome, &old, &mut rows));
    }
    if !rows.is_empty() {
        let _ = writeln!(body, "<table class=\"list rules\">\n{rows}</table>");
    }
    let kept = of("kept");
    if !kept.is_empty() {
        let mut rows = String::new();
        kept.iter().for_each(|outcome| row(outcome, &old, &mut rows));
        let summary = if kept.len() == 1 { "rule is kept" } else { "rules are kept" };
        let _ = writeln!(
            body,
            "<details>\n<summary>{} {summary}</summary>\n<table class=\"list rules\">\n{rows}</table>\n</details>",
            kept.len()
        );
    }
    Some(Part { id: "posture", title: "Posture", body })
}

/// For people.
fn said(word: &str) -> &str {
    if word == "unknown" { "not looked at" } else { word }
}

fn row(outcome: &Outcome, old: &BTreeMap<&str, &'static str>, out: &mut String) {
    let rule = outcome.rule;
    let state = outcome.state.name();
    let found = match &outcome.state {
        State::Kept => String::new(),
        State::Broken(breaches) => places(breaches) + &format!("<p><small>{}</small></p>", ticked(&rule.mend)),
        State::Waived(waiver, breaches) => {
            let until = waiver.until.as_ref().map(|until| format!(" (until {})", escape(until))).unwrap_or_default();
            format!("<p>given up{until}: {}</p>{}", ticked(&waiver.reason), places(breaches))
        }
        State::Unknown(why) => format!("<p>{}</p>", escape(why)),
    };
    let was = old.get(&*rule.id).filter(|was| **was != state);
    let was = was.map(|was| format!(" <small>was {}</small>", said(was))).unwrap_or_default();
    let refs =
        if rule.refs.is_empty() { String::new() } else { format!("<small>{}</small>", escape(&rule.refs.join(", "))) };
    let _ = writeln!(
        out,
        "<tr><td><span class=\"fate {state}\">{}</span></td><td>{}{was}</td><td>{}{refs}{found}</td></tr>",
        said(state),
        code(&rule.id),
        ticked(&rule.required),
    );
}

fn places(breaches: &[Breach]) -> String {
    let named: Vec<String> = breaches.iter().take(PLACES).map(|breach| ticked(&breach.said())).collect();
    let more = breaches.len().saturating_sub(PLACES);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("<p>{}{more}</p>", named.join(", "))
}
