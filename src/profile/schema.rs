//! The JSON schema of the profile, for editors; made of the types that read it.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::raw;
use crate::arch::Arch;

/// Definitions whose values never depend on the architecture.
const FIXED: [&str; 2] = ["schema", "extends"];

/// The schema as it follows from the types (JSON Schema 2020-12).
pub(super) fn plain() -> Value {
    let settings = SchemaSettings::draft2020_12();
    let mut root = settings.into_generator().into_root_schema_for::<raw::Profile>().to_value();
    without_null(&mut root);
    root
}

/// TOML has no null: what may be absent is simply not needed.
fn without_null(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    object.remove("anyOf");
                    object.extend(only);
                }
            }
            for key in ["default", "format", "minimum", "maximum"] {
                // What holds of numbers of our types says little to people.
                if object.get("type").is_some() || key == "default" {
                    object.remove(key);
                }
            }
            object.values_mut().for_each(without_null);
        }
        Value::Array(values) => values.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// The schema of a profile: that of the types, with the forms that any value may take
/// (one for each architecture, `+key` and `-key`).
pub fn schema() -> Value {
    let mut root = plain();
    if let Some(object) = root.as_object_mut() {
        object.insert("title".to_owned(), json!("imagebuild profile"));
        // `+key` and `-key` are welcome in every table of the profile.
        widen(object, true);
        if let Some(Value::Object(definitions)) = object.get_mut("$defs") {
            definitions.values_mut().filter_map(Value::as_object_mut).for_each(|object| widen(object, false));
        }
    }
    root
}

fn widen(object: &mut Map<String, Value>, root: bool) {
    let fixed = |key: &str| root && FIXED.contains(&key);
    let mut patterns = Map::new();
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        for (key, schema) in properties.iter_mut() {
            // A needed key may come from what is extended.
            schema.as_object_mut().map(|object| object.remove("x-needed"));
            if fixed(key) {
                continue;
            }
            if schema.get("type").is_some_and(|kind| kind == "array") {
                patterns.insert(format!("^\\+{key}$"), schema.clone());
            }
            patterns.insert(format!("^-{key}$"), json!({ "anyOf": [{ "const": true }, { "type": "array" }] }));
            *schema = by_arch(schema.take());
        }
    }
    if !patterns.is_empty() {
        object.insert("patternProperties".to_owned(), Value::Object(patterns));
    }
}

/// A schema, or one value for each architecture.
fn by_arch(mut schema: Value) -> Value {
    let description = schema.as_object_mut().and_then(|object| object.remove("description"));
    let each: Map<String, Value> = Arch::ALL.iter().map(|arch| (arch.name().to_owned(), schema.clone())).collect();
    let choice = json!({ "type": "object", "properties": each, "additionalProperties": false, "minProperties": 1 });
    let mut out = json!({ "anyOf": [schema, choice] });
    if let Some(description) = description {
        out["description"] = description;
    }
    out
}
