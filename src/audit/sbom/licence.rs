//! Short names of licences as Debian writes them, to SPDX expressions.
//!
//! Only what both name alike is translated; all else stays what it says, as a `LicenseRef`.

use std::collections::BTreeMap;

use crate::digest::Digest;

/// Names that stand for one licence and no other, in lower case; the rest follows a pattern, below.
const NAMES: &[(&str, &str)] = &[
    ("0bsd", "0BSD"),
    ("afl-2.0", "AFL-2.0"),
    ("afl-2.1", "AFL-2.1"),
    ("apache-1.0", "Apache-1.0"),
    ("apache-1.1", "Apache-1.1"),
    ("apache-2", "Apache-2.0"),
    ("apache-2.0", "Apache-2.0"),
    ("artistic-2", "Artistic-2.0"),
    ("artistic-2.0", "Artistic-2.0"),
    ("bsd-2-clause", "BSD-2-Clause"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("bsl-1.0", "BSL-1.0"),
    ("bzip2-1.0.6", "bzip2-1.0.6"),
    ("cc-by-3.0", "CC-BY-3.0"),
    ("cc-by-4.0", "CC-BY-4.0"),
    ("cc-by-sa-3.0", "CC-BY-SA-3.0"),
    ("cc-by-sa-4.0", "CC-BY-SA-4.0"),
    ("cc0", "CC0-1.0"),
    ("cc0-1.0", "CC0-1.0"),
    ("cddl-1.0", "CDDL-1.0"),
    ("curl", "curl"),
    ("epl-1.0", "EPL-1.0"),
    ("epl-2.0", "EPL-2.0"),
    ("expat", "MIT"),
    ("ftl", "FTL"),
    ("isc", "ISC"),
    ("mit-0", "MIT-0"),
    ("mpl-1.1", "MPL-1.1"),
    ("mpl-2.0", "MPL-2.0"),
    ("ncsa", "NCSA"),
    ("ofl-1.1", "OFL-1.1"),
    ("openssl", "OpenSSL"),
    ("postgresql", "PostgreSQL"),
    ("psf-2", "PSF-2.0"),
    ("psf-2.0", "PSF-2.0"),
    ("unicode-dfs-2016", "Unicode-DFS-2016"),
    ("unlicense", "Unlicense"),
    ("vim", "Vim"),
    ("w3c", "W3C"),
    ("wtfpl", "WTFPL"),
    ("x11", "X11"),
    ("zlib", "Zlib"),
];

/// Families whose name is followed by a version, and by `+` where a later one will do.
const FAMILIES: &[(&str, &str, &[&str])] = &[
    ("agpl", "AGPL", &["1.0", "3.0"]),
    ("gfdl", "GFDL", &["1.1", "1.2", "1.3"]),
    ("gpl", "GPL", &["1.0", "2.0", "3.0"]),
    ("lgpl", "LGPL", &["2.0", "2.1", "3.0"]),
];

/// Exceptions that SPDX has under the very name.
const EXCEPTIONS: &[&str] = &[
    "Autoconf-exception-2.0",
    "Autoconf-exception-3.0",
    "Bison-exception-2.2",
    "Classpath-exception-2.0",
    "GCC-exception-2.0",
    "GCC-exception-3.1",
    "Libtool-exception",
    "Linux-syscall-note",
    "LLVM-exception",
    "u-boot-exception-2.0",
];

/// The words that the MIT licence and no other of its kin begins with ...
const MIT: &str = "permission is hereby granted free of charge to any person obtaining a copy of this software and \
                   associated documentation files";
/// ... and those that only X11's has.
const X11: &str = "except as contained in this notice";

/// A licence or several, with the texts of those that SPDX does not name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Licence {
    /// An SPDX expression.
    pub expression: String,
    /// Every `LicenseRef` in it.
    pub texts: BTreeMap<String, Text>,
}

/// A licence that SPDX has no name for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// What the package calls it.
    pub name: String,
    /// What it says; its name where nothing is quoted.
    pub text: String,
}

/// A parsed expression.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expression {
    /// A licence of SPDX's list, or a `LicenseRef`.
    One(String),
    /// All of them.
    All(Vec<Expression>),
    /// Any of them.
    Any(Vec<Expression>),
}

impl Expression {
    /// All of several, each once, sorted.
    pub fn all(parts: Vec<Expression>) -> Option<Expression> {
        let flat = parts.into_iter().flat_map(|part| match part {
            Expression::All(parts) => parts,
            other => vec![other],
        });
        one_or(flat.collect(), Expression::All)
    }

    fn any(parts: Vec<Expression>) -> Option<Expression> {
        one_or(parts, Expression::Any)
    }
}

fn one_or(mut parts: Vec<Expression>, several: fn(Vec<Expression>) -> Expression) -> Option<Expression> {
    parts.sort();
    parts.dedup();
    match parts.len() {
        0 | 1 => parts.pop(),
        _ => Some(several(parts)),
    }
}

impl std::fmt::Display for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (parts, word) = match self {
            Expression::One(id) => return f.write_str(id),
            Expression::All(parts) => (parts, " AND "),
            Expression::Any(parts) => (parts, " OR "),
        };
        for (number, part) in parts.iter().enumerate() {
            if number > 0 {
                f.write_str(word)?;
            }
            match part {
                Expression::One(id) => f.write_str(id)?,
                several => write!(f, "({several})")?,
            }
        }
        Ok(())
    }
}

/// Reads the first line of a `License` field (DEP-5, "Syntax of short names"): `and` binds closer than `or`, a comma
/// less than either. `text_of` gives what a name stands for, and `texts` takes what SPDX does not know.
pub fn parse(line: &str, text_of: &dyn Fn(&str) -> String, texts: &mut BTreeMap<String, Text>) -> Option<Expression> {
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut groups = Vec::new();
    for (number, group) in line.split(',').enumerate() {
        let group = group.trim();
        let (joined, rest) = match group.split_once(' ') {
            Some((word, rest)) if number > 0 => (Joined::of(word), rest),
            _ => (None, group),
        };
        // A comma that no word follows separates nothing that DEP-5 knows.
        if number > 0 && joined.is_none() {
            return Some(Expression::One(reference(&line, &text_of(&line), texts)));
        }
        groups.push((joined.unwrap_or(Joined::Or), flat(rest, text_of, texts)?));
    }
    combine(groups)
}

#[derive(Clone, Copy, PartialEq)]
enum Joined {
    And,
    Or,
}

impl Joined {
    fn of(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "and" => Some(Joined::And),
            "or" => Some(Joined::Or),
            _ => None,
        }
    }
}

/// Terms with `and` and `or` between them.
fn flat(text: &str, text_of: &dyn Fn(&str) -> String, texts: &mut BTreeMap<String, Text>) -> Option<Expression> {
    let mut terms: Vec<(Joined, Vec<&str>)> = vec![(Joined::Or, Vec::new())];
    for word in text.split(' ') {
        match (Joined::of(word), terms.last_mut()) {
            (Some(joined), _) => terms.push((joined, Vec::new())),
            (None, Some((_, words))) => words.push(word),
            (None, None) => {}
        }
    }
    let mut parts = Vec::new();
    for (joined, words) in terms {
        let term = words.join(" ");
        if !term.is_empty() {
            parts.push((joined, Expression::One(one(&term, text_of, texts))));
        }
    }
    combine(parts)
}

fn combine(parts: Vec<(Joined, Expression)>) -> Option<Expression> {
    let mut any: Vec<Vec<Expression>> = Vec::new();
    for (joined, part) in parts {
        match (joined, any.last_mut()) {
            (Joined::And, Some(all)) => all.push(part),
            _ => any.push(vec![part]),
        }
    }
    Expression::any(any.into_iter().filter_map(Expression::all).collect())
}

/// One licence, with or without an exception.
fn one(term: &str, text_of: &dyn Fn(&str) -> String, texts: &mut BTreeMap<String, Text>) -> String {
    let known = match term.to_ascii_lowercase().find(" with ") {
        Some(at) => {
            let (name, exception) = (term.get(..at).unwrap_or_default(), term.get(at + 6..).unwrap_or_default());
            named(name).zip(excepted(exception)).map(|(name, exception)| format!("{name} WITH {exception}"))
        }
        None => named(term).or_else(|| by_text(term, &text_of(term))),
    };
    known.unwrap_or_else(|| reference(term, &text_of(term), texts))
}

fn named(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    if let Some((_, id)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some((*id).to_owned());
    }
    let (plain, later) = match (name.strip_suffix('+'), name.strip_suffix("-or-later")) {
        (Some(plain), _) | (_, Some(plain)) => (plain, "or-later"),
        _ => (name.strip_suffix("-only").unwrap_or(&name), "only"),
    };
    let (family, version) = plain.split_once('-')?;
    let (_, spdx, versions) = FAMILIES.iter().find(|(known, ..)| *known == family)?;
    // "No invariant sections": SPDX tells such a GFDL apart.
    let (middle, version) = match version.strip_prefix("niv-").filter(|_| family == "gfdl") {
        Some(version) => ("no-invariants-", version),
        None => ("", version),
    };
    let version = versions.iter().find(|known| **known == version || known.strip_suffix(".0") == Some(version))?;
    Some(format!("{spdx}-{version}-{middle}{later}"))
}

fn excepted(name: &str) -> Option<&'static str> {
    // `Libtool exception`, `Linux-syscall-note exception`.
    let bare = name.strip_suffix(" exception").unwrap_or(name);
    let is = |known: &&&str| known.strip_suffix("-exception").unwrap_or(known).eq_ignore_ascii_case(bare);
    EXCEPTIONS
        .iter()
        .find(|known| {
            known.eq_ignore_ascii_case(name) || bare != name && (known.eq_ignore_ascii_case(bare) || is(known))
        })
        .copied()
}

/// `MIT` is a family of texts; one of them is SPDX's.
fn by_text(name: &str, text: &str) -> Option<String> {
    if !name.eq_ignore_ascii_case("mit") {
        return None;
    }
    let words = |text: &str| {
        let plain = text.replace(|c: char| !c.is_alphanumeric(), " ").to_lowercase();
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let text = words(text);
    (text.contains(MIT) && !text.contains(X11)).then(|| "MIT".to_owned())
}

/// The name under which SPDX has a licence of nobody's list. The same name may stand for several texts: each has
/// its own.
fn reference(name: &str, text: &str, texts: &mut BTreeMap<String, Text>) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).take(64).collect();
    let text = if text.trim().is_empty() { name } else { text };
    let digest = Digest::of(format!("{name}\0{text}").as_bytes()).to_string();
    let id = format!("LicenseRef-{}-{}", plain.trim_matches('-'), digest.get(..12).unwrap_or_default());
    texts.entry(id.clone()).or_insert_with(|| Text { name: name.to_owned(), text: text.to_owned() });
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> String {
        let mut texts = BTreeMap::new();
        let expression = parse(line, &|_| String::new(), &mut texts).map(|parsed| parsed.to_string());
        // What is not known: its name in place of the digest.
        texts
            .into_iter()
            .fold(expression.unwrap_or_default(), |text, (id, of)| text.replace(&id, &format!("<{}>", of.name)))
    }

    #[test]
    fn names_that_both_have_are_translated() {
        for (debian, spdx) in [
            ("GPL-2", "GPL-2.0-only"),
            ("GPL-2+", "GPL-2.0-or-later"),
            ("gpl-3.0-or-later", "GPL-3.0-or-later"),
            ("LGPL-2.1+", "LGPL-2.1-or-later"),
            ("LGPL-2", "LGPL-2.0-only"),
            ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
            ("Expat", "MIT"),
            ("BSD-3-clause", "BSD-3-Clause"),
            ("GPL-3+ with Bison-exception-2.2", "GPL-3.0-or-later WITH Bison-exception-2.2"),
            ("GPL-2+ with Libtool exception", "GPL-2.0-or-later WITH Libtool-exception"),
            ("GPL-2 with Linux-syscall-note exception", "GPL-2.0-only WITH Linux-syscall-note"),
        ] {
            assert_eq!(read(debian), spdx);
        }
    }

    #[test]
    fn what_is_not_certain_stays_what_it_says() {
        for name in ["GPL", "BSD", "MIT", "Artistic", "public-domain", "GPL-7", "GPL-2+ with OpenSSL exception", "Ä b"]
        {
            assert_eq!(read(name), format!("<{name}>"));
        }
        assert_eq!(read(""), "");
        let mut texts = BTreeMap::new();
        let mit = "Permission is hereby granted, free of charge, to any person obtaining a copy of this software\n \
                   and associated documentation files (the \"Software\")";
        assert_eq!(parse("MIT", &|_| mit.to_owned(), &mut texts).unwrap().to_string(), "MIT");
        let x11 = format!("{mit}\nExcept as contained in this notice, the name of X");
        assert!(parse("MIT", &|_| x11.clone(), &mut texts).unwrap().to_string().starts_with("LicenseRef-MIT-"));
    }

    #[test]
    fn words_between_names_bind_as_dep_5_says() {
        for (debian, spdx) in [
            ("GPL-1+ or Expat", "GPL-1.0-or-later OR MIT"),
            ("GPL-2 and Expat or ISC", "ISC OR (GPL-2.0-only AND MIT)"),
            ("GPL-2 or Expat, and ISC", "ISC AND (GPL-2.0-only OR MIT)"),
            ("GPL-2+ and GPL-2+", "GPL-2.0-or-later"),
            ("GPL-2+, Expat", "<GPL-2+, Expat>"),
            ("and or", ""),
        ] {
            assert_eq!(read(debian), spdx);
        }
    }
}
