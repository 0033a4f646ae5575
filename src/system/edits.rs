//! The profile's own files, folders, links, modes and removals, in the order in which it has them.

use super::place::{place_of, real};
use super::scripts::Account;
use super::unpack::{matcher, matches};
use super::{Accounts, Inputs, Place};
use crate::error::{Context, Error, Result};
use crate::path::RootPath;
use crate::profile::{Edit, FileContent};
use crate::tree::{Content, Tree};

/// Applies the edits of the profile to the root.
pub fn edits(tree: &mut Tree, inputs: &Inputs<'_>, _: &Account) -> Result<()> {
    apply(tree, inputs, &inputs.profile.edits)
}

/// Applies `edits` to any tree; owners are names of that tree's accounts.
pub fn apply(tree: &mut Tree, inputs: &Inputs<'_>, edits: &[Edit]) -> Result<()> {
    let accounts = Accounts::of(tree)?;
    edits.iter().try_for_each(|edit| one(tree, inputs, &accounts, edit))
}

fn one(tree: &mut Tree, inputs: &Inputs<'_>, accounts: &Accounts, edit: &Edit) -> Result<()> {
    let mut place = Place::new(tree, inputs, "file of the profile");
    match edit {
        Edit::File { path, content, mode, owner } => {
            let step = || format!("laying the file `{path}`");
            let (uid, gid) = accounts.owner(owner).context(step)?;
            let content = bytes(inputs, content).context(step)?;
            let at = real(place.tree, &path.to_string()).context(step)?;
            let meta = place.meta(*mode).owned(uid, gid);
            place.tree.put_file(&at, meta, content).context(step)
        }
        Edit::Directory { path, mode, owner } => {
            let step = || format!("making the directory `{path}`");
            let (uid, gid) = accounts.owner(owner).context(step)?;
            let at = real(place.tree, &path.to_string()).context(step)?;
            let meta = place.meta(*mode).owned(uid, gid);
            place.tree.put_directory(&at, meta).context(step)
        }
        Edit::Link { path, target } => {
            place.link(&path.to_string(), target).context(|| format!("making the link `{path}`"))
        }
        Edit::Mode { path, mode, owner } => {
            let step = || format!("changing mode or owner of `{path}`");
            let ids = owner.as_ref().map(|owner| accounts.owner(owner)).transpose().context(step)?;
            let at = place_of(place.tree, path).context(step)?;
            let Some(meta) = place.tree.meta_mut(&at) else {
                return Err(Error::user(format!("`{path}` is not in the image"))
                    .context(step())
                    .hint("take the entry out, or correct its path"));
            };
            meta.mode = mode.unwrap_or(meta.mode);
            (meta.uid, meta.gid) = ids.unwrap_or((meta.uid, meta.gid));
            Ok(())
        }
        Edit::Remove(glob) => remove(place.tree, glob),
    }
}

/// Removes all that `glob` matches; nothing is an error.
fn remove(tree: &mut Tree, glob: &str) -> Result<()> {
    let pattern = matcher(glob)?;
    let hits: Vec<RootPath> =
        tree.walk().into_iter().map(|(path, _)| path).filter(|path| matches(&pattern, path)).collect();
    if hits.is_empty() {
        return Err(Error::user(format!("nothing in the image matches `{glob}`, which the profile removes"))
            .hint("take the glob out, or correct it; a path is matched from its first `/` on"));
    }
    for path in hits {
        tree.remove(&path);
    }
    Ok(())
}

fn bytes(inputs: &Inputs<'_>, content: &FileContent) -> Result<Content> {
    let key = match content {
        FileContent::Text(text) => return Ok(Content::bytes(text.as_bytes())),
        FileContent::File(path) => path.to_string_lossy().into_owned(),
        FileContent::Url(url) => url.url.clone(),
    };
    inputs.files.get(&key).cloned().ok_or_else(|| Error::bug(format!("`{key}` was not fetched")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fixture, path};
    use super::*;
    use crate::tree::Meta;

    fn done(edits: Vec<Edit>) -> Result<Tree> {
        let mut tree = Tree::default();
        tree.put_file(&path("/usr/bin/a"), Meta::new(0o4755, 0), Content::bytes(*b"a"))?;
        tree.put_file(&path("/etc/group"), Meta::new(0o644, 0), Content::bytes(*b"adm:x:4:\n"))?;
        tree.put_link(&path("/bin"), Meta::default(), b"usr/bin")?;
        Fixture::new().with(|inputs| apply(&mut tree, inputs, &edits)).map(|()| tree)
    }

    fn owner(group: &str) -> (String, String) {
        ("root".into(), group.into())
    }

    #[test]
    fn they_are_applied_in_order() {
        let tree = done(vec![
            Edit::File {
                path: path("/bin/b"),
                content: FileContent::Text("b".into()),
                mode: 0o755,
                owner: owner("adm"),
            },
            Edit::Mode { path: path("/bin/a"), mode: Some(0o755), owner: None },
            Edit::Remove("/usr/bin/b*".into()),
            Edit::Directory { path: path("/srv/x"), mode: 0o700, owner: owner("7") },
            Edit::Link { path: path("/srv/y"), target: "x".into() },
        ])
        .unwrap();
        assert!(tree.get(&path("/usr/bin/b")).is_none());
        assert_eq!(tree.get(&path("/usr/bin/a")).unwrap().meta().mode, 0o755);
        assert_eq!(tree.get(&path("/srv/x")).unwrap().meta().gid, 7);
        assert!(tree.get(&path("/srv/y")).is_some());
    }

    #[test]
    fn what_fits_nothing_is_an_error() {
        let nobody = Edit::Directory { path: path("/x"), mode: 0o755, owner: owner("nobody") };
        let mode = Edit::Mode { path: path("/none"), mode: Some(0o644), owner: None };
        for edit in [Edit::Remove("/usr/bin/c*".into()), mode, nobody] {
            assert!(done(vec![edit]).is_err());
        }
    }
}
