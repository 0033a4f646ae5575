//! A universe of packages in the solver's terms.
//!
//! One solvable for each package and version; one more for each name that it provides, which
//! requires exactly its provider. Names and versions are interned as the solver reaches them.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{self, Display};
use std::rc::Rc;

use resolvo::utils::{Pool, VersionSet};
use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider, Interner,
    KnownDependencies, NameId, Requirement, SolvableId, SolverCache, StringId, VersionSetId, VersionSetUnionId,
};

use super::{Ask, left_out};
use crate::error::{Error, Result};
use crate::profile::Package;
use crate::source::apt::index::{Stanza, StanzaId, Universe};
use crate::source::apt::relation::{Bound, Relation};
use crate::source::apt::version;

/// A solvable: a package, or a name that it provides.
#[derive(Debug, Clone)]
pub struct Record {
    stanza: StanzaId,
    /// The version that is compared; of a provided name often none.
    version: Option<Box<str>>,
    provided: bool,
}

impl Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.version.as_deref().unwrap_or("(provided)"))
    }
}

/// Which solvables of a name will do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Set {
    bound: Option<Bound>,
    /// A source, and whether it must be this one or any other.
    from: Option<(Box<str>, bool)>,
    only: Option<StanzaId>,
    /// No provided names.
    real: bool,
    except: Box<[StanzaId]>,
}

impl Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(bound) = &self.bound {
            write!(f, "{bound}")?;
        }
        match &self.from {
            Some((from, true)) => write!(f, " from {from}"),
            Some((from, false)) => write!(f, " not from {from}"),
            None => Ok(()),
        }
    }
}

impl VersionSet for Set {
    type V = Record;
}

/// Answers the solver.
pub struct Provider<'a> {
    universe: &'a Universe,
    ask: &'a Ask<'a>,
    pool: Pool<Set>,
    candidates: RefCell<HashMap<NameId, Rc<[SolvableId]>>>,
    /// Packages left out whoever asks for them.
    out: BTreeSet<&'a str>,
    asked: BTreeSet<&'a str>,
    sources: usize,
    error: RefCell<Option<Error>>,
}

impl<'a> Provider<'a> {
    pub fn new(universe: &'a Universe, ask: &'a Ask<'a>) -> Self {
        let out = ask.without.keys().map(|key| left_out(key));
        let out = out.filter(|(_, dependant)| dependant.is_none()).map(|(name, _)| name).collect();
        let sources: BTreeSet<&str> = ask.packages.iter().map(|package| package.from.as_str()).collect();
        Provider {
            universe,
            ask,
            pool: Pool::default(),
            candidates: RefCell::default(),
            out,
            asked: ask.packages.iter().map(|package| package.name.as_str()).collect(),
            sources: sources.len(),
            error: RefCell::default(),
        }
    }

    /// The requirement that a package be there, from its source.
    pub fn asked(&self, package: &Package) -> ConditionalRequirement {
        let set = Set { from: Some((package.from.as_str().into(), true)), real: true, ..Set::default() };
        self.requirement(vec![self.set(&package.name, set)])
    }

    /// What stopped the solver, if it was an unsound index.
    pub fn error(&self) -> Option<Error> {
        self.error.borrow_mut().take()
    }

    /// The package that a solvable is; none for a provided name.
    pub fn real(&self, id: SolvableId) -> Option<StanzaId> {
        let record = &self.pool.resolve_solvable(id).record;
        (!record.provided).then_some(record.stanza)
    }

    /// Keys of `without` that left something out of the chosen packages.
    pub fn used(&self, chosen: &[StanzaId]) -> Result<BTreeSet<String>> {
        let mut used = BTreeSet::new();
        for id in chosen {
            let stanza = self.universe.stanza(*id);
            for group in depends(stanza)? {
                used.extend(self.skipped(stanza, &group).into_iter().flatten());
            }
        }
        Ok(used)
    }

    fn set(&self, name: &str, set: Set) -> VersionSetId {
        self.pool.intern_version_set(self.pool.intern_package_name(name), set)
    }

    fn requirement(&self, mut sets: Vec<VersionSetId>) -> ConditionalRequirement {
        let first = sets.remove(0);
        let requirement = match sets.is_empty() {
            true => Requirement::Single(first),
            false => Requirement::Union(self.pool.intern_version_set_union(first, sets.into_iter())),
        };
        ConditionalRequirement { condition: None, requirement }
    }

    /// The solvables of a name: the packages, then what provides it.
    fn of(&self, name_id: NameId) -> Rc<[SolvableId]> {
        if let Some(known) = self.candidates.borrow().get(&name_id) {
            return known.clone();
        }
        let name = self.pool.resolve_package_name(name_id).clone();
        let mut records = Vec::new();
        if !self.out.contains(name.as_str()) {
            for id in self.universe.named(&name) {
                let version = Some(self.universe.stanza(*id).version().into());
                records.push(Record { stanza: *id, version, provided: false });
            }
        }
        // A package that provides its own name adds nothing to it.
        let providers = self.universe.providers(&name).filter(|provider| *provider != name);
        for provider in providers.filter(|provider| !self.out.contains(provider)) {
            for id in self.universe.named(provider) {
                let provides = self.universe.stanza(*id).relations("Provides").unwrap_or_default();
                for relation in provides.into_iter().flatten().filter(|relation| relation.name == name) {
                    let version = relation.bound.map(|bound| bound.version);
                    records.push(Record { stanza: *id, version, provided: true });
                }
            }
        }
        let ids: Rc<[SolvableId]> =
            records.into_iter().map(|record| self.pool.intern_solvable(name_id, record)).collect();
        self.candidates.borrow_mut().insert(name_id, ids.clone());
        ids
    }

    fn matches(&self, id: SolvableId, set: &Set) -> bool {
        let record = &self.pool.resolve_solvable(id).record;
        let bound = set.bound.as_ref().is_none_or(|bound| record.version.as_deref().is_some_and(|v| bound.holds(v)));
        let from =
            set.from.as_ref().is_none_or(|(from, this)| (self.universe.stanza(record.stanza).from == &**from) == *this);
        let only = set.only.is_none_or(|only| record.stanza == only && !record.provided);
        let real = !(set.real && record.provided);
        bound && from && only && real && (record.provided || !set.except.contains(&record.stanza))
    }

    /// The name under which a relation's packages are looked for on this architecture.
    fn name_of(&self, relation: &Relation) -> String {
        match relation.qualifier.as_deref() {
            None | Some("any" | "native") => relation.name.clone(),
            Some(arch) if arch == self.universe.arch() => relation.name.clone(),
            // No package has a colon in its name: nothing will be found.
            Some(arch) => format!("{}:{arch}", relation.name),
        }
    }

    /// The keys of `without` by which a group of a package's dependencies is left out, if it is.
    fn skipped(&self, stanza: Stanza<'_>, group: &[Relation]) -> Option<Vec<String>> {
        let named = |key: &&String| {
            let (name, dependant) = left_out(key);
            dependant.is_none_or(|dependant| dependant == stanza.name())
                && group.iter().any(|relation| relation.name == name)
        };
        let keys: Vec<String> = self.ask.without.keys().filter(named).cloned().collect();
        if !keys.is_empty() {
            return Some(keys);
        }
        // Nothing but what was left out provides it.
        let providers: BTreeSet<&str> = group
            .iter()
            .flat_map(|relation| {
                let real = (!self.universe.named(&relation.name).is_empty()).then_some(relation.name.as_str());
                real.into_iter().chain(self.universe.providers(&relation.name).map(|name| name as &str))
            })
            .collect();
        let only = !providers.is_empty() && providers.iter().all(|name| self.out.contains(name));
        only.then(|| providers.into_iter().map(str::to_owned).collect())
    }

    fn requirements(&self, stanza: Stanza<'_>) -> Result<Vec<ConditionalRequirement>> {
        let mut requirements = Vec::new();
        for group in depends(stanza)? {
            if self.skipped(stanza, &group).is_some() {
                continue;
            }
            let mut sets = Vec::new();
            for relation in &group {
                let name = self.name_of(relation);
                let set = Set { bound: relation.bound.clone(), ..Set::default() };
                if self.sources > 1 {
                    for this in [true, false] {
                        let from = Some((stanza.from.into(), this));
                        sets.push(self.set(&name, Set { from, ..set.clone() }));
                    }
                } else {
                    sets.push(self.set(&name, set));
                }
            }
            requirements.push(self.requirement(sets));
        }
        Ok(requirements)
    }

    /// What must not be there beside a package, provided names included, itself excepted.
    fn constrains(&self, stanza: Stanza<'_>) -> Result<Vec<VersionSetId>> {
        let mut against: BTreeMap<String, BTreeSet<StanzaId>> = BTreeMap::new();
        for field in ["Conflicts", "Breaks"] {
            for relation in stanza.relations(field)?.iter().flatten() {
                let set = Set { bound: relation.bound.clone(), ..Set::default() };
                let name = self.pool.intern_package_name(self.name_of(relation));
                for id in self.of(name).iter().filter(|id| self.matches(**id, &set)) {
                    let hit = self.pool.resolve_solvable(*id).record.stanza;
                    let package = self.universe.stanza(hit).name();
                    if package != stanza.name() {
                        against.entry(package.to_owned()).or_default().insert(hit);
                    }
                }
            }
        }
        let sets = against
            .into_iter()
            .map(|(name, except)| self.set(&name, Set { except: except.into_iter().collect(), ..Set::default() }));
        Ok(sets.collect())
    }

    fn order(&self, a: SolvableId, b: SolvableId) -> Ordering {
        let (a, b) = (&self.pool.resolve_solvable(a).record, &self.pool.resolve_solvable(b).record);
        let (left, right) = (self.universe.stanza(a.stanza), self.universe.stanza(b.stanza));
        let rank = |stanza: Stanza<'_>| {
            let asked = self.asked.contains(stanza.name());
            (!asked, !self.ask.keep.contains_key(stanza.name()), stanza.priority(), stanza.name().to_owned())
        };
        a.provided
            .cmp(&b.provided)
            .then_with(|| if a.provided { rank(left).cmp(&rank(right)) } else { Ordering::Equal })
            .then_with(|| version::compare(right.version(), left.version()))
            .then_with(|| a.stanza.cmp(&b.stanza))
    }
}

fn depends(stanza: Stanza<'_>) -> Result<Vec<Vec<Relation>>> {
    let mut groups = stanza.relations("Pre-Depends")?;
    groups.extend(stanza.relations("Depends")?);
    Ok(groups)
}

impl Interner for Provider<'_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        let solvable = self.pool.resolve_solvable(solvable);
        let stanza = self.universe.stanza(solvable.record.stanza);
        match solvable.record.provided {
            true => format!("{} by {}", self.pool.resolve_package_name(solvable.name), stanza.name()),
            false => format!("{} {}", stanza.name(), stanza.version()),
        }
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        self.pool.resolve_package_name(name).clone()
    }

    fn display_version_set(&self, version_set: VersionSetId) -> impl Display + '_ {
        self.pool.resolve_version_set(version_set).clone()
    }

    fn display_string(&self, string_id: StringId) -> impl Display + '_ {
        self.pool.resolve_string(string_id).to_owned()
    }

    fn version_set_name(&self, version_set: VersionSetId) -> NameId {
        self.pool.resolve_version_set_package_name(version_set)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        self.pool.resolve_solvable(solvable).name
    }

    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        self.pool.resolve_version_set_union(union)
    }

    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        self.pool.resolve_condition(condition).clone()
    }
}

impl DependencyProvider for Provider<'_> {
    async fn filter_candidates(&self, candidates: &[SolvableId], set: VersionSetId, inverse: bool) -> Vec<SolvableId> {
        let set = self.pool.resolve_version_set(set);
        candidates.iter().copied().filter(|id| self.matches(*id, set) != inverse).collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let ids = self.of(name);
        let keep = self.ask.keep.get(self.pool.resolve_package_name(name));
        let favored = keep.and_then(|(from, version)| {
            ids.iter().copied().find(|id| {
                let record = &self.pool.resolve_solvable(*id).record;
                let stanza = self.universe.stanza(record.stanza);
                !record.provided && stanza.from == from && stanza.version() == version
            })
        });
        (!ids.is_empty()).then(|| Candidates { candidates: ids.to_vec(), favored, ..Candidates::default() })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        solvables.sort_by(|a, b| self.order(*a, *b));
    }

    async fn get_dependencies(&self, id: SolvableId) -> Dependencies {
        let record = &self.pool.resolve_solvable(id).record;
        let stanza = self.universe.stanza(record.stanza);
        if record.provided {
            let set = Set { only: Some(record.stanza), ..Set::default() };
            let requirements = vec![self.requirement(vec![self.set(stanza.name(), set)])];
            return Dependencies::Known(KnownDependencies { requirements, constrains: Vec::new() });
        }
        let both = self.requirements(stanza).and_then(|requirements| Ok((requirements, self.constrains(stanza)?)));
        match both {
            Ok((requirements, constrains)) => Dependencies::Known(KnownDependencies { requirements, constrains }),
            Err(error) => {
                let reason = self.pool.intern_string(error.to_string());
                self.error.borrow_mut().get_or_insert(error);
                Dependencies::Unknown(reason)
            }
        }
    }
}
