//! `tmpfiles.d(5)`: lines about the sealed part of the tree are carried out when the image is made.
//!
//! At boot systemd-tmpfiles finds them done and has nothing to complain about on a root that cannot be
//! written. Lines about `/run`, `/tmp`, `/var` and the API file systems are left to it.

use std::collections::BTreeMap;

use super::scripts::Account;
use super::{Accounts, Inputs, Place, place};
use crate::error::{Context, Result};
use crate::path::RootPath;
use crate::tree::{NodeRef, Tree};

/// No file of lines is larger.
const LIMIT: u64 = 1 << 20;
/// Where boot does it.
const AT_BOOT: [&str; 6] = ["/run", "/tmp", "/var", "/dev", "/proc", "/sys"];

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The letter and its marks.
    pub kind: String,
    /// Where.
    pub path: RootPath,
    /// Permission bits.
    pub mode: Option<u16>,
    /// Owner's name or number.
    pub user: Option<String>,
    /// Group's name or number.
    pub group: Option<String>,
    /// Target or text.
    pub argument: Option<String>,
}

/// Carries the lines about `/etc`, `/root`, `/home` and `/srv` out.
pub fn tmpfiles(tree: &mut Tree, inputs: &Inputs<'_>, _: &Account) -> Result<()> {
    let accounts = Accounts::of(tree)?;
    let at_boot = |path: &RootPath| AT_BOOT.iter().any(|top| is_below(path, top));
    for line in lines(tree)?.iter().filter(|line| !at_boot(&line.path)) {
        let mut place = Place::new(tree, inputs, "tmpfiles.d");
        one(&mut place, &accounts, line)
            .context(|| format!("carrying out the line of tmpfiles.d about `{}`", line.path))?;
    }
    Ok(())
}

fn is_below(path: &RootPath, top: &str) -> bool {
    path.as_bytes().strip_prefix(top.as_bytes()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

fn one(place: &mut Place<'_>, accounts: &Accounts, line: &Line) -> Result<()> {
    let text = line.path.to_string();
    let there = place.tree.get(&place::place_of(place.tree, &line.path)?).is_some();
    // What a credential brings is not there when the image is made.
    if line.kind.contains('^') {
        return Ok(());
    }
    match line.kind.chars().next() {
        Some('d' | 'D' | 'v' | 'q' | 'Q') => {
            if !there {
                place.directory(&text, 0o755)?;
            }
        }
        Some('L') if !there || line.kind.contains('+') => {
            let Some(target) = &line.argument else { return Ok(()) };
            if let Some(NodeRef::Directory(_)) = place.tree.get(&line.path) {
                return Ok(());
            }
            return place.link(&text, target);
        }
        Some('f') if !there => place.file(&text, 0o644, line.argument.clone().unwrap_or_default())?,
        Some('z' | 'f') if there => {}
        _ => return Ok(()),
    }
    let real = place::real(place.tree, &text)?;
    let owner = (
        line.user.as_deref().map(|user| accounts.uid(user)).transpose()?,
        line.group.as_deref().map(|group| accounts.gid(group)).transpose()?,
    );
    if let Some(meta) = place.tree.meta_mut(&real) {
        meta.mode = line.mode.unwrap_or(meta.mode);
        meta.uid = owner.0.unwrap_or(meta.uid);
        meta.gid = owner.1.unwrap_or(meta.gid);
    }
    Ok(())
}

/// All lines of a tree whose paths are known before boot; files by name, `/etc` hides `/usr/lib`.
pub fn lines(tree: &Tree) -> Result<Vec<Line>> {
    let mut files = BTreeMap::new();
    for folder in ["/usr/lib/tmpfiles.d", "/etc/tmpfiles.d"] {
        let folder = RootPath::new(folder)?;
        for name in tree.directory(&folder).into_iter().flat_map(|folder| folder.entries.keys()) {
            if name.ends_with(b".conf") {
                files.insert(name.clone(), folder.join(name)?);
            }
        }
    }
    let mut out = Vec::new();
    for path in files.into_values() {
        let Some((_, content)) = tree.resolve(&path).and_then(|real| tree.file(&real)) else { continue };
        let text = content.read(LIMIT).context(|| format!("reading `{path}`"))?;
        out.extend(String::from_utf8_lossy(&text).lines().filter_map(parse));
    }
    Ok(out)
}

/// A line, where it is one and holds no specifier that only the running system knows.
fn parse(line: &str) -> Option<Line> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let mut rest = line;
    let mut field = || {
        let text = rest.trim_start();
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (field, after) = text.split_at(end);
        rest = after;
        (!field.is_empty() && field != "-").then(|| field.trim_matches('"').to_owned())
    };
    let kind = field().filter(|kind| !kind.is_empty())?;
    let path = field()?.replace("%%", "\0");
    let (mode, user, group, _age) = (field(), field(), field(), field());
    let argument = Some(rest.trim()).filter(|text| !text.is_empty() && *text != "-").map(str::to_owned);
    if path.contains(['%', '*', '?']) {
        return None;
    }
    // `:` means only when it is made, `~` masks with what is there: the image makes it.
    let plain = |field: Option<String>| field.map(|field| field.trim_start_matches([':', '~']).to_owned());
    Some(Line {
        kind,
        path: RootPath::new(path.replace('\0', "%").trim_end_matches('/')).ok()?,
        mode: plain(mode).and_then(|mode| u16::from_str_radix(&mode, 8).ok()).map(|mode| mode & 0o7777),
        user: plain(user),
        group: plain(group),
        argument,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fixture, path};
    use super::*;
    use crate::tree::{Content, Kind, Leaf, Meta};

    #[test]
    fn only_what_is_sealed_is_done() {
        let mut tree = Tree::default();
        let text = "# no\nd /etc/credstore 0700 root root\nL+ /etc/mtab - - - - ../proc/self/mounts\n\
            f^ /etc/hosts - - - - network.hosts\nd- /root :0750 root :root -\nd /var/x 0700\nz /etc/a 0600 - - -\n\
            L /etc/keep - - - - other\nd /etc/%b 0755\n\"\" /etc/none 0755\n";
        tree.put_file(&path("/usr/lib/tmpfiles.d/a.conf"), Meta::new(0o644, 0), Content::bytes(text.as_bytes()))
            .unwrap();
        for name in ["/etc/a", "/etc/keep"] {
            tree.put_file(&path(name), Meta::new(0o644, 0), Content::bytes(*b"x")).unwrap();
        }
        assert!(lines(&tree).unwrap().iter().all(|line| !line.kind.is_empty()));
        Fixture::new().with(|inputs| tmpfiles(&mut tree, inputs, &Account::default())).unwrap();
        let mode = |name: &str| tree.get(&path(name)).map(|node| node.meta().mode);
        assert_eq!(mode("/etc/credstore"), Some(0o700));
        assert_eq!(mode("/root"), Some(0o750));
        assert_eq!(mode("/etc/a"), Some(0o600));
        assert!(
            matches!(tree.get(&path("/etc/mtab")), Some(NodeRef::Leaf(_, Leaf { kind: Kind::Symlink(to), .. })) if &**to == b"../proc/self/mounts")
        );
        assert!(tree.file(&path("/etc/keep")).is_some());
        for name in ["/etc/hosts", "/var", "/etc/%b", "/etc/none"] {
            assert_eq!(mode(name), None, "{name}");
        }
    }
}
