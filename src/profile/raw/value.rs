//! Values that TOML has no type for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::Opt;
use crate::error::Error;
use crate::profile::fault::FIELD;
use crate::profile::place::At;

/// A string that stands for a value of ours; a bad one is a mistake with all its hints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parsed<T>(pub T);

impl<'de, T: FromStr<Err = Error>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Parsed).map_err(|error: Error| {
            let mut message = error.message().to_owned();
            for hint in error.hints() {
                message.push(FIELD);
                message.push_str(hint);
            }
            D::Error::custom(message)
        })
    }
}

impl<T: JsonSchema> JsonSchema for Parsed<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

/// `"name"` or `{ name, from }`.
#[derive(Debug, Clone)]
pub struct PackageRef {
    /// The package.
    pub name: Opt<String>,
    /// The source that it comes from.
    pub from: Opt<String>,
}

/// A package and the source that it comes from.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Named {
    /// The package.
    #[schemars(extend("x-needed" = true))]
    name: Opt<String>,
    /// A key of `[source]`.
    from: Opt<String>,
}

impl<'de> Deserialize<'de> for PackageRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl<'de> Visitor<'de> for Forms {
            type Value = PackageRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a package as `\"name\"` or `{ name, from }`")
            }

            fn visit_str<E>(self, name: &str) -> Result<PackageRef, E> {
                Ok(PackageRef { name: Some(At { value: name.to_owned(), place: Default::default() }), from: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PackageRef, A::Error> {
                let Named { name, from } = Named::deserialize(MapAccessDeserializer::new(map))?;
                Ok(PackageRef { name, from })
            }
        }
        deserializer.deserialize_any(Forms)
    }
}

impl JsonSchema for PackageRef {
    fn schema_name() -> Cow<'static, str> {
        "Package".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let named = generator.subschema_for::<Named>();
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, named] })
    }
}

/// One thing, or a list of them.
#[derive(Debug, Clone)]
pub struct OneOrMany<T>(pub Vec<At<T>>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Forms<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a package as `\"name\"` or `{ name, from }`, or a list of them")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OneOrMany<T>, E> {
                let value = T::deserialize(serde::de::value::StrDeserializer::new(text))?;
                Ok(OneOrMany(vec![At { value, place: Default::default() }]))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMany<T>, A::Error> {
                let value = T::deserialize(MapAccessDeserializer::new(map))?;
                Ok(OneOrMany(vec![At { value, place: Default::default() }]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMany<T>, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany)
            }
        }
        deserializer.deserialize_any(Forms(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}s", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

/// A kernel setting: a string, a whole number, or a boolean for 1 and 0.
#[derive(Debug, Clone)]
pub struct SysctlValue(pub String);

impl<'de> Deserialize<'de> for SysctlValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl Visitor<'_> for Forms {
            type Value = SysctlValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a whole number or a boolean")
            }

            fn visit_str<E>(self, text: &str) -> Result<SysctlValue, E> {
                Ok(SysctlValue(text.to_owned()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<SysctlValue, E> {
                Ok(SysctlValue(number.to_string()))
            }

            fn visit_bool<E>(self, yes: bool) -> Result<SysctlValue, E> {
                Ok(SysctlValue(u8::from(yes).to_string()))
            }
        }
        deserializer.deserialize_any(Forms)
    }
}

impl JsonSchema for SysctlValue {
    fn schema_name() -> Cow<'static, str> {
        "Setting".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer", "boolean"] })
    }
}

/// A table in somebody else's words, with places throughout.
#[derive(Debug, Clone, Default)]
pub struct Free(pub BTreeMap<At<String>, At<FreeData>>);

/// A value in somebody else's words.
#[derive(Debug, Clone)]
pub enum FreeData {
    /// Keys and values.
    Table(Free),
    /// Values.
    Array(Vec<At<FreeData>>),
    /// Anything else.
    Leaf(toml::Value),
}

impl Free {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&At<FreeData>> {
        self.0.iter().find(|(name, _)| name.value == key).map(|(_, value)| value)
    }

    /// Without places.
    pub fn plain(&self) -> toml::Table {
        self.0.iter().map(|(key, value)| (key.value.clone(), value.plain())).collect()
    }
}

impl FreeData {
    /// Without places.
    pub fn plain(&self) -> toml::Value {
        match self {
            FreeData::Table(table) => toml::Value::Table(table.plain()),
            FreeData::Array(values) => toml::Value::Array(values.iter().map(|value| value.plain()).collect()),
            FreeData::Leaf(value) => value.clone(),
        }
    }

    /// Its text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            FreeData::Leaf(toml::Value::String(text)) => Some(text),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Free {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Free)
    }
}

impl<'de> Deserialize<'de> for FreeData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl<'de> Visitor<'de> for Forms {
            type Value = FreeData;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_str<E>(self, text: &str) -> Result<FreeData, E> {
                Ok(FreeData::Leaf(text.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<FreeData, E> {
                Ok(FreeData::Leaf(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<FreeData, E> {
                Ok(FreeData::Leaf(number.into()))
            }

            fn visit_bool<E>(self, yes: bool) -> Result<FreeData, E> {
                Ok(FreeData::Leaf(yes.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<FreeData, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(FreeData::Array)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FreeData, A::Error> {
                Free::deserialize(MapAccessDeserializer::new(map)).map(FreeData::Table)
            }
        }
        deserializer.deserialize_any(Forms)
    }
}

impl JsonSchema for Free {
    fn schema_name() -> Cow<'static, str> {
        "Free".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object" })
    }
}
