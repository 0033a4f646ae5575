//! Carries out what scripts would have done to files: modes, copies, links, folders, files.
//!
//! Accounts, units and alternatives of the same list are the affair of their own steps.

use super::place::{place_of, real};
use super::scripts::{Account, Bits, Effect, Owner};
use super::{Accounts, Inputs, Place};
use crate::error::{Context, Error, Kind, Result};
use crate::tree::{NodeRef, Tree};

/// Applies the effects of every script, in the order of packages.
pub fn effects(tree: &mut Tree, inputs: &Inputs<'_>, account: &Account) -> Result<()> {
    let accounts = Accounts::of(tree)?;
    for (package, effect) in account.effects() {
        let mut place = Place::new(tree, inputs, package);
        one(&mut place, &accounts, effect).context(|| format!("doing what the scripts of `{package}` would"))?;
    }
    Ok(())
}

fn one(place: &mut Place<'_>, accounts: &Accounts, effect: &Effect) -> Result<()> {
    match effect {
        Effect::Mode { path, mode, owner } => {
            let path = real(place.tree, &path.to_string())?;
            let ids = owner.as_ref().map(|owner| ids(accounts, owner)).transpose()?;
            // What the profile left out needs no mode.
            let Some(meta) = place.tree.meta_mut(&path) else { return Ok(()) };
            if let Some(Bits(mode)) = mode {
                meta.mode = *mode;
            }
            if let Some((uid, gid)) = ids {
                (meta.uid, meta.gid) = (uid, gid);
            }
            Ok(())
        }
        Effect::Copy { from, to, mode, owner } => {
            let to = real(place.tree, &to.to_string())?;
            let from = real(place.tree, &from.to_string())?;
            if place.tree.get(&to).is_some() {
                return Ok(());
            }
            let Some((_, content)) = place.tree.file(&from) else { return Ok(()) };
            let content = content.clone();
            let (uid, gid) = ids(accounts, owner)?;
            let meta = place.meta(mode.0).owned(uid, gid);
            place.tree.put_file(&to, meta, content)
        }
        Effect::Link { path, target } => {
            let at = place_of(place.tree, path)?;
            if place.tree.directory(&at).is_some_and(|folder| folder.entries.is_empty()) {
                place.tree.remove(&at);
            }
            place.link(&path.to_string(), target)
        }
        Effect::Directory { path, mode, owner } => {
            let at = real(place.tree, &path.to_string())?;
            let (uid, gid) = ids(accounts, owner)?;
            let meta = place.meta(mode.0).owned(uid, gid);
            place.tree.put_directory(&at, meta)
        }
        Effect::File { path, text, mode, owner } => {
            let at = real(place.tree, &path.to_string())?;
            if place.tree.get(&at).is_some() {
                return Ok(());
            }
            let (uid, gid) = ids(accounts, owner)?;
            let meta = place.meta(mode.0).owned(uid, gid);
            place.tree.put_file(&at, meta, crate::tree::Content::bytes(text.as_bytes()))
        }
        Effect::User { .. } | Effect::Group { .. } | Effect::Enable { .. } => Ok(()),
        Effect::Alternative(_) | Effect::FirstBoot { .. } => Ok(()),
    }
}

fn ids(accounts: &Accounts, owner: &Owner) -> Result<(u32, u32)> {
    Ok((accounts.uid(&owner.0)?, accounts.gid(&owner.1)?))
}

/// Refuses an image that holds what each machine must make for itself.
pub fn unique(tree: &mut Tree, _: &Inputs<'_>, account: &Account) -> Result<()> {
    let mut found = Vec::new();
    for (package, effect) in account.effects() {
        let Effect::FirstBoot { path } = effect else { continue };
        let glob = super::unpack::matcher(path)?;
        let hits =
            tree.walk().into_iter().filter(|(path, node)| is_filled(*node) && super::unpack::matches(&glob, path));
        found.extend(hits.map(|(path, _)| format!("`{path}` ({package})")));
    }
    match found.is_empty() {
        true => Ok(()),
        false => Err(Error::new(
            Kind::Found,
            format!("every machine of this image would have the same {}", found.join(", ")),
        )
        .hint("leave the files out: each machine makes its own at first boot")),
    }
}

fn is_filled(node: NodeRef<'_>) -> bool {
    matches!(node, NodeRef::Leaf(_, leaf) if matches!(&leaf.kind, crate::tree::Kind::File(content) if !content.is_empty()))
}
