//! Which packages: the closure of what was asked for, chosen by a SAT solver.
//!
//! - Pre-Depends and Depends hold, Conflicts and Breaks hold; Recommends are nothing.
//! - No package is implied: neither essential nor required ones.
//! - A group of alternatives that names a package left out counts as satisfied, and so does one
//!   that only left-out packages could satisfy; a left-out package never comes in.
//! - Dependencies prefer the source of the package that has them.
//! - The outcome depends on the set of what was asked, not on its order.

mod provider;

use std::collections::{BTreeMap, BTreeSet};

use resolvo::{Problem, Solver, UnsolvableOrCancelled};

use super::index::{StanzaId, Universe};
use crate::error::{Error, Result};
use crate::profile::Package;
use provider::Provider;

/// What is asked of a universe.
pub struct Ask<'a> {
    /// Packages, each from one source.
    pub packages: &'a BTreeSet<Package>,
    /// Dependencies left out: `name` or `name < dependant`, and why.
    pub without: &'a BTreeMap<String, String>,
    /// Versions to keep where they still fit, by name: source and version.
    pub keep: &'a BTreeMap<String, (String, String)>,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Packages, sorted by name.
    pub packages: Vec<StanzaId>,
    /// Keys of [`Ask::without`] that left something out.
    pub used: BTreeSet<String>,
}

/// The dependency and the dependant that a key of `without` names.
pub fn left_out(key: &str) -> (&str, Option<&str>) {
    match key.split_once('<') {
        Some((name, dependant)) => (name.trim(), Some(dependant.trim())),
        None => (key.trim(), None),
    }
}

/// Solves.
pub fn solve(universe: &Universe, ask: &Ask<'_>) -> Result<Chosen> {
    for package in ask.packages {
        if !universe.named(&package.name).iter().any(|id| universe.stanza(*id).from == package.from) {
            return Err(unknown(universe, package));
        }
        if ask.without.keys().any(|key| left_out(key) == (package.name.as_str(), None)) {
            return Err(Error::user(format!("package `{}` is both asked for and left out", package.name))
                .hint("remove it from `packages` or from `without`"));
        }
    }
    let provider = Provider::new(universe, ask);
    let requirements = ask.packages.iter().map(|package| provider.asked(package)).collect();
    let mut solver = Solver::new(provider);
    let problem = Problem::new().requirements(requirements);
    let solution = match solver.solve(problem) {
        Ok(solution) => solution,
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            if let Some(error) = solver.provider().error() {
                return Err(error);
            }
            let story = conflict.display_user_friendly(&solver).to_string();
            return Err(Error::source(format!("no set of packages fits together\n{}", story.trim_end()))
                .hint("a dependency that the image does not need can be left out: `without = { NAME = \"reason\" }`"));
        }
        Err(UnsolvableOrCancelled::Cancelled(_)) => {
            let error = solver.provider().error();
            return Err(error.unwrap_or_else(|| Error::bug("the solver stopped without a cause")));
        }
    };
    let provider = solver.provider();
    let mut packages: Vec<StanzaId> = solution.into_iter().filter_map(|id| provider.real(id)).collect();
    packages.sort_by_key(|id| universe.stanza(*id).name());
    let used = provider.used(&packages)?;
    Ok(Chosen { packages, used })
}

/// The error about a package that its source does not have, with what may have been meant.
pub fn unknown(universe: &Universe, package: &Package) -> Error {
    let stanzas = universe.named(&package.name).iter().map(|id| universe.stanza(*id));
    let sources: BTreeSet<&str> = stanzas.map(|stanza| stanza.from).collect();
    let Package { name, from } = package;
    let error = Error::user(format!("source `{from}` has no package `{name}` for {}", universe.arch()));
    let providers: Vec<String> = universe.providers(name).map(|name| format!("`{name}`")).collect();
    if let Some(other) = sources.first() {
        return error.hint(format!("source `{other}` has it: {{ name = \"{name}\", from = \"{other}\" }}"));
    }
    if !providers.is_empty() {
        return error.hint(format!("it is provided by {}: name one of them", providers.join(", ")));
    }
    match universe.nearest(name) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    }
}

#[cfg(test)]
mod tests;
