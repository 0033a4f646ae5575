//! The reference manual of the profile (`docs/profile.md`), made of the types that read it.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::schema::plain;

/// What holds of every part.
const PREFACE: &str = r##"# The profile

<!-- Generated from src/profile/raw: edit the comments there, then `BLESS=1 cargo test --test profiles`. -->

A profile is one TOML file. It is read strictly: an unknown key, a wrong type, a bad value or a
reference to something undeclared is an error with file, line and column, and all mistakes of all
files are told at once. `imagebuild check` does only that; `imagebuild show --origins` prints what a
profile means and which line set each value; `imagebuild schema` prints a JSON schema for editors.

**Bases.** `extends = ["node", "site.toml"]` puts this file over a template and another profile.
Tables merge key by key and anything else replaces what was inherited; `"+key" = [...]` appends to
an inherited array, `-key = true` takes an inherited value away, and `-key = [...]` takes elements of
an inherited array away; alternatives of which a table takes one (`apt`, `url`, `file`, `go`; `join`,
`standalone`) replace each other. An array of tables is an array: `[["+file"]]` appends a file,
`[[file]]` replaces all inherited ones.

**Architectures.** A table whose keys are all architectures stands for the value of the one at hand,
wherever a value may stand: `url.amd64 = { ... }` and `url.arm64 = { ... }`, or
`sha256 = { amd64 = "...", arm64 = "..." }`.

**Variables.** `${arch}`, `${id}` and `${version}` are filled in in every string and key; `$${` stands
for `${`.

**Paths** in the image are absolute and normal. Files of the building host (`file = "..."`) are
relative to the folder of the profile that names them, and must be there.

**Sizes** are digits and an optional `K`, `M`, `G` or `T`, powers of 1024.

**Choices** are tagged by their key: `format.raw = {}`.

A key in **bold** is needed, in the profile or in one of its bases.
"##;

/// A section that is still to be written.
struct Section {
    /// Where it stands in a profile: `[image]`, `[[file]]`.
    heading: String,
    /// The path of its keys, for the sections below it.
    path: String,
    /// The definition that it describes.
    definition: String,
}

/// The manual as Markdown.
pub fn manual() -> String {
    let root = plain();
    let empty = Map::new();
    let definitions = root.get("$defs").and_then(Value::as_object).unwrap_or(&empty);
    let mut writer = Writer { definitions, out: PREFACE.to_owned(), queue: VecDeque::new(), done: Vec::new() };
    writer.out.push_str("\n## Top level\n\n");
    writer.body(&root, "");
    while let Some(section) = writer.queue.pop_front() {
        writer.section(&section);
    }
    writer.out
}

struct Writer<'a> {
    definitions: &'a Map<String, Value>,
    out: String,
    queue: VecDeque<Section>,
    /// Definitions that have a section, and its heading.
    done: Vec<(String, String)>,
}

impl Writer<'_> {
    fn section(&mut self, section: &Section) {
        let Some(schema) = self.definitions.get(&section.definition) else { return };
        self.out.push_str(&format!("\n## {}\n\n", section.heading));
        if let Some(text) = description(schema) {
            self.out.push_str(&format!("{text}\n\n"));
        }
        self.body(schema, &section.path);
    }

    fn body(&mut self, schema: &Value, path: &str) {
        if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
            self.out.push_str("| one of | meaning |\n|---|---|\n");
            return choices.iter().for_each(|choice| self.choice(choice, path));
        }
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        self.out.push_str("| key | value | meaning |\n|---|---|---|\n");
        for (key, schema) in properties {
            let kind = self.kind(schema, key, path);
            let name = match schema.get("x-needed").is_some() {
                true => format!("**`{key}`**"),
                false => format!("`{key}`"),
            };
            let meaning = description(schema).unwrap_or_default();
            self.out.push_str(&format!("| {name} | {kind} | {} |\n", cell(&meaning)));
        }
    }

    /// A variant: a word, or a key with what it holds.
    fn choice(&mut self, choice: &Value, path: &str) {
        let meaning = description(choice).unwrap_or_default();
        let row = match choice.get("properties").and_then(Value::as_object).and_then(|map| map.iter().next()) {
            Some((key, schema)) => {
                let kind = self.kind(schema, key, path);
                format!("| `{key}`: {kind} | {} |\n", cell(&meaning))
            }
            None => {
                let word = choice.get("const").and_then(Value::as_str).unwrap_or_default();
                format!("| `\"{word}\"` | {} |\n", cell(&meaning))
            }
        };
        self.out.push_str(&row);
    }

    /// What a value is; a table gets a section of its own, once.
    fn kind(&mut self, schema: &Value, key: &str, path: &str) -> String {
        let below = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let items = schema.get("items");
        let named = schema.get("additionalProperties").filter(|value| value.is_object());
        let patterned = schema.get("patternProperties").and_then(Value::as_object).and_then(|map| map.values().next());
        if let Some(name) = reference(schema) {
            return self.refer(name, &format!("`[{below}]`"), &below, "");
        }
        if let Some(items) = items {
            return match reference(items) {
                Some(name) => self.refer(name, &format!("`[[{below}]]`"), &below, "list of "),
                None => format!("list of {}s", self.kind(items, key, path)),
            };
        }
        if let Some(value) = named.or(patterned) {
            return match reference(value) {
                Some(name) => self.refer(name, &format!("`[{below}.NAME]`"), &format!("{below}.NAME"), "table of "),
                None => format!("table of {}s", self.kind(value, key, path)),
            };
        }
        plain_kind(schema)
    }

    fn refer(&mut self, name: &str, heading: &str, path: &str, many: &str) -> String {
        let Some(schema) = self.definitions.get(name) else { return "value".to_owned() };
        if let Some(words) = words(schema) {
            return format!("{many}{words}");
        }
        let plural = if many.is_empty() { "" } else { "s" };
        match name {
            "Size" => return format!("{many}size{plural}"),
            "RootPath" => return format!("{many}path{plural}"),
            "Digest" => return format!("{many}digest{plural}"),
            "Package" => return format!("{many}package{plural}"),
            "Packages" => return "package, or list of them".to_owned(),
            "Setting" => return format!("{many}string{plural}, whole number{plural} or boolean{plural}"),
            "Free" => return "table".to_owned(),
            _ => {}
        }
        let heading = match self.done.iter().find(|(done, _)| done == name) {
            Some((_, heading)) => heading.clone(),
            None => {
                self.done.push((name.to_owned(), heading.to_owned()));
                self.queue.push_back(Section {
                    heading: heading.to_owned(),
                    path: path.to_owned(),
                    definition: name.to_owned(),
                });
                heading.to_owned()
            }
        };
        format!("{many}[{heading}](#{})", anchor(&heading))
    }
}

/// The words of an enumeration without options; such a thing needs no section.
fn words(schema: &Value) -> Option<String> {
    let constants = |list: &Vec<Value>| -> Option<Vec<String>> {
        let word = |value: &Value| Some(format!("`\"{}\"`", value.get("const")?.as_str()?));
        list.iter().map(word).collect()
    };
    let listed = |list: &Vec<Value>| -> Option<Vec<String>> {
        list.iter().map(|value| Some(format!("`\"{}\"`", value.as_str()?))).collect()
    };
    let from_choices = schema.get("oneOf").and_then(Value::as_array).and_then(constants);
    let words = from_choices.or_else(|| schema.get("enum").and_then(Value::as_array).and_then(listed))?;
    Some(words.join(", "))
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

fn plain_kind(schema: &Value) -> String {
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => "string",
        Some("integer") => "whole number",
        Some("boolean") => "boolean",
        Some("object") => "`{}`",
        _ => "value",
    }
    .to_owned()
}

/// A description on one line.
fn description(schema: &Value) -> Option<String> {
    Some(schema.get("description")?.as_str()?.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Text as it may stand in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The anchor that hosts of Markdown give a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
