//! Words: quotes, parameters, substitutions; and the position in the text.

use super::{Part, PartKind, Word};
use crate::error::{Error, Result};

/// As deep as commands and substitutions nest.
const DEPTH: usize = 60;
/// No script is larger.
const LIMIT: usize = 1 << 20;

/// Where the parser is.
///
/// A here-document is cut out of the text when its operator is met: its body begins after the line's
/// end, so the lines of `skipped` are jumped over when that end is reached.
pub struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    /// Where the line that follows the pending here-documents begins, if there are any.
    resume: Option<usize>,
}

impl<'a> Parser<'a> {
    pub fn new(text: &'a str) -> Result<Self> {
        match text.len() <= LIMIT {
            true => Ok(Parser { text: text.as_bytes(), at: 0, depth: 0, resume: None }),
            false => Err(Error::source("a maintainer script of more than 1 MiB")),
        }
    }

    pub fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub fn skip(&mut self, count: usize) {
        self.at += count;
    }

    pub fn take(&mut self, sign: &[u8]) -> bool {
        let there = self.rest().starts_with(sign);
        if there {
            self.skip(sign.len());
        }
        there
    }

    pub fn wrong(&self) -> Error {
        let before = self.text.get(..self.at.min(self.text.len())).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::source(format!("line {line} is not understood"))
    }

    pub fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH { Err(Error::source("commands nest too deep")) } else { Ok(()) }
    }

    pub fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Skips blanks, comments and continued lines; line ends too where `lines` says so.
    pub fn blanks(&mut self, lines: bool) -> Result<()> {
        loop {
            match self.rest() {
                [b' ' | b'\t' | b'\r', ..] => self.skip(1),
                [b'\\', b'\n', ..] => self.skip(2),
                // A comment begins a word, so it stands at the start or after a blank or an operator.
                [b'#', ..] => {
                    let end = self.rest().iter().position(|byte| *byte == b'\n').unwrap_or(self.rest().len());
                    self.skip(end);
                }
                [b'\n', ..] if lines => match self.resume.take() {
                    Some(at) => self.at = at,
                    None => self.skip(1),
                },
                _ => return Ok(()),
            }
        }
    }

    /// The bare word that begins here, if one does; not taken.
    pub fn keyword(&self) -> Option<&'a str> {
        let rest = self.rest();
        let ends = |byte: &u8| b" \t\r\n;&|()<>".contains(byte);
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        std::str::from_utf8(rest.get(..end)?).ok()
    }

    /// Takes a reserved word.
    pub fn expect(&mut self, word: &str) -> Result<()> {
        self.blanks(true)?;
        match self.keyword() == Some(word) {
            true => {
                self.skip(word.len());
                Ok(())
            }
            false => Err(self.wrong()),
        }
    }

    /// Takes a sign.
    pub fn sign(&mut self, sign: &[u8]) -> Result<()> {
        self.blanks(true)?;
        if self.take(sign) { Ok(()) } else { Err(self.wrong()) }
    }

    /// Takes a name.
    pub fn name(&mut self) -> Option<String> {
        let rest = self.rest();
        let end = rest.iter().position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_')).unwrap_or(rest.len());
        let name = std::str::from_utf8(rest.get(..end)?).ok().filter(|name| is_name(name))?.to_owned();
        self.skip(end);
        Some(name)
    }

    /// Takes `NAME=`.
    pub fn assignment(&mut self) -> Option<String> {
        let start = self.at;
        let name = self.name();
        if name.is_some() && self.take(b"=") {
            return name;
        }
        self.at = start;
        None
    }

    /// Takes a word; there must be one.
    pub fn word(&mut self) -> Result<Word> {
        let word = self.parts(&|byte| b" \t\r\n;&|()<>".contains(&byte), false)?;
        if word.is_empty() { Err(self.wrong()) } else { Ok(word) }
    }

    /// Parts up to a byte that `ends`; inside double quotes, quotes of their own are text.
    fn parts(&mut self, ends: &dyn Fn(u8) -> bool, quoted: bool) -> Result<Word> {
        self.enter()?;
        let mut out = Word::new();
        let mut text = String::new();
        let mut literal = Vec::new();
        let flush = |text: &mut Vec<u8>, out: &mut Word| {
            if !text.is_empty() {
                let kind = PartKind::Text(String::from_utf8_lossy(text).into_owned());
                out.push(Part { kind, quoted });
                text.clear();
            }
        };
        while let Some(&byte) = self.rest().first() {
            if ends(byte) {
                break;
            }
            match byte {
                b'\\' => {
                    let Some(&next) = self.rest().get(1) else { return Err(self.wrong()) };
                    self.skip(2);
                    match next {
                        b'\n' => {}
                        b'$' | b'`' | b'"' | b'\\' if quoted => literal.push(next),
                        _ if quoted => literal.extend([b'\\', next]),
                        _ => {
                            flush(&mut literal, &mut out);
                            let kind = PartKind::Text(char::from(next).to_string());
                            out.push(Part { kind, quoted: true });
                        }
                    }
                }
                b'\'' if !quoted => {
                    let body = self.rest().get(1..).unwrap_or_default();
                    let end = body.iter().position(|byte| *byte == b'\'').ok_or_else(|| self.wrong())?;
                    flush(&mut literal, &mut out);
                    text.push_str(&String::from_utf8_lossy(body.get(..end).unwrap_or_default()));
                    out.push(Part { kind: PartKind::Text(std::mem::take(&mut text)), quoted: true });
                    self.skip(end + 2);
                }
                b'"' if !quoted => {
                    flush(&mut literal, &mut out);
                    self.skip(1);
                    let inner = self.parts(&|byte| byte == b'"', true)?;
                    if !self.take(b"\"") {
                        return Err(self.wrong());
                    }
                    if inner.is_empty() {
                        out.push(Part { kind: PartKind::Text(String::new()), quoted: true });
                    }
                    out.extend(inner);
                }
                b'$' => match self.dollar()? {
                    Some(kind) => {
                        flush(&mut literal, &mut out);
                        out.push(Part { kind, quoted });
                    }
                    None => literal.push(b'$'),
                },
                b'`' => {
                    flush(&mut literal, &mut out);
                    let kind = self.backquotes()?;
                    out.push(Part { kind, quoted });
                }
                _ => {
                    literal.push(byte);
                    self.skip(1);
                }
            }
        }
        flush(&mut literal, &mut out);
        self.leave();
        Ok(out)
    }

    /// What a `$` begins; nothing where it is only itself (then it is taken).
    fn dollar(&mut self) -> Result<Option<PartKind>> {
        self.skip(1);
        match self.rest() {
            [b'(', b'(', ..] => {
                let end = self.rest().windows(2).position(|pair| pair == b"))").ok_or_else(|| self.wrong())?;
                // With a substitution inside, the first `))` may be that one's.
                let body = self.rest().get(2..end).unwrap_or_default();
                let text = String::from_utf8_lossy(body).into_owned();
                let open = body.iter().filter(|byte| **byte == b'(').count();
                let close = body.iter().filter(|byte| **byte == b')').count();
                if open != close {
                    return self.long_arithmetic().map(Some);
                }
                self.skip(end + 2);
                Ok(Some(PartKind::Arithmetic(text)))
            }
            [b'(', ..] => {
                self.skip(1);
                let list = self.list()?;
                self.sign(b")")?;
                Ok(Some(PartKind::Output(list)))
            }
            [b'{', ..] => {
                self.skip(1);
                self.braces().map(Some)
            }
            [byte, ..] if b"@*#?$!-".contains(byte) || byte.is_ascii_digit() => {
                let name = char::from(*byte).to_string();
                self.skip(1);
                Ok(Some(PartKind::Variable(name, None)))
            }
            _ => Ok(self.name().map(|name| PartKind::Variable(name, None))),
        }
    }

    /// Arithmetic with parentheses inside: up to where they are even.
    fn long_arithmetic(&mut self) -> Result<PartKind> {
        let mut depth = 0usize;
        for (at, byte) in self.rest().iter().enumerate() {
            match byte {
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let body = self.rest().get(2..at - 1).unwrap_or_default();
                let text = String::from_utf8_lossy(body).into_owned();
                self.skip(at + 1);
                return Ok(PartKind::Arithmetic(text));
            }
        }
        Err(self.wrong())
    }

    fn braces(&mut self) -> Result<PartKind> {
        // `${#NAME}` is a length, `${#}` the number of arguments.
        let length = self.rest().starts_with(b"#") && !self.rest().starts_with(b"#}");
        if length {
            self.skip(1);
        }
        let name = match self.rest().first() {
            Some(byte) if b"@*#?$!-".contains(byte) || byte.is_ascii_digit() => {
                let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count().max(1);
                let name = String::from_utf8_lossy(self.rest().get(..digits).unwrap_or_default()).into_owned();
                self.skip(digits);
                name
            }
            _ => self.name().ok_or_else(|| self.wrong())?,
        };
        const SIGNS: [&str; 12] = [":-", ":=", ":?", ":+", "%%", "##", "-", "=", "?", "+", "%", "#"];
        let sign = SIGNS.into_iter().find(|sign| self.rest().starts_with(sign.as_bytes()));
        let operator = match sign {
            Some(sign) if !length => {
                self.skip(sign.len());
                Some((sign.to_owned(), self.parts(&|byte| byte == b'}', false)?))
            }
            _ => length.then(|| ("length".to_owned(), Word::new())),
        };
        if self.take(b"}") { Ok(PartKind::Variable(name, operator)) } else { Err(self.wrong()) }
    }

    fn backquotes(&mut self) -> Result<PartKind> {
        self.skip(1);
        let mut inner = Vec::new();
        loop {
            match self.rest() {
                [b'\\', byte @ (b'`' | b'\\' | b'$'), ..] => {
                    inner.push(*byte);
                    self.skip(2);
                }
                [b'`', ..] => {
                    self.skip(1);
                    break;
                }
                [byte, ..] => {
                    inner.push(*byte);
                    self.skip(1);
                }
                [] => return Err(self.wrong()),
            }
        }
        let inner = String::from_utf8_lossy(&inner).into_owned();
        let mut parser = Parser::new(&inner)?;
        parser.depth = self.depth;
        let list = parser.list()?;
        if parser.rest().is_empty() { Ok(PartKind::Output(list)) } else { Err(self.wrong()) }
    }

    /// Takes the body of a here-document, which begins at the next line.
    pub fn here_document(&mut self, delimiter: &Word, tabs: bool) -> Result<Word> {
        let quoted = delimiter.iter().any(|part| part.quoted);
        let mut end = String::new();
        for part in delimiter {
            let PartKind::Text(text) = &part.kind else { return Err(self.wrong()) };
            end.push_str(text);
        }
        let mut from = match self.resume {
            Some(at) => at,
            None => match self.rest().iter().position(|byte| *byte == b'\n') {
                Some(length) => self.at + length + 1,
                None => return Err(self.wrong()),
            },
        };
        let mut body = String::new();
        loop {
            let rest = self.text.get(from..).filter(|rest| !rest.is_empty()).ok_or_else(|| self.wrong())?;
            let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let line = String::from_utf8_lossy(rest.get(..length).unwrap_or_default()).into_owned();
            from = (from + length + 1).min(self.text.len());
            let line = if tabs { line.trim_start_matches('\t') } else { &line };
            if line == end {
                break;
            }
            body.push_str(line);
            body.push('\n');
        }
        self.resume = Some(from);
        if quoted || !body.contains(['$', '`', '\\']) {
            return Ok(vec![Part { kind: PartKind::Text(body), quoted: true }]);
        }
        let mut parser = Parser::new(&body)?;
        parser.depth = self.depth;
        // Quotes are text in a here-document.
        parser.parts(&|_| false, true)
    }
}

/// Whether `name` can be a variable's or a function's.
pub fn is_name(name: &str) -> bool {
    name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
