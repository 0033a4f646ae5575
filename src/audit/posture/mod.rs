//! Whether a node may run: rules on its tree, its mounts, its kernel, its kubelet and its containerd.
//!
//! - The rules are data ([`crate::profile::posture`]); here is how each is looked at, a file for each subject.
//! - The same code looks at a tree before it is packed and at a root that was read out of an image, whoever made it.
//! - What cannot be looked at is told as such, never taken for kept.

mod accounts;
mod cmdline;
mod containerd;
mod files;
mod kubelet;
mod mounts;
mod programs;
mod render;
mod sarif;
mod secrets;
pub(in crate::audit) mod sysctl;
#[cfg(test)]
mod tests;
mod unit;
mod view;

pub use render::{json, manual, markdown, text};
pub use sarif::{Anchor, sarif};
pub use view::{Kind as NodeKind, View};

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::audit::Uki;
use crate::audit::inventory::Inventory;
use crate::epoch::Epoch;
use crate::error::{Error, Kind, Result};
use crate::manifest;
use crate::path::RootPath;
use crate::profile::posture::{Check, Kernel, Posture, Rule, Set, rules};
use crate::profile::{Profile, Waiver};
use crate::record;

/// As many places as are told of one rule.
const TOLD: usize = 1000;

/// A place where a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    /// The file.
    pub path: Option<RootPath>,
    /// What is wrong with it.
    pub found: String,
}

impl Breach {
    fn at(path: &RootPath, found: impl Into<String>) -> Self {
        Breach { path: Some(path.clone()), found: found.into() }
    }

    fn of(found: impl Into<String>) -> Self {
        Breach { path: None, found: found.into() }
    }

    /// `/usr/bin/x: setuid`
    pub fn said(&self) -> String {
        match (&self.path, &*self.found) {
            (Some(path), "") => format!("`{path}`"),
            (Some(path), found) => format!("`{path}`: {found}"),
            (None, found) => found.to_owned(),
        }
    }
}

/// What looking at a rule gave.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Kept,
    Broken(Vec<Breach>),
    /// It could not be looked at, and why.
    Unknown(&'static str),
}

impl Verdict {
    /// Kept where there are no breaches.
    fn of(breaches: Vec<Breach>) -> Self {
        if breaches.is_empty() { Verdict::Kept } else { Verdict::Broken(breaches) }
    }

    fn when(kept: bool, found: impl Into<String>) -> Self {
        if kept { Verdict::Kept } else { Verdict::Broken(vec![Breach::of(found)]) }
    }
}

/// How a rule stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It holds.
    Kept,
    /// It does not.
    Broken(Vec<Breach>),
    /// It does not, and the profile says why that may be.
    Waived(Waiver, Vec<Breach>),
    /// It could not be looked at.
    Unknown(&'static str),
}

impl State {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            State::Kept => "kept",
            State::Broken(_) => "broken",
            State::Waived(..) => "waived",
            State::Unknown(_) => "unknown",
        }
    }
}

/// A rule and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The rule.
    pub rule: &'static Rule,
    /// How it stands.
    pub state: State,
}

/// How a node stands to all rules that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The sets, by name.
    pub sets: Vec<Set>,
    /// In the order of the rules' text.
    pub outcomes: Vec<Outcome>,
    /// Waivers of rules that hold, and of rules that nobody asked for.
    pub idle: Vec<String>,
}

impl Report {
    /// Rules that are broken and not waived, with where.
    pub fn broken(&self) -> impl Iterator<Item = (&'static Rule, &[Breach])> {
        self.outcomes.iter().filter_map(|outcome| match &outcome.state {
            State::Broken(breaches) => Some((outcome.rule, &breaches[..])),
            _ => None,
        })
    }

    /// How many rules stand so.
    pub fn count(&self, is: impl Fn(&State) -> bool) -> usize {
        self.outcomes.iter().filter(|outcome| is(&outcome.state)).count()
    }

    /// One error of all broken rules; none where there are none.
    pub fn error(&self) -> Option<Error> {
        let broken: Vec<(&Rule, &[Breach])> = self.broken().collect();
        let (first, _) = broken.first()?;
        let lines = broken.iter().map(|(rule, breaches)| format!("    {}", render::broken(rule, breaches)));
        let message = format!("the node breaks its posture\n{}", lines.collect::<Vec<_>>().join("\n"));
        let error = broken.iter().fold(Error::new(Kind::Found, message), |error, (rule, _)| {
            error.hint(format!("{}: {}", rule.id, rule.mend))
        });
        Some(error.hint(format!("or give a rule up: [waive.{}] with a `reason`", first.id)))
    }
}

/// As a manifest tells of it.
impl From<&Report> for manifest::Posture {
    fn from(report: &Report) -> Self {
        let mut out = manifest::Posture {
            rules: report.sets.iter().map(|set| set.name().to_owned()).collect(),
            kept: report.count(|state| *state == State::Kept),
            ..Self::default()
        };
        for outcome in &report.outcomes {
            let id = outcome.rule.id.clone();
            match &outcome.state {
                State::Waived(_, breaches) => {
                    out.waived.insert(id, breaches.iter().map(Breach::said).collect());
                }
                State::Unknown(why) => {
                    out.unknown.insert(id, (*why).to_owned());
                }
                State::Kept | State::Broken(_) => {}
            }
        }
        out
    }
}

/// What a node is held against: rules, and what of them is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The rules.
    pub posture: Posture,
    /// By id.
    pub waivers: BTreeMap<String, Waiver>,
    /// The moment that ends of waivers are held against.
    pub epoch: Epoch,
}

impl Asked {
    /// What a profile asks of its node.
    pub fn of(profile: &Profile, epoch: Epoch) -> Self {
        Asked { posture: profile.posture.clone(), waivers: profile.waivers.clone(), epoch }
    }

    /// The same waivers for other rules.
    #[must_use]
    pub fn with_sets(mut self, sets: Option<&[Set]>) -> Self {
        if let Some(sets) = sets {
            (self.posture.rules, self.posture.also) = (sets.to_vec(), Vec::new());
        }
        self
    }

    /// What the profile that an image carries asks for; every set where it names none.
    ///
    /// # Errors
    /// The user's, where it cannot be read.
    pub fn carried(text: &str, epoch: Epoch) -> Result<Self> {
        let carried: Carried = toml::from_str(text)
            .map_err(|error| Error::user(format!("the profile that the image carries: {error}")))?;
        let mut posture = Posture::default();
        if let Some(CarriedPosture { rules: Some(rules), also, capabilities }) = carried.posture {
            let capabilities = capabilities.into_iter().map(RootPath::new).collect::<Result<Vec<_>>>()?;
            posture = Posture { rules, also, capabilities };
        }
        let waiver =
            |(id, waiver): (String, CarriedWaiver)| (id, Waiver { reason: waiver.reason, until: waiver.until });
        Ok(Asked { posture, waivers: carried.waive.into_iter().map(waiver).collect(), epoch })
    }
}

/// The parts of a carried profile that count here; the others may be of any version.
#[derive(Deserialize)]
struct Carried {
    posture: Option<CarriedPosture>,
    #[serde(default)]
    waive: BTreeMap<String, CarriedWaiver>,
}

#[derive(Deserialize)]
struct CarriedPosture {
    rules: Option<Vec<Set>>,
    #[serde(default)]
    also: Vec<String>,
    #[serde(default)]
    capabilities: Vec<String>,
}

#[derive(Deserialize)]
struct CarriedWaiver {
    reason: String,
    until: Option<String>,
}

/// Holds a node against all rules that are asked for.
///
/// # Errors
/// Where a file of the node cannot be read; what is wrong with the node is an outcome.
pub fn check(view: &View<'_>, asked: &Asked) -> Result<Report> {
    let mut report = Report { sets: asked.posture.rules.clone(), outcomes: Vec::new(), idle: Vec::new() };
    let kubelet = kubelet::Kubelet::read(view)?;
    let containerd = containerd::Containerd::read(view)?;
    let (settings, mounts) = (sysctl::effective(view)?, mounts::read(view)?);
    for rule in rules() {
        let waiver = asked.waivers.get(&rule.id);
        if !asked.posture.asks(rule) {
            report.idle.extend(waiver.map(|_| rule.id.clone()));
            continue;
        }
        let verdict = match &rule.check {
            Check::Programs(programs) => programs::check(view, programs),
            Check::Tree(what) => files::check(view, *what, &asked.posture)?,
            Check::Kernel(Kernel::SealedRoot) => mounts::sealed(view),
            Check::Mounts(rule) => mounts::check(&mounts, rule),
            Check::Words(words) => cmdline::check(view, words),
            Check::Sysctl(sysctl) => sysctl::check(&settings, sysctl),
            Check::Kubelet(what) => kubelet.check(view, *what),
            Check::Containerd(what) => containerd.check(view, *what)?,
        };
        let state = match (verdict, waiver) {
            (Verdict::Kept, waiver) => {
                report.idle.extend(waiver.map(|_| rule.id.clone()));
                State::Kept
            }
            (Verdict::Unknown(why), _) => State::Unknown(why),
            (Verdict::Broken(breaches), Some(waiver)) if waiver.holds(asked.epoch) => {
                State::Waived(waiver.clone(), sorted(breaches))
            }
            (Verdict::Broken(breaches), _) => State::Broken(sorted(breaches)),
        };
        report.outcomes.push(Outcome { rule, state });
    }
    Ok(report)
}

/// Holds the root of an image against what the profile that it carries asks for, or against `sets` in its place.
///
/// # Errors
/// Those of [`check`]; a carried profile that cannot be read.
pub fn check_image(
    root: &Inventory,
    uki: Option<&Uki>,
    addons: &[(String, String)],
    sets: Option<&[Set]>,
) -> Result<Report> {
    let carried = root.carried(record::PROFILE)?.unwrap_or_default();
    let asked = Asked::carried(&carried, Epoch(root.image().epoch()))?.with_sets(sets);
    let words = addons.iter().map(|(_, words)| words.clone()).collect();
    check(&View::of_image(root, uki, words)?, &asked)
}

/// In order, and not more than anyone reads.
fn sorted(mut breaches: Vec<Breach>) -> Vec<Breach> {
    breaches.sort();
    breaches.dedup();
    let more = breaches.len().saturating_sub(TOLD);
    if more > 0 {
        breaches.truncate(TOLD);
        breaches.push(Breach::of(format!("and {more} more")));
    }
    breaches
}
