//! Alternatives: the generic names of programs that several packages offer.
//!
//! In a sealed image nobody changes the choice, but tools read `/etc/alternatives`, so both links are
//! made: generic name -> `/etc/alternatives/NAME` -> program.

use std::collections::BTreeMap;

use super::place::real;
use super::scripts::{Account, Alternative, Effect};
use super::{Inputs, Place};
use crate::error::{Context, Result};
use crate::tree::Tree;

/// Makes the links of every group; the highest priority wins, the first of equals.
pub fn alternatives(tree: &mut Tree, inputs: &Inputs<'_>, account: &Account) -> Result<()> {
    let mut chosen: BTreeMap<&str, &Alternative> = BTreeMap::new();
    for (_, effect) in account.effects() {
        let Effect::Alternative(candidate) = effect else { continue };
        // What the profile left out of the tree cannot be chosen.
        if tree.get(&real(tree, &candidate.path.to_string())?).is_none() {
            continue;
        }
        let best = chosen.entry(&candidate.name).or_insert(candidate);
        if candidate.priority > best.priority {
            *best = candidate;
        }
    }
    let mut place = Place::new(tree, inputs, "alternatives");
    for (name, choice) in chosen {
        let slaves = choice.slaves.iter().map(|(name, link, path)| (&**name, link, path));
        for (name, link, path) in std::iter::once((name, &choice.link, &choice.path)).chain(slaves) {
            // A slave whose program is missing is passed over, as update-alternatives does.
            if place.tree.get(&real(place.tree, &path.to_string())?).is_none() {
                continue;
            }
            let make = |place: &mut Place<'_>| {
                place.link(&format!("/etc/alternatives/{name}"), &path.to_string())?;
                place.link(&link.to_string(), &format!("/etc/alternatives/{name}"))
            };
            make(&mut place).context(|| format!("choosing the alternative `{name}`"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fixture, package, path};
    use super::*;
    use crate::source::ScriptKind;
    use crate::tree::{Content, Kind, Leaf, Meta, NodeRef};

    #[test]
    fn the_highest_priority_that_is_there_wins() {
        let mut fixture = Fixture::new();
        for (name, priority) in [("low", 5), ("high", 20), ("gone", 99)] {
            let mut package = package(name);
            let script = format!(
                "update-alternatives --install /usr/bin/x x /usr/bin/{name} {priority} --slave /usr/bin/xs xs /usr/bin/{name}-s"
            );
            package.scripts.insert(ScriptKind::Postinst, script);
            fixture.packages.push(package);
        }
        let mut tree = Tree::default();
        for name in ["low", "high", "low-s"] {
            tree.put_file(&path(&format!("/usr/bin/{name}")), Meta::new(0o755, 0), Content::bytes(*b"x")).unwrap();
        }
        fixture.with(|inputs| {
            let account = super::super::scripts::account(inputs).unwrap();
            alternatives(&mut tree, inputs, &account).unwrap();
        });
        let target = |name: &str| match tree.get(&path(name)) {
            Some(NodeRef::Leaf(_, Leaf { kind: Kind::Symlink(target), .. })) => {
                String::from_utf8_lossy(target).into_owned()
            }
            _ => String::new(),
        };
        assert_eq!(target("/usr/bin/x"), "/etc/alternatives/x");
        assert_eq!(target("/etc/alternatives/x"), "/usr/bin/high");
        assert_eq!(target("/usr/bin/xs"), "", "a slave without its program");
    }
}
