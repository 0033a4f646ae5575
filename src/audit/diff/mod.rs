//! What differs between two of profiles, locks, manifests, output folders and images; the dangerous first.
//!
//! - Each topic is one file, which compares what both sides know of it and says nothing where one does not.
//! - A thing is told once: a value of the profile and what came of it in the image are one change, whose cause is
//!   the line of the profile; a file whose meaning has a topic of its own (an account, a unit) follows from that.
//! - Changes have a weight: of their own, following from others, or ids and times alone.

mod accounts;
mod asked;
mod capability;
mod change;
mod elf;
mod files;
mod git;
mod host;
mod identity;
mod initrd;
mod kernel;
pub(in crate::audit) mod keys;
pub(super) mod leaves;
mod modes;
mod node;
mod packages;
mod place;
pub mod render;

mod side;
mod text;

pub use change::{Change, Flag, Kind, Topic, Weight};
pub use side::{How, Side};

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::error::{Context, Result};

/// A comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// What the first side was called by.
    pub before: String,
    /// What the second side was called by.
    pub after: String,
    /// Changes by topic, in the order of their topics.
    pub topics: BTreeMap<Topic, Vec<Change>>,
    /// Bytes by package, before and after, where both are images; the rest is `(no package)`.
    pub sizes: BTreeMap<String, (u64, u64)>,
    /// What was not compared, and why.
    pub notes: Vec<String>,
}

/// Changes while they are found.
#[derive(Default)]
struct Found {
    topics: BTreeMap<Topic, Vec<Change>>,
    /// Where a thing's change is, by topic and name.
    places: HashMap<(Topic, String), usize>,
    /// Files whose difference is told elsewhere, and where.
    explained: HashMap<String, String>,
    /// What was not compared, and why.
    notes: Vec<String>,
}

impl Found {
    fn extend(&mut self, topic: Topic, change: Option<Change>) {
        if let Some(change) = change {
            self.add(topic, change);
        }
    }

    /// Adds a change; one of the same thing takes it in.
    fn add(&mut self, topic: Topic, change: Change) {
        let list = self.topics.entry(topic).or_default();
        let key = (topic, change.what.clone());
        match self.places.get(&key).and_then(|place| list.get_mut(*place)) {
            Some(known) => known.take_in(change),
            None => {
                self.places.insert(key, list.len());
                list.push(change);
            }
        }
    }

    fn explained(&mut self, path: &str, subject: &str) {
        self.explained.insert(path.to_owned(), subject.to_owned());
    }

    fn explanation(&self, path: &str) -> Option<&String> {
        self.explained.get(path)
    }
}

/// Compares two sides, on as many threads; what comes of it does not depend on their number.
pub fn compare(a: &Side, b: &Side, jobs: usize) -> Result<Diff> {
    let mut found = Found::default();
    // What the image is comes first; what its profile asks for becomes the cause of that.
    identity::compare(a, b, &mut found).context(|| "comparing names".to_owned())?;
    packages::compare(a, b, &mut found);
    kernel::compare(a, b, &mut found).context(|| "comparing kernels".to_owned())?;
    initrd::compare(a, b, &mut found);
    node::compare(a, b, &mut found).context(|| "comparing configuration".to_owned())?;
    host::compare(a, b, &mut found).context(|| "comparing accounts, settings and units".to_owned())?;
    files::compare(a, b, jobs, &mut found).context(|| "comparing files".to_owned())?;
    place::compare(a, b, &mut found).context(|| "comparing boot files".to_owned())?;
    asked::compare(a, b, &mut found);
    identity::alone(a, b, &mut found);
    let mut topics = found.topics;
    for changes in topics.values_mut() {
        changes.sort_by(|x, y| (x.flags.is_empty(), x.weight, &x.what).cmp(&(y.flags.is_empty(), y.weight, &y.what)));
    }
    let mut notes = a.notes.clone();
    notes.extend(b.notes.iter().filter(|note| !a.notes.contains(note)).cloned());
    notes.extend(found.notes);
    if topics.is_empty() && !comparable(a, b) {
        notes.push("the two sides have nothing in common that could be compared".to_owned());
    }
    Ok(Diff { before: a.label.clone(), after: b.label.clone(), topics, sizes: sizes(a, b), notes })
}

/// Both values of every key of two maps.
fn pairs<V: Clone>(
    before: &BTreeMap<String, V>,
    after: &BTreeMap<String, V>,
    mut each: impl FnMut(&str, Option<V>, Option<V>),
) {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        each(key, before.get(key).cloned(), after.get(key).cloned());
    }
}

/// Whether both sides know anything of the same kind.
pub fn comparable(a: &Side, b: &Side) -> bool {
    let known = |side: &Side| {
        let root = side.root().is_some();
        [side.profile.is_some(), side.lock.is_some(), side.manifest.is_some(), side.disk.is_some(), root]
    };
    let packages = |side: &Side| side.lock.is_some() || side.manifest.is_some() || side.root().is_some();
    let kernel = |side: &Side| side.manifest.is_some() || side.disk.is_some();
    known(a).iter().zip(known(b)).any(|(a, b)| *a && b) || (packages(a) && packages(b)) || (kernel(a) && kernel(b))
}

fn sizes(a: &Side, b: &Side) -> BTreeMap<String, (u64, u64)> {
    let (Some(before), Some(after)) = (a.root(), b.root()) else { return BTreeMap::new() };
    let mut out = BTreeMap::<String, (u64, u64)>::new();
    for (name, size) in before.by_package() {
        out.entry(name).or_default().0 = size;
    }
    for (name, size) in after.by_package() {
        out.entry(name).or_default().1 = size;
    }
    out
}

impl Diff {
    /// Every change.
    pub fn changes(&self) -> impl Iterator<Item = (Topic, &Change)> {
        self.topics.iter().flat_map(|(topic, changes)| changes.iter().map(|change| (*topic, change)))
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.topics.values().all(Vec::is_empty)
    }

    /// Whether nothing but ids and times differs, and what follows from them.
    pub fn is_cosmetic(&self) -> bool {
        !self.is_empty() && self.changes().all(|(_, change)| change.weight != Weight::Own)
    }

    /// Bytes that the root grew by.
    pub fn growth(&self) -> i64 {
        let grown = self.sizes.values().map(|(before, after)| i128::from(*after) - i128::from(*before)).sum::<i128>();
        grown.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}
