//! serde over [`Node`]s, with the place of whatever does not fit.

use std::collections::{BTreeMap, btree_map};

use serde::de::value::StringDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};

use super::fault::{Fault, list};
use super::node::{Data, Entry, Node};
use super::place::{AT, Place};

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
