//! The shape of the source: imports point one way, files stay small.
//!
//! - Rank is the order of `pub mod` in src/lib.rs: a file names only modules above its own.
//! - Files of one module do not import each other in a circle; what a folder's mod.rs hands
//!   out to its own files is no import of theirs.
//! - A file has at most 500 lines before its tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines that a file may have before `#[cfg(test)]`.
const MAX_LINES: usize = 500;

/// A source file of the library.
struct File {
    /// Path below src/.
    name: String,
    /// The module that it is: `["source", "apt", "deb"]`.
    module: Vec<String>,
    /// Every path that its code names, from the crate's root, tests excluded.
    paths: BTreeSet<Vec<String>>,
    /// The same for its tests.
    test_paths: BTreeSet<Vec<String>>,
    /// Lines before the tests.
    lines: usize,
}

impl File {
    fn new(name: &str, text: &str) -> Self {
        let mut module: Vec<String> = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let end = match text.starts_with("#[cfg(test)]") {
            true => 0,
            false => text.find("\n#[cfg(test)]").map_or(text.len(), |at| at + 1),
        };
        let (code, tests) = text.split_at(end);
        let paths = named(&tokens(code), &module);
        // Tests are a module of their own inside of the file's.
        let inner: Vec<String> = module.iter().cloned().chain(["tests".to_owned()]).collect();
        let test_paths = named(&tokens(tests), &inner);
        File { name: name.to_owned(), paths, test_paths, lines: code.lines().count(), module }
    }

    fn is_folder(&self) -> bool {
        self.name.ends_with("mod.rs")
    }
}

/// Words and signs of Rust text; comments, strings and characters are left out, `::` is one.
fn tokens(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        if rest.starts_with(b"//") {
            at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        } else if rest.starts_with(b"/*") {
            at += text[at..].find("*/").map_or(rest.len(), |end| end + 2);
        } else if byte == b'"' {
            at += string(rest);
        } else if byte == b'r' && raw_string(rest).is_some() {
            at += raw_string(rest).unwrap_or(1);
        } else if byte == b'\'' {
            // A character, or the mark of a lifetime.
            let end = if rest.get(1) == Some(&b'\\') {
                3
            } else {
                text[at + 1..].chars().next().map_or(1, char::len_utf8) + 1
            };
            let close = rest.get(end..).and_then(|rest| rest.iter().take(10).position(|byte| *byte == b'\''));
            at += match (rest.get(1), close) {
                (Some(b'\\'), Some(more)) => end + more + 1,
                (_, Some(0)) => end + 1,
                _ => 1,
            };
        } else if byte == b'_' || byte.is_ascii_alphabetic() {
            let length = rest.iter().take_while(|byte| **byte == b'_' || byte.is_ascii_alphanumeric()).count();
            tokens.push(text[at..at + length].to_owned());
            at += length;
            // b"..", br"..", c".." go on as strings.
            if matches!(tokens.last().map(String::as_str), Some("br")) && raw_string(&bytes[at - 1..]).is_some() {
                at += raw_string(&bytes[at - 1..]).unwrap_or(1) - 1;
            }
        } else if rest.starts_with(b"::") {
            tokens.push("::".into());
            at += 2;
        } else {
            if !byte.is_ascii_whitespace() && byte.is_ascii() {
                tokens.push((byte as char).to_string());
            }
            at += 1;
        }
    }
    tokens
}

/// The length of a string in quotes.
fn string(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The length of `r"..."` or `r#"..."#`, if it is one.
fn raw_string(bytes: &[u8]) -> Option<usize> {
    let hashes = bytes.get(1..)?.iter().take_while(|byte| **byte == b'#').count();
    if bytes.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = &bytes[2 + hashes..];
    let end = body.windows(close.len()).position(|window| window == close.as_slice())?;
    Some(2 + hashes + end + close.len())
}

/// Every path that begins with `crate`, `self` or `super`, from the crate's root, as a file of `module` means it.
fn named(tokens: &[String], module: &[String]) -> BTreeSet<Vec<String>> {
    let mut paths = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        let inside = at.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(|before| before == "::");
        if inside || tokens.get(at + 1).is_none_or(|next| next != "::") {
            continue;
        }
        let base = match token.as_str() {
            "crate" => Vec::new(),
            "self" => module.to_vec(),
            "super" => module[..module.len().saturating_sub(1)].to_vec(),
            _ => continue,
        };
        follow(tokens, at + 2, base, &mut paths);
    }
    paths
}

/// Reads on after `::` at `at`; where the path ends.
fn follow(tokens: &[String], mut at: usize, mut path: Vec<String>, paths: &mut BTreeSet<Vec<String>>) -> usize {
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = if tokens[at] == "," { at + 1 } else { follow(tokens, at, path.clone(), paths) };
                }
                return at + 1;
            }
            Some("super") => drop(path.pop()),
            Some("self") => {}
            Some(word) if word.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic()) => {
                path.push(word.to_owned());
            }
            _ => {
                paths.insert(path);
                return at + 1;
            }
        }
        if tokens.get(at + 1).is_none_or(|next| next != "::") {
            paths.insert(path);
            // `as name` is the importer's word for it.
            return if tokens.get(at + 1).is_some_and(|next| next == "as") { at + 3 } else { at + 1 };
        }
        at += 2;
    }
}

/// The modules of lib.rs, in order.
fn ranks(lib: &str) -> Vec<String> {
    let name = |line: &str| line.strip_prefix("pub mod ").or(line.strip_prefix("mod ")).map(str::to_owned);
    lib.lines().filter_map(name).filter_map(|rest| rest.strip_suffix(';').map(str::to_owned)).collect()
}

/// What names a module that stands below its own.
fn backward(files: &[File], ranks: &[String]) -> Vec<String> {
    let rank = |name: &str| ranks.iter().position(|module| module == name);
    let mut found = Vec::new();
    for file in files {
        let Some(own) = file.module.first().and_then(|module| rank(module)) else {
            found.push(format!("{} belongs to no module of lib.rs", file.name));
            continue;
        };
        for path in file.paths.union(&file.test_paths) {
            if let Some(other) = path.first().filter(|other| rank(other).is_some_and(|rank| rank > own)) {
                found.push(format!("{} names `{other}`, which stands below `{}`", file.name, ranks[own]));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Circles of imports among files, each once, by its first file.
fn circles(files: &[File]) -> Vec<String> {
    let by_module: BTreeMap<&[String], &File> =
        files.iter().filter(|file| !file.is_folder()).map(|file| (file.module.as_slice(), file)).collect();
    // The file that a path leads into: the longest beginning that is one.
    let target = |path: &[String]| (1..=path.len()).rev().find_map(|length| by_module.get(&path[..length]).copied());
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in by_module.values() {
        let targets = file.paths.iter().filter_map(|path| target(path)).map(|file| file.name.as_str());
        edges.insert(&file.name, targets.filter(|name| *name != file.name).collect());
    }
    let mut found = Vec::new();
    for start in edges.keys() {
        let mut seen = BTreeSet::new();
        let mut open: Vec<Vec<&str>> = vec![vec![start]];
        while let Some(way) = open.pop() {
            for next in way.last().and_then(|last| edges.get(last)).into_iter().flatten() {
                if next == start && way.iter().all(|name| name >= start) {
                    found.push(format!("{} -> {start}", way.join(" -> ")));
                } else if seen.insert(*next) {
                    open.push(way.iter().copied().chain([*next]).collect());
                }
            }
        }
    }
    found
}

fn large(files: &[File]) -> Vec<String> {
    let large = files.iter().filter(|file| file.lines > MAX_LINES && !file.name.ends_with("tests.rs"));
    large
        .map(|file| format!("{} has {} lines before its tests, more than {MAX_LINES}", file.name, file.lines))
        .collect()
}

fn source() -> (Vec<File>, Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut open: Vec<PathBuf> = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                open.push(path);
            } else if name.ends_with(".rs") && !name.ends_with("main.rs") && name != "lib.rs" {
                files.push(File::new(&name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    (files, ranks(&fs::read_to_string(root.join("lib.rs")).unwrap()))
}

#[track_caller]
fn none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn modules_name_only_modules_above_them() {
    let (files, ranks) = source();
    assert!(files.len() > 50 && ranks.len() > 10, "the source was not found");
    none("imports that point down", backward(&files, &ranks));
}

#[test]
fn files_do_not_import_each_other_in_a_circle() {
    none("circles of imports", circles(&source().0));
}

#[test]
fn files_stay_small() {
    none("files to split", large(&source().0));
}

#[test]
fn a_wrong_arrow_would_be_found() {
    let ranks = ranks("pub mod a;\npub mod b;\n");
    let bad = [
        "use crate::b::X;",
        "use crate::{error::X, b};",
        "fn f() { crate::b::f() }",
        "use super::b;",
        "#[cfg(test)]\nmod tests { use crate::b::X; }",
        "const QUOTE: char = '\"'; use crate::b;",
        "fn f<'a>(x: &'a str) { crate::b::g::<'a>(x) }",
    ];
    for text in bad {
        assert_eq!(backward(&[File::new("a.rs", text)], &ranks).len(), 1, "{text}");
    }
    let good = [
        "// use crate::b::X;\n/* crate::b::X */",
        "const X: &str = \"crate::b::x\"; const Y: &str = r#\"crate::b::\"y\"#; const Z: &[u8] = br\"crate::b::z\";",
        "use crate::a::b::X;",
        "use super::a::X;",
        "#[cfg(test)]\nmod tests { use super::b; }",
        "pub(crate) fn f() {}",
    ];
    for text in good {
        assert_eq!(backward(&[File::new("a.rs", text)], &ranks), Vec::<String>::new(), "{text}");
    }
    assert_eq!(backward(&[File::new("c/mod.rs", "")], &ranks).len(), 1);
}

#[test]
fn a_circle_would_be_found() {
    let circle = |one: &str, two: &str| circles(&[File::new("m/a.rs", one), File::new("m/b.rs", two)]);
    assert_eq!(circle("use super::b::X;", "use crate::m::a::Y;"), ["m/a.rs -> m/b.rs -> m/a.rs"]);
    assert_eq!(circle("use super::{b, c};", "use super::a::{self, Y};").len(), 1);
    assert_eq!(circle("use super::b::X;", "use super::Y;").len(), 0);
    assert_eq!(circle("use super::b::X;", "#[cfg(test)]\nmod tests { use super::super::a::Y; }").len(), 0);
    let three = [("m/a.rs", "use super::b;"), ("m/b.rs", "use super::c;"), ("m/c.rs", "use super::a;")];
    assert_eq!(circles(&three.map(|(name, text)| File::new(name, text))).len(), 1);
}

#[test]
fn a_large_file_would_be_found() {
    let long = "//\n".repeat(MAX_LINES);
    assert!(large(&[File::new("a.rs", &long)]).is_empty());
    assert_eq!(large(&[File::new("a.rs", &format!("{long}//\n"))]).len(), 1);
    assert!(large(&[File::new("a.rs", &format!("{long}\n#[cfg(test)]\n{long}"))]).len() == 1);
    assert!(large(&[File::new("a.rs", &format!("{}#[cfg(test)]\n{long}", "//\n".repeat(MAX_LINES)))]).is_empty());
}
