//! serde over [`Node`]s: errors carry the place, the expected form and a suggestion.

use std::collections::{BTreeMap, btree_map};
use std::fmt::Display;

use serde::de::value::StringDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor};

use super::mistake::similar;
use super::node::{Data, Entry, Node};
use super::place::{AT, Place};

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
    pub place: Option<Place>,
}

impl Fault {
    fn new(message: impl Into<String>) -> Self {
        Fault { message: message.into(), expected: None, help: Vec::new(), meant: None, place: None }
    }

    fn expecting(mut self, expected: &dyn Display) -> Self {
        self.expected = Some(plain(&expected.to_string()));
        self
    }

    fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    fn one_of(message: String, word: &str, names: &[&'static str]) -> Self {
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

/// Reads a value from a node.
#[derive(Clone, Copy)]
pub struct Reader<'a>(pub &'a Node);

type Result<T> = std::result::Result<T, Fault>;

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let result = match &self.0.data {
            Data::Table(entries) => visitor.visit_map(Map { entries: entries.iter(), value: None }),
            Data::Array(values) => visitor.visit_seq(Seq(values.iter())),
            Data::Text(text) | Data::Date(text) => visitor.visit_str(text),
            Data::Integer(number) => visitor.visit_i64(*number),
            Data::Float(number) => visitor.visit_f64(*number),
            Data::Boolean(yes) => visitor.visit_bool(*yes),
        };
        result.map_err(|fault| fault.at(self.0.place))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match name {
            AT => visitor.visit_seq(Parts::new(self.0.place, self)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let result = match &self.0.data {
            Data::Text(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            Data::Table(entries) => {
                let mut entries = entries.iter();
                match (entries.next(), entries.next()) {
                    (None, _) => Err(Fault::one_of("this table is empty".to_owned(), "", names)),
                    (Some((name, entry)), None) => visitor.visit_enum(Tagged { name, entry }),
                    (Some((one, _)), Some((other, entry))) => {
                        let message = format!("`{one}` and `{other}` exclude each other");
                        let mut fault = Fault::one_of(message, "", names).at(entry.key);
                        fault.expected = Some(format!("one of {}", list(names)));
                        Err(fault)
                    }
                }
            }
            _ => Err(Fault::one_of(format!("this is {}", self.0.kind()), "", names)),
        };
        result.map_err(|fault| fault.at(self.0.place))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// The four numbers of a place, then the value.
struct Parts<D> {
    numbers: std::array::IntoIter<usize, 4>,
    value: Option<D>,
}

impl<D> Parts<D> {
    fn new(place: Place, value: D) -> Self {
        Parts { numbers: [place.file, place.start, place.end, place.id].into_iter(), value: Some(value) }
    }
}

impl<'de, D: Deserializer<'de, Error = Fault>> de::SeqAccess<'de> for Parts<D> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        match (self.numbers.next(), self.value.take()) {
            (Some(number), value) => {
                self.value = value;
                seed.deserialize(IntoDeserializer::<Fault>::into_deserializer(number)).map(Some)
            }
            (None, Some(value)) => seed.deserialize(value).map(Some),
            (None, None) => Ok(None),
        }
    }
}

struct Seq<'a>(std::slice::Iter<'a, Node>);

impl<'de> de::SeqAccess<'de> for Seq<'_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.0.next().map(|node| seed.deserialize(Reader(node)).map_err(|fault| fault.at(node.place))).transpose()
    }
}

struct Map<'a> {
    entries: btree_map::Iter<'a, String, Entry>,
    value: Option<&'a Node>,
}

impl<'de> de::MapAccess<'de> for Map<'_> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some((name, entry)) = self.entries.next() else { return Ok(None) };
        self.value = Some(&entry.value);
        seed.deserialize(Key { name, place: entry.key }).map(Some).map_err(|fault| fault.at(entry.key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        let node = self.value.take().ok_or_else(|| Fault::new("a value was read before its key"))?;
        seed.deserialize(Reader(node)).map_err(|fault| fault.at(node.place))
    }
}

/// A key of a table.
struct Key<'a> {
    name: &'a str,
    place: Place,
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_str(self.name)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match name {
            AT => visitor.visit_seq(Parts::new(self.place, StringDeserializer::<Fault>::new(self.name.to_owned()))),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_enum(self.name.into_deserializer())
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// A table of one key, read as a variant and what it holds.
struct Tagged<'a> {
    name: &'a str,
    entry: &'a Entry,
}

impl<'de, 'a> de::EnumAccess<'de> for Tagged<'a> {
    type Error = Fault;
    type Variant = Content<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content<'a>)> {
        let key = Key { name: self.name, place: self.entry.key };
        let variant = seed.deserialize(key).map_err(|fault| fault.at(self.entry.key))?;
        Ok((variant, Content(&self.entry.value)))
    }
}

struct Content<'a>(&'a Node);

impl<'de> de::VariantAccess<'de> for Content<'_> {
    type Error = Fault;

    /// A variant without options may still be written with an empty table.
    fn unit_variant(self) -> Result<()> {
        match &self.0.data {
            Data::Table(entries) if entries.is_empty() => Ok(()),
            _ => Err(Fault::new(format!("this is {}", self.0.kind())).expecting(&"`{}`").at(self.0.place)),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value> {
        seed.deserialize(Reader(self.0)).map_err(|fault| fault.at(self.0.place))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        Reader(self.0).deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value> {
        Reader(self.0).deserialize_any(visitor)
    }
}

/// Takes the node or the key of number `id` out of the tree; gives the table and key it had.
pub fn cut(node: &mut Node, id: usize) -> Option<(usize, String)> {
    let table = node.place.id;
    match &mut node.data {
        Data::Table(entries) => cut_entry(entries, id)
            .map(|key| (table, key))
            .or_else(|| entries.values_mut().find_map(|entry| cut(&mut entry.value, id))),
        Data::Array(values) => {
            if let Some(index) = values.iter().position(|value| value.place.id == id) {
                values.remove(index);
                return Some((table, index.to_string()));
            }
            values.iter_mut().find_map(|value| cut(value, id))
        }
        _ => None,
    }
}

fn cut_entry(entries: &mut BTreeMap<String, Entry>, id: usize) -> Option<String> {
    let key = entries.iter().find(|(_, entry)| entry.key.id == id || entry.value.place.id == id)?.0.clone();
    entries.remove(&key);
    Some(key)
}
