//! What `tests/run` leaves to `tests/run --wide` is what tests/README.md says, and nothing is left out otherwise.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file below a folder.
fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|end| end == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn the_wider_tests_are_those_of_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    ["src", "tests"].iter().for_each(|folder| sources(&root.join(folder), &mut paths));
    let mut left = BTreeSet::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            // In two pieces, so that it does not find itself.
            if line.starts_with(concat!("#[", "ignore")) {
                assert_eq!(line, concat!("#[", "ignore = \"wide\"]"), "{}: another reason", path.display());
                let name = lines.find_map(|line| line.strip_prefix("fn ")?.split_once('(')).expect("a test").0;
                left.insert(name.to_owned());
            }
        }
    }
    let table = fs::read_to_string(root.join("tests/README.md")).unwrap();
    let (_, table) = table.split_once("\n## Wide\n").expect("a section on them");
    let names = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let told: BTreeSet<String> = names.map(|(name, _)| name.to_owned()).collect();
    assert!(!left.is_empty());
    assert_eq!(left, told, "tests/README.md must name each");
}
