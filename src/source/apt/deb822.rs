//! Paragraphs of `Field: value`, the form of every index, control and source file of Debian.
//!
//! Reading never fails: what is no field is passed over, and whoever needs a field asks for it.

/// The paragraphs of a text, without copying.
pub fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(['\n', '\r']);
        if rest.is_empty() {
            return None;
        }
        let end = rest.find("\n\n").map_or(rest.len(), |at| at + 1);
        let (paragraph, after) = rest.split_at(end);
        rest = after;
        Some(paragraph)
    })
}

/// The value of `name` in a paragraph, folded lines included, without the first blank; names compare without case.
pub fn field<'a>(paragraph: &'a str, name: &str) -> Option<&'a str> {
    let mut at = 0;
    while at < paragraph.len() {
        let rest = &paragraph[at..];
        let line = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let value = rest.as_bytes().get(name.len()).filter(|byte| **byte == b':');
        // A name that splits a character is none of ours.
        if value.is_some() && rest.as_bytes()[..name.len()].eq_ignore_ascii_case(name.as_bytes()) {
            let mut end = line;
            while rest.as_bytes().get(end).is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
                end += rest[end..].find('\n').map_or(rest.len() - end, |more| more + 1);
            }
            return Some(rest[name.len() + 1..end].trim());
        }
        at += line;
    }
    None
}

/// Every field of a paragraph, in order, folded lines kept as they are.
pub fn fields(paragraph: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in paragraph.lines().filter(|line| !line.starts_with('#')) {
        match (line.starts_with([' ', '\t']), fields.last_mut(), line.split_once(':')) {
            (true, Some((_, value)), _) => {
                value.push('\n');
                value.push_str(line);
            }
            (false, _, Some((name, value))) => fields.push((name.to_owned(), value.trim().to_owned())),
            _ => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Package: a\nDescription: first\n more\n .\n end\nSize: 3\n\n\nPackage: b\nX-Package: c\n";

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let found: Vec<_> = paragraphs(TEXT).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(field(found[0], "package"), Some("a"));
        assert_eq!(field(found[0], "Description"), Some("first\n more\n .\n end"));
        assert_eq!(field(found[0], "Size"), Some("3"));
        assert_eq!(field(found[0], "more"), None);
        assert_eq!(field(found[1], "Package"), Some("b"));
        assert_eq!(field(found[1], "Siz"), None);
        assert_eq!(field("é: x\n", "é"), Some("x"));
    }

    #[test]
    fn order_and_folds_are_kept() {
        let fields = fields("B: 1\nA:  2 \n x\n# comment\nC:\n");
        assert_eq!(fields, [("B", "1"), ("A", "2\n x"), ("C", "")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
}
