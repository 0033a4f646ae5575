//! The account of every maintainer script: what it would have done, or why that is not needed.

mod condition;
mod effect;
mod eval;
mod known;
mod normal;
mod residue;
mod shell;
mod simple;
mod table;
mod tools;
mod triggers;
mod words;

pub use effect::{Alternative, Bits, Effect, Owner};

use std::collections::BTreeSet;

use super::Inputs;
use super::units::Scope;
use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::source::{Package, ScriptKind};
use known::Meaning;

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
    /// Scripts that do nothing on a fresh installation.
    pub void: usize,
    /// Scripts that consist of commands that the steps stand in for.
    pub recognised: usize,
    /// Scripts of which a row of the table accounts for the rest.
    pub rows: usize,
    /// Scripts of which the profile accounts for the rest.
    pub acknowledged: usize,
    /// Blocks of debhelper in all scripts.
    pub blocks: usize,
    /// Units, accounts, files, alternatives that scripts asked for.
    pub effects: usize,
    /// Triggers in which packages are interested.
    pub triggers: usize,
    /// Configuration files, laid as they are shipped.
    pub conffiles: usize,
    /// What the table says of the rest of scripts and of triggers, in the order of packages.
    pub verdicts: Vec<Verdict>,
}

/// A row of the table that was used.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Verdict {
    /// The package.
    pub package: String,
    /// `preinst`, `postinst` or the trigger's name.
    pub script: String,
    /// The step that does what is needed; none where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covered_by: Option<String>,
    /// Why.
    pub reason: String,
}

/// A script printed, and what is left of it when all that is decided is gone.
#[cfg(any(test, fuzzing))]
pub(crate) fn tried(script: &str) -> Result<(String, String)> {
    let list = shell::parse(script)?;
    let found = eval::evaluate(&list, &["configure", ""], &[("DPKG_ROOT", "")])?;
    Ok((shell::list_text(&list, &|_| None), residue::text(&found.left)))
}

/// Accounts for every script and every trigger of every package.
///
/// All that is not accounted for comes in one error, with the lines in question and the key to write.
pub fn account(inputs: &Inputs<'_>) -> Result<Account> {
    let mut account = Account::default();
    account.tally.packages = inputs.packages.len();
    let mut unknown = Vec::new();
    let mut used = BTreeSet::new();
    for package in inputs.packages {
        account.tally.conffiles += package.conffiles.len();
        for kind in [ScriptKind::Preinst, ScriptKind::Postinst] {
            if let Some(script) = package.scripts.get(&kind) {
                one(inputs, package, kind, script, &mut account, &mut unknown, &mut used)
                    .context(|| format!("accounting for {} of `{}`", kind.name(), package.name))?;
            }
        }
        triggers::account(inputs, package, &mut account.tally, &mut unknown, &mut used)?;
    }
    account.tally.effects = account.effects.len() + account.units.len();
    let stale = inputs.profile.userland.scripts.iter().filter(|ack| !used.contains(&ack.sha256));
    for ack in stale {
        inputs
            .report
            .warn(format!("the profile acknowledges {} of `{}`, which asks for nothing", ack.script, ack.package));
    }
    match unknown.is_empty() {
        true => Ok(account),
        false => Err(unaccounted(&unknown)),
    }
}

/// Something that neither a step nor the table nor the profile accounts for.
struct Unknown {
    package: String,
    script: String,
    digest: Digest,
    text: String,
    known: bool,
}

fn one(
    inputs: &Inputs<'_>,
    package: &Package,
    kind: ScriptKind,
    script: &str,
    account: &mut Account,
    unknown: &mut Vec<Unknown>,
    used: &mut BTreeSet<Digest>,
) -> Result<()> {
    let normal = normal::normal(inputs, package, kind, script);
    account.tally.scripts += 1;
    account.tally.blocks += normal.blocks;
    let name = || package.name.clone();
    for meaning in &normal.meanings {
        match meaning {
            Meaning::Nothing(_) | Meaning::Answer(_) => {}
            Meaning::Enable(scope, unit) => {
                account.units.push(UnitWish { package: name(), scope: *scope, unit: unit.clone() });
            }
            Meaning::Effect(effect) => account.effects.push((name(), (**effect).clone())),
        }
    }
    if normal.text.is_empty() {
        let counter = if normal.meanings.is_empty() { &mut account.tally.void } else { &mut account.tally.recognised };
        *counter += 1;
        return Ok(());
    }
    let digest = normal.digest();
    let rows = table::rows(&package.name, kind.name())?;
    if let Some(row) = rows.iter().find(|row| row.sha256.contains(&digest)) {
        account.tally.rows += 1;
        account.tally.verdicts.push(Verdict {
            package: name(),
            script: kind.name().to_owned(),
            covered_by: row.covered_by.clone(),
            reason: row.reason.clone(),
        });
        account.effects.extend(row.effects.iter().map(|effect| (name(), effect.clone())));
        return Ok(());
    }
    match acknowledged(inputs, &package.name, kind.name(), &digest, used) {
        true => account.tally.acknowledged += 1,
        false => unknown.push(Unknown {
            package: name(),
            script: kind.name().to_owned(),
            digest,
            text: normal.text,
            known: !rows.is_empty(),
        }),
    }
    Ok(())
}

fn acknowledged(
    inputs: &Inputs<'_>,
    package: &str,
    script: &str,
    digest: &Digest,
    used: &mut BTreeSet<Digest>,
) -> bool {
    let acks = &inputs.profile.userland.scripts;
    let hit = acks.iter().any(|ack| ack.package == package && ack.script == script && ack.sha256 == *digest);
    if hit {
        used.insert(*digest);
    }
    hit
}

/// As many lines of a script as an error shows.
const SHOWN: usize = 25;

fn unaccounted(unknown: &[Unknown]) -> Error {
    let mut message = String::new();
    let mut hint = String::from("read what it does; if the image can do without it, or the profile does it, write:");
    for Unknown { package, script, digest, text, known } in unknown {
        let what = if *known { "has changed since it was looked at" } else { "does what no step covers" };
        message.push_str(&format!("{script} of `{package}` {what}:\n"));
        let lines: Vec<&str> = text.lines().collect();
        lines.iter().take(SHOWN).for_each(|line| message.push_str(&format!("    {line}\n")));
        if lines.len() > SHOWN {
            message.push_str(&format!("    ... and {} lines more\n", lines.len() - SHOWN));
        }
        hint.push_str(&format!(
            "\n\n[[userland.script]]\npackage = \"{package}\"\nscript = \"{script}\"\nsha256 = \"{digest}\"\nreason = \"...\""
        ));
    }
    Error::user(message.trim_end().to_owned()).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fixture, package};
    use super::*;
    use crate::error::Kind;
    use crate::profile::Acknowledgement;

    fn fixture(script: &str) -> Fixture {
        let mut fixture = Fixture::new();
        let mut package = package("odd");
        package.scripts.insert(ScriptKind::Postinst, script.into());
        fixture.packages.push(package);
        fixture
    }

    #[test]
    fn the_table_is_sound() {
        assert!(!table::rows("systemd", "postinst").unwrap().is_empty());
        assert!(!table::rows("linux-image-6.12.1+deb13-cloud-amd64", "postinst").unwrap().is_empty());
        assert!(table::rows("nothing", "postinst").unwrap().is_empty());
        assert!(table::trigger("libc-bin", "ldconfig").unwrap().is_some());
    }

    #[test]
    fn an_unknown_script_stops_with_the_key_to_write() {
        let mut fixture = fixture("#!/bin/sh\nset -e\nchmod 0600 /etc/odd # why\n");
        let error = fixture.with(account).unwrap_err();
        assert_eq!(error.kind(), Kind::User);
        assert!(error.message().contains("chmod 0600 /etc/odd"), "{error}");
        let digest = Digest::of(b"chmod 0600 /etc/odd\n");
        assert!(error.hints()[0].contains(&format!(
            "[[userland.script]]\npackage = \"odd\"\nscript = \"postinst\"\nsha256 = \"{digest}\""
        )));
        let ack =
            Acknowledgement { package: "odd".into(), script: "postinst".into(), sha256: digest, reason: "x".into() };
        fixture.profile.userland.scripts.push(ack);
        assert_eq!(fixture.with(account).unwrap().tally().acknowledged, 1);
        // A changed script asks again; other layout and comments do not.
        fixture.packages[0].scripts.insert(ScriptKind::Postinst, "chmod   0600 \"/etc/odd\"; exit 0".into());
        assert!(fixture.with(account).is_ok());
        fixture.packages[0].scripts.insert(ScriptKind::Postinst, "chmod 0644 /etc/odd".into());
        assert!(fixture.with(account).is_err());
    }

    #[test]
    fn what_is_not_understood_is_never_void() {
        assert!(fixture("if then fi (((").with(account).is_err());
        assert!(fixture("exec perl -e 'unlink'").with(account).is_err());
        assert_eq!(fixture("#!/bin/sh\nset -e\nexit 0\n").with(account).unwrap().tally().void, 1);
    }

    #[test]
    fn an_interest_of_no_row_stops() {
        let mut fixture = fixture("");
        fixture.packages[0].triggers = "interest-noawait /usr/share/odd\nactivate ldconfig\n".into();
        assert!(fixture.with(account).unwrap_err().message().contains("interest /usr/share/odd"));
        fixture.packages[0].triggers = "activate ldconfig\n".into();
        assert!(fixture.with(account).is_ok());
        fixture.packages[0].triggers = "what is this\n".into();
        assert!(fixture.with(account).is_err());
    }
}
