//! TOML as a tree in which every key and value knows its place.
//!
//! Merging, choosing by architecture, expanding and reading all work on this one form, so
//! that a mistake found late still points at the very characters that made it.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Mistake, note};
use super::place::{Files, Place};

/// A value.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub data: Data,
}

/// What a value is.
#[derive(Debug, Clone)]
pub enum Data {
    /// Keys and values.
    Table(BTreeMap<String, Entry>),
    /// Values in order.
    Array(Vec<Node>),
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a point.
    Float(f64),
    /// Yes or no.
    Boolean(bool),
    /// A date, as it is written.
    Date(String),
}

/// A key's place and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where the key stands.
    pub key: Place,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The entries of a table.
    pub fn table(&self) -> Option<&BTreeMap<String, Entry>> {
        match &self.data {
            Data::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value below a path of keys.
    pub fn get(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.table()?.get(*key).map(|entry| &entry.value))
    }

    /// What it is, for people: `a string`.
    pub fn kind(&self) -> &'static str {
        match self.data {
            Data::Table(_) => "a table",
            Data::Array(_) => "an array",
            Data::Text(_) => "a string",
            Data::Integer(_) => "a whole number",
            Data::Float(_) => "a number with a point",
            Data::Boolean(_) => "a boolean",
            Data::Date(_) => "a date",
        }
    }
}

/// Gives every node of a load its number.
#[derive(Debug, Default)]
pub struct Numbers(usize);

impl Numbers {
    fn place(&mut self, file: usize, span: std::ops::Range<usize>) -> Place {
        self.0 += 1;
        Place { file, start: span.start, end: span.end, id: self.0 }
    }
}

/// Reads the text of file number `file`; what is not TOML goes to `mistakes`, the rest is kept.
pub fn parse(files: &Files, file: usize, numbers: &mut Numbers, mistakes: &mut Vec<Mistake>) -> Node {
    let text = files.get(file).map_or("", |file| file.text.as_str());
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let place = Place { file, start: span.start, end: span.end, id: 0 };
        let (message, expected) = match error.message().split_once(", expected ") {
            Some((message, expected)) => (message, Some(expected)),
            None if error.message() == "duplicate key" => (error.message(), Some("each key once")),
            None => (error.message(), None),
        };
        note(mistakes, || {
            let mut mistake = Mistake::new(files, place, message);
            mistake.expected = expected.map(str::to_owned);
            mistake
        });
    }
    let mut reader = Reader { file, numbers, files, mistakes };
    let place = reader.numbers.place(file, 0..0);
    Node { place, data: reader.table(table.into_inner()) }
}

struct Reader<'a> {
    file: usize,
    numbers: &'a mut Numbers,
    files: &'a Files,
    mistakes: &'a mut Vec<Mistake>,
}

impl Reader<'_> {
    fn table(&mut self, table: DeTable<'_>) -> Data {
        let entries = table.into_iter().map(|(key, value)| {
            let place = self.numbers.place(self.file, key.span());
            (key.into_inner().into_owned(), Entry { key: place, value: self.value(value) })
        });
        Data::Table(entries.collect())
    }

    fn value(&mut self, value: Spanned<DeValue<'_>>) -> Node {
        let place = self.numbers.place(self.file, value.span());
        let data = match value.into_inner() {
            DeValue::String(text) => Data::Text(text.into_owned()),
            DeValue::Integer(number) => {
                let digits = number.as_str().replace('_', "");
                match i64::from_str_radix(&digits, number.radix()) {
                    Ok(number) => Data::Integer(number),
                    Err(_) => {
                        let message = format!("the number `{number}` does not fit");
                        let mistake = || Mistake::new(self.files, place, message);
                        note(self.mistakes, || mistake().expected("a whole number of at most 63 bits"));
                        Data::Integer(0)
                    }
                }
            }
            DeValue::Float(number) => Data::Float(number.as_str().replace('_', "").parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(yes) => Data::Boolean(yes),
            DeValue::Datetime(date) => Data::Date(date.to_string()),
            DeValue::Array(values) => Data::Array(values.into_iter().map(|value| self.value(value)).collect()),
            DeValue::Table(table) => self.table(table),
        };
        Node { place, data }
    }
}
