//! Where a value stands: file, bytes, and a number that no other node of a load has.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};

/// A span of one of the files that a load has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Index into [`Files`].
    pub file: usize,
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// Unique among the nodes of a load; 0 is the root.
    pub id: usize,
}

/// A file that was read.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The first byte of each line.
    lines: Vec<usize>,
    /// As users know it: the path as given, or `template NAME`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// What its relative paths start from; none for a template, which names no files.
    pub base: Option<PathBuf>,
}

impl SourceFile {
    /// A file of that name and text.
    pub fn new(name: String, text: String, base: Option<PathBuf>) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        SourceFile { lines: std::iter::once(0).chain(breaks).collect(), name, text, base }
    }

    /// The line of that number, from 1.
    pub fn line(&self, number: usize) -> &str {
        let start = number.checked_sub(1).and_then(|index| self.lines.get(index));
        let rest = start.and_then(|start| self.text.get(*start..)).unwrap_or_default();
        rest.split('\n').next().unwrap_or_default().trim_end_matches('\r')
    }
}

/// The files of a load, in the order in which they were first read.
#[derive(Debug, Clone, Default)]
pub struct Files(Vec<SourceFile>);

impl Files {
    /// Takes a file in; gives its index.
    pub fn push(&mut self, file: SourceFile) -> usize {
        self.0.push(file);
        self.0.len() - 1
    }

    /// The number of files.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The file of that index.
    pub fn get(&self, index: usize) -> Option<&SourceFile> {
        self.0.get(index)
    }

    /// What relative paths at `place` start from.
    pub fn base(&self, place: Place) -> Option<&Path> {
        self.get(place.file)?.base.as_deref()
    }

    /// Line and column (both from 1, columns in characters) of the first byte of `place`.
    pub fn position(&self, place: Place) -> (usize, usize) {
        let Some(file) = self.get(place.file) else { return (1, 1) };
        let line = file.lines.partition_point(|start| *start <= place.start).max(1);
        let start = file.lines.get(line - 1).copied().unwrap_or_default();
        let column = file.text.get(start..place.start).unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

/// The name by which [`At`] tells our deserializer that it wants the place too.
pub(super) const AT: &str = "$imagebuild::At";

/// A value and where it stands. Compares as the value.
#[derive(Debug, Clone, Default)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for At<T> {}

impl<T: Ord> PartialOrd for At<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> Ord for At<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Parts<T> {
            type Value = At<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its place")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<At<T>, A::Error> {
                let short = || A::Error::custom("a place has four numbers");
                let mut number = || seq.next_element::<usize>()?.ok_or_else(short);
                let place = Place { file: number()?, start: number()?, end: number()?, id: number()? };
                let value = seq.next_element::<T>()?.ok_or_else(short)?;
                Ok(At { value, place })
            }
        }
        deserializer.deserialize_struct(AT, &[], Parts(std::marker::PhantomData))
    }
}

/// The schema knows nothing of places.
impl<T: schemars::JsonSchema> schemars::JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}
