//! One mistake of a profile: where it is, what was expected, what was probably meant.

use std::fmt;

use serde::Serialize;

use super::place::{Files, Place};
use crate::error::{Error, Kind};
use crate::report::visible;

/// More mistakes than this are not looked for: a file of them is no profile.
const MOST: usize = 1000;
/// More mistakes than this are counted, not shown.
const SHOWN: usize = 100;
/// Characters of a source line that are shown.
const WIDTH: usize = 160;

/// A mistake, complete in itself: the file is not needed to print it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mistake {
    #[serde(skip)]
    order: (usize, usize),
    /// The file, as the user knows it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What may help.
    pub help: Vec<String>,
    /// The line of the file.
    pub source: String,
    /// How many characters of it are meant.
    #[serde(skip)]
    pub width: usize,
}

impl Mistake {
    /// A mistake at `place`.
    pub fn new(files: &Files, place: Place, message: impl Into<String>) -> Self {
        let (line, column) = files.position(place);
        let file = files.get(place.file);
        let source = file.map_or("", |file| file.line(line));
        let meant = file.and_then(|file| file.text.get(place.start..place.end)).unwrap_or_default();
        let width = meant.split('\n').next().unwrap_or_default().chars().count();
        Mistake {
            order: (place.file, place.start),
            file: file.map_or_else(String::new, |file| file.name.clone()),
            line,
            column,
            message: message.into(),
            expected: None,
            help: Vec::new(),
            source: source.to_owned(),
            width: width.max(1),
        }
    }

    /// Says what would be right.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Says what may help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Takes message, `expected ...` and hints of an error.
    pub fn of_error(files: &Files, place: Place, error: &Error) -> Self {
        let mut mistake = Mistake::new(files, place, error.message());
        for hint in error.hints() {
            match hint.strip_prefix("expected ") {
                Some(expected) if mistake.expected.is_none() => mistake.expected = Some(expected.to_owned()),
                _ => mistake.help.push(hint.clone()),
            }
        }
        mistake
    }
}

/// Without `error: ` in front of the first line.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        let number = self.line.to_string();
        let start = self.column - 1;
        // A very long line is shown from a little before what is meant.
        let skipped = if start < WIDTH { 0 } else { start - WIDTH / 2 };
        let source: String = self.source.chars().skip(skipped).take(WIDTH).map(shown).collect();
        let width = self.width.min(WIDTH.saturating_sub(start - skipped)).max(1);
        writeln!(f, "  {number} | {}", source.trim_end())?;
        writeln!(f, "  {:>1$} | {2:>3$}{4}", "", number.len(), "", start - skipped, "^".repeat(width))?;
        if let Some(expected) = &self.expected {
            writeln!(f, "  expected {expected}")?;
        }
        self.help.iter().try_for_each(|help| writeln!(f, "  help: {help}"))
    }
}

/// A character of a source line: a tab would move the caret.
fn shown(character: char) -> char {
    if character == '\t' { ' ' } else { visible(character) }
}

/// All mistakes as one error of the user's: sorted by file and place, each as a block, with a count.
pub fn error(mut mistakes: Vec<Mistake>) -> Error {
    mistakes.sort();
    mistakes.dedup();
    let count = mistakes.len();
    let mut text = mistakes.iter().take(SHOWN).map(Mistake::to_string).collect::<Vec<_>>().join("error: ");
    match count {
        1 => text.push_str("1 mistake"),
        count => text.push_str(&format!("{count} mistakes")),
    }
    if count > SHOWN {
        text.push_str(&format!(", the first {SHOWN} shown"));
    }
    let list = serde_json::to_value(&mistakes).unwrap_or_default();
    Error::new(Kind::User, text).detail("mistakes", list)
}

/// Takes a mistake in, unless there are too many already.
pub fn note(mistakes: &mut Vec<Mistake>, mistake: impl FnOnce() -> Mistake) {
    if mistakes.len() < MOST {
        mistakes.push(mistake());
    }
}

/// The candidate that is most like `word`, where one is like it at all.
pub fn similar<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.into_iter().map(|candidate| (strsim::jaro_winkler(word, candidate), candidate));
    let best = scored.max_by(|left, right| left.0.total_cmp(&right.0))?;
    (best.0 > 0.8).then_some(best.1)
}
