//! Unified diffs as Debian's source packages carry them, applied without fuzz.
//!
//! A hunk may lie some lines off, as `dpkg-source` allows; its context must match to the byte.
//! Only regular files of the tree are made, changed or removed.

use std::fs;
use std::path::Path;

use super::unpack::below;
use crate::error::{Context, Error, Result};
use crate::path::RootPath;

/// No source file of a program is larger.
const MAX_FILE: u64 = 64 << 20;

/// What a patch does to one file.
#[derive(Debug)]
struct Change<'a> {
    /// None where the file is made.
    old: Option<RootPath>,
    /// None where it is removed.
    new: Option<RootPath>,
    hunks: Vec<Hunk<'a>>,
}

/// A run of lines that is replaced.
#[derive(Debug)]
struct Hunk<'a> {
    /// The first line, from 0.
    start: usize,
    old: Vec<&'a [u8]>,
    new: Vec<&'a [u8]>,
}

/// Applies `text` to the tree at `root`.
pub fn apply(root: &Path, text: &[u8]) -> Result<()> {
    for change in parse(text)? {
        let path = change.new.as_ref().or(change.old.as_ref());
        let path = path.ok_or_else(|| Error::source("a change of /dev/null to /dev/null"))?;
        change_file(root, path, &change).context(|| format!("patching `{path}`"))?;
    }
    Ok(())
}

fn change_file(root: &Path, path: &RootPath, change: &Change) -> Result<()> {
    let place = below(root, path);
    let before = match &change.old {
        None if place.exists() => return Err(Error::source("the file is there already")),
        None => Vec::new(),
        Some(_) => {
            let meta = fs::symlink_metadata(&place)?;
            if !meta.is_file() || meta.len() > MAX_FILE {
                return Err(Error::source("is no regular file of at most 64 MiB"));
            }
            fs::read(&place)?
        }
    };
    let after = patched(&before, &change.hunks)?;
    match &change.new {
        None if after.is_empty() => Ok(fs::remove_file(&place)?),
        None => Err(Error::source("is removed, but not all of it is named")),
        Some(_) => {
            if let Some(folder) = place.parent() {
                fs::create_dir_all(folder)?;
            }
            Ok(fs::write(&place, after)?)
        }
    }
}

fn patched(before: &[u8], hunks: &[Hunk]) -> Result<Vec<u8>> {
    let lines: Vec<&[u8]> = before.split_inclusive(|byte| *byte == b'\n').collect();
    let mut after = Vec::with_capacity(before.len());
    let (mut done, mut drift) = (0usize, 0isize);
    for hunk in hunks {
        let expected = hunk.start.saturating_add_signed(drift);
        let at = place(&lines, &hunk.old, done, expected)
            .ok_or_else(|| Error::source(format!("the hunk at line {} does not fit", hunk.start.saturating_add(1))))?;
        drift = (at as isize).saturating_sub(hunk.start as isize);
        after.extend(lines[done..at].iter().chain(&hunk.new).flat_map(|line| line.iter()));
        done = at + hunk.old.len();
    }
    after.extend(lines[done..].iter().flat_map(|line| line.iter()));
    Ok(after)
}

/// The place nearest to `expected`, not before `from`, where `old` stands.
fn place(lines: &[&[u8]], old: &[&[u8]], from: usize, expected: usize) -> Option<usize> {
    let last = lines.len().checked_sub(old.len())?;
    let fits = |at: &usize| (from..=last).contains(at) && lines[*at..].starts_with(old);
    let ways = (0..=lines.len()).flat_map(|off| [expected.checked_add(off), expected.checked_sub(off)]);
    ways.flatten().find(fits)
}

fn parse(text: &[u8]) -> Result<Vec<Change<'_>>> {
    let mut changes: Vec<Change> = Vec::new();
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        if line.starts_with(b"GIT binary patch") || line.starts_with(b"rename from ") {
            return Err(Error::source("binary patches and renames are not understood"));
        }
        if let Some(old) = line.strip_prefix(b"--- ") {
            // A line of prose may begin so: a header has its second line.
            let Some(new) = lines.next_if(|next| next.starts_with(b"+++ ")) else { continue };
            let new = new.strip_prefix(b"+++ ").unwrap_or_default();
            changes.push(Change { old: name(old)?, new: name(new)?, hunks: Vec::new() });
        } else if line.starts_with(b"@@ -") {
            let change = changes.last_mut().ok_or_else(|| Error::source("a hunk before the first file's name"))?;
            change.hunks.push(hunk(line, &mut lines)?);
        }
    }
    Ok(changes)
}

/// The path of a header line, its first component (`a/`, `b/`) taken off.
fn name(field: &[u8]) -> Result<Option<RootPath>> {
    let path = field.split(|byte| matches!(byte, b'\t' | b'\n' | b'\r')).next().unwrap_or_default();
    if path == b"/dev/null" {
        return Ok(None);
    }
    let slash = path.iter().position(|byte| *byte == b'/');
    let rest = slash.and_then(|slash| path.get(slash + 1..)).unwrap_or_default();
    match RootPath::from_member(rest) {
        Ok(path) if !path.is_root() => Ok(Some(path)),
        _ => Err(Error::source(format!("`{}` is no name that a patch may have", path.escape_ascii()))),
    }
}

/// Reads the lines of the hunk whose head is `head`: `@@ -start,count +start,count @@`.
fn hunk<'a>(head: &[u8], lines: &mut std::iter::Peekable<impl Iterator<Item = &'a [u8]>>) -> Result<Hunk<'a>> {
    let bad = || Error::source(format!("`{}` is no head of a hunk", head.trim_ascii().escape_ascii()));
    let text = std::str::from_utf8(head).map_err(|_| bad())?;
    let mut words = text.split(' ').skip(1);
    let mut range = |sign| -> Option<(usize, usize)> {
        let word = words.next()?.strip_prefix(sign)?;
        let (start, count) = word.split_once(',').unwrap_or((word, "1"));
        Some((start.parse().ok()?, count.parse().ok()?))
    };
    let (start, mut old_left) = range('-').ok_or_else(bad)?;
    let (_, mut new_left) = range('+').ok_or_else(bad)?;
    // A hunk without old lines names the line after which it stands.
    let start = if old_left == 0 { start } else { start.checked_sub(1).ok_or_else(bad)? };
    let mut hunk = Hunk { start, old: Vec::new(), new: Vec::new() };
    while old_left > 0 || new_left > 0 {
        let line = lines.next().ok_or_else(|| Error::source("ends within a hunk"))?;
        let (sign, rest) = line.split_at(1);
        // Editors strip the blank that stands for an empty line of context.
        let (sign, rest) = if line == b"\n" { (&b" "[..], line) } else { (sign, rest) };
        let end = lines.next_if(|next| next.starts_with(b"\\ ")).is_some();
        let rest = if end { rest.strip_suffix(b"\n").unwrap_or(rest) } else { rest };
        let (in_old, in_new) = match sign {
            b" " => (true, true),
            b"-" => (true, false),
            b"+" => (false, true),
            _ => return Err(Error::source("has a line in a hunk that begins with neither blank, `-` nor `+`")),
        };
        if in_old {
            old_left = old_left.checked_sub(1).ok_or_else(bad)?;
            hunk.old.push(rest);
        }
        if in_new {
            new_left = new_left.checked_sub(1).ok_or_else(bad)?;
            hunk.new.push(rest);
        }
    }
    Ok(hunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(before: &str, patch: &str) -> Result<String> {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("f"), before).unwrap();
        apply(root.path(), patch.as_bytes())?;
        Ok(fs::read_to_string(root.path().join("f")).unwrap_or_else(|_| "(none)".into()))
    }

    #[test]
    fn hunks_fit_some_lines_off_but_only_exactly() {
        let patch = "prose\n--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@ func\n a\n-b\n+B\n c\n@@ -9 +9,2 @@\n-x\n+y\n+z\n";
        let before = "0\n0\na\nb\nc\n1\nx\n";
        assert_eq!(one(before, patch).unwrap(), "0\n0\na\nB\nc\n1\ny\nz\n");
        assert!(one("0\na\nb\nC\nx\n", patch).is_err());
        assert!(one("", patch).is_err());
    }

    #[test]
    fn the_end_without_a_newline() {
        let patch = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n";
        assert_eq!(one("a", patch).unwrap(), "b\n");
        assert!(one("a\n", patch).is_err());
    }

    #[test]
    fn files_come_and_go() {
        assert_eq!(one("a\n", "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n").unwrap(), "(none)");
        let root = tempfile::tempdir().unwrap();
        apply(root.path(), b"--- /dev/null\n+++ b/d/n\n@@ -0,0 +1,2 @@\n+x\n+y\n").unwrap();
        assert_eq!(fs::read(root.path().join("d/n")).unwrap(), b"x\ny\n");
    }

    #[test]
    fn what_is_broken_is_refused() {
        for patch in [
            "--- a/../../f\n+++ b/../../f\n@@ -1 +1 @@\n-a\n+b\n",
            "--- f\n+++ f\n@@ -1 +1 @@\n-a\n+b\n",
            "@@ -1 +1 @@\n-a\n+b\n",
            "--- a/f\n+++ b/f\n@@ -1,2 +1 @@\n-a\n+b\n",
            "--- a/f\n+++ b/f\n@@ -x +1 @@\n-a\n+b\n",
            "--- a/f\n+++ b/f\n@@ -0 +1 @@\n-a\n+b\n",
            "--- a/g\n+++ b/g\n@@ -1 +1 @@\n-a\n+b\n",
            "--- a/f\n+++ b/f\n@@ -18446744073709551615,1 +1 @@\n-q\n+b\n",
            "GIT binary patch\n",
        ] {
            assert!(one("a\n", patch).is_err(), "{patch}");
        }
    }
}
