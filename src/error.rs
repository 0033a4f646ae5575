//! The one error of the crate: what kind of fault, what happened, and what may help.
//!
//! A kind decides the exit code; hints are added where the knowledge is; contexts are
//! gerunds that [`Context`] puts in front ("reading `x`"), outermost first when printed.

use std::fmt;

/// Who can mend the fault; the exit code follows from it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The system's: disk, network card, a missing program. Exit 1.
    System,
    /// The user's: profile, flags. Exit 2.
    User,
    /// The lock does not fit the profile. Exit 3.
    Lock,
    /// A source cannot be had or does not verify. Exit 4.
    Source,
    /// A check found something: verify, boot, posture. Exit 5.
    Found,
    /// Ours. Exit 70.
    Bug,
    /// The user pressed Ctrl-C. Exit 130.
    Interrupted,
}

impl Kind {
    /// The process's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::System => 1,
            Kind::User => 2,
            Kind::Lock => 3,
            Kind::Source => 4,
            Kind::Found => 5,
            Kind::Bug => 70,
            Kind::Interrupted => 130,
        }
    }

    /// The word that stands for the kind in `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::System => "system",
            Kind::User => "user",
            Kind::Lock => "lock",
            Kind::Source => "source",
            Kind::Found => "found",
            Kind::Bug => "bug",
            Kind::Interrupted => "interrupted",
        }
    }
}

/// A fault with everything that is worth telling about it.
///
/// One error may carry many `messages`: a profile's mistakes are reported all at once.
#[derive(Debug)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: Kind,
    contexts: Vec<String>,
    message: String,
    hints: Vec<String>,
    details: Vec<(&'static str, serde_json::Value)>,
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`; `message` is lower case, without a full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Error { inner: Box::new(Inner { kind, contexts: Vec::new(), message, hints: Vec::new(), details: Vec::new() }) }
    }

    /// A fault of the system.
    pub fn system(message: impl Into<String>) -> Self {
        Self::new(Kind::System, message)
    }

    /// A fault of the profile or the flags.
    pub fn user(message: impl Into<String>) -> Self {
        Self::new(Kind::User, message)
    }

    /// A source that cannot be had or does not verify.
    pub fn source(message: impl Into<String>) -> Self {
        Self::new(Kind::Source, message)
    }

    /// Something that must not happen.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Kind::Bug, message)
    }

    /// Adds a hint that can be followed.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hints.push(hint.into());
        self
    }

    /// Without the hints that cannot be followed where it is told.
    #[must_use]
    pub fn without_hints(mut self, cannot: impl Fn(&str) -> bool) -> Self {
        self.inner.hints.retain(|hint| !cannot(hint));
        self
    }

    /// Adds what machines should know in a form of its own: a key of the error's line in `--json`.
    #[must_use]
    pub fn detail(mut self, key: &'static str, value: serde_json::Value) -> Self {
        self.inner.details.push((key, value));
        self
    }

    /// Puts what was being done in front, a gerund ("packing `/usr/bin/x`").
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.inner.contexts.push(context.into());
        self
    }

    /// Who can mend it.
    pub fn kind(&self) -> Kind {
        self.inner.kind
    }

    /// What happened, without contexts and hints.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// What may help.
    pub fn hints(&self) -> &[String] {
        &self.inner.hints
    }

    /// What machines should know besides, by key.
    pub fn details(&self) -> &[(&'static str, serde_json::Value)] {
        &self.inner.details
    }

    /// What was being done, outermost first.
    pub fn contexts(&self) -> impl Iterator<Item = &str> {
        self.inner.contexts.iter().rev().map(String::as_str)
    }
}

/// Contexts outermost first, then the message, one a line; hints are the printer's affair.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for context in self.contexts() {
            write!(f, "{context}\n  ")?;
        }
        f.write_str(&self.inner.message)
    }
}

impl std::error::Error for Error {}

/// An I/O error without a name: give it one with [`Context`].
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        // Our own errors travel through `io::Error` where a foreign trait demands one.
        if error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
            let inner = error.into_inner().and_then(|inner| inner.downcast::<Error>().ok());
            return inner.map_or_else(|| Error::bug("an error lost its cause"), |inner| *inner);
        }
        Error::system(error.to_string())
    }
}

/// So that readers and writers of ours can fail with all they know.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        std::io::Error::other(error)
    }
}

/// Adds what was being done to a failing result.
pub trait Context<T> {
    /// Puts `context` (a gerund) in front of the error.
    fn context(self, context: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, context: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.into().context(context()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_read_outermost_first() {
        let error = Error::system("no space").context("writing `b`").context("building `a`");
        assert_eq!(error.to_string(), "building `a`\n  writing `b`\n  no space");
    }

    #[test]
    fn an_error_survives_the_way_through_io() {
        let error = Error::source("gone").hint("run update");
        let back: Error = std::io::Error::from(error).into();
        assert_eq!(back.kind(), Kind::Source);
        assert_eq!(back.hints(), ["run update"]);
    }
}
