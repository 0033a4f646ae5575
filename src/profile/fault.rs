//! What reading a tree finds wrong, with the expected form and a suggestion.

use std::fmt::Display;

use serde::de::{self, Expected, Unexpected};

use super::mistake::similar;
use super::place::Place;

/// Separates message, expected form and helps in the text of a custom error.
pub const FIELD: char = '\u{1f}';

/// What was wrong, and where, once the place is known.
#[derive(Debug)]
pub struct Fault {
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub expected: Option<String>,
    /// What may help.
    pub help: Vec<String>,
    /// The key that was probably meant.
    pub meant: Option<&'static str>,
    /// The innermost node that was being read.
    pub place: Option<Box<Place>>,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Fault { message: message.into(), expected: None, help: Vec::new(), meant: None, place: None }
    }

    pub(super) fn expecting(mut self, expected: &dyn Display) -> Self {
        self.expected = Some(plain(&expected.to_string()));
        self
    }

    pub(super) fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert_with(|| Box::new(place));
        self
    }

    pub(super) fn one_of(message: String, word: &str, names: &[&'static str]) -> Self {
        let mut fault = Fault::new(message);
        fault.meant = similar(word, names.iter().copied());
        fault.help.extend(fault.meant.map(|name| format!("did you mean `{name}`?")));
        fault.expected = Some(list(names));
        fault
    }
}

/// `` `a`, `b` or `c` ``
pub fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => "no key".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// serde's words for types, in those of TOML.
fn plain(expected: &str) -> String {
    let number = |most: u64| format!("a whole number from 0 to {most}");
    match expected {
        "u8" => number(u8::MAX.into()),
        "u16" => number(u16::MAX.into()),
        "u32" => number(u32::MAX.into()),
        "i32" | "i64" => "a whole number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a map" => "a table".to_owned(),
        "a sequence" => "an array".to_owned(),
        text if text.starts_with("struct ") || text.starts_with("enum ") => "a table".to_owned(),
        text => text.to_owned(),
    }
}

fn what(unexpected: &Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(value) => format!("the boolean `{value}`"),
        Unexpected::Unsigned(value) => format!("the number `{value}`"),
        Unexpected::Signed(value) => format!("the number `{value}`"),
        Unexpected::Float(value) => format!("the number `{value:?}`"),
        Unexpected::Str(value) => format!("the string `{value}`"),
        Unexpected::Map | Unexpected::StructVariant => "a table".to_owned(),
        Unexpected::Seq => "an array".to_owned(),
        other => other.to_string(),
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: Display>(text: T) -> Self {
        let text = text.to_string();
        let mut fields = text.split(FIELD).map(str::to_owned);
        let mut fault = Fault::new(fields.next().unwrap_or_default());
        for field in fields {
            match field.strip_prefix("expected ") {
                Some(expected) if fault.expected.is_none() => fault.expected = Some(expected.to_owned()),
                _ => fault.help.push(field),
            }
        }
        fault
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Fault::new(format!("this is {}", what(&unexpected))).expecting(&expected)
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Fault::new(format!("{} is out of range", what(&unexpected))).expecting(&expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Fault::new(format!("this has {length} elements")).expecting(&expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Fault::one_of(format!("unknown key `{field}`"), field, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Fault::one_of(format!("unknown value `{variant}`"), variant, expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Fault::new(format!("`{field}` is missing"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Fault::new(format!("`{field}` is there twice"))
    }
}
