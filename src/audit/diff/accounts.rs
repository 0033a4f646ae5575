//! Users, groups, who is in them, and whether passwords are set (passwd(5), group(5), shadow(5), gshadow(5)).
//!
//! What one line of a profile makes in several files is told once: a user's own group and its locked passwords follow
//! from the user, a member of a group is told by itself, and its copy in /etc/gshadow follows from that.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, Kind, Topic, Weight};
use super::{Found, pairs};
use crate::audit::inventory::Inventory;
use crate::error::Result;

/// Lines by their first field.
type Lines = BTreeMap<String, String>;

/// Compares the accounts of two roots; the files are noted as told.
pub fn compare(before: &Inventory, after: &Inventory, found: &mut Found) -> Result<()> {
    let mut read = |path: &str| -> Result<(Lines, Lines)> {
        let both = (lines(before, path)?, lines(after, path)?);
        if both.0 != both.1 {
            found.explained(path, "accounts");
            found.explained(&format!("{path}-"), "accounts");
        }
        Ok(both)
    };
    let users = read("/etc/passwd")?;
    let groups = read("/etc/group")?;
    let (shadow, gshadow) = (read("/etc/shadow")?, read("/etc/gshadow")?);
    pairs(&users.0, &users.1, |name, old, new| {
        found.extend(Topic::Accounts, Change::of(format!("user {name}"), old, new));
    });
    pairs(&groups.0, &groups.1, |name, old, new| group(name, old, new, &users, found));
    pairs(&shadow.0, &shadow.1, |name, old, new| {
        let (old, new) = (old.as_deref(), new.as_deref());
        password(&format!("password of {name}"), old, new, come_or_gone(name, &users), found);
        ageing(&format!("ageing of the password of {name}"), old, new, found);
    });
    pairs(&gshadow.0, &gshadow.1, |name, old, new| {
        let (old, new) = (old.as_deref(), new.as_deref());
        password(&format!("group password of {name}"), old, new, come_or_gone(name, &groups), found);
        // What /etc/group tells of the same group is told there.
        if members(groups.0.get(name)) == members(groups.1.get(name)) {
            ageing(&format!("group {name} in /etc/gshadow"), old, new, found);
        }
    });
    Ok(())
}

fn lines(root: &Inventory, path: &str) -> Result<Lines> {
    let text = root.text(path)?.unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    Ok(lines.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect())
}

/// Whether only one side has a name.
fn come_or_gone(name: &str, (before, after): &(Lines, Lines)) -> bool {
    before.contains_key(name) != after.contains_key(name)
}

/// `x:44:eve,adam` without its members.
fn head(line: &str) -> String {
    line.rsplit_once(':').map_or(line, |(head, _)| head).to_owned()
}

fn members(line: Option<&String>) -> BTreeSet<&str> {
    let list = line.and_then(|line| line.rsplit_once(':')).map_or("", |(_, list)| list);
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
}

fn group(name: &str, old: Option<String>, new: Option<String>, users: &(Lines, Lines), found: &mut Found) {
    let (was, is) = (members(old.as_ref()), members(new.as_ref()));
    let change = Change::of(format!("group {name}"), old.as_deref().map(head), new.as_deref().map(head));
    let gone = change.as_ref().is_some_and(|change| change.kind == Kind::Removed);
    let own = change.as_ref().is_some_and(|change| change.kind != Kind::Changed) && come_or_gone(name, users);
    let follows = |change: Change| match own {
        true => change.weigh(Weight::Follows).because(format!("told as user {name}")),
        false => change,
    };
    found.extend(Topic::Accounts, change.map(follows));
    for member in was.symmetric_difference(&is) {
        let kind = if is.contains(member) { Kind::Added } else { Kind::Removed };
        let change = Change::new(kind, format!("group {name}: member {member}"), None, None);
        let change = if gone { change.weigh(Weight::Follows).because("the group is gone") } else { change };
        found.add(Topic::Accounts, change);
    }
}

/// Hashes of passwords are nobody's business; that they differ is.
fn password(what: &str, old: Option<&str>, new: Option<&str>, told: bool, found: &mut Found) {
    let field = |line: Option<&str>| line.map(|line| line.split(':').next().unwrap_or_default().to_owned());
    let (was, is) = (field(old), field(new));
    if was == is {
        return;
    }
    let word = |field: &String| if field.starts_with(['!', '*']) { "locked" } else { "set" }.to_owned();
    let (was, is) = (was.as_ref().map(word), is.as_ref().map(word));
    let change = Change::of(what, was.clone(), is.clone()).unwrap_or_else(|| Change::new(Kind::Changed, what, was, is));
    let harmless = change.kind != Kind::Changed && change.after.as_deref() != Some("set");
    found.add(
        Topic::Accounts,
        match told && harmless {
            true => change.weigh(Weight::Follows).because("told as the account"),
            false => change,
        },
    );
}

/// What stands behind a password, where both sides have one.
fn ageing(what: &str, old: Option<&str>, new: Option<&str>, found: &mut Found) {
    let rest = |line: &str| line.split_once(':').map(|(_, rest)| rest.to_owned());
    if let (Some(old), Some(new)) = (old.and_then(rest), new.and_then(rest)) {
        found.extend(Topic::Accounts, Change::of(what, Some(old), Some(new)));
    }
}
