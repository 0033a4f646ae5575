//! What a script would do on a fresh installation: a three-valued evaluation, nothing is run.
//!
//! - Arguments and dpkg's own variables are those of a first installation; no service runs; files of the
//!   system are unknown.
//! - Decided branches and loops over known words disappear, known commands become wishes for the
//!   steps, the rest is [`Left`].
//! - Only runs that succeed count: a branch that ends in a failing `exit` is one that was not gone.
//! - What is not sure stays: a known command below an undecided branch is left like any other.

use std::collections::{BTreeMap, BTreeSet};

use super::known::Meaning;
use super::residue::{Left, branch};
use super::shell::{self, AndOr, Command, CommandKind, List, PartKind, Pipeline, Redirect, Word};
use super::words::{self, Variables};
use crate::error::{Error, Result};

/// As deep as functions call each other.
pub(super) const CALLS: usize = 16;
/// As many commands as are looked at.
const STEPS: usize = 50_000;
/// As many rounds as a loop over known words is unrolled.
const ROUNDS: usize = 300;

/// What an evaluation found.
#[derive(Debug, Default)]
pub struct Found {
    /// Wishes for the steps and commands that need nothing, in order.
    pub meanings: Vec<Meaning>,
    /// What is left.
    pub left: Vec<Left>,
}

/// How a run goes on after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// With the next one.
    On,
    /// Out of the function.
    Return,
    /// Out of the script, in success.
    Exit,
    /// Out of the script, failing: such a run does not count.
    Fail,
}

/// Whether the command succeeded, where it is known; and how to go on.
pub(super) type End = (Option<bool>, Flow);

pub(super) const ON: End = (Some(true), Flow::On);
pub(super) const UNSURE: End = (None, Flow::On);

/// Evaluates `script` with the given arguments and variables of dpkg.
pub fn evaluate(script: &List, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Found> {
    let mut state = Variables::default();
    state.arguments = Some(arguments.iter().map(|argument| Some((*argument).to_owned())).collect());
    for (name, value) in variables {
        state.set(name, Some((*value).to_owned()));
    }
    let mut run = Run { variables: state, ..Run::default() };
    let mut left = Vec::new();
    let (_, flow) = run.list(script, false, &mut left)?;
    match flow == Flow::Fail && !run.may_have_exited {
        true => Err(Error::source("the script always fails on a fresh installation")),
        false => Ok(Found { meanings: run.meanings, left }),
    }
}

#[derive(Default)]
pub(super) struct Run<'s> {
    pub(super) variables: Variables,
    pub(super) functions: BTreeMap<String, &'s Command>,
    pub(super) meanings: Vec<Meaning>,
    /// Undecided branches round the command at hand.
    guards: usize,
    /// Whether an earlier, undecided branch may have left the function.
    pub(super) may_have_returned: bool,
    /// Whether an earlier, undecided branch may have ended the script.
    may_have_exited: bool,
    pub(super) calls: usize,
    steps: usize,
    /// Functions whose text stands in what is left already.
    pub(super) told: BTreeSet<String>,
}

impl<'s> Run<'s> {
    /// Runs commands; `wanted` says that the status of the last one decides something.
    pub(super) fn list(&mut self, list: &'s List, wanted: bool, out: &mut Vec<Left>) -> Result<End> {
        let mut end = ON;
        for (at, item) in list.iter().enumerate() {
            end = self.and_or(item, wanted && at + 1 == list.len(), out)?;
            if end.1 != Flow::On {
                break;
            }
        }
        Ok(end)
    }

    fn and_or(&mut self, item: &'s AndOr, wanted: bool, out: &mut Vec<Left>) -> Result<End> {
        self.chain(&item.first, &item.rest, wanted, out)
    }

    /// `a && b || c` from the left, as nested conditions.
    fn chain(
        &mut self,
        first: &'s Pipeline,
        rest: &'s [(bool, Pipeline)],
        wanted: bool,
        out: &mut Vec<Left>,
    ) -> Result<End> {
        let mut before = Vec::new();
        let mut end = self.pipeline(first, wanted || !rest.is_empty(), &mut before)?;
        for (at, (and, next)) in rest.iter().enumerate() {
            if end.1 != Flow::On {
                break;
            }
            let wanted_next = wanted || at + 1 < rest.len();
            match end.0 {
                Some(status) if status == *and => end = self.pipeline(next, wanted_next, &mut before)?,
                Some(_) => {}
                None => {
                    let condition = std::mem::take(&mut before);
                    let (inner, body) = self.guarded(|run, body| run.pipeline(next, wanted_next, body))?;
                    let dead = inner.1 == Flow::Fail;
                    let status = match (and, inner.0) {
                        // `x || fail` means that x succeeded, `x && fail` that it did not.
                        _ if dead => Some(!*and),
                        (true, Some(false)) => Some(false),
                        (false, Some(true)) => Some(true),
                        _ => None,
                    };
                    let body = if dead { Vec::new() } else { body };
                    let (then, other) = if *and { (body, Vec::new()) } else { (Vec::new(), body) };
                    before = branch(condition, then, other, wanted_next && status.is_none());
                    end = (status, Flow::On);
                }
            }
        }
        out.append(&mut before);
        Ok(end)
    }

    fn pipeline(&mut self, pipeline: &'s Pipeline, wanted: bool, out: &mut Vec<Left>) -> Result<End> {
        let (status, flow) = match &pipeline.commands[..] {
            [command] => self.command(command, wanted, out)?,
            commands => {
                self.opaque_pipeline(commands, wanted, out)?;
                UNSURE
            }
        };
        if pipeline.negated && status.is_none() {
            match out.last_mut() {
                Some(Left::Line { text, .. }) => text.insert_str(0, "! "),
                _ => out.push(Left::silent("!")),
            }
        }
        Ok((if pipeline.negated { status.map(|status| !status) } else { status }, flow))
    }

    pub(super) fn command(&mut self, command: &'s Command, wanted: bool, out: &mut Vec<Left>) -> Result<End> {
        self.steps += 1;
        if self.steps > STEPS {
            return Err(Error::source("the script is too long to follow"));
        }
        // Output into a file makes something of whatever stands before it.
        let writes = command.redirects.iter().any(|redirect| writes_file(redirect, &self.variables));
        match &command.kind {
            CommandKind::Simple(assigns, words) => self.simple(assigns, words, &command.redirects, wanted, out),
            _ if writes => {
                self.opaque(command, out);
                Ok(UNSURE)
            }
            CommandKind::If(arms, other) => self.arms(arms, other.as_ref(), wanted, out),
            CommandKind::Case(word, arms) => self.case(word, arms, wanted, out),
            CommandKind::For(name, words, body) => self.for_loop(name, words.as_deref(), body, out),
            CommandKind::While(until, condition, body) => {
                self.forget(body);
                let (_, mut head) = self.guarded(|run, head| run.list(condition, true, head))?;
                head.insert(0, Left::silent(if *until { "until" } else { "while" }));
                let (end, body) = self.guarded(|run, inner| run.list(body, false, inner))?;
                self.loop_left(head, body, end, out);
                Ok(UNSURE)
            }
            CommandKind::Group(body) => self.list(body, wanted, out),
            CommandKind::Subshell(body) => {
                let before = self.variables.clone();
                let (status, flow) = self.list(body, wanted, out)?;
                self.variables = before;
                Ok((if flow == Flow::Fail { Some(false) } else { status }, Flow::On))
            }
            CommandKind::Function(name, body) => {
                self.functions.insert(name.clone(), body);
                Ok(ON)
            }
        }
    }

    fn arms(
        &mut self,
        arms: &'s [(List, List)],
        other: Option<&'s List>,
        wanted: bool,
        out: &mut Vec<Left>,
    ) -> Result<End> {
        let Some(((condition, body), rest)) = arms.split_first() else {
            return other.map_or(Ok(ON), |other| self.list(other, wanted, out));
        };
        let mut tested = Vec::new();
        let (status, flow) = self.list(condition, true, &mut tested)?;
        if flow != Flow::On {
            out.append(&mut tested);
            return Ok((status, flow));
        }
        match status {
            Some(holds) => {
                out.extend(tested.into_iter().filter(|left| !left.is_silent()));
                if holds { self.list(body, wanted, out) } else { self.arms(rest, other, wanted, out) }
            }
            None => self.fork(
                tested,
                &|run, then| run.list(body, wanted, then),
                &|run, left| run.arms(rest, other, wanted, left),
                wanted,
                out,
            ),
        }
    }

    /// Goes both ways from an undecided condition, and joins them.
    fn fork(
        &mut self,
        condition: Vec<Left>,
        then: &dyn Fn(&mut Self, &mut Vec<Left>) -> Result<End>,
        other: &dyn Fn(&mut Self, &mut Vec<Left>) -> Result<End>,
        wanted: bool,
        out: &mut Vec<Left>,
    ) -> Result<End> {
        let start = self.variables.clone();
        let (mut left_then, mut left_other) = (Vec::new(), Vec::new());
        self.guards += 1;
        let one = then(self, &mut left_then)?;
        let after_one = std::mem::replace(&mut self.variables, start.clone());
        let two = other(self, &mut left_other)?;
        self.guards -= 1;
        let acts = condition.iter().filter(|left| !left.is_silent()).cloned();
        match (one.1, two.1) {
            (Flow::Fail, Flow::Fail) => return Ok((Some(false), Flow::Fail)),
            // Only one way can have been gone, so it is gone again, without a guard.
            (Flow::Fail, _) => {
                out.extend(acts);
                self.variables = start;
                return other(self, out);
            }
            (_, Flow::Fail) => {
                out.extend(acts);
                self.variables = start;
                return then(self, out);
            }
            (Flow::On, Flow::On) => self.variables.merge(&after_one),
            (Flow::On, flow) => {
                self.variables = after_one;
                self.may_leave(flow, &mut left_other);
            }
            (flow, Flow::On) => self.may_leave(flow, &mut left_then),
            (one, two) => {
                if one != two {
                    self.may_have_exited = true;
                }
                out.extend(branch(condition, left_then, left_other, false));
                return Ok((None, if one == two { one } else { Flow::Return }));
            }
        }
        let status = if one.0 == two.0 && one.1 == two.1 { one.0 } else { None };
        out.extend(branch(condition, left_then, left_other, wanted && status.is_none()));
        Ok((status, Flow::On))
    }

    /// Notes that a branch may have left the function or the script.
    fn may_leave(&mut self, flow: Flow, left: &mut Vec<Left>) {
        match flow {
            Flow::Return => self.may_have_returned = true,
            _ => self.may_have_exited = true,
        }
        left.push(Left::silent("leave"));
    }

    /// Whether the command at hand is surely reached.
    pub(super) fn is_sure(&self) -> bool {
        self.guards == 0 && !self.may_have_returned && !self.may_have_exited
    }

    fn case(
        &mut self,
        word: &'s Word,
        arms: &'s [(Vec<Word>, List)],
        wanted: bool,
        out: &mut Vec<Left>,
    ) -> Result<End> {
        let value = words::value(word, &self.variables);
        let Some(((patterns, body), rest)) = arms.split_first() else { return Ok(ON) };
        let matched = |pattern: &Word| {
            // `*` takes whatever comes.
            let any = matches!(&pattern[..], [part] if part.kind == PartKind::Text("*".into()) && !part.quoted);
            if any {
                return Some(true);
            }
            words::pattern_matches(value.as_ref()?, pattern, &self.variables)
        };
        let results: Vec<Option<bool>> = patterns.iter().map(matched).collect();
        if results.contains(&Some(true)) {
            return self.list(body, wanted, out);
        }
        if results.iter().all(|result| *result == Some(false)) {
            return self.case(word, rest, wanted, out);
        }
        let known = |name: &str| self.variables.get(name);
        let patterns: Vec<String> = patterns.iter().map(|pattern| shell::parts_text(pattern, &known)).collect();
        let text = format!("case {} in {}", shell::parts_text(word, &known), patterns.join("|"));
        self.fork(
            vec![Left::silent(text)],
            &|run, then| run.list(body, wanted, then),
            &|run, other| run.case(word, rest, wanted, other),
            wanted,
            out,
        )
    }

    fn for_loop(
        &mut self,
        name: &'s str,
        words: Option<&'s [Word]>,
        body: &'s List,
        out: &mut Vec<Left>,
    ) -> Result<End> {
        let values = match words {
            Some(words) => words::fields(words, &self.variables),
            None => self.variables.arguments.clone().and_then(|arguments| arguments.into_iter().collect()),
        };
        let body_text = shell::list_text(body, &|_| None);
        let jumps = ["break", "continue"].iter().any(|word| body_text.split([' ', ';']).any(|have| have == *word));
        if let Some(values) = values.filter(|values| !jumps && values.len() <= ROUNDS) {
            for value in values {
                self.variables.set(name, Some(value));
                let end = self.list(body, false, out)?;
                if end.1 != Flow::On {
                    return Ok(end);
                }
            }
            return Ok(UNSURE);
        }
        self.forget(body);
        self.variables.set(name, None);
        let known = |name: &str| self.variables.get(name);
        let list = words.map(|words| shell::words_text(words, &known)).unwrap_or_else(|| "\"$@\"".into());
        let head = vec![Left::silent(format!("for {name} in {list}"))];
        let (end, inner) = self.guarded(|run, inner| run.list(body, false, inner))?;
        self.loop_left(head, inner, end, out);
        Ok(UNSURE)
    }

    fn loop_left(&mut self, head: Vec<Left>, body: Vec<Left>, end: End, out: &mut Vec<Left>) {
        let left = Left::Loop { head, body };
        if !left.is_silent() || end.1 != Flow::On {
            out.push(left);
        }
    }

    /// Runs something that may or may not happen; what it sets is unknown afterwards unless it set the same.
    fn guarded(&mut self, body: impl FnOnce(&mut Self, &mut Vec<Left>) -> Result<End>) -> Result<(End, Vec<Left>)> {
        let before = self.variables.clone();
        self.guards += 1;
        let mut left = Vec::new();
        let end = body(self, &mut left)?;
        self.guards -= 1;
        match end.1 {
            Flow::On => self.variables.merge(&before),
            Flow::Fail => self.variables = before,
            flow => {
                self.variables = before;
                self.may_leave(flow, &mut left);
            }
        }
        Ok((end, left))
    }

    /// Takes the values of variables that a loop may set for unknown.
    pub(super) fn forget(&mut self, body: &List) {
        let text = shell::list_text(body, &|_| None);
        let functions: Vec<String> =
            self.functions.values().map(|command| shell::list_text(&one(command), &|_| None)).collect();
        let texts = std::iter::once(&text).chain(&functions);
        let names: BTreeSet<String> = texts.flat_map(|text| assigned(text)).collect();
        for name in names {
            self.variables.set(&name, None);
        }
        if text.split([' ', ';']).any(|word| word == "shift" || word == "set") {
            self.variables.arguments = None;
        }
    }
}

/// A command as a list of its own.
pub(super) fn one(command: &Command) -> List {
    vec![AndOr {
        first: Pipeline { negated: false, commands: vec![command.clone()] },
        rest: Vec::new(),
        background: false,
    }]
}

/// Names that a printed list may set: before `=`, after `read`, `for` and the like; too many do no harm.
fn assigned(text: &str) -> Vec<String> {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    let mut out = Vec::new();
    let mut after = false;
    for word in text.split(|char: char| char.is_whitespace() || ";(){}\"".contains(char)) {
        if let Some((name, _)) = word.split_once('=')
            && is_name(name)
        {
            out.push(name.to_owned());
        } else if after && is_name(word) {
            out.push(word.to_owned());
        }
        after = ["read", "for", "local", "export", "unset"].contains(&word) || after && word.starts_with('-');
        if word.starts_with("db_") {
            out.push("RET".into());
        }
    }
    out
}

/// Whether a redirection writes a file that stays.
pub(super) fn writes_file(redirect: &Redirect, variables: &Variables) -> bool {
    let target = words::value(&redirect.target, variables);
    let nowhere = target.as_deref().is_some_and(|target| target == "/dev/null" || target == "/dev/stderr");
    matches!(redirect.sign, ">" | ">>" | ">|" | "<>") && !nowhere
}

#[cfg(test)]
mod tests {
    use super::super::residue;
    use super::super::shell::parse;
    use super::*;
    use crate::system::units::Scope;

    fn run(script: &str) -> (Vec<Meaning>, String) {
        let found = evaluate(&parse(script).unwrap(), &["configure", ""], &[("DPKG_ROOT", "")]).unwrap();
        let text = if residue::quiet(&found.left) { String::new() } else { residue::text(&found.left) };
        (found.meanings.into_iter().filter(|meaning| !matches!(meaning, Meaning::Nothing(_))).collect(), text)
    }

    fn left(script: &str) -> String {
        run(script).1
    }

    #[test]
    fn what_is_decided_disappears() {
        for script in [
            "if [ \"$1\" = upgrade ]; then rm -rf /x; fi",
            "case \"$1\" in abort-*) rm /x;; configure) ;; esac",
            "if dpkg --compare-versions \"$2\" lt-nl 1.0; then rm /x; fi",
            "f() { rm /x; }\n[ -n \"$2\" ] && f",
            "if [ -d /run/systemd/system ]; then systemctl restart x; fi",
            "exit 0\nrm /x",
            "if [ -e /x ]; then :; fi",
            "x=$(readlink /x)",
            "echo hello >&2",
        ] {
            assert_eq!(left(script), "", "{script}");
        }
    }

    #[test]
    fn an_empty_version_is_older_than_any() {
        assert_eq!(left("if dpkg --compare-versions \"$2\" lt 1.0; then rm /x; fi"), "rm /x\n");
    }

    #[test]
    fn values_are_filled_in_and_loops_unrolled() {
        assert_eq!(left("g=adm\nfor f in a b; do chgrp $g /x/$f; done"), "chgrp adm /x/a\nchgrp adm /x/b\n");
        assert_eq!(left("f() { chmod $2 \"$1\"; }\nf /x 0600"), "chmod 0600 /x\n");
    }

    #[test]
    fn what_files_decide_stays_under_its_condition() {
        assert_eq!(left("if ! [ -e /x ]; then cp /a /x; fi"), "if\n    ! [ -e /x ]\nthen\n  cp /a /x\n");
        assert_eq!(left("[ -e /x ] || cp /a /x"), "if\n    [ -e /x ]\nelse\n  cp /a /x\n");
        // A condition and its opposite must not look alike.
        assert_ne!(left("if [ -e /x ]; then rm /x; fi"), left("if ! [ -e /x ]; then rm /x; fi"));
    }

    #[test]
    fn a_failing_branch_was_not_gone() {
        assert_eq!(left("if [ ! -e /x ]; then echo no; exit 1; fi\nrm /y"), "rm /y\n");
        let (meanings, text) = run("test -e /x || exit 1\ndeb-systemd-helper enable 'a.service'");
        assert_eq!((meanings.len(), &*text), (1, ""));
    }

    #[test]
    fn blocks_are_known_by_what_they_say() {
        let block = "if [ \"$1\" = configure ]; then\n\
            deb-systemd-helper unmask 'a.service' >/dev/null || true\n\
            if deb-systemd-helper --quiet was-enabled 'a.service'; then\n\
            deb-systemd-helper enable 'a.service' >/dev/null || true\n\
            else deb-systemd-helper update-state 'a.service' >/dev/null || true; fi\nfi";
        let enable = |unit: &str| Meaning::Enable(Scope::System, unit.to_owned());
        assert_eq!(run(block), (vec![enable("a.service")], String::new()));
        // Off by default: a unit that was never seen is not enabled.
        let off = block.replace("was-enabled", "debian-installed");
        assert_eq!(run(&off), (Vec::new(), String::new()));
        // A heading alone is believed nothing.
        let fake = "# Automatically added by dh_installsystemd/13\nrm -rf /x\n# End automatically added section";
        assert_eq!(left(fake), "rm -rf /x\n");
    }

    #[test]
    fn wishes_below_something_undecided_are_left_as_text() {
        let (meanings, text) = run("if [ -e /x ]; then deb-systemd-helper enable a.service; fi");
        assert!(meanings.is_empty() && text.contains("deb-systemd-helper enable a.service"));
        let (meanings, text) = run("[ -e /x ] && exit 0\ndeb-systemd-helper enable a.service");
        assert!(meanings.is_empty() && text.contains("deb-systemd-helper enable a.service"), "{text}");
    }

    #[test]
    fn effects_cannot_hide() {
        for script in [
            "x=$(rm /x)",
            "echo $(rm /x)",
            "echo a > /etc/x",
            "cat /a | tee /etc/x",
            "if rm /x; then :; fi",
            "while read l; do rm $l; done < /x",
            "f() { rm /x; }\necho a | f",
            "eval rm /x",
            ". /x",
            "trap 'rm /x' EXIT",
            "{ echo a; } > /etc/x",
            "sed -i s/a/b/ /x",
        ] {
            assert_ne!(left(script), "", "{script}");
        }
    }

    #[test]
    fn endless_and_failing_scripts_are_errors() {
        for script in ["f() { f; }\nf", "exit 1"] {
            assert!(evaluate(&parse(script).unwrap(), &["configure", ""], &[]).is_err(), "{script}");
        }
    }
}
