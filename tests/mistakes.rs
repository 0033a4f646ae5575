//! Bad profiles, each with the exact message beside it.
//!
//! A new mistake is a file in `tests/mistakes/`; `BLESS=1` writes what it is told and fails
//! the run.

use std::fs;
use std::path::{Path, PathBuf};

use imagebuild::error::Kind;
use imagebuild::profile::{LoadOptions, load, load_text, show};
use proptest::prelude::*;

fn told(path: &Path) -> String {
    let error = load(path, &LoadOptions::default()).expect_err(&path.display().to_string());
    assert_eq!(error.kind(), Kind::User, "{}", path.display());
    format!("error: {error}\n")
}

#[test]
fn every_mistake_is_told_exactly() {
    let mut profiles: Vec<PathBuf> = fs::read_dir("tests/mistakes")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    profiles.sort();
    assert!(profiles.len() >= 25, "only {} bad profiles", profiles.len());
    let (mut blessed, mut wrong) = (Vec::new(), String::new());
    for path in profiles {
        let (have, expected) = (told(&path), path.with_extension("err"));
        let want = fs::read_to_string(&expected).unwrap_or_default();
        if have == want {
            continue;
        }
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &have).unwrap();
            blessed.push(expected);
        } else {
            wrong.push_str(&format!("{}: expected\n{want}\nfound\n{have}\n", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(blessed.is_empty(), "rewritten: {blessed:?}; look at the difference and run again");
}

#[test]
fn five_mistakes_are_five_places() {
    let error = load(Path::new("tests/mistakes/five.toml"), &LoadOptions::default()).unwrap_err();
    let (key, mistakes) = &error.details()[0];
    assert_eq!(*key, "mistakes");
    let places: Vec<_> =
        mistakes.as_array().unwrap().iter().map(|mistake| (&mistake["line"], &mistake["column"])).collect();
    assert_eq!(places.len(), 5, "{error}");
    assert!(error.message().ends_with("5 mistakes"));
}

#[test]
fn a_base_that_is_no_file_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("pipe.toml");
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, rustix::fs::Mode::RUSR, 0).unwrap();
    let profile = folder.path().join("node.toml");
    fs::write(&profile, "schema = 1\nextends = [\"./pipe.toml\"]\n").unwrap();
    let error = load(&profile, &LoadOptions::default()).unwrap_err();
    assert!(error.message().contains("`./pipe.toml` cannot be read: it is no regular file"), "{error}");
    assert!(error.message().contains(":2:12"), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_the_users_fault() {
    let error = load(Path::new("tests/mistakes/nothing.toml"), &LoadOptions::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::User);
    assert!(error.to_string().starts_with("reading `tests/mistakes/nothing.toml`"));
}

#[test]
fn made_to_harm_and_still_an_answer() {
    let deep = format!("a = {}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let dotted = format!("{} = 1", vec!["a"; 10_000].join("."));
    let many = "[[file]]\npath = 3\n".repeat(1_000);
    let big = "x = 99999999999999999999999999\n[image]\nversion = \"${version}${}${\"\n".to_owned();
    for text in [deep, dotted, many, big, "\u{feff}".to_owned(), "\0".to_owned(), "=".repeat(1_000)] {
        let error = load_text(Path::new("x.toml"), Some(text), &LoadOptions::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::User);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever a few characters are made of a sound profile, there is an answer and no panic,
    /// and what is still sound means the same in canonical form.
    #[test]
    fn any_change_of_a_sound_profile_is_answered(changes in prop::collection::vec((any::<usize>(), piece()), 1..3)) {
        let path = Path::new("tests/sketch.toml");
        let mut text: Vec<char> = include_str!("sketch.toml").chars().collect();
        for (at, with) in changes {
            let at = at % text.len();
            text.splice(at..at + 1, with.chars());
        }
        let text: String = text.into_iter().collect();
        match load_text(path, Some(text), &LoadOptions::default()) {
            Err(error) => prop_assert_eq!(error.kind(), Kind::User),
            Ok((profile, _)) => {
                let again = load_text(path, Some(show(&profile, None)), &LoadOptions::default());
                let (again, _) = again.map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!(again, profile);
            }
        }
    }
}

/// A character, or one of the pieces that mean something.
fn piece() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 17] =
        ["", "\n", "\"", "'", "'''", "\\", "$", "${", "$${", "${arch}", "[", "]]", "=", ".", "#", "\u{1f}", "\t"];
    prop_oneof![prop::sample::select(&KNOWN[..]).prop_map(str::to_owned), any::<char>().prop_map(String::from)]
}
