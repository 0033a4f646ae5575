//! Users and groups: `/etc/passwd`, `group`, `shadow`, `gshadow`, `subuid`, `subgid`.
//!
//! - Made of the packages' sysusers files (`sysusers.d(5)`), of what scripts would have added (the
//!   table of the `scripts` step), and of the profile; no script is run.
//! - Every id is fixed: the packages that ask for any free id get one from `pinned`, so the same
//!   name has the same id in every image, whatever else is in it.
//! - Nobody can log in by password: every account is locked.

mod pinned;
pub(crate) mod sysusers;

use std::collections::BTreeMap;
use std::fmt::Write;

use super::scripts::{Account, Effect};
use super::{Inputs, Place, place};
use crate::error::{Context, Error, Result};
use crate::path::RootPath;
use crate::source::MemberKind;
use crate::tree::Tree;

/// The origin of the files that this step writes.
pub(super) const ORIGIN: &str = "accounts";
/// No file of accounts is larger.
const LIMIT: u64 = 1 << 20;

/// The accounts of an image, as its files tell.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

impl Accounts {
    /// Reads `/etc/passwd` and `/etc/group` of `tree`.
    pub fn of(tree: &Tree) -> Result<Self> {
        let table = |path: &str| -> Result<BTreeMap<String, u32>> {
            let Some((_, content)) = tree.file(&RootPath::new(path)?) else { return Ok(BTreeMap::new()) };
            let text = content.read(LIMIT).context(|| format!("reading `{path}`"))?;
            let text = String::from_utf8_lossy(&text);
            let line = |line: &str| {
                let mut fields = line.split(':');
                Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
            };
            Ok(text.lines().filter_map(line).collect())
        };
        Ok(Accounts { users: table("/etc/passwd")?, groups: table("/etc/group")? })
    }

    /// The id of a user, by name or number.
    pub fn uid(&self, name: &str) -> Result<u32> {
        id(&self.users, "user", name)
    }

    /// The id of a group, by name or number.
    pub fn gid(&self, name: &str) -> Result<u32> {
        id(&self.groups, "group", name)
    }

    /// Owner and group of an entry that names both.
    pub fn owner(&self, owner: &(String, String)) -> Result<(u32, u32)> {
        Ok((self.uid(&owner.0)?, self.gid(&owner.1)?))
    }
}

fn id(table: &BTreeMap<String, u32>, what: &str, name: &str) -> Result<u32> {
    // root is there before any account is, for trees without accounts at all.
    match table.get(name).copied().or_else(|| name.parse().ok()).or_else(|| (name == "root").then_some(0)) {
        Some(id) => Ok(id),
        None => Err(Error::user(format!("the image has no {what} `{name}`")).hint(format!(
            "expected a number or one of: {}",
            table.keys().map(|name| &**name).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// A user to be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct User {
    uid: u32,
    gid: u32,
    gecos: String,
    home: String,
    shell: String,
}

/// Everything that was asked for, by name.
#[derive(Debug, Default)]
struct Wanted {
    users: BTreeMap<String, User>,
    groups: BTreeMap<String, u32>,
    members: BTreeMap<String, Vec<String>>,
}

/// Writes the account files.
pub fn accounts(tree: &mut Tree, inputs: &Inputs<'_>, account: &Account) -> Result<()> {
    let mut wanted = Wanted::default();
    wanted.group("root", 0)?;
    let mut lines = Vec::new();
    for package in inputs.packages {
        for member in &package.members {
            let MemberKind::File(content) = &member.kind else { continue };
            let name = member.path.as_bytes();
            if !(name.starts_with(b"/usr/lib/sysusers.d/") && name.ends_with(b".conf")) {
                continue;
            }
            let text = content.read(LIMIT).context(|| format!("reading `{}`", member.path))?;
            let parsed = sysusers::parse(&String::from_utf8_lossy(&text));
            lines.extend(parsed.context(|| format!("reading `{}` of `{}`", member.path, package.name))?);
        }
    }
    // Groups first, as sysusers does: a user's line may name a group of a later file.
    lines.sort_by_key(|line| line.rank());
    for line in &lines {
        wanted.line(line)?;
    }
    for (package, effect) in account.effects() {
        wanted.effect(effect).context(|| format!("adding the accounts of `{package}`"))?;
    }
    for user in &inputs.profile.users {
        wanted.profile(user).context(|| format!("adding the user `{}` of the profile", user.name))?;
    }
    wanted.write(&mut Place::new(tree, inputs, ORIGIN))
}

impl Wanted {
    fn line(&mut self, line: &sysusers::Line) -> Result<()> {
        match line {
            sysusers::Line::Group { name, id } => {
                let gid = id.map_or_else(|| pinned::group(name), Ok)?;
                self.group(name, gid)
            }
            sysusers::Line::User { name, uid, group, gecos, home, shell } => {
                let uid = uid.map_or_else(|| pinned::user(name), Ok)?;
                let gid = match group {
                    Some(sysusers::GroupRef::Id(gid)) => *gid,
                    Some(sysusers::GroupRef::Name(group)) => id(&self.groups, "group", group)?,
                    None => {
                        // A group of the user's name may be there already, by another id.
                        let gid = self.groups.get(name).copied().unwrap_or(uid);
                        self.group(name, gid)?;
                        gid
                    }
                };
                self.user(name, User { uid, gid, gecos: gecos.clone(), home: home.clone(), shell: shell.clone() })
            }
            sysusers::Line::Member { user, group } => self.member(user, group),
        }
    }

    fn effect(&mut self, effect: &Effect) -> Result<()> {
        match effect {
            // Scripts ask for accounts that sysusers files have too, as here: they test first.
            Effect::User { name, .. } if self.users.contains_key(name) => Ok(()),
            Effect::Group { name } if self.groups.contains_key(name) => Ok(()),
            Effect::User { name, group, home, shell } => {
                let uid = pinned::user(name)?;
                let gid = match group {
                    Some(group) => id(&self.groups, "group", group)?,
                    None => {
                        self.group(name, uid)?;
                        uid
                    }
                };
                let user = User { uid, gid, gecos: String::new(), home: home.clone(), shell: shell.clone() };
                self.user(name, user)
            }
            Effect::Group { name } => self.group(name, pinned::group(name)?),
            _ => Ok(()),
        }
    }

    fn profile(&mut self, user: &crate::profile::User) -> Result<()> {
        if let Some((name, _)) = self.users.iter().find(|(name, have)| have.uid == user.uid && **name != user.name) {
            return Err(Error::user(format!("the id {} is `{name}`'s", user.uid)).hint("choose another `uid`"));
        }
        self.group(&user.name, user.gid)?;
        let entry = User {
            uid: user.uid,
            gid: user.gid,
            gecos: String::new(),
            home: user.home.clone(),
            shell: user.shell.clone(),
        };
        self.user(&user.name, entry)?;
        user.groups.iter().try_for_each(|group| self.member(&user.name, group))
    }

    fn user(&mut self, name: &str, user: User) -> Result<()> {
        valid(name)?;
        [&user.gecos, &user.home, &user.shell].into_iter().try_for_each(|field| plain(field))?;
        match self.users.get(name) {
            Some(have) if have.uid != user.uid || have.gid != user.gid => Err(Error::user(format!(
                "the user `{name}` is asked for as {}:{} and as {}:{}",
                have.uid, have.gid, user.uid, user.gid
            ))),
            Some(_) => Ok(()),
            None => {
                self.users.insert(name.to_owned(), user);
                Ok(())
            }
        }
    }

    fn group(&mut self, name: &str, gid: u32) -> Result<()> {
        valid(name)?;
        match self.groups.get(name) {
            Some(have) if *have != gid => {
                Err(Error::user(format!("the group `{name}` is asked for with the ids {have} and {gid}")))
            }
            Some(_) => Ok(()),
            None => {
                if let Some((other, _)) = self.groups.iter().find(|(_, have)| **have == gid) {
                    return Err(Error::user(format!("the groups `{other}` and `{name}` have one id, {gid}")));
                }
                self.groups.insert(name.to_owned(), gid);
                Ok(())
            }
        }
    }

    fn member(&mut self, user: &str, group: &str) -> Result<()> {
        id(&self.groups, "group", group)?;
        valid(user)?;
        let members = self.members.entry(group.to_owned()).or_default();
        if !members.iter().any(|member| member == user) {
            members.push(user.to_owned());
            members.sort();
        }
        Ok(())
    }

    fn write(&self, place: &mut Place<'_>) -> Result<()> {
        let mut users: Vec<(&String, &User)> = self.users.iter().collect();
        users.sort_by_key(|(name, user)| (user.uid, *name));
        let mut groups: Vec<(&String, &u32)> = self.groups.iter().collect();
        groups.sort_by_key(|(name, gid)| (**gid, *name));
        let mut texts = [const { String::new() }; 4];
        let [passwd, shadow, group, gshadow] = &mut texts;
        // Writing to a string cannot fail.
        for (name, user) in users {
            let User { uid, gid, gecos, home, shell } = user;
            let _ = writeln!(passwd, "{name}:x:{uid}:{gid}:{gecos}:{home}:{shell}");
            // No date of the last change: passwords never age, and a new release changes no byte.
            let _ = writeln!(shadow, "{name}:!*:::::::");
        }
        for (name, gid) in groups {
            let members = self.members.get(name).map(|members| members.join(",")).unwrap_or_default();
            let _ = writeln!(group, "{name}:x:{gid}:{members}");
            let _ = writeln!(gshadow, "{name}:!*::{members}");
        }
        let gid = self.groups.get("shadow").copied().unwrap_or(0);
        let [passwd, shadow, group, gshadow] = texts;
        place.file("/etc/passwd", 0o644, passwd)?;
        place.file("/etc/group", 0o644, group)?;
        for (path, text) in [("/etc/shadow", shadow), ("/etc/gshadow", gshadow)] {
            place.file(path, 0o640, text)?;
            if let Some(meta) = place.tree.meta_mut(&place::real(place.tree, path)?) {
                meta.gid = gid;
            }
        }
        // No ranges for user namespaces: tools that want them read an empty file, as on a fresh system.
        place.file("/etc/subuid", 0o644, "")?;
        place.file("/etc/subgid", 0o644, "")
    }
}

/// Names as `useradd(8)` takes them.
fn valid(name: &str) -> Result<()> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    match first && rest && name.len() <= 31 {
        true => Ok(()),
        false => Err(Error::user(format!("`{}` is not a name for an account", name.escape_default()))
            .hint("expected a letter or `_`, then letters, digits, `_`, `-` and `.`, at most 31")),
    }
}

fn plain(field: &str) -> Result<()> {
    match field.contains([':', '\n', '\0']) {
        false => Ok(()),
        true => Err(Error::user(format!("`{}` cannot stand in /etc/passwd", field.escape_default()))
            .hint("expected text without `:` and line breaks")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fixture, file, package, path};
    use super::*;

    fn made(fixture: &Fixture) -> Result<Tree> {
        let mut tree = Tree::default();
        fixture.with(|inputs| accounts(&mut tree, inputs, &Account::default())).map(|()| tree)
    }

    fn with(lines: &str) -> Fixture {
        let mut fixture = Fixture::new();
        let mut package = package("a");
        package.members = vec![file("/usr/lib/sysusers.d/a.conf", 0o644, lines)];
        fixture.packages.push(package);
        fixture
    }

    fn text(tree: &Tree, name: &str) -> String {
        String::from_utf8(tree.file(&path(name)).unwrap().1.read(10_000).unwrap()).unwrap()
    }

    #[test]
    fn free_ids_are_pinned_and_nobody_can_log_in() {
        let mut fixture =
            with("u! systemd-network - \"Net\"\ng shadow 42\nu root 0 - /root /bin/sh\nm systemd-network shadow\n");
        fixture.profile.users.push(crate::profile::User {
            name: "app".into(),
            uid: 2000,
            gid: 2000,
            home: "/nonexistent".into(),
            shell: "/usr/sbin/nologin".into(),
            groups: vec!["shadow".into()],
        });
        let tree = made(&fixture).unwrap();
        assert_eq!(
            text(&tree, "/etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nsystemd-network:x:998:998:Net:/:/usr/sbin/nologin\n\
             app:x:2000:2000::/nonexistent:/usr/sbin/nologin\n"
        );
        assert_eq!(
            text(&tree, "/etc/group"),
            "root:x:0:\nshadow:x:42:app,systemd-network\nsystemd-network:x:998:\napp:x:2000:\n"
        );
        assert!(text(&tree, "/etc/shadow").lines().all(|line| line.split(':').nth(1) == Some("!*")));
        let meta = tree.get(&path("/etc/shadow")).unwrap().meta();
        assert_eq!((meta.mode, meta.gid), (0o640, 42));
        assert_eq!(Accounts::of(&tree).unwrap().gid("shadow").unwrap(), 42);
    }

    #[test]
    fn what_has_no_id_or_two_is_an_error() {
        let error = made(&with("u odd -\n")).unwrap_err();
        assert!(error.hints()[0].contains("[[user]]"), "{error}");
        for lines in ["g a 5\ng b 5\n", "g a 5\ng a 6\n", "u x 1\nm x none\n", "u x:y 1\n", "u a 5 \"x:y\"\n"] {
            assert!(made(&with(lines)).is_err(), "{lines}");
        }
    }
}
