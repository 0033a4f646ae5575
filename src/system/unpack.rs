//! Lays the payloads of packages and programs into the tree.
//!
//! - Parents are resolved through links, so that an unmerged `/bin/x` lands in `/usr/bin`.
//! - Owners are taken by name, looked up in the image's accounts; they must be there before.
//! - Two packages that ship one file are an error, unless `Replaces` says who wins; so is a
//!   folder with two owners or modes.
//! - Exclusions of the profile are left out; one that matches nothing is a warning, since templates
//!   serve many sets of packages.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::place::place_of;
use super::{Accounts, Inputs, scripts::Account};
use crate::error::{Context, Error, Result};
use crate::path::RootPath;
use crate::profile::Glob;
use crate::source::{Member, MemberKind, Package};
use crate::tree::{Kind, Leaf, Meta, Node, NodeRef, Tree};

/// Lays every package, then every program, into `tree`.
pub fn unpack(tree: &mut Tree, inputs: &Inputs<'_>, _: &Account) -> Result<()> {
    let accounts = Accounts::of(tree)?;
    let exclude = Exclude::new(&inputs.profile.userland.exclude)?;
    // A kernel that lacks what is left out is no mistake: one profile may serve several kernels.
    let modules =
        inputs.profile.kernel.exclude.iter().map(|glob| Glob::new(format!("/usr/lib/modules/*/kernel/{glob}"), ""));
    let modules = Exclude::new(&modules.collect::<Vec<_>>())?;
    let mut state = Unpack { accounts, mtime: inputs.epoch.0, exclude, modules };
    let by_name: BTreeMap<&str, &Package> = inputs.packages.iter().map(|package| (&*package.name, package)).collect();
    // Links that stand for folders come first: which package ships `/lib -> usr/lib` must not decide
    // where an earlier one's `/lib/x` goes.
    for package in inputs.packages {
        let links = package.members.iter().filter(|member| is_top_link(member));
        state.lay(tree, &package.name, links, &by_name).context(|| format!("unpacking `{}`", package.name))?;
    }
    for package in inputs.packages {
        let rest = package.members.iter().filter(|member| !is_top_link(member));
        state.lay(tree, &package.name, rest, &by_name).context(|| format!("unpacking `{}`", package.name))?;
    }
    for (name, members) in inputs.programs {
        state.lay(tree, name, members.iter(), &by_name).context(|| format!("unpacking the program `{name}`"))?;
    }
    state.exclude.unused().for_each(|glob| {
        inputs.report.warn_at(format!("no package ships anything that `{}` excludes", &**glob), glob.origin());
    });
    Ok(())
}

fn is_top_link(member: &Member) -> bool {
    matches!(member.kind, MemberKind::Symlink(_)) && member.path.components().count() == 1
}

struct Unpack {
    accounts: Accounts,
    mtime: u32,
    exclude: Exclude,
    modules: Exclude,
}

impl Unpack {
    fn lay<'m>(
        &mut self,
        tree: &mut Tree,
        who: &str,
        members: impl Iterator<Item = &'m Member>,
        packages: &BTreeMap<&str, &Package>,
    ) -> Result<()> {
        let origin: Arc<str> = who.into();
        for member in members {
            if self.exclude.matches(&member.path) || self.modules.matches(&member.path) {
                continue;
            }
            let path = place_of(tree, &member.path)?;
            let meta = self.meta(member, &origin)?;
            if let Some(there) = tree.get(&path) {
                match settle(there, member, &meta, packages).context(|| format!("laying `{path}`"))? {
                    Settled::Lay => {}
                    Settled::Keep => continue,
                }
            }
            let leaf = |kind| Node::Leaf(Leaf { meta: meta.clone(), kind });
            let node = match &member.kind {
                MemberKind::Directory => Node::Directory(meta),
                MemberKind::File(content) => leaf(Kind::File(content.clone())),
                MemberKind::Symlink(target) => {
                    tree.put_link(&path, meta, target)?;
                    continue;
                }
                MemberKind::HardLink(to) => {
                    // A target that was left out takes its other names with it only if they are left
                    // out too; else there is nothing to link to.
                    let to = place_of(tree, to)?;
                    tree.hard_link(&path, &to)?;
                    continue;
                }
                MemberKind::Device(true, major, minor) => leaf(Kind::BlockDevice { major: *major, minor: *minor }),
                MemberKind::Device(false, major, minor) => leaf(Kind::CharDevice { major: *major, minor: *minor }),
                MemberKind::Fifo => leaf(Kind::Fifo),
            };
            tree.insert(&path, node)?;
        }
        Ok(())
    }

    fn meta(&self, member: &Member, origin: &Arc<str>) -> Result<Meta> {
        let mut meta = member.meta.clone().from(origin);
        meta.mtime = self.mtime;
        if let Some(user) = &member.owner.0 {
            meta.uid = self.accounts.uid(user).context(|| format!("finding the owner of `{}`", member.path))?;
        }
        if let Some(group) = &member.owner.1 {
            meta.gid = self.accounts.gid(group).context(|| format!("finding the group of `{}`", member.path))?;
        }
        Ok(meta)
    }
}

enum Settled {
    Lay,
    Keep,
}

/// What to do where something is already.
fn settle(there: NodeRef<'_>, member: &Member, meta: &Meta, packages: &BTreeMap<&str, &Package>) -> Result<Settled> {
    let theirs = there.meta();
    let other = theirs.origin.clone().unwrap_or_else(|| "a step".into());
    let us = meta.origin.as_deref().unwrap_or_default();
    match (there, &member.kind) {
        (NodeRef::Directory(_), MemberKind::Directory) => {
            // A folder that no member named was made by the way and has no origin.
            if theirs.origin.is_none() || (theirs.mode, theirs.uid, theirs.gid) == (meta.mode, meta.uid, meta.gid) {
                return Ok(Settled::Lay);
            }
            // The folders of a program's archive carry its packer's umask, not a wish.
            if !packages.contains_key(us) {
                return Ok(Settled::Keep);
            }
            Err(Error::user(format!(
                "the folder is {:04o} {}:{} in `{other}` and {:04o} {}:{} in `{us}`",
                theirs.mode, theirs.uid, theirs.gid, meta.mode, meta.uid, meta.gid
            )))
        }
        // As dpkg does: a link to a folder stands for the folder.
        (NodeRef::Leaf(_, Leaf { kind: Kind::Symlink(_), .. }), MemberKind::Directory) => Ok(Settled::Keep),
        (NodeRef::Leaf(_, Leaf { kind: Kind::Symlink(old), .. }), MemberKind::Symlink(new)) if old == new => {
            Ok(Settled::Keep)
        }
        (NodeRef::Leaf(..), MemberKind::Directory) | (NodeRef::Directory(_), _) => {
            Err(Error::user(format!("a directory in one of `{other}` and `{us}`, something else in the other")))
        }
        // Files of the account step are the image's, whoever ships a stand-in.
        (NodeRef::Leaf(..), _) if &*other == super::accounts::ORIGIN => Ok(Settled::Keep),
        (NodeRef::Leaf(..), _) => {
            let replaces = |who: &str, whom: &str| {
                let field = packages.get(who).and_then(|package| package.field("Replaces")).unwrap_or_default();
                field.split(',').any(|entry| entry.split_whitespace().next() == Some(whom))
            };
            match (replaces(us, &other), replaces(&other, us)) {
                _ if &*other == us => Ok(Settled::Lay),
                (true, _) => Ok(Settled::Lay),
                (false, true) => Ok(Settled::Keep),
                (false, false) => Err(Error::user(format!("both `{other}` and `{us}` ship it"))
                    .hint("leave one of the packages out, or name the path under `exclude`")),
            }
        }
    }
}

/// Globs of paths that are left out, and whether each has matched.
struct Exclude {
    globs: Vec<(Glob, globset::GlobMatcher, bool)>,
}

impl Exclude {
    fn new(globs: &[Glob]) -> Result<Self> {
        let globs = globs.iter().map(|glob| Ok((glob.clone(), matcher(glob)?, false))).collect::<Result<_>>()?;
        Ok(Exclude { globs })
    }

    fn matches(&mut self, path: &RootPath) -> bool {
        let mut any = false;
        for (_, glob, used) in &mut self.globs {
            let above = std::iter::successors(Some(path.clone()), RootPath::parent);
            if above.into_iter().any(|path| matches(glob, &path)) {
                (any, *used) = (true, true);
            }
        }
        any
    }

    fn unused(&self) -> impl Iterator<Item = &Glob> {
        self.globs.iter().filter(|(.., used)| !used).map(|(glob, ..)| glob)
    }
}

/// The matcher of a glob over whole paths; `*` and `?` stop at slashes.
pub(super) fn matcher(glob: &str) -> Result<globset::GlobMatcher> {
    let built = globset::GlobBuilder::new(glob).literal_separator(true).backslash_escape(true).build();
    built.map(|glob| glob.compile_matcher()).map_err(|error| {
        Error::user(format!("`{glob}` is not a glob: {}", error.kind()))
            .hint("expected a path with `*`, `?`, `[...]` or `{a,b}` in it")
    })
}

/// Whether `glob` matches the path.
pub(super) fn matches(glob: &globset::GlobMatcher, path: &RootPath) -> bool {
    use std::os::unix::ffi::OsStrExt;
    glob.is_match(std::path::Path::new(std::ffi::OsStr::from_bytes(path.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fixture, file, folder, link, member, package, path};
    use super::*;
    use crate::tree::Content;

    fn tree(fixture: &Fixture) -> Result<Tree> {
        let mut tree = Tree::default();
        let accounts = [("/etc/passwd", "root:x:0:0:::\n"), ("/etc/group", "root:x:0:\nshadow:x:42:\n")];
        for (name, text) in accounts {
            tree.put_file(&path(name), Meta::new(0o644, 0).from(&"accounts".into()), Content::bytes(text.as_bytes()))?;
        }
        fixture.with(|inputs| unpack(&mut tree, inputs, &Account::default())).map(|()| tree)
    }

    #[test]
    fn links_owners_times_and_hard_links() {
        let mut fixture = Fixture::new();
        // The link comes in a later package than the file below it.
        let mut early = package("a");
        let mut owned = file("/bin/x", 0o2755, "x");
        owned.owner.1 = Some("shadow".into());
        early.members = vec![owned, member("/bin/y", 0o755, MemberKind::HardLink(path("/bin/x")))];
        let mut late = package("b");
        late.members = vec![folder("/usr/bin", 0o755), link("/bin", "usr/bin")];
        fixture.packages = vec![early, late];
        let tree = tree(&fixture).unwrap();
        let meta = tree.get(&path("/usr/bin/x")).unwrap().meta().clone();
        assert_eq!((meta.mode, meta.gid, meta.mtime, meta.origin.as_deref()), (0o2755, 42, 1_700_000_000, Some("a")));
        let id = |name: &str| match tree.get(&path(name)) {
            Some(NodeRef::Leaf(id, _)) => id,
            _ => panic!("{name}"),
        };
        assert_eq!(id("/usr/bin/x"), id("/usr/bin/y"));
    }

    #[test]
    fn conflicts_are_errors_unless_replaced() {
        let mut fixture = Fixture::new();
        for (name, text) in [("a", "of a"), ("b", "of b")] {
            let mut package = package(name);
            package.members = vec![file("/x", 0o644, text)];
            fixture.packages.push(package);
        }
        assert!(tree(&fixture).unwrap_err().message().contains("both `a` and `b` ship it"));
        for (index, other, wins) in [(0, "b", "of a"), (1, "a (<< 2), c", "of b")] {
            let mut fixture = Fixture::new();
            fixture.packages = ["a", "b"]
                .map(|name| {
                    let mut package = package(name);
                    package.members = vec![file("/x", 0o644, &format!("of {name}"))];
                    package
                })
                .to_vec();
            fixture.packages[index].control.push(("Replaces".into(), other.into()));
            let tree = tree(&fixture).unwrap();
            assert_eq!(tree.file(&path("/x")).unwrap().1.read(10).unwrap(), wins.as_bytes());
        }
    }

    #[test]
    fn folders_must_agree_and_unknown_owners_are_errors() {
        let mut fixture = Fixture::new();
        for (name, mode) in [("a", 0o755), ("b", 0o700)] {
            let mut package = package(name);
            package.members = vec![folder("/x", mode)];
            fixture.packages.push(package);
        }
        assert!(tree(&fixture).is_err());
        fixture.packages.truncate(1);
        fixture.packages[0].members[0].owner.0 = Some("nobody-knows".into());
        assert!(tree(&fixture).is_err());
    }

    #[test]
    fn exclusions_take_what_lies_below() {
        let mut fixture = Fixture::new();
        let mut package = package("a");
        package.members = vec![
            folder("/usr/share/doc", 0o755),
            file("/usr/share/doc/a/copyright", 0o644, "c"),
            file("/usr/share/doc/a/NEWS", 0o644, "n"),
        ];
        fixture.packages.push(package);
        fixture.profile.userland.exclude =
            vec![Glob::new("/usr/share/doc/*/NEWS", "a.toml:1"), Glob::new("/none", "a.toml:2")];
        let tree = tree(&fixture).unwrap();
        assert!(tree.file(&path("/usr/share/doc/a/copyright")).is_some());
        assert!(tree.get(&path("/usr/share/doc/a/NEWS")).is_none());
        assert_eq!(fixture.report.warnings(), ["no package ships anything that `/none` excludes"]);
        fixture.profile.userland.exclude = vec![Glob::new("[", "a.toml:3")];
        assert!(super::tests::tree(&fixture).is_err());
    }
}
