//! Configuration as leaves: the path of a key, and its value on one line.
//!
//! Lists of plain values are sets: what matters is what is in them. Lists of tables are keyed by what tells their
//! elements apart (`path`, `name`), so that one more at the front moves none of the others.

use std::collections::BTreeMap;

use serde_json::Value;

use super::change::Change;

/// As deep as foreign configuration may nest.
const DEPTH: usize = 64;

/// Leaves by path: `kernel.cmdline[quiet]`, `file[/etc/motd].mode`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leaves(pub BTreeMap<String, Leaf>);

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// As JSON has it; text of several lines as it is.
    pub value: String,
    /// Its place where elements of lists have numbers: `kernel.cmdline[3]`.
    pub place: String,
}

impl Leaves {
    /// Those of a value.
    pub fn of(value: &Value) -> Self {
        let mut leaves = Leaves::default();
        leaves.add(value, String::new(), String::new(), 0);
        leaves
    }

    fn add(&mut self, value: &Value, path: String, place: String, depth: usize) {
        match value {
            Value::Object(entries) if !entries.is_empty() && depth < DEPTH => {
                for (key, value) in entries {
                    self.add(value, below(&path, &bare(key)), below(&place, &quoted(key)), depth + 1);
                }
            }
            Value::Array(values) if !values.is_empty() && depth < DEPTH => {
                let mut seen = BTreeMap::<String, usize>::new();
                for (index, value) in values.iter().enumerate() {
                    let mut key = name(value).unwrap_or_else(|| line(value));
                    let times = seen.entry(key.clone()).or_default();
                    *times += 1;
                    if *times > 1 {
                        key = format!("{key} #{times}");
                    }
                    let (path, place) = (format!("{path}[{key}]"), format!("{place}[{index}]"));
                    match value {
                        Value::Object(_) if name(value).is_some() => self.add(value, path, place, depth + 1),
                        _ => drop(self.0.insert(path, Leaf { value: String::new(), place })),
                    }
                }
            }
            value => {
                let value = match value {
                    Value::String(text) => text.clone(),
                    value => value.to_string(),
                };
                self.0.insert(path, Leaf { value, place });
            }
        }
    }

    /// What differs; `each` makes a change out of path, leaf before and leaf after.
    pub fn compare(&self, other: &Self, mut each: impl FnMut(&str, Option<&Leaf>, Option<&Leaf>)) {
        let paths: std::collections::BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        for path in paths {
            let (before, after) = (self.0.get(path), other.0.get(path));
            // An empty table or list is no more than that the other side has something in it.
            let empty = |leaf: Option<&Leaf>| leaf.is_some_and(|leaf| matches!(leaf.value.as_str(), "{}" | "[]"));
            let inside = |side: &Self| {
                [format!("{path}."), format!("{path}[")].iter().any(|start| {
                    side.0.range(start.clone()..).next().is_some_and(|(key, _)| key.starts_with(start.as_str()))
                })
            };
            if (empty(before) && inside(other)) || (empty(after) && inside(self)) {
                continue;
            }
            if before.map(|leaf| &leaf.value) != after.map(|leaf| &leaf.value) {
                each(path, before, after);
            }
        }
    }

    /// The changes, called by their paths.
    pub fn changes(&self, other: &Self) -> Vec<Change> {
        let mut out = Vec::new();
        self.compare(other, |path, before, after| out.extend(change(path, before, after)));
        out
    }
}

/// The change of one leaf.
pub fn change(what: &str, before: Option<&Leaf>, after: Option<&Leaf>) -> Option<Change> {
    let value = |leaf: Option<&Leaf>| leaf.map(|leaf| leaf.value.clone());
    let (before, after) = (value(before), value(after));
    let several = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains('\n'));
    if !several(&before) && !several(&after) {
        return Change::of(what, before, after);
    }
    let detail = super::text::unified(before.as_deref().unwrap_or(""), after.as_deref().unwrap_or(""));
    let word = |text: &Option<String>| text.as_ref().map(|text| format!("{} lines", text.lines().count()));
    let words = (word(&before), word(&after));
    let mut change = Change::of(what, before, after)?;
    (change.before, change.after) = words;
    change.detail = detail;
    Some(change)
}

/// What tells a table of a list apart.
fn name(value: &Value) -> Option<String> {
    let table = value.as_object()?;
    // `{ name, from }` is a package: a plain value of a list.
    if table.len() == 2 && table.contains_key("from") {
        return None;
    }
    let text = |key: &str| table.get(key)?.as_str();
    if let (Some(package), Some(script)) = (text("package"), text("script")) {
        return Some(format!("{script} of {package}"));
    }
    ["path", "name"].iter().find_map(|key| table.get(*key)?.as_str()).map(str::to_owned)
}

fn line(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(table) if table.len() == 2 && table.contains_key("from") => {
            let text = |key: &str| table.get(key).and_then(Value::as_str).unwrap_or_default();
            format!("{} from {}", text("name"), text("from"))
        }
        value => value.to_string(),
    }
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A key for people: in brackets where it has dots of its own.
fn bare(key: &str) -> String {
    if key.is_empty() || key.contains(['.', '[', ']', '/']) { format!("[{key}]") } else { key.to_owned() }
}

/// A key as [`crate::profile::Origins`] has it.
fn quoted(key: &str) -> String {
    crate::profile::quoted(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(before: &Value, after: &Value) -> Vec<String> {
        let changes = Leaves::of(before).changes(&Leaves::of(after));
        changes.iter().map(|change| format!("{:?} {}", change.kind, change.what)).collect()
    }

    #[test]
    fn one_more_moves_no_other() {
        let before = json!({"file": [{"path": "/b", "text": "b"}], "words": ["x", "y"]});
        let after =
            json!({"file": [{"path": "/a", "text": "a"}, {"path": "/b", "text": "b"}], "words": ["z", "x", "y"]});
        assert_eq!(paths(&before, &after), ["Added file[/a].path", "Added file[/a].text", "Added words[z]"]);
        assert_eq!(paths(&before, &before), [""; 0]);
    }

    #[test]
    fn twice_in_a_list_is_not_once() {
        assert_eq!(paths(&json!({"a": ["x"]}), &json!({"a": ["x", "x"]})), ["Added a[x #2]"]);
        assert_eq!(paths(&json!({"a.b": 1}), &json!({"a.b": 2})), ["Changed [a.b]"]);
        assert_eq!(paths(&json!({"a": {}}), &json!({"a": {"b": true}})), ["Added a.b"]);
        assert_eq!(paths(&json!({"a": {}, "c": 1}), &json!({"c": 1})), ["Removed a"]);
    }
}
