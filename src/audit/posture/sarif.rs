//! A report as SARIF 2.1.0 (OASIS; `sarif-schema-2.1.0.json`), which code hosts show beside the lines of a change.

use serde_json::{Value, json};

use super::{Breach, Report, State, render};

/// Where a result points to: a file of the repository, and the line that asks for the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// As given on the command line, with slashes.
    pub uri: String,
    /// From 1.
    pub line: usize,
}

/// The whole log.
pub fn sarif(report: &Report, anchor: &Anchor) -> Value {
    let rules: Vec<Value> = report
        .outcomes
        .iter()
        .map(|outcome| {
            let rule = outcome.rule;
            json!({
                "id": rule.id,
                "shortDescription": { "text": rule.required },
                "fullDescription": { "text": format!("{}: else {}.", rule.required, rule.why) },
                "help": { "text": rule.mend },
                "properties": { "tags": rule.refs, "sets": rule.sets().map(|set| set.name()).collect::<Vec<_>>() },
            })
        })
        .collect();
    let mut results = Vec::new();
    for (index, outcome) in report.outcomes.iter().enumerate() {
        let (kind, level, breaches) = match &outcome.state {
            State::Kept => ("pass", "none", &[][..]),
            State::Broken(breaches) => ("fail", "error", &breaches[..]),
            State::Waived(_, breaches) => ("fail", "error", &breaches[..]),
            State::Unknown(_) => ("notApplicable", "none", &[][..]),
        };
        let text = match &outcome.state {
            State::Unknown(why) => format!("{}: {why}", outcome.rule.id),
            _ if breaches.is_empty() => outcome.rule.required.clone(),
            _ => render::broken(outcome.rule, breaches),
        };
        let mut result = json!({
            "ruleId": outcome.rule.id,
            "ruleIndex": index,
            "kind": kind,
            "level": level,
            "message": { "text": text },
            "locations": [location(anchor, breaches)],
            // A rule stays the same result, wherever its places are.
            "partialFingerprints": { "rule/v1": format!("{} {}", anchor.uri, outcome.rule.id) },
        });
        if let State::Waived(waiver, _) = &outcome.state {
            result["suppressions"] =
                json!([{ "kind": "inSource", "status": "accepted", "justification": waiver.said() }]);
        }
        results.push(result);
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "imagebuild",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// The line of the profile; the places in the image are logical ones, for a code host has no such files.
fn location(anchor: &Anchor, breaches: &[Breach]) -> Value {
    let places: Vec<Value> = breaches
        .iter()
        .filter_map(|breach| breach.path.as_ref())
        .take(100)
        .map(|path| json!({ "fullyQualifiedName": path.to_string(), "kind": "resource" }))
        .collect();
    let mut out = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": anchor.uri },
            "region": { "startLine": anchor.line },
        },
    });
    if !places.is_empty() {
        out["logicalLocations"] = json!(places);
    }
    out
}
