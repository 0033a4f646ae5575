//! Units: enabled as their packages ask, then as the profile asks.
//!
//! Enabling means the links that `systemctl enable` would make, by absolute target. The packages' own
//! state files (`deb-systemd-helper`) serve later upgrades only and are not written.

mod find;
pub(crate) mod install;
pub(crate) mod preset;

pub use find::Scope;

use std::collections::BTreeSet;

use super::scripts::Account;
use super::{Inputs, Place};
use crate::error::{Context, Error, Result};
use crate::path::RootPath;
use crate::profile::UnitState;
use crate::tree::{Kind, NodeRef, Tree};

/// Makes the links that packages ask for.
pub fn packages(tree: &mut Tree, inputs: &Inputs<'_>, account: &Account) -> Result<()> {
    let presets = preset::Presets::of(tree)?;
    for wish in account.units() {
        if wish.scope == Scope::System && !presets.allows(&wish.unit) {
            continue;
        }
        // A unit may have been left out of the tree, and then nobody can start it.
        if find::unit_file(tree, wish.scope, &wish.unit)?.is_none() {
            continue;
        }
        enable(tree, inputs, wish.scope, &wish.unit)
            .context(|| format!("enabling what `{}` asks for", wish.package))?;
    }
    Ok(())
}

/// Nobody but root reads how the kubelet is started (CIS 4.1.1).
fn mode(unit: &str) -> u16 {
    if unit == "kubelet.service" { 0o600 } else { 0o644 }
}

/// Writes the profile's units and drop-ins, and brings every unit that it names into its state.
pub fn profile(tree: &mut Tree, inputs: &Inputs<'_>, _: &Account) -> Result<()> {
    for unit in &inputs.profile.units {
        if !find::is_unit_name(&unit.name) {
            return Err(Error::user(format!("`{}` is not the name of a unit", unit.name))
                .hint("expected a name with its type: `containerd.service`"));
        }
        let mut place = Place::new(tree, inputs, "unit of the profile");
        let base = Scope::System.etc();
        if let Some(text) = &unit.text {
            place.file(&base.join(&unit.name)?.to_string(), mode(&unit.name), text.as_bytes())?;
        }
        for (name, text) in &unit.dropins {
            let path = base.join(format!("{}.d/{name}", unit.name))?;
            place.file(&path.to_string(), mode(&unit.name), text.as_bytes())?;
        }
    }
    // States after all files, since `Also=` may name another unit of the profile.
    for unit in &inputs.profile.units {
        let name = &unit.name;
        match unit.state {
            UnitState::Default => {}
            UnitState::Enabled => enable(tree, inputs, Scope::System, name)?,
            UnitState::Disabled => {
                disable(tree, name)?;
            }
            UnitState::Masked => {
                disable(tree, name)?;
                let path = Scope::System.etc().join(name)?;
                if let Some(NodeRef::Leaf(_, leaf)) = tree.get(&path)
                    && matches!(leaf.kind, Kind::File(_))
                {
                    return Err(Error::user(format!("`{name}` is masked, but `{path}` is a file"))
                        .hint("disable it, or leave its text out"));
                }
                Place::new(tree, inputs, "unit of the profile").link(&path.to_string(), "/dev/null")?;
            }
        }
    }
    Ok(())
}

/// Makes the links that enabling `unit` means. Links that are there win.
pub fn enable(tree: &mut Tree, inputs: &Inputs<'_>, scope: Scope, unit: &str) -> Result<()> {
    for (path, target) in install::links(tree, scope, unit)? {
        if tree.get(&path).is_none() {
            Place::new(tree, inputs, "units").link(&path.to_string(), &target)?;
        }
    }
    Ok(())
}

/// Takes every link to `unit` away: what pulls it in, and its aliases; how many there were.
///
/// Links that packages ship below `/usr/lib` are taken too: in an image they are as good as any.
pub fn disable(tree: &mut Tree, unit: &str) -> Result<usize> {
    let mut gone = BTreeSet::new();
    for folder in Scope::System.folders() {
        let Some(directory) = tree.directory(&folder) else { continue };
        for (name, entry) in &directory.entries {
            let path = folder.join(name)?;
            match tree.node(entry) {
                NodeRef::Directory(inner) => {
                    let pulls = [&b".wants"[..], b".requires", b".upholds"].iter().any(|kind| name.ends_with(kind));
                    if pulls && inner.entries.contains_key(unit.as_bytes()) {
                        gone.insert(path.join(unit)?);
                    }
                }
                NodeRef::Leaf(_, leaf) => {
                    if let Kind::Symlink(target) = &leaf.kind
                        && target.rsplit(|byte| *byte == b'/').next() == Some(unit.as_bytes())
                        && **name != *unit.as_bytes()
                    {
                        gone.insert(path);
                    }
                }
            }
        }
    }
    for path in &gone {
        take(tree, path);
    }
    Ok(gone.len())
}

/// Takes `path` away, and the folder of links that it leaves empty.
fn take(tree: &mut Tree, path: &RootPath) {
    tree.remove(path);
    if let Some(parent) = path.parent()
        && tree.directory(&parent).is_some_and(|folder| folder.entries.is_empty())
    {
        tree.remove(&parent);
    }
}
