//! The POSIX shell language as far as maintainer scripts use it: text to syntax, syntax to text.
//!
//! Nothing is ever run. What is not understood is an error, never a guess; nesting and size are bounded.

mod parse;
mod print;
mod word;

pub use parse::parse;
pub use print::{list_text, parts_text, redirects_text, words_text};

/// Commands one after the other.
pub type List = Vec<AndOr>;

/// Pipelines joined by `&&` (true) and `||` (false).
#[derive(Debug, Clone, PartialEq)]
pub struct AndOr {
    /// The first.
    pub first: Pipeline,
    /// The others, each with what joins it.
    pub rest: Vec<(bool, Pipeline)>,
    /// Whether it ends in `&`.
    pub background: bool,
}

/// Commands joined by `|`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// Whether `!` stands before it.
    pub negated: bool,
    /// At least one.
    pub commands: Vec<Command>,
}

/// A command with its redirections.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// What it is.
    pub kind: CommandKind,
    /// In order.
    pub redirects: Vec<Redirect>,
}

/// The kinds of command.
#[derive(Debug, Clone, PartialEq)]
pub enum CommandKind {
    /// Assignments and words.
    Simple(Vec<(String, Word)>, Vec<Word>),
    /// Condition and body of each arm; what follows `else`.
    If(Vec<(List, List)>, Option<List>),
    /// The word; patterns and body of each arm.
    Case(Word, Vec<(Vec<Word>, List)>),
    /// The variable, the words (all arguments where none), the body.
    For(String, Option<Vec<Word>>, List),
    /// Whether it is `until`; condition; body.
    While(bool, List, List),
    /// `{ }`
    Group(List),
    /// `( )`
    Subshell(List),
    /// A function's name and body.
    Function(String, Box<Command>),
}

/// `2>&1`, `<<END` and the like.
#[derive(Debug, Clone, PartialEq)]
pub struct Redirect {
    /// The number before the sign.
    pub fd: Option<u32>,
    /// `<`, `>`, `>>`, `>|`, `<>`, `<&`, `>&` or `<<`.
    pub sign: &'static str,
    /// The file, or the text of a here-document.
    pub target: Word,
}

/// Parts that stand together.
pub type Word = Vec<Part>;

/// A part of a word; `quoted` parts are neither split nor matched.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Whether quotes are round it.
    pub quoted: bool,
}

/// The kinds of part.
#[derive(Debug, Clone, PartialEq)]
pub enum PartKind {
    /// Plain text.
    Text(String),
    /// A parameter: name, and the operator with its word.
    Variable(String, Option<(String, Word)>),
    /// The output of commands.
    Output(List),
    /// `$((...))`, its text.
    Arithmetic(String),
}
