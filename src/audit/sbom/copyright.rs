//! `copyright` files of Debian packages: the machine-readable ones (DEP-5, copyright-format 1.0) give a licence.

use std::collections::BTreeMap;

use super::licence::{self, Expression, Licence};
use crate::source::apt::deb822;

/// The licences of all files of a package; none where the file is prose, or says nothing.
pub fn licence(bytes: &[u8]) -> Option<Licence> {
    let text = String::from_utf8_lossy(bytes);
    // A line of blanks separates paragraphs as an empty one does.
    let lines = text.lines().map(str::trim_end).flat_map(|line| [line, "\n"]);
    let text: String = lines.collect();
    let mut paragraphs = deb822::paragraphs(&text);
    let header = paragraphs.next()?;
    let format = deb822::field(header, "Format")?.to_ascii_lowercase();
    if !format.contains("copyright-format") && !format.contains("dep5") && !format.contains("dep-5") {
        return None;
    }
    let paragraphs: Vec<&str> = paragraphs.collect();
    let mut quoted: BTreeMap<&str, String> = BTreeMap::new();
    for field in paragraphs.iter().filter_map(|paragraph| deb822::field(paragraph, "License")) {
        let (name, text) = split(field);
        if !text.is_empty() {
            quoted.entry(name).or_insert_with(|| plain(text));
        }
    }
    let text_of = |name: &str| {
        let base = name.split(" with ").next().unwrap_or(name);
        quoted.get(name).or_else(|| quoted.get(base)).cloned().unwrap_or_default()
    };
    let mut texts = BTreeMap::new();
    let mut all = Vec::new();
    let of_files = paragraphs.iter().filter(|paragraph| deb822::field(paragraph, "Files").is_some());
    let whole = std::iter::once(&header).filter(|_| of_files.clone().next().is_none());
    for field in of_files.clone().chain(whole).filter_map(|paragraph| deb822::field(paragraph, "License")) {
        let (name, _) = split(field);
        all.extend(licence::parse(name, &text_of, &mut texts));
    }
    let expression = Expression::all(all)?.to_string();
    Some(Licence { expression, texts })
}

/// The first line, and what follows it.
fn split(field: &str) -> (&str, &str) {
    let (name, text) = field.split_once('\n').unwrap_or((field, ""));
    (name.trim(), text)
}

/// A folded text as it reads: without the blank of each line, ` .` for an empty one.
fn plain(text: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix([' ', '\t']).unwrap_or(line) {
        "." => "",
        line => line,
    });
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: x
 \t
Files: *
Copyright: 2020 A
License: GPL-2+

Files: lib/*
Copyright: 2021 B
License: BSD-3-clause or odd
 The text of neither.

Files: debian/*
License: odd

License: GPL-2+
 On Debian systems ...

License: odd
 Do what is odd.
 .
  Indented.
";

    #[test]
    fn all_files_count_and_odd_texts_are_quoted() {
        let licence = licence(TEXT.as_bytes()).unwrap();
        let (id, text) = licence.texts.first_key_value().unwrap();
        assert_eq!(licence.texts.len(), 1);
        assert_eq!(licence.expression, format!("GPL-2.0-or-later AND {id} AND (BSD-3-Clause OR {id})"));
        assert_eq!((text.name.as_str(), text.text.as_str()), ("odd", "Do what is odd.\n\n Indented."));
    }

    #[test]
    fn prose_and_nonsense_give_none() {
        for text in ["", "This package was debianized by hand.\n", "Format: https://example.org/\n\nLicense: GPL-2\n"] {
            assert_eq!(licence(text.as_bytes()), None, "{text}");
        }
        let empty = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\n";
        assert_eq!(licence(empty.as_bytes()), None);
        assert_eq!(licence(&[0xff; 100]), None);
        let whole = format!("{}License: ISC\n", empty.split("\n\n").next().map(|head| format!("{head}\n")).unwrap());
        assert_eq!(licence(whole.as_bytes()).unwrap().expression, "ISC");
    }
}
