//! The tree of an assembled container image: files of packages, and the profile's own over them.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::epoch::Epoch;
use crate::error::{Error, Result};
use crate::profile::{Edit, FileContent, Preload, PreloadImage};
use crate::source::{Member, MemberKind, Package};
use crate::tree::{Content, Kind, Leaf, Meta, Node, Tree};

/// The files of `packages` that `include` keeps, with the image's own edits over them.
pub(super) fn tree(
    preload: &Preload,
    packages: &[Package],
    files: &BTreeMap<String, Content>,
    epoch: Epoch,
) -> Result<Tree> {
    let PreloadImage::Assemble { include, edits, .. } = &preload.image else { return Ok(Tree::default()) };
    let globs = globs(include)?;
    let mut tree = Tree::default();
    tree.root.meta = Meta::new(0o755, epoch.0);
    for member in packages.iter().flat_map(|package| &package.members) {
        let folder = matches!(member.kind, MemberKind::Directory);
        let kept = include.is_empty() || (!folder && globs.is_match(member.path.to_string()));
        if kept && !member.path.is_root() {
            place(&mut tree, member, epoch)?;
        }
    }
    for edit in edits {
        apply(&mut tree, edit, files, epoch)?;
    }
    Ok(tree)
}

fn globs(globs: &[String]) -> Result<GlobSet> {
    let bad = |error: globset::Error| Error::user(error.to_string());
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(GlobBuilder::new(glob).literal_separator(true).build().map_err(bad)?);
    }
    set.build().map_err(bad)
}

fn place(tree: &mut Tree, member: &Member, epoch: Epoch) -> Result<()> {
    let mut meta = member.meta.clone();
    meta.mtime = epoch.0;
    let kind = match &member.kind {
        MemberKind::Directory => return tree.put_directory(&member.path, meta),
        MemberKind::HardLink(target) => return tree.hard_link(&member.path, target),
        MemberKind::File(content) => Kind::File(content.clone()),
        MemberKind::Symlink(target) => Kind::Symlink(target.clone()),
        MemberKind::Fifo => Kind::Fifo,
        MemberKind::Device(true, major, minor) => Kind::BlockDevice { major: *major, minor: *minor },
        MemberKind::Device(false, major, minor) => Kind::CharDevice { major: *major, minor: *minor },
    };
    tree.insert(&member.path, Node::Leaf(Leaf { meta, kind }))
}

/// Owners are numbers here, or `root`: an image without /etc/passwd has no other names.
fn apply(tree: &mut Tree, edit: &Edit, files: &BTreeMap<String, Content>, epoch: Epoch) -> Result<()> {
    match edit {
        Edit::File { path, content, mode, owner } => {
            let meta = owned(Meta::new(*mode, epoch.0), owner)?;
            let key = match content {
                FileContent::Text(text) => return tree.put_file(path, meta, Content::bytes(text.as_bytes())),
                FileContent::File(file) => file.to_string_lossy().into_owned(),
                FileContent::Url(url) => url.url.clone(),
            };
            let content = files.get(&key).ok_or_else(|| Error::bug(format!("`{key}` was not fetched")))?;
            tree.put_file(path, meta, content.clone())
        }
        Edit::Directory { path, mode, owner } => tree.put_directory(path, owned(Meta::new(*mode, epoch.0), owner)?),
        Edit::Link { path, target } => tree.put_link(path, Meta::new(0o777, epoch.0), target.as_bytes()),
        Edit::Mode { path, mode, owner } => {
            let new = owner.as_ref().map(|owner| owned(Meta::default(), owner)).transpose()?;
            let meta = tree.meta_mut(path).ok_or_else(|| Error::user(format!("`{path}` is not in the image")))?;
            meta.mode = mode.unwrap_or(meta.mode);
            (meta.uid, meta.gid) = new.map_or((meta.uid, meta.gid), |new| (new.uid, new.gid));
            Ok(())
        }
        Edit::Remove(glob) => {
            let globs = globs(std::slice::from_ref(glob))?;
            let gone: Vec<_> =
                tree.walk().into_iter().map(|(path, _)| path).filter(|path| globs.is_match(path.to_string())).collect();
            if gone.is_empty() {
                return Err(Error::user(format!("nothing in the image matches `{glob}`")));
            }
            for path in &gone {
                tree.remove(path);
            }
            Ok(())
        }
    }
}

fn owned(meta: Meta, (user, group): &(String, String)) -> Result<Meta> {
    let id = |name: &str| match name {
        "root" => Ok(0),
        digits => digits.parse::<u32>().map_err(|_| {
            Error::user(format!("unknown owner `{name}`")).hint("inside a container image, expected a number or `root`")
        }),
    };
    Ok(meta.owned(id(user)?, id(group)?))
}
