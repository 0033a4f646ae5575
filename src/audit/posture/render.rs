//! A report as text, Markdown and JSON; and the rules for the documentation.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Breach, Report, State};
use crate::profile::posture::{Rule, TEXT, rules};
use crate::report::visible;

/// As many places are named of one rule in a line.
const NAMED: usize = 8;

/// `setuid: `/usr/bin/x`: mode 4755, ...`
pub(super) fn broken(rule: &Rule, breaches: &[Breach]) -> String {
    let named: Vec<String> = breaches.iter().take(NAMED).map(Breach::said).collect();
    let more = breaches.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}: {}{more}", rule.id, named.join(", "))
}

/// The counts in a line.
fn counts(report: &Report) -> String {
    let broken = report.count(|state| matches!(state, State::Broken(_)));
    let waived = report.count(|state| matches!(state, State::Waived(..)));
    let unknown = report.count(|state| matches!(state, State::Unknown(_)));
    let kept = report.count(|state| matches!(state, State::Kept));
    format!("{} rules: {kept} kept, {broken} broken, {waived} waived, {unknown} not looked at", report.outcomes.len())
}

fn sets(report: &Report) -> String {
    report.sets.iter().map(|set| set.name()).collect::<Vec<_>>().join(", ")
}

/// For a terminal.
pub fn text(report: &Report, all: bool) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    for (rule, breaches) in report.broken() {
        let _ = writeln!(out, "broken  {}: {}", rule.id, rule.required);
        for breach in breaches.iter().take(NAMED) {
            let _ = writeln!(out, "          {}", breach.said());
        }
        let more = breaches.len().saturating_sub(NAMED);
        if more > 0 {
            let _ = writeln!(out, "          and {more} more");
        }
        let _ = writeln!(out, "        why     {}", rule.why);
        let _ = writeln!(out, "        mend    {}", rule.mend);
        if !rule.refs.is_empty() {
            let _ = writeln!(out, "        source  {}", rule.refs.join(", "));
        }
    }
    for outcome in &report.outcomes {
        let rule = outcome.rule;
        match &outcome.state {
            State::Waived(waiver, breaches) => {
                let until = waiver.until.as_ref().map(|until| format!(", until {until}")).unwrap_or_default();
                let _ = writeln!(out, "waived  {} ({}{until})", broken(rule, breaches), waiver.reason);
            }
            State::Unknown(why) => {
                let _ = writeln!(out, "unknown {}: {why}", rule.id);
            }
            State::Kept if all => {
                let _ = writeln!(out, "kept    {}: {}", rule.id, rule.required);
            }
            State::Kept | State::Broken(_) => {}
        }
    }
    let _ = writeln!(out, "{} ({})", counts(report), sets(report));
    out.chars().map(|c| if c == '\n' { c } else { visible(c) }).collect()
}

/// For a merge request's comment.
pub fn markdown(report: &Report) -> String {
    let cell = |text: &str| {
        let text: String = text.chars().map(visible).collect();
        text.replace('|', "\\|").replace('<', "&lt;")
    };
    let mut out = format!("**{}** ({})\n", counts(report), sets(report));
    let mut rows = String::new();
    for outcome in &report.outcomes {
        let rule = outcome.rule;
        let (mark, found) = match &outcome.state {
            State::Kept => continue,
            State::Broken(breaches) => (":x: broken", broken(rule, breaches)),
            State::Waived(waiver, _) => (":warning: waived", format!("{}: {}", rule.id, waiver.reason)),
            State::Unknown(why) => (":grey_question: unknown", format!("{}: {why}", rule.id)),
        };
        let (_, found) = found.split_once(": ").unwrap_or_default();
        let _ = writeln!(rows, "| {mark} | `{}` | {} | {} |", rule.id, cell(&rule.required), cell(found));
    }
    if !rows.is_empty() {
        out += "\n| | rule | required | found |\n|---|---|---|---|\n";
        out += &rows;
    }
    out
}

/// For machines.
pub fn json(report: &Report) -> Value {
    let places = |breaches: &[Breach]| -> Vec<Value> {
        let place =
            |breach: &Breach| json!({ "path": breach.path.as_ref().map(ToString::to_string), "found": breach.found });
        breaches.iter().map(place).collect()
    };
    let outcomes = report.outcomes.iter().map(|outcome| {
        let rule = outcome.rule;
        let mut out = json!({
            "id": rule.id, "required": rule.required, "why": rule.why, "mend": rule.mend, "refs": rule.refs,
            "state": outcome.state.name(),
        });
        match &outcome.state {
            State::Kept => {}
            State::Broken(breaches) => out["places"] = json!(places(breaches)),
            State::Waived(waiver, breaches) => {
                out["places"] = json!(places(breaches));
                out["reason"] = json!(waiver.reason);
                out["until"] = json!(waiver.until);
            }
            State::Unknown(why) => out["reason"] = json!(why),
        }
        out
    });
    json!({
        "sets": report.sets.iter().map(|set| set.name()).collect::<Vec<_>>(),
        "rules": outcomes.collect::<Vec<_>>(),
        "idle": report.idle,
    })
}

/// Every rule: what it asks, who asks for it, what keeps it (`docs/posture.md`).
pub fn manual() -> String {
    let mut out = String::from(INTRODUCTION);
    let mut heading = "";
    for rule in rules() {
        let cell = |text: &str| text.replace('|', "\\|");
        let above = subject(&rule.id);
        if above != heading {
            heading = above;
            let _ = write!(
                out,
                "\n## {}\n\n| rule | asks for | else | sets | source | to keep it |\n",
                heading.trim_end_matches('.')
            );
            out += "|---|---|---|---|---|---|\n";
        }
        let sets: Vec<&str> = rule.sets().map(|set| set.name()).collect();
        let cells = [
            format!("`{}`", rule.id),
            cell(&rule.required),
            cell(&rule.why),
            sets.join(", "),
            rule.refs.join(", "),
            cell(&rule.mend),
        ];
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}

/// The comment above a rule that begins its part of the text.
fn subject(id: &str) -> &'static str {
    let end = TEXT.find(&format!("\n[{id}]\n")).unwrap_or(0);
    let lines: Vec<&str> = TEXT.get(..end).unwrap_or_default().split('\n').collect();
    let alone = |at: &usize| {
        let around = [at.wrapping_sub(1), at + 1].map(|at| lines.get(at).copied().unwrap_or_default().is_empty());
        around == [true, true] && lines.get(*at).is_some_and(|line| line.starts_with("# "))
    };
    let at = (0..lines.len()).rev().find(alone);
    at.and_then(|at| lines.get(at)?.strip_prefix("# ")).unwrap_or_default()
}

const INTRODUCTION: &str = "\
# Posture: may this node run?

<!-- Made from src/profile/posture.toml by the tests; `imagebuild posture --list` prints it. -->

`imagebuild build` holds every node against rules before anything of it is packed, and stops with exit code 5 where one is
broken. `imagebuild posture` does the same for a profile, for an image of any format, whoever made it, for a root in a folder
or an archive; `--format sarif` is what code hosts show beside the lines of a change.

A profile names sets of rules, and single ones besides:

    [posture]
    rules = [\"container-host\", \"nist-800-190\", \"cis-node\"]   # the default is all of them
    also = [\"interpreter\"]
    capabilities = [\"/usr/bin/ping\"]                           # files that may have capabilities

| set | is for |
|---|---|
| `none` | no rule at all |
| `general` | any machine |
| `container-host` | a host of containers; holds `general` |
| `nist-800-190` | what NIST SP 800-190 (Application Container Security Guide), section 4, asks of the host and its runtime |
| `cis-node` | section 4 (worker nodes) of the CIS Kubernetes Benchmark 1.12 |

A rule is given up with a reason, if wanted until a day, which is held against the moment that the lock fixes, never the clock:

    [waive.kubelet-seccomp]
    reason = \"this kubelet has no such setting\"
    until = \"2027-06-30\"

Waivers stand in the manifest (with what they cover), in both bills of materials, in `diff` and in the report of `posture`; one
that covers nothing is warned of. What cannot be looked at (the command line of a bare root, a kubelet whose configuration the
cluster brings) is told as not looked at, never as kept.

What the rules do not see: what is inside of container images, files that are made at run time, a program under a name that it
does not have elsewhere, secrets without a mark of their issuer. CIS 4.1 counts for files that the image holds; kubeconfigs that
the kubelet writes once it has joined are made with the right mode by the kubelet itself.
";
