//! Which module needs which: the order of all, and the order of loading.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Facts, module_name};
use crate::error::{Error, Result};

/// Folders whose modules come before others of the same name.
const OVERRIDES: &str = "updates/";

/// Every module of a kernel release.
#[derive(Debug, Clone)]
pub struct Modules {
    /// The release: `uname -r`.
    pub version: String,
    /// The modules, in the order of the tables.
    pub list: Vec<Module>,
    /// Names of what is built into the kernel.
    pub builtin: BTreeSet<String>,
    pub(super) builtin_list: Vec<String>,
    pub(super) builtin_aliases: Vec<(String, String)>,
    by_name: BTreeMap<String, usize>,
}

/// One module.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its name, `_` for `-`.
    pub name: String,
    /// Its file, relative to the folder of the release.
    pub path: String,
    /// Device patterns that it answers to.
    pub aliases: Vec<String>,
    /// Soft dependencies as written: `pre: crc32c`.
    pub softdeps: Vec<String>,
    /// Weak dependencies as written.
    pub weakdeps: Vec<String>,
    /// Symbols that it exports.
    pub exports: Vec<String>,
    /// All that must be loaded before it, as indices; the last is loaded first.
    pub needs: Vec<usize>,
}

/// What the graph is made of.
pub struct Parts {
    /// The release.
    pub version: String,
    /// Path and facts of each module, by path.
    pub files: Vec<(String, Facts)>,
    /// The text of `modules.order`.
    pub order: Vec<u8>,
    /// The text of `modules.builtin`.
    pub builtin: Vec<u8>,
    /// The text of `modules.builtin.modinfo`.
    pub builtin_info: Vec<u8>,
}

/// Orders the modules and resolves their symbols.
pub fn build(parts: Parts) -> Result<Modules> {
    let mut files = chosen(parts.files);
    sort(&mut files, &parts.order);
    let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, (_, facts)) in files.iter().enumerate() {
        owners.extend(facts.exports.iter().map(|symbol| (symbol.as_str(), index)));
    }
    let direct: Vec<Vec<usize>> = files
        .iter()
        .map(|(_, facts)| {
            let mut out = Vec::new();
            for index in facts.imports.iter().filter_map(|symbol| owners.get(symbol.as_str())) {
                if !out.contains(index) {
                    out.push(*index);
                }
            }
            out
        })
        .collect();
    let rank = ranks(&direct).map_err(|index| {
        let name = files.get(index).map_or("?", |(path, _)| path);
        Error::source(format!("the module `{name}` needs itself by way of others"))
    })?;
    let mut list = Vec::with_capacity(files.len());
    for (index, (path, facts)) in files.into_iter().enumerate() {
        let mut needs = Vec::new();
        gather(&direct, index, &mut needs);
        needs.sort_by_key(|index| rank[*index]);
        let Facts { aliases, softdeps, weakdeps, exports, .. } = facts;
        list.push(Module { name: module_name(&path), path, aliases, softdeps, weakdeps, exports, needs });
    }
    let by_name = list.iter().enumerate().map(|(index, module)| (module.name.clone(), index)).collect();
    let lines = String::from_utf8_lossy(&parts.builtin);
    let builtin_list: Vec<String> =
        lines.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_alphabetic())).map(module_name).collect();
    Ok(Modules {
        version: parts.version,
        list,
        builtin: builtin_list.iter().cloned().collect(),
        builtin_list,
        builtin_aliases: builtin_aliases(&parts.builtin_info),
        by_name,
    })
}

/// One file a name: overrides win, then the last path.
fn chosen(files: Vec<(String, Facts)>) -> Vec<(String, Facts)> {
    let mut out: BTreeMap<String, (String, Facts)> = BTreeMap::new();
    for (path, facts) in files {
        let name = module_name(&path);
        let stays = |kept: &(String, Facts)| kept.0.starts_with(OVERRIDES) && !path.starts_with(OVERRIDES);
        if !out.get(&name).is_some_and(stays) {
            out.insert(name, (path, facts));
        }
    }
    let mut files: Vec<_> = out.into_values().collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// By the place in `modules.order`, whose lines name files before compression; others after.
fn sort(files: &mut [(String, Facts)], order: &[u8]) {
    let text = String::from_utf8_lossy(order);
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, line) in text.lines().enumerate() {
        places.entry(line).or_insert(place);
    }
    let plain = |path: &str| path.find(".ko").map_or(path.len(), |at| at + 3);
    files.sort_by_key(|(path, _)| places.get(&path[..plain(path)]).copied().unwrap_or(usize::MAX));
}

/// Each module's place in a topological order, users before what they use.
///
/// The next is always the last that became free: kmod's order, so that its tables come out.
/// An error names a module of a circle.
fn ranks(direct: &[Vec<usize>]) -> std::result::Result<Vec<usize>, usize> {
    let mut users = vec![0usize; direct.len()];
    direct.iter().flatten().for_each(|index| users[*index] += 1);
    let mut free: Vec<usize> = (0..direct.len()).filter(|index| users[*index] == 0).collect();
    let mut rank = vec![usize::MAX; direct.len()];
    let mut next = 0;
    while let Some(index) = free.pop() {
        rank[index] = next;
        next += 1;
        for needed in &direct[index] {
            users[*needed] -= 1;
            if users[*needed] == 0 {
                free.push(*needed);
            }
        }
    }
    match rank.iter().position(|rank| *rank == usize::MAX) {
        Some(index) => Err(index),
        None => Ok(rank),
    }
}

/// All that `index` needs, directly or not, in no order that matters; there is no circle.
fn gather(direct: &[Vec<usize>], index: usize, out: &mut Vec<usize>) {
    let mut seen = BTreeSet::new();
    let mut todo = direct[index].clone();
    while let Some(needed) = todo.pop() {
        if seen.insert(needed) {
            out.push(needed);
            todo.extend(&direct[needed]);
        }
    }
}

/// `name.alias=value` of each built-in module.
fn builtin_aliases(info: &[u8]) -> Vec<(String, String)> {
    let lines = info.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    lines
        .filter_map(|line| {
            let (name, rest) = line.split_once('.')?;
            let value = rest.strip_prefix("alias=")?;
            (!name.is_empty() && !value.is_empty()).then(|| (name.to_owned(), value.to_owned()))
        })
        .collect()
}

impl Modules {
    /// The module of a name, written with `-` or `_`.
    pub fn get(&self, name: &str) -> Option<&Module> {
        self.by_name.get(&name.replace('-', "_")).and_then(|index| self.list.get(*index))
    }

    /// Whether a module of that name is part of the kernel itself.
    pub fn is_builtin(&self, name: &str) -> bool {
        self.builtin.contains(&name.replace('-', "_"))
    }

    /// The modules to load for `wanted`, each after all that it needs, in the order in which they are
    /// asked for. What is built in needs nothing. An error names what is neither.
    pub fn load_order(&self, wanted: &[&str]) -> Result<Vec<&Module>> {
        let mut seen = BTreeSet::new();
        let mut out = Vec::new();
        for name in wanted {
            if self.get(name).is_none() && !self.is_builtin(name) {
                return Err(Error::user(format!("kernel `{}` has no module `{name}`", self.version))
                    .hint("expected the name of a module of the kernel's package, or of one built in"));
            }
            self.add(name, &mut seen, &mut out);
        }
        Ok(out)
    }

    fn add<'a>(&'a self, name: &str, seen: &mut BTreeSet<&'a str>, out: &mut Vec<&'a Module>) {
        let Some(module) = self.get(name) else { return };
        if !seen.insert(&module.name) {
            return;
        }
        for before in module.softdeps.iter().flat_map(|text| pre(text)) {
            self.add(before, seen, out);
        }
        for needed in module.needs.iter().rev().filter_map(|index| self.list.get(*index)) {
            self.add(&needed.name, seen, out);
        }
        out.push(module);
    }
}

/// The names after `pre:` of a soft dependency.
fn pre(text: &str) -> impl Iterator<Item = &str> {
    let mut on = false;
    text.split_whitespace().filter(move |word| {
        match *word {
            "pre:" => on = true,
            "post:" => on = false,
            _ => return on,
        }
        false
    })
}
