//! What is left of a script when everything that is decided is gone.

use std::fmt::Write;

/// A statement that may be carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Left {
    /// A command; a silent one changes nothing outside the script (an assignment, a test).
    Line {
        /// The command, variables that are known filled in.
        text: String,
        /// Whether it changes nothing.
        silent: bool,
    },
    /// Something undecided.
    If {
        /// What decides.
        condition: Vec<Left>,
        /// If it succeeds.
        then: Vec<Left>,
        /// If it fails.
        other: Vec<Left>,
    },
    /// A loop of unknown length.
    Loop {
        /// `for x in ...`, or the condition.
        head: Vec<Left>,
        /// What is repeated.
        body: Vec<Left>,
    },
}

impl Left {
    /// A command that changes something.
    pub fn act(text: impl Into<String>) -> Self {
        Left::Line { text: text.into(), silent: false }
    }

    /// A command that changes nothing.
    pub fn silent(text: impl Into<String>) -> Self {
        Left::Line { text: text.into(), silent: true }
    }

    /// Whether it changes nothing.
    pub fn is_silent(&self) -> bool {
        match self {
            Left::Line { silent, .. } => *silent,
            Left::If { condition, then, other } => quiet(condition) && quiet(then) && quiet(other),
            Left::Loop { head, body } => quiet(head) && quiet(body),
        }
    }
}

/// Whether none of the statements changes anything.
pub fn quiet(left: &[Left]) -> bool {
    left.iter().all(Left::is_silent)
}

/// An undecided statement, made as small as it can be: without effects only what `wanted` needs stays.
pub fn branch(condition: Vec<Left>, then: Vec<Left>, other: Vec<Left>, wanted: bool) -> Vec<Left> {
    match then.is_empty() && other.is_empty() && !wanted {
        true => condition.into_iter().filter(|left| !left.is_silent()).collect(),
        false => vec![Left::If { condition, then, other }],
    }
}

/// The statements as lines, what belongs together indented.
pub fn text(left: &[Left]) -> String {
    let mut out = String::new();
    write_all(left, 0, &mut out);
    out
}

fn write_all(left: &[Left], depth: usize, out: &mut String) {
    for left in left {
        let indent = "  ".repeat(depth);
        // Writing to a string cannot fail.
        match left {
            Left::Line { text, .. } => drop(writeln!(out, "{indent}{text}")),
            Left::If { condition, then, other } => {
                let _ = writeln!(out, "{indent}if");
                write_all(condition, depth + 2, out);
                if !then.is_empty() {
                    let _ = writeln!(out, "{indent}then");
                    write_all(then, depth + 1, out);
                }
                if !other.is_empty() {
                    let _ = writeln!(out, "{indent}else");
                    write_all(other, depth + 1, out);
                }
            }
            Left::Loop { head, body } => {
                let _ = writeln!(out, "{indent}loop");
                write_all(head, depth + 2, out);
                let _ = writeln!(out, "{indent}do");
                write_all(body, depth + 1, out);
            }
        }
    }
}
