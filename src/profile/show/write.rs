//! Writes a table as TOML: plain values first, then sections, each with its whole name.

use std::fmt::Write;

use toml::{Table, Value};

use crate::profile::origins::{Origins, basic, below, quoted};

/// Columns after which an array takes a line for each element.
const WIDTH: usize = 100;

/// The whole document.
pub fn document(table: &Table, origins: Option<&Origins>) -> String {
    let mut writer = Writer { out: String::new(), origins };
    writer.table(table, "", "");
    writer.out
}

struct Writer<'a> {
    out: String,
    origins: Option<&'a Origins>,
}

impl Writer<'_> {
    /// `header` is the table's name in headers, `path` its place among the origins.
    fn table(&mut self, table: &Table, header: &str, path: &str) {
        for (key, value) in table.iter().filter(|(_, value)| !section(value)) {
            self.line(key, value, &below(path, key));
        }
        for (key, value) in table.iter().filter(|(_, value)| section(value)) {
            let (header, path) = (below(header, key), below(path, key));
            match value {
                Value::Table(table) => {
                    // A header that only leads to others says nothing.
                    if table.values().any(|value| !section(value)) {
                        self.header(&format!("[{header}]"));
                    }
                    self.table(table, &header, &path);
                }
                Value::Array(values) => {
                    for (index, value) in values.iter().enumerate() {
                        self.header(&format!("[[{header}]]"));
                        if let Value::Table(table) = value {
                            self.table(table, &header, &format!("{path}[{index}]"));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn header(&mut self, header: &str) {
        let gap = if self.out.is_empty() { "" } else { "\n" };
        self.out.push_str(&format!("{gap}{header}\n"));
    }

    fn line(&mut self, key: &str, value: &Value, path: &str) {
        let key = quoted(key);
        if let Value::Array(values) = value {
            let short = values.iter().map(|value| scalar(value).len() + 2).sum::<usize>() + key.len() < WIDTH;
            let one_line = short && self.origins.is_none() || values.is_empty();
            if !one_line {
                self.push(format_args!("{key} = [\n"));
                for (index, value) in values.iter().enumerate() {
                    let origin = self.origin(&format!("{path}[{index}]"));
                    self.push(format_args!("    {},{origin}\n", scalar(value)));
                }
                return self.push(format_args!("]\n"));
            }
        }
        let origin = self.origin(path);
        self.push(format_args!("{key} = {}{origin}\n", scalar(value)));
    }

    fn origin(&self, path: &str) -> String {
        match self.origins {
            None => String::new(),
            Some(origins) => format!("  # {}", origins.get(path).unwrap_or("default")),
        }
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // A string takes whatever is written.
        let _ = self.out.write_fmt(text);
    }
}

/// Whether a value is written under a header of its own.
fn section(value: &Value) -> bool {
    match value {
        Value::Table(table) => !table.is_empty() && !brief(table),
        Value::Array(values) => {
            !values.is_empty() && values.iter().all(|value| value.as_table().is_some_and(|table| !package(table)))
        }
        _ => false,
    }
}

/// `{ raw = {} }` and `{ name, from }` read best on one line.
fn brief(table: &Table) -> bool {
    let tag = table.len() == 1 && table.values().all(|value| value.as_table().is_some_and(Table::is_empty));
    tag || package(table)
}

fn package(table: &Table) -> bool {
    table.len() == 2 && table.contains_key("name") && table.contains_key("from")
}

/// A value on one line, except that text of several lines is written as it reads.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if reads_as_is(text) => format!("'''\n{text}'''"),
        Value::String(text) => basic(text),
        Value::Array(values) => format!("[{}]", values.iter().map(scalar).collect::<Vec<_>>().join(", ")),
        Value::Table(table) if table.is_empty() => "{}".to_owned(),
        Value::Table(table) => {
            let entries = table.iter().map(|(key, value)| format!("{} = {}", quoted(key), scalar(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        value => value.to_string(),
    }
}

fn reads_as_is(text: &str) -> bool {
    text.contains('\n')
        && !text.contains("''")
        && !text.ends_with('\'')
        && !text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_key_and_any_text_reads_the_same_again() {
        for text in
            ["", "two\nlines", "a\\\nb", "'''\n", "\"\\", "\u{1f}\t\r", "plain-key", "ends\n'", "\n\\", "\u{85}\u{7f}"]
        {
            let mut table = Table::new();
            table.insert(text.to_owned(), Value::String(text.to_owned()));
            table.insert("list".to_owned(), Value::Array(vec![Value::String(text.to_owned()); 40]));
            table.insert(format!("below {text}"), Value::Table(table.clone()));
            let written = document(&table, None);
            assert_eq!(written.parse::<Table>().ok().as_ref(), Some(&table), "{written}");
        }
    }
}
