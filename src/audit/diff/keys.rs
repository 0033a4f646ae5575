//! Configuration by its keys: JSON, TOML and YAML as one kind of value.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

use super::change::Kind;
use super::leaves::Leaves;

/// As deep as YAML may nest, and as many values as it may hold.
const DEPTH: usize = 64;
const VALUES: usize = 200_000;
/// As many keys of one file are told.
const TOLD: usize = 100;

/// The value of a text whose file has that name; none where it is no configuration, or not sound.
pub fn of(name: &str, text: &str) -> Option<Value> {
    match name.rsplit_once('.')?.1 {
        "json" => serde_json::from_str(text).ok(),
        "toml" => serde_json::to_value(text.parse::<toml::Table>().ok()?).ok(),
        "yaml" | "yml" => yaml(text),
        _ => None,
    }
}

/// What differs of two texts, a key a line; none where one is not configuration, empty where all values are the same.
pub fn compare(name: &str, before: &str, after: &str) -> Option<String> {
    let changes = Leaves::of(&of(name, before)?).changes(&Leaves::of(&of(name, after)?));
    let mut out = String::new();
    for change in changes.iter().take(TOLD) {
        let sign = match change.kind {
            Kind::Added => '+',
            Kind::Removed => '-',
            Kind::Changed => '~',
        };
        let values = [&change.before, &change.after].into_iter().flatten().filter(|value| !value.is_empty());
        let values = values.map(|value| value.escape_debug().to_string()).collect::<Vec<_>>().join(" -> ");
        let space = if values.is_empty() { "" } else { "  " };
        out.push_str(&format!("{sign} {}{space}{values}\n", change.what.escape_debug()));
    }
    if changes.len() > TOLD {
        out.push_str(&format!("... {} keys more\n", changes.len() - TOLD));
    }
    Some(out)
}

/// A list or a table that is not at its end yet.
enum Open {
    List(Vec<Value>),
    /// The key whose value comes next.
    Table(Map<String, Value>, Option<String>),
}

impl Open {
    /// Takes a value in; none where a key comes twice or is no plain value.
    fn put(&mut self, value: Value) -> Option<()> {
        match self {
            Open::List(values) => values.push(value),
            Open::Table(table, key) => match key.take() {
                Some(name) if table.contains_key(&name) => return None,
                Some(name) => drop(table.insert(name, value)),
                None => *key = Some(named(value)?),
            },
        }
        Some(())
    }
}

/// A key as text.
fn named(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(_) | Value::Object(_) => None,
        value => Some(value.to_string()),
    }
}

/// A document as its value, several as a list. Anchors and tags are not followed: what has them is compared as text.
fn yaml(text: &str) -> Option<Value> {
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    for (count, event) in Parser::new_from_str(text).enumerate() {
        if count > VALUES || open.len() > DEPTH {
            return None;
        }
        let done = match event.ok()?.0 {
            Event::Scalar(text, style, 0, None) => scalar(&text, style),
            Event::SequenceStart(0, None) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(0, None) => {
                open.push(Open::Table(Map::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop()? {
                Open::List(values) => Value::Array(values),
                Open::Table(table, None) => Value::Object(table),
                Open::Table(_, Some(_)) => return None,
            },
            Event::Alias(_) | Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => return None,
            _ => continue,
        };
        match open.last_mut() {
            Some(inside) => inside.put(done)?,
            None => documents.push(done),
        }
    }
    match (documents.len(), documents.pop()) {
        (1, only) => only,
        (_, Some(last)) => {
            documents.push(last);
            Some(Value::Array(documents))
        }
        (_, None) => None,
    }
}

/// A plain scalar by the core schema (YAML 1.2.2, 10.3.2), without its numbers of other bases.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    let plain = matches!(style, ScalarStyle::Plain);
    match text {
        "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
        "true" | "True" | "TRUE" if plain => Value::Bool(true),
        "false" | "False" | "FALSE" if plain => Value::Bool(false),
        text if plain => match text.parse::<i64>() {
            Ok(number) => Value::from(number),
            // `nan` and `infinity` are words here.
            Err(_) if text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.')) => {
                let number = text.parse().ok().and_then(Number::from_f64);
                number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
            }
            Err(_) => Value::String(text.to_owned()),
        },
        text => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_is_what_it_means() {
        let text = "---\n# the kubelet's\nkind: KubeletConfiguration\nmaxPods: 110\nfailSwapOn: false\nratio: 0.5\n\
            version: \"1\"\nclusterDNS:\n- 10.0.0.10\neviction: {memory: 100Mi, soft: ~}\ntext: |\n  a\n  b\n";
        let wanted = json!({
            "kind": "KubeletConfiguration", "maxPods": 110, "failSwapOn": false, "ratio": 0.5, "version": "1",
            "clusterDNS": ["10.0.0.10"], "eviction": {"memory": "100Mi", "soft": null}, "text": "a\nb\n",
        });
        assert_eq!(of("a.yaml", text), Some(wanted));
        assert_eq!(of("a.yml", "a: 1\n---\nb: 2\n"), Some(json!([{"a": 1}, {"b": 2}])));
        assert_eq!(of("a.toml", "[a]\nb = 1\n"), Some(json!({"a": {"b": 1}})));
        assert_eq!(of("a.conf", "a = 1\n"), None);
    }

    #[test]
    fn what_could_harm_or_mean_two_things_is_text() {
        let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        let wide = "- 1\n".repeat(VALUES + 1);
        for text in [bomb, &deep, &wide, "a: 1\na: 2\n", "a: !!set {b}\n", "? [a]\n: b\n", "a: [", "", "*x"] {
            assert_eq!(of("a.yaml", text), None, "{}", &text[..text.len().min(40)]);
        }
    }

    #[test]
    fn keys_and_not_lines_are_told() {
        let told = compare("a.yaml", "a: 1\nb: {c: x}\n", "b:\n  c: y # other\nd: [1]\na: 1\n");
        assert_eq!(told.as_deref(), Some("~ b.c  x -> y\n+ d[1]\n"));
        assert_eq!(compare("a.yaml", "a: 1\n", "# more\na:  1\n").as_deref(), Some(""));
        assert_eq!(compare("a.yaml", "a: [", "a: 1\n"), None);
    }
}
