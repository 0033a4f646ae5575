//! A comparison for people and machines: text, Markdown, JSON, and HTML in one file.

pub mod html;
mod json;
mod line;
mod markdown;
mod words;

pub use html::html;
pub use json::{Document, json};
pub use markdown::markdown;
pub use words::text;

use super::{Change, Diff, Kind, Topic, Weight};
use crate::size::human;

/// How much is shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Show {
    /// Also what follows from other changes, ids and times, and every file of an upgraded package.
    pub all: bool,
}

/// Changes that are told one by one, those that are told as groups, and how many are only counted.
struct Told<'a> {
    single: Vec<&'a Change>,
    groups: Vec<Group<'a>>,
    follows: usize,
    cosmetic: usize,
}

/// Files of one package without a flag among them.
struct Group<'a> {
    name: &'a str,
    changes: Vec<&'a Change>,
}

/// A package's files are told as a group from this number on.
const GROUPED: usize = 4;

impl<'a> Told<'a> {
    fn of(changes: &'a [Change], show: Show) -> Self {
        let mut told = Told { single: Vec::new(), groups: Vec::new(), follows: 0, cosmetic: 0 };
        for change in changes {
            match change.weight {
                Weight::Follows if !show.all && change.flags.is_empty() => told.follows += 1,
                Weight::Cosmetic if !show.all && change.flags.is_empty() => told.cosmetic += 1,
                _ => match &change.group {
                    Some(name) if !show.all && change.flags.is_empty() => {
                        match told.groups.iter_mut().find(|group| group.name == name) {
                            Some(group) => group.changes.push(change),
                            None => told.groups.push(Group { name, changes: vec![change] }),
                        }
                    }
                    _ => told.single.push(change),
                },
            }
        }
        let (small, large): (Vec<_>, Vec<_>) = told.groups.into_iter().partition(|group| group.changes.len() < GROUPED);
        told.single.extend(small.into_iter().flat_map(|group| group.changes));
        told.groups = large;
        told
    }

    fn is_empty(&self) -> bool {
        self.single.is_empty() && self.groups.is_empty()
    }
}

impl Group<'_> {
    fn summary(&self) -> String {
        let mut because: Vec<&String> = self.changes.iter().flat_map(|change| &change.because).collect();
        because.sort();
        because.dedup();
        let because = match because.as_slice() {
            [] => String::new(),
            [one] => format!(" ({one})"),
            [one, ..] => format!(" ({one}; ...)"),
        };
        let bytes = self.changes.iter().map(|change| i128::from(change.bytes)).sum();
        format!("{} {}{because}: {}", self.changes.len(), self.name, counts(self.changes.iter().copied(), bytes))
    }
}

/// `2 added, 1 changed, +1.2 MB`.
fn counts<'a>(changes: impl Iterator<Item = &'a Change>, bytes: i128) -> String {
    let (mut added, mut removed, mut changed) = (0, 0, 0);
    for change in changes {
        match change.kind {
            Kind::Added => added += 1,
            Kind::Removed => removed += 1,
            Kind::Changed => changed += 1,
        }
    }
    let word = |count: usize, word: &str| (count > 0).then(|| format!("{count} {word}"));
    let mut parts: Vec<String> =
        [word(added, "added"), word(removed, "removed"), word(changed, "changed")].into_iter().flatten().collect();
    if bytes != 0 {
        parts.push(grown(bytes));
    }
    parts.join(", ")
}

/// `+1.2 MB`.
fn grown(bytes: i128) -> String {
    let size = human(u64::try_from(bytes.unsigned_abs()).unwrap_or(u64::MAX));
    format!("{}{size}", if bytes < 0 { '-' } else { '+' })
}

/// The heading of a topic.
fn heading(topic: Topic, changes: &[Change]) -> String {
    let own: Vec<&Change> = changes.iter().filter(|change| change.weight == Weight::Own).collect();
    let bytes = own.iter().map(|change| i128::from(change.bytes)).sum();
    let counts = counts(own.iter().copied(), bytes);
    if counts.is_empty() { topic.title().to_owned() } else { format!("{} ({counts})", topic.title()) }
}

/// What is only counted, as a sentence; none where nothing is.
fn counted(told: &Told<'_>) -> Option<String> {
    let follows = (told.follows > 0).then(|| format!("{} more follow from other changes", told.follows));
    let cosmetic = (told.cosmetic > 0).then(|| format!("{} of ids and times", told.cosmetic));
    let parts: Vec<String> = [follows, cosmetic].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The verdict in one line.
pub fn verdict(diff: &Diff) -> String {
    if diff.is_empty() {
        return "no difference".to_owned();
    }
    if diff.is_cosmetic() {
        return "cosmetic only: nothing but ids, times and what follows from them differs".to_owned();
    }
    let own = diff.changes().filter(|(_, change)| change.weight == Weight::Own).count();
    let mut flags = std::collections::BTreeMap::<&str, usize>::new();
    for (_, change) in diff.changes() {
        for flag in &change.flags {
            *flags.entry(flag.name()).or_default() += 1;
        }
    }
    let flags: Vec<String> = flags.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let flags = if flags.is_empty() { String::new() } else { format!("; to look at: {}", flags.join(", ")) };
    let growth = match diff.growth() {
        0 => String::new(),
        growth => format!(", {} in the root", grown(growth.into())),
    };
    let word = if own == 1 { "difference" } else { "differences" };
    format!("{own} {word}{growth}{flags}")
}

#[cfg(test)]
mod tests;
