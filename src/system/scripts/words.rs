//! The values of words, as far as they are known.

use std::collections::BTreeMap;

use super::shell::{CommandKind, List, Part, PartKind, Word};
use super::tools::STAND_INS;

/// Variables: a value, or none where it cannot be known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Variables {
    values: BTreeMap<String, Option<String>>,
    /// `$1` and on; none where even their number is unknown.
    pub arguments: Option<Vec<Option<String>>>,
}

impl Variables {
    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: Option<String>) {
        self.values.insert(name.to_owned(), value);
    }

    /// The value, where it is known. Lower-case names that were never set are empty: what the
    /// environment brings is written in capitals.
    pub fn get(&self, name: &str) -> Option<String> {
        if let Some(value) = self.values.get(name) {
            return value.clone();
        }
        match name {
            "#" => self.arguments.as_ref().map(|arguments| arguments.len().to_string()),
            "@" | "*" => {
                let known: Option<Vec<String>> = self.arguments.as_ref()?.iter().cloned().collect();
                known.map(|known| known.join(" "))
            }
            "?" | "$" | "!" | "-" => None,
            _ => match name.parse::<usize>() {
                Ok(0) => None,
                Ok(at) => self.arguments.as_ref()?.get(at - 1).cloned().unwrap_or_else(|| Some(String::new())),
                Err(_) if name.chars().any(|char| char.is_ascii_uppercase()) => None,
                Err(_) => Some(String::new()),
            },
        }
    }

    /// What holds after either of two ways was gone.
    pub fn merge(&mut self, other: &Variables) {
        let names: Vec<String> = self.values.keys().chain(other.values.keys()).cloned().collect();
        for name in names {
            if self.get(&name) != other.get(&name) {
                self.values.insert(name, None);
            }
        }
        if self.arguments != other.arguments {
            self.arguments = None;
        }
    }
}

/// The value of a word that is not split: an assignment's, a `case`'s.
pub fn value(word: &Word, variables: &Variables) -> Option<String> {
    word.iter().map(|part| of_part(part, variables)).collect()
}

/// The fields that words become; none where that cannot be known.
pub fn fields(words: &[Word], variables: &Variables) -> Option<Vec<String>> {
    let mut out = Vec::new();
    for word in words {
        if let [Part { kind: PartKind::Variable(name, None), quoted: true }] = &word[..]
            && name == "@"
        {
            for argument in variables.arguments.as_ref()? {
                out.push(argument.clone()?);
            }
            continue;
        }
        let mut field: Option<String> = None;
        for part in word {
            let value = of_part(part, variables)?;
            let split = !part.quoted && !matches!(part.kind, PartKind::Text(_));
            // Names that files of the system would decide.
            if !part.quoted && value.contains(['*', '?', '[']) && value != "[" {
                return None;
            }
            if !split {
                field.get_or_insert_default().push_str(&value);
                continue;
            }
            let mut pieces = value.split_whitespace();
            if value.starts_with(char::is_whitespace) {
                out.extend(field.take());
            }
            if let Some(first) = pieces.next() {
                field.get_or_insert_default().push_str(first);
            }
            for piece in pieces {
                out.extend(field.replace(piece.to_owned()));
            }
            if value.ends_with(char::is_whitespace) {
                out.extend(field.take());
            }
        }
        out.extend(field);
    }
    Some(out)
}

fn of_part(part: &Part, variables: &Variables) -> Option<String> {
    match &part.kind {
        PartKind::Text(text) => Some(text.clone()),
        PartKind::Variable(name, None) => variables.get(name),
        PartKind::Variable(name, Some((sign, word))) => {
            let have = variables.get(name)?;
            // A variable that is empty and one that is not set are told apart by a colon; here both
            // are the same, so only the forms with a colon are decided where it is empty.
            match (&**sign, have.is_empty()) {
                (":-" | "-" | ":=" | "=" | ":?" | "?", false) => Some(have),
                (":-" | ":=", true) => value(word, variables),
                ("-" | "=", true) => value(word, variables).filter(String::is_empty),
                (":+", true) => Some(String::new()),
                (":+" | "+", false) => value(word, variables),
                ("%", _) => literal(word, variables).map(|end| have.strip_suffix(&*end).unwrap_or(&have).to_owned()),
                ("#", _) => {
                    literal(word, variables).map(|start| have.strip_prefix(&*start).unwrap_or(&have).to_owned())
                }
                _ => None,
            }
        }
        PartKind::Output(list) => output(list),
        PartKind::Arithmetic(_) => None,
    }
}

/// The output of a command, where it is known: where a tool is that the steps stand in for.
fn output(list: &List) -> Option<String> {
    let [item] = &list[..] else { return None };
    let [command] = &item.first.commands[..] else { return None };
    let CommandKind::Simple(assigns, words) = &command.kind else { return None };
    if !item.rest.is_empty() || !assigns.is_empty() {
        return None;
    }
    let words = fields(words, &Variables::default())?;
    match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["command", "-v", tool] | ["which", tool] if STAND_INS.contains(tool) => Some(format!("/usr/bin/{tool}")),
        _ => None,
    }
}

/// A pattern without wildcards.
fn literal(word: &Word, variables: &Variables) -> Option<String> {
    value(word, variables).filter(|text| !text.contains(['*', '?', '[', '\\']))
}

/// Whether `text` matches a shell pattern; none where the pattern is not known.
pub fn pattern_matches(text: &str, pattern: &Word, variables: &Variables) -> Option<bool> {
    let mut glob = String::new();
    for part in pattern {
        let value = of_part(part, variables)?;
        let wild = !part.quoted && matches!(part.kind, PartKind::Text(_));
        for char in value.chars() {
            if !wild && "*?[]{}!\\".contains(char) || "{}".contains(char) {
                glob.push('\\');
            }
            glob.push(char);
        }
    }
    let matcher = globset::GlobBuilder::new(&glob).literal_separator(false).backslash_escape(true).build().ok()?;
    Some(matcher.compile_matcher().is_match(text))
}
