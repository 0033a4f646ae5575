//! Every library that a program of the tree needs is in the tree: a wrong exclusion is caught here.
//!
//! - `DT_NEEDED` is looked up as the dynamic linker would (`ld.so(8)`): RUNPATH or RPATH with `$ORIGIN`,
//!   the folders of `ld.so.conf`, the linker's own; the interpreter must be there too.
//! - Libraries loaded while running are read from `.note.dlopen` (systemd's ELF notes): of one that is
//!   required a missing file is an error, of one that is recommended a warning.
//! - Only headers, dynamic sections and notes are read.

pub mod elf;
mod search;

pub use elf::{Elf, Weight, read};
pub use search::{Search, folders};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Inputs;
use super::scripts::Account;
use crate::error::{Context, Error, Kind, Result};
use crate::path::RootPath;
use crate::profile::checks::LIBRARIES;
use crate::tree::{Content, Kind as Leaf, NodeRef, Tree};

/// Threads that read.
const THREADS: usize = 8;

/// Checks the tree; all that is missing comes in one error.
pub fn closure(tree: &mut Tree, inputs: &Inputs<'_>, _: &Account) -> Result<()> {
    let elves = elves(tree)?;
    let search = Search::of(tree, &elves)?;
    let (mut missing, mut recommended) = (BTreeSet::new(), BTreeSet::new());
    for (path, elf) in &elves {
        if let Some(interpreter) = &elf.interpreter
            && tree.resolve(interpreter).and_then(|real| tree.file(&real)).is_none()
        {
            missing.insert(format!("`{path}` needs its interpreter `{interpreter}`"));
        }
        for name in &elf.needed {
            if search.find(path, elf, name).is_none() {
                missing.insert(format!("`{path}` needs `{name}`"));
            }
        }
        for note in &elf.dlopen {
            if note.names.iter().any(|name| search.find(path, elf, name).is_some()) {
                continue;
            }
            let names = note.names.join("` or `");
            let text = format!("`{path}` loads `{names}` for `{}`", note.feature);
            match note.weight {
                Weight::Required => missing.insert(text),
                Weight::Recommended => recommended.insert(text),
                Weight::Suggested => false,
            };
        }
    }
    for text in recommended {
        inputs.report.warn(format!("{text}, which is not in the image: it does without"));
    }
    let waiver = inputs.profile.waivers.get(LIBRARIES);
    if let Some(waiver) = waiver.filter(|waiver| waiver.holds(inputs.epoch)) {
        missing.iter().for_each(|text| inputs.report.warn(format!("{text}, waived: {}", waiver.reason)));
        return Ok(());
    }
    match missing.is_empty() {
        true => Ok(()),
        false => {
            let lines: Vec<String> = missing.into_iter().collect();
            Err(Error::new(Kind::Found, format!("libraries are missing in the image:\n    {}", lines.join("\n    ")))
                .hint("take the package in that ships them, or exclude the program too"))
        }
    }
}

/// Every ELF file of the tree, by the first of its paths.
fn elves(tree: &Tree) -> Result<BTreeMap<RootPath, Elf>> {
    let mut files: BTreeMap<u32, (RootPath, &Content, bool)> = BTreeMap::new();
    for (path, node) in tree.walk() {
        if let NodeRef::Leaf(id, leaf) = node
            && let Leaf::File(content) = &leaf.kind
            && content.len() >= 64
        {
            // Damaged ones lie among the test data of compilers; only those that something runs or loads must be sound.
            let used = leaf.meta.mode & 0o111 != 0
                || path.name().is_some_and(|name| name.windows(3).any(|part| part == b".so"));
            files.entry(id.0).or_insert((path, content, used));
        }
    }
    let files: Vec<(RootPath, &Content, bool)> = files.into_values().collect();
    let next = AtomicUsize::new(0);
    let found: Mutex<Result<BTreeMap<RootPath, Elf>>> = Mutex::new(Ok(BTreeMap::new()));
    let work = || {
        while let Some((path, content, used)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let elf = read(content).context(|| format!("reading `{path}`"));
            let mut found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match (elf, &mut *found) {
                (Ok(Some(elf)), Ok(map)) => drop(map.insert(path.clone(), elf)),
                (Err(error), Ok(_)) if *used => *found = Err(error),
                _ => {}
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fixture, path};
    use super::*;
    use crate::tree::Meta;

    /// The test's own program, whose libraries are the host's.
    fn program() -> Content {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        Content::bytes(bytes)
    }

    #[test]
    fn a_missing_library_and_interpreter_are_found() {
        let mut tree = Tree::default();
        tree.put_file(&path("/usr/bin/x"), Meta::new(0o755, 0), program()).unwrap();
        tree.put_file(&path("/usr/bin/text"), Meta::new(0o755, 0), Content::bytes([b'x'; 100])).unwrap();
        let mut fixture = Fixture::new();
        let error = fixture.with(|inputs| closure(&mut tree, inputs, &Account::default())).unwrap_err();
        assert_eq!(error.kind(), Kind::Found);
        assert!(error.message().contains("`/usr/bin/x` needs `libc.so.6`"), "{error}");
        assert!(error.message().contains("needs its interpreter"), "{error}");
        for (until, passes) in [(None, true), (Some("1969-12-31".into()), false)] {
            let waiver = crate::profile::Waiver { reason: "a test".into(), until };
            fixture.profile.waivers.insert(LIBRARIES.into(), waiver);
            assert_eq!(fixture.with(|inputs| closure(&mut tree, inputs, &Account::default())).is_ok(), passes);
        }
        assert!(!fixture.report.warnings().is_empty());
    }

    #[test]
    fn a_damaged_file_that_nothing_runs_is_passed_over() {
        // Its table of segments is cut off.
        let damaged = program().read(1 << 30).unwrap()[..100].to_vec();
        for (name, mode, passes) in [
            ("/usr/share/x/testdata/elf", 0o644, true),
            ("/usr/bin/elf", 0o755, false),
            ("/usr/lib/x.so.1", 0o644, false),
        ] {
            let mut tree = Tree::default();
            tree.put_file(&path(name), Meta::new(mode, 0), Content::bytes(damaged.clone())).unwrap();
            let result = Fixture::new().with(|inputs| closure(&mut tree, inputs, &Account::default()));
            assert_eq!(result.is_ok(), passes, "{name}");
        }
    }

    #[test]
    fn damaged_files_are_errors_and_never_worse() {
        let bytes = program().read(1 << 30).unwrap();
        for length in [64, 100, 1000, 5000] {
            let mut cut = bytes[..length].to_vec();
            for at in (16..length).step_by(7) {
                cut[at] ^= 0xff;
            }
            // An error or nothing: both will do.
            drop(read(&Content::bytes(cut)));
            drop(read(&Content::bytes(bytes[..length].to_vec())));
        }
    }
}
