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
