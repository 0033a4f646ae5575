//! Simple commands of an evaluation: assignments, builtins, functions, known commands, and the rest.

use super::condition;
use super::eval::{CALLS, End, Flow, ON, Run, UNSURE, one, writes_file};
use super::known::{self, Meaning};
use super::residue::Left;
use super::shell::{self, Command, CommandKind, List, Part, PartKind, Redirect, Word};
use super::words;
use crate::error::{Error, Result};

impl<'s> Run<'s> {
    /// Runs a simple command.
    pub(super) fn simple(
        &mut self,
        assigns: &'s [(String, Word)],
        words: &'s [Word],
        redirects: &'s [Redirect],
        wanted: bool,
        out: &mut Vec<Left>,
    ) -> Result<End> {
        let writes = redirects.iter().any(|redirect| writes_file(redirect, &self.variables));
        let Some(first) = words.first() else {
            for (name, word) in assigns {
                self.assign(name, word, out);
            }
            if writes {
                out.push(Left::act(self.text(assigns, words, redirects).trim_start().to_owned()));
            }
            let outputs =
                assigns.iter().any(|(_, word)| word.iter().any(|part| matches!(part.kind, PartKind::Output(_))));
            return Ok(if outputs { UNSURE } else { ON });
        };
        let fields = words::fields(words, &self.variables);
        let name = match &fields {
            Some(fields) => fields.first().cloned(),
            None => words::value(first, &self.variables),
        };
        let impure = words.iter().any(|word| !self.is_pure_word(word, 0));
        if let Some(name) = &name
            && !impure
            && !writes
        {
            if let Some(function) = self.functions.get(name).copied() {
                return self.call(name, function, words.get(1..).unwrap_or_default(), wanted, out);
            }
            if let Some(end) = self.builtin(name, words, fields.as_deref(), out) {
                return Ok(end);
            }
            if let Some(meaning) = fields.as_deref().and_then(known::meaning) {
                match meaning {
                    Meaning::Answer(status) => return Ok((Some(status), Flow::On)),
                    Meaning::Nothing(_) => {
                        self.meanings.push(meaning);
                        return Ok(ON);
                    }
                    _ if self.is_sure() => {
                        self.meanings.push(meaning);
                        return Ok(ON);
                    }
                    _ => {}
                }
            }
        }
        for word in words {
            self.forget_outputs(word);
        }
        let text = self.text(assigns, words, redirects);
        self.tell(&text, out);
        let printed: Vec<&str> = text.split_whitespace().collect();
        let reads = known::only_reads(&printed) && !writes && !impure;
        match (reads, &*name.unwrap_or_default()) {
            (true, "read" | "db_get" | "db_metaget" | "db_fget" | "cd" | "umask") => {
                let names = words.iter().skip(1).filter_map(|word| words::value(word, &self.variables));
                for name in names.collect::<Vec<_>>().into_iter().chain(["RET".to_owned()]) {
                    self.variables.set(&name, None);
                }
                out.push(Left::silent(text));
            }
            (true, _) if wanted => out.push(Left::silent(text)),
            (true, "echo" | "printf") => return Ok(ON),
            (true, _) => {}
            (false, _) => out.push(Left::act(text)),
        }
        Ok(UNSURE)
    }

    fn builtin(
        &mut self,
        name: &str,
        words: &'s [Word],
        fields: Option<&[String]>,
        out: &mut Vec<Left>,
    ) -> Option<End> {
        let argument = || fields.map(|fields| fields.get(1).map(String::as_str));
        match name {
            ":" | "true" => Some(ON),
            "false" => Some((Some(false), Flow::On)),
            "exit" => match argument() {
                Some(None | Some("0")) => Some((Some(true), Flow::Exit)),
                Some(Some(_)) => Some((Some(false), Flow::Fail)),
                None => Some((None, Flow::Exit)),
            },
            "return" => match argument() {
                Some(Some("0")) => Some((Some(true), Flow::Return)),
                Some(Some(_)) => Some((Some(false), Flow::Return)),
                _ => Some((None, Flow::Return)),
            },
            "break" | "continue" => {
                out.push(Left::silent(name));
                Some(ON)
            }
            "set" => {
                let fields = fields?;
                if fields.get(1).is_some_and(|word| word == "--") {
                    self.variables.arguments = Some(fields.iter().skip(2).cloned().map(Some).collect());
                    return Some(ON);
                }
                let flags = fields.iter().skip(1).all(|word| word.starts_with(['-', '+']));
                flags.then_some(ON)
            }
            "shift" => {
                if let Some(arguments) = &mut self.variables.arguments
                    && !arguments.is_empty()
                {
                    arguments.remove(0);
                }
                Some(ON)
            }
            "export" | "local" | "readonly" | "unset" => {
                for word in words.iter().skip(1) {
                    self.declare(name, word, out);
                }
                Some(ON)
            }
            "exec" if words.len() == 1 => Some(ON),
            "test" | "[" => {
                let mut operands = Vec::new();
                for word in words.iter().skip(1) {
                    match words::fields(std::slice::from_ref(word), &self.variables) {
                        Some(fields) => operands.extend(fields.into_iter().map(Some)),
                        None => operands.push(None),
                    }
                }
                if name == "[" {
                    operands.pop();
                }
                condition::holds(&operands).map(|holds| (Some(holds), Flow::On))
            }
            _ => None,
        }
    }

    /// `export X`, `local X=value`.
    fn declare(&mut self, verb: &str, word: &'s Word, out: &mut Vec<Left>) {
        let Some((Part { kind: PartKind::Text(text), .. }, rest)) = word.split_first() else { return };
        match text.split_once('=') {
            Some((name, start)) => {
                let mut value = vec![Part { kind: PartKind::Text(start.to_owned()), quoted: true }];
                value.extend(rest.iter().cloned());
                self.assign(name, &value, out);
            }
            None if verb == "unset" || verb == "local" => self.variables.set(text, Some(String::new())),
            None => {}
        }
    }

    fn assign(&mut self, name: &str, word: &Word, out: &mut Vec<Left>) {
        let value = words::value(word, &self.variables);
        if value.is_none() {
            self.forget_outputs(word);
            let text = format!("{name}={}", shell::parts_text(word, &|name| self.variables.get(name)));
            self.tell(&text, out);
            out.push(Left::Line { text, silent: self.is_pure_word(word, 0) });
        }
        self.variables.set(name, value);
    }

    /// What commands inside `$(...)` set must not be shown with the values from outside.
    fn forget_outputs(&mut self, word: &Word) {
        for part in word {
            if let PartKind::Output(list) = &part.kind {
                let before = self.variables.arguments.clone();
                self.forget(list);
                self.variables.arguments = before;
            }
        }
    }

    fn call(
        &mut self,
        name: &str,
        function: &'s Command,
        words: &'s [Word],
        wanted: bool,
        out: &mut Vec<Left>,
    ) -> Result<End> {
        if self.calls >= CALLS {
            return Err(Error::source(format!("the function `{name}` calls itself")));
        }
        let arguments = match words::fields(words, &self.variables) {
            Some(fields) => Some(fields.into_iter().map(Some).collect()),
            // A quoted or plain word is one argument, whatever it holds.
            None if words.iter().all(|word| word.iter().all(is_one_field)) => {
                Some(words.iter().map(|word| words::value(word, &self.variables)).collect())
            }
            None => None,
        };
        let outside = std::mem::replace(&mut self.variables.arguments, arguments);
        let returned = std::mem::replace(&mut self.may_have_returned, false);
        self.calls += 1;
        let end = self.command(function, wanted, out)?;
        self.calls -= 1;
        self.variables.arguments = outside;
        let some_returned = std::mem::replace(&mut self.may_have_returned, returned);
        Ok(match end {
            // Runs that failed do not count, so it was one of those that returned before.
            (_, Flow::Fail) if some_returned => UNSURE,
            (_, flow @ (Flow::Fail | Flow::Exit)) => (None, flow),
            _ if some_returned => UNSURE,
            (status, _) => (status, Flow::On),
        })
    }

    fn text(&self, assigns: &[(String, Word)], words: &[Word], redirects: &[Redirect]) -> String {
        let known = |name: &str| self.variables.get(name);
        let mut out: Vec<String> =
            assigns.iter().map(|(name, word)| format!("{name}={}", shell::parts_text(word, &known))).collect();
        if !words.is_empty() {
            out.push(shell::words_text(words, &known));
        }
        let kept: Vec<Redirect> = redirects
            .iter()
            .filter(|redirect| matters(redirect, |word| words::value(word, &self.variables)))
            .cloned()
            .collect();
        out.join(" ") + &shell::redirects_text(&kept, &known)
    }

    /// Leaves a compound command as it stands.
    pub(super) fn opaque(&mut self, command: &'s Command, out: &mut Vec<Left>) {
        // What it sets inside must not be taken for what it was before.
        self.forget(&one(command));
        let text = shell::list_text(&one(command), &|name| self.variables.get(name));
        self.tell(&text, out);
        out.push(Left::act(text));
    }

    /// Leaves commands joined by `|`; without effect where all of them only read.
    pub(super) fn opaque_pipeline(&mut self, commands: &'s [Command], wanted: bool, out: &mut Vec<Left>) -> Result<()> {
        for command in commands {
            self.forget(&one(command));
        }
        let known = |name: &str| self.variables.get(name);
        let texts: Vec<String> = commands.iter().map(|command| shell::list_text(&one(command), &known)).collect();
        let text = texts.join(" | ");
        let silent = commands.iter().all(|command| self.is_pure(command, 0));
        if !silent || wanted {
            self.tell(&text, out);
            out.push(Left::Line { text, silent });
        }
        Ok(())
    }

    /// Leaves the functions that `text` names, once each: what they do decides what it does.
    fn tell(&mut self, text: &str, out: &mut Vec<Left>) {
        let names: Vec<String> = text
            .split(|char: char| char.is_whitespace() || ";()`\"".contains(char))
            .filter(|word| self.functions.contains_key(*word))
            .map(str::to_owned)
            .collect();
        for name in names {
            if let Some(function) = self.functions.get(&name).copied()
                && self.told.insert(name.clone())
            {
                let body = shell::list_text(&one(function), &|_| None);
                self.tell(&body, out);
                out.push(Left::silent(format!("{name}() {body}")));
            }
        }
    }

    fn is_pure_word(&self, word: &Word, depth: usize) -> bool {
        word.iter().all(|part| match &part.kind {
            PartKind::Output(list) => self.is_pure_list(list, depth),
            PartKind::Variable(_, Some((_, word))) => self.is_pure_word(word, depth),
            _ => true,
        })
    }

    fn is_pure_list(&self, list: &List, depth: usize) -> bool {
        list.iter().all(|item| {
            let rest = item.rest.iter().map(|(_, pipeline)| pipeline);
            std::iter::once(&item.first)
                .chain(rest)
                .flat_map(|pipeline| &pipeline.commands)
                .all(|command| self.is_pure(command, depth))
        })
    }

    /// Whether a command changes nothing outside the script, whatever its variables hold.
    fn is_pure(&self, command: &Command, depth: usize) -> bool {
        if depth > CALLS || command.redirects.iter().any(|redirect| writes_file(redirect, &self.variables)) {
            return false;
        }
        let list = |list: &List| self.is_pure_list(list, depth + 1);
        match &command.kind {
            CommandKind::Simple(assigns, words) => {
                let pure =
                    assigns.iter().map(|(_, word)| word).chain(words).all(|word| self.is_pure_word(word, depth + 1));
                let Some(first) = words.first() else { return pure };
                let name = words::value(first, &self.variables).unwrap_or_default();
                if let Some(function) = self.functions.get(&name) {
                    return pure && self.is_pure(function, depth + 1);
                }
                let text = shell::words_text(words, &|_| None);
                let printed: Vec<&str> = text.split_whitespace().collect();
                let builtin =
                    ["exit", "return", "break", "continue", "shift", "local", "set", "export"].contains(&&*name);
                pure && (builtin || known::only_reads(&printed))
            }
            CommandKind::If(arms, other) => {
                arms.iter().all(|(condition, body)| list(condition) && list(body)) && other.as_ref().is_none_or(list)
            }
            CommandKind::Case(_, arms) => arms.iter().all(|(_, body)| list(body)),
            CommandKind::For(_, _, body) | CommandKind::Group(body) | CommandKind::Subshell(body) => list(body),
            CommandKind::While(_, condition, body) => list(condition) && list(body),
            CommandKind::Function(..) => true,
        }
    }
}

fn is_one_field(part: &Part) -> bool {
    let list = matches!(&part.kind, PartKind::Variable(name, _) if name == "@");
    let plain = matches!(&part.kind, PartKind::Text(text) if !text.contains(['*', '?', '[']));
    part.quoted && !list || plain
}

/// Redirections that only move messages are left out of what is shown.
fn matters(redirect: &Redirect, value: impl Fn(&Word) -> Option<String>) -> bool {
    let nowhere = value(&redirect.target).is_some_and(|target| target == "/dev/null" || target == "/dev/stderr");
    match redirect.sign {
        ">&" => false,
        ">" | ">>" => !nowhere,
        _ => true,
    }
}
