//! Text to syntax: a recursive descent over the bytes.

use super::word::{Parser, is_name};
use super::{AndOr, Command, CommandKind, List, Pipeline, Redirect, Word};
use crate::error::Result;

/// Words that end a list where a command could stand.
const CLOSERS: [&str; 8] = ["then", "else", "elif", "fi", "do", "done", "esac", "}"];

/// Parses a whole script; an error names the line.
pub fn parse(text: &str) -> Result<List> {
    let mut parser = Parser::new(text)?;
    let list = parser.list()?;
    match parser.rest().is_empty() {
        true => Ok(list),
        false => Err(parser.wrong()),
    }
}

impl Parser<'_> {
    /// Commands up to the end or to what closes a compound command.
    pub(super) fn list(&mut self) -> Result<List> {
        self.enter()?;
        let mut out = Vec::new();
        loop {
            self.blanks(true)?;
            let rest = self.rest();
            if rest.is_empty() || rest.starts_with(b")") || rest.starts_with(b";;") {
                break;
            }
            if self.keyword().is_some_and(|word| CLOSERS.contains(&word)) {
                break;
            }
            let mut item = self.and_or()?;
            self.blanks(false)?;
            if !self.rest().starts_with(b";;") {
                if self.take(b"&") {
                    item.background = true;
                } else if !self.take(b";")
                    // After `}` or `)` a closing word may follow at once.
                    && !self.keyword().is_some_and(|word| CLOSERS.contains(&word))
                    && !matches!(self.rest().first(), None | Some(b'\n' | b')'))
                {
                    return Err(self.wrong());
                }
            }
            out.push(item);
        }
        self.leave();
        Ok(out)
    }

    fn and_or(&mut self) -> Result<AndOr> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.blanks(false)?;
            let and = match self.rest() {
                [b'&', b'&', ..] => true,
                [b'|', b'|', ..] => false,
                _ => return Ok(AndOr { first, rest, background: false }),
            };
            self.skip(2);
            self.blanks(true)?;
            rest.push((and, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline> {
        let mut negated = false;
        while self.keyword() == Some("!") {
            self.skip(1);
            self.blanks(false)?;
            negated = !negated;
        }
        let mut commands = vec![self.command()?];
        loop {
            self.blanks(false)?;
            if !self.rest().starts_with(b"|") || self.rest().starts_with(b"||") {
                return Ok(Pipeline { negated, commands });
            }
            self.skip(1);
            self.blanks(true)?;
            commands.push(self.command()?);
        }
    }

    fn command(&mut self) -> Result<Command> {
        self.enter()?;
        let kind = match self.keyword() {
            Some("if") => self.if_command()?,
            Some("case") => self.case_command()?,
            Some("for") => self.for_command()?,
            Some(word @ ("while" | "until")) => {
                let until = word == "until";
                self.skip(5);
                let condition = self.list()?;
                self.expect("do")?;
                let body = self.list()?;
                self.expect("done")?;
                CommandKind::While(until, condition, body)
            }
            Some("{") => {
                self.skip(1);
                let body = self.list()?;
                self.expect("}")?;
                CommandKind::Group(body)
            }
            _ if self.rest().starts_with(b"(") => {
                self.skip(1);
                let body = self.list()?;
                self.sign(b")")?;
                CommandKind::Subshell(body)
            }
            _ => {
                let command = self.simple()?;
                self.leave();
                return Ok(command);
            }
        };
        let mut redirects = Vec::new();
        loop {
            self.blanks(false)?;
            match self.redirect()? {
                Some(redirect) => redirects.push(redirect),
                None => break,
            }
        }
        self.leave();
        Ok(Command { kind, redirects })
    }

    fn if_command(&mut self) -> Result<CommandKind> {
        self.skip(2);
        let mut arms = Vec::new();
        loop {
            let condition = self.list()?;
            self.expect("then")?;
            arms.push((condition, self.list()?));
            match self.keyword() {
                Some("elif") => self.skip(4),
                Some("else") => {
                    self.skip(4);
                    let other = self.list()?;
                    self.expect("fi")?;
                    return Ok(CommandKind::If(arms, Some(other)));
                }
                _ => {
                    self.expect("fi")?;
                    return Ok(CommandKind::If(arms, None));
                }
            }
        }
    }

    fn case_command(&mut self) -> Result<CommandKind> {
        self.skip(4);
        self.blanks(false)?;
        let word = self.word()?;
        self.blanks(true)?;
        self.expect("in")?;
        let mut arms = Vec::new();
        loop {
            self.blanks(true)?;
            if self.keyword() == Some("esac") {
                self.skip(4);
                return Ok(CommandKind::Case(word, arms));
            }
            self.take(b"(");
            let mut patterns = Vec::new();
            loop {
                self.blanks(false)?;
                patterns.push(self.word()?);
                self.blanks(false)?;
                if !self.take(b"|") {
                    break;
                }
            }
            self.sign(b")")?;
            let body = self.list()?;
            arms.push((patterns, body));
            self.blanks(true)?;
            if !self.take(b";;") && self.keyword() != Some("esac") {
                return Err(self.wrong());
            }
        }
    }

    fn for_command(&mut self) -> Result<CommandKind> {
        self.skip(3);
        self.blanks(false)?;
        let name = self.name().ok_or_else(|| self.wrong())?;
        self.blanks(true)?;
        let mut words = None;
        if self.keyword() == Some("in") {
            self.skip(2);
            let list = words.get_or_insert_with(Vec::new);
            loop {
                self.blanks(false)?;
                if matches!(self.rest().first(), None | Some(b';' | b'\n')) {
                    break;
                }
                list.push(self.word()?);
            }
        }
        self.blanks(false)?;
        self.take(b";");
        self.blanks(true)?;
        self.expect("do")?;
        let body = self.list()?;
        self.expect("done")?;
        Ok(CommandKind::For(name, words, body))
    }

    fn simple(&mut self) -> Result<Command> {
        let (mut assigns, mut words, mut redirects) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            self.blanks(false)?;
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
                continue;
            }
            match self.rest().first() {
                None | Some(b'\n' | b';' | b'&' | b'|' | b')') => break,
                Some(b'(') => {
                    let name = match (&words[..], assigns.is_empty()) {
                        ([word], true) => {
                            plain(word).filter(|name| is_name(&name.replace(['-', '.'], "_"))).map(str::to_owned)
                        }
                        _ => None,
                    };
                    let name = name.ok_or_else(|| self.wrong())?;
                    self.skip(1);
                    self.sign(b")")?;
                    self.blanks(true)?;
                    let body = Box::new(self.command()?);
                    return Ok(Command { kind: CommandKind::Function(name, body), redirects });
                }
                Some(_) => {}
            }
            if words.is_empty()
                && let Some(name) = self.assignment()
            {
                let value =
                    if matches!(self.rest().first(), None | Some(b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b')')) {
                        Vec::new()
                    } else {
                        self.word()?
                    };
                assigns.push((name, value));
                continue;
            }
            words.push(self.word()?);
        }
        match assigns.is_empty() && words.is_empty() && redirects.is_empty() {
            true => Err(self.wrong()),
            false => Ok(Command { kind: CommandKind::Simple(assigns, words), redirects }),
        }
    }

    fn redirect(&mut self) -> Result<Option<Redirect>> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let rest = self.rest().get(digits..).unwrap_or_default();
        const SIGNS: [&str; 9] = ["<<-", "<<", "<&", "<>", ">>", ">&", ">|", "<", ">"];
        let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign.as_bytes())) else { return Ok(None) };
        let fd =
            std::str::from_utf8(self.rest().get(..digits).unwrap_or_default()).ok().and_then(|text| text.parse().ok());
        self.skip(digits + sign.len());
        self.blanks(false)?;
        let target = self.word()?;
        if sign.starts_with("<<") {
            let target = self.here_document(&target, sign == "<<-")?;
            return Ok(Some(Redirect { fd, sign: "<<", target }));
        }
        Ok(Some(Redirect { fd, sign, target }))
    }
}

/// The text of a word that is one plain piece.
fn plain(word: &Word) -> Option<&str> {
    match &word[..] {
        [super::Part { kind: super::PartKind::Text(text), quoted: false }] => Some(text),
        _ => None,
    }
}
