//! Laying the profile's configuration over what the tool generates.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Lays `over` upon `base`: tables merge, everything else replaces.
pub(super) fn merge(base: &mut toml::Table, over: &toml::Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => merge(base, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// A table of TOML as JSON; dates become text, and numbers that JSON does not know are errors.
pub(super) fn json(table: &toml::Table) -> Result<Value> {
    let mut out = Map::new();
    for (key, value) in table {
        out.insert(key.clone(), json_value(value)?);
    }
    Ok(Value::Object(out))
}

fn json_value(value: &toml::Value) -> Result<Value> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number)
            .map(Value::Number)
            .ok_or_else(|| Error::user(format!("the number `{number}` has no form in JSON")))?,
        toml::Value::Boolean(flag) => Value::Bool(*flag),
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(values) => Value::Array(values.iter().map(json_value).collect::<Result<_>>()?),
        toml::Value::Table(table) => json(table)?,
    })
}

/// The value at a path of keys.
pub(super) fn get<'a>(table: &'a toml::Table, path: &[&str]) -> Option<&'a toml::Value> {
    let (last, tables) = path.split_last()?;
    let mut at = table;
    for key in tables {
        at = at.get(*key)?.as_table()?;
    }
    at.get(*last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_merge_and_the_rest_replaces() {
        let mut base: toml::Table = toml::from_str("a = [1, 2]\n[t]\nx = 1\ny = 2").unwrap();
        merge(&mut base, &toml::from_str("a = [3]\n[t]\ny = 3\n[u]\nz = true").unwrap());
        assert_eq!(json(&base).unwrap().to_string(), r#"{"a":[3],"t":{"x":1,"y":3},"u":{"z":true}}"#);
        assert_eq!(get(&base, &["t", "y"]), Some(&toml::Value::Integer(3)));
        assert_eq!(get(&base, &["a", "y"]), None);
        assert!(json(&toml::from_str("a = inf").unwrap()).is_err());
    }
}
