//! Triggers (`deb-triggers(5)`): every interest of a package is accounted for; activations of names in
//! which nobody is interested are nothing.

use std::collections::BTreeSet;

use super::super::Inputs;
use super::{Tally, Unknown, Verdict, acknowledged, table};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::source::Package;

/// Accounts for the triggers file of a package.
pub(super) fn account(
    inputs: &Inputs<'_>,
    package: &Package,
    tally: &mut Tally,
    unknown: &mut Vec<Unknown>,
    used: &mut BTreeSet<Digest>,
) -> Result<()> {
    let mut left = String::new();
    for line in package.triggers.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        match (words.next().unwrap_or_default(), words.next(), words.next()) {
            ("interest" | "interest-await" | "interest-noawait", Some(name), None) => {
                tally.triggers += 1;
                match table::trigger(&package.name, name)? {
                    Some(row) => tally.verdicts.push(Verdict {
                        package: package.name.clone(),
                        script: name.to_owned(),
                        covered_by: row.covered_by.clone(),
                        reason: row.reason.clone(),
                    }),
                    None => left.push_str(&format!("interest {name}\n")),
                }
            }
            ("activate" | "activate-await" | "activate-noawait", Some(_), None) => {}
            _ => return Err(Error::source(format!("`{line}` is no line of triggers, in `{}`", package.name))),
        }
    }
    let digest = Digest::of(left.as_bytes());
    if !left.is_empty() && !acknowledged(inputs, &package.name, "triggers", &digest, used) {
        unknown.push(Unknown {
            package: package.name.clone(),
            script: "triggers".into(),
            digest,
            text: left,
            known: false,
        });
    }
    Ok(())
}
