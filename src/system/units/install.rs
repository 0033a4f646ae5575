//! The `[Install]` section of a unit, and the links that enabling makes of it (`systemd.unit(5)`).

use std::collections::BTreeSet;

use super::find::{Scope, unit_file};
use crate::error::{Context, Error, Result};
use crate::path::RootPath;
use crate::tree::Tree;

/// What `[Install]` holds.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Install {
    wanted: Vec<String>,
    required: Vec<String>,
    upheld: Vec<String>,
    alias: Vec<String>,
    also: Vec<String>,
    instance: Option<String>,
}

/// A link that enabling makes: where, and to what.
pub type Link = (RootPath, String);

/// The links that `systemctl enable UNIT` would make, those of `Also=` included.
///
/// A unit without a file, or without an `[Install]` section, is an error.
pub fn links(tree: &Tree, scope: Scope, unit: &str) -> Result<Vec<Link>> {
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    let mut todo = vec![unit.to_owned()];
    while let Some(name) = todo.pop() {
        if !seen.insert(name.clone()) || seen.len() > 100 {
            continue;
        }
        let asked = name == unit;
        let Some((file, text)) = unit_file(tree, scope, &name)? else {
            // As systemctl: what `Also=` names may be missing.
            if !asked {
                continue;
            }
            return Err(Error::user(format!("there is no unit `{name}` in the image"))
                .hint("its file must lie in /usr/lib/systemd or be written in the profile"));
        };
        let install = parse(&text);
        if asked && install == Install::default() {
            return Err(Error::user(format!("the unit `{name}` cannot be enabled: it has no [Install] section"))
                .hint("a unit that others pull in needs no enabling"));
        }
        of_unit(scope, &name, &file, &install, &mut out).context(|| format!("enabling `{name}`"))?;
        todo.extend(install.also);
    }
    Ok(out)
}

fn of_unit(scope: Scope, name: &str, file: &RootPath, install: &Install, out: &mut Vec<Link>) -> Result<()> {
    let name = match (template(name), &install.instance) {
        // A template is enabled by its default instance; without one only its aliases count.
        (Some((prefix, suffix)), Some(instance)) => format!("{prefix}@{instance}.{suffix}"),
        _ => name.to_owned(),
    };
    let is_template = template(&name).is_some();
    let base = scope.etc();
    let kinds = [(&install.wanted, "wants"), (&install.required, "requires"), (&install.upheld, "upholds")];
    for (targets, kind) in kinds {
        for target in targets.iter().filter(|_| !is_template) {
            let target = expand(target, &name)?;
            out.push((base.join(format!("{}.{kind}/{name}", valid(&target)?))?, file.to_string()));
        }
    }
    for alias in &install.alias {
        let alias = expand(alias, &name)?;
        if alias != name {
            out.push((base.join(valid(&alias)?)?, file.to_string()));
        }
    }
    Ok(())
}

/// The parts round the `@` of a template without instance: `getty@.service` is `getty`, `service`.
fn template(name: &str) -> Option<(&str, &str)> {
    name.split_once("@.")
}

fn valid(name: &str) -> Result<&str> {
    match super::find::is_unit_name(name) {
        true => Ok(name),
        false => Err(Error::source(format!("`{}` is not the name of a unit", name.escape_default()))),
    }
}

/// Expands the specifiers that [Install] sections use.
fn expand(text: &str, unit: &str) -> Result<String> {
    let stem = unit.rsplit_once('.').map_or(unit, |(stem, _)| stem);
    let (prefix, instance) = stem.split_once('@').unwrap_or((stem, ""));
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (char, if char == '%' { chars.next() } else { None }) {
            ('%', Some('i' | 'I')) => out.push_str(instance),
            ('%', Some('p' | 'P')) => out.push_str(prefix),
            ('%', Some('n')) => out.push_str(unit),
            ('%', Some('N')) => out.push_str(stem),
            ('%', Some('%')) => out.push('%'),
            ('%', _) => {
                let message = format!("`{text}` holds a specifier that is known at run time only");
                return Err(Error::source(message));
            }
            (char, _) => out.push(char),
        }
    }
    Ok(out)
}

fn parse(text: &str) -> Install {
    let mut install = Install::default();
    let mut inside = false;
    let joined = text.replace("\\\n", " ");
    for line in joined.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[Install]";
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| inside && !line.starts_with(['#', ';'])) else {
            continue;
        };
        let list = match key.trim() {
            "WantedBy" => &mut install.wanted,
            "RequiredBy" => &mut install.required,
            "UpheldBy" => &mut install.upheld,
            "Alias" => &mut install.alias,
            "Also" => &mut install.also,
            "DefaultInstance" => {
                install.instance = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
                continue;
            }
            _ => continue,
        };
        // An empty assignment takes the earlier ones back.
        if value.trim().is_empty() {
            list.clear();
        }
        list.extend(value.split_whitespace().map(str::to_owned));
    }
    install
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Content, Meta};

    fn tree(units: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (name, text) in units {
            let path = RootPath::new(format!("/usr/lib/systemd/system/{name}")).unwrap();
            tree.put_file(&path, Meta::new(0o644, 0), Content::bytes(text.as_bytes())).unwrap();
        }
        tree
    }

    fn shown(tree: &Tree, unit: &str) -> Vec<String> {
        let links = links(tree, Scope::System, unit).unwrap();
        links.into_iter().map(|(path, target)| format!("{path} -> {target}")).collect()
    }

    #[test]
    fn every_key_makes_its_link() {
        let text = "[Unit]\nWantedBy=no\n[Install]\nWantedBy=a.target \\\n b.target\nRequiredBy=c.target\nUpheldBy=d.target\nAlias=x.service\nAlso=other.socket missing.service\n";
        let tree = tree(&[("u.service", text), ("other.socket", "[Install]\nWantedBy=sockets.target")]);
        let etc = "/etc/systemd/system";
        let lib = "/usr/lib/systemd/system";
        assert_eq!(
            shown(&tree, "u.service"),
            [
                format!("{etc}/a.target.wants/u.service -> {lib}/u.service"),
                format!("{etc}/b.target.wants/u.service -> {lib}/u.service"),
                format!("{etc}/c.target.requires/u.service -> {lib}/u.service"),
                format!("{etc}/d.target.upholds/u.service -> {lib}/u.service"),
                format!("{etc}/x.service -> {lib}/u.service"),
                format!("{etc}/sockets.target.wants/other.socket -> {lib}/other.socket"),
            ]
        );
    }

    #[test]
    fn templates_take_their_default_instance() {
        let text = "[Install]\nWantedBy=getty.target %p-%i.target\nDefaultInstance=tty1\n";
        let tree = tree(&[("getty@.service", text)]);
        let lib = "/usr/lib/systemd/system/getty@.service";
        assert_eq!(
            shown(&tree, "getty@.service"),
            [
                format!("/etc/systemd/system/getty.target.wants/getty@tty1.service -> {lib}"),
                format!("/etc/systemd/system/getty-tty1.target.wants/getty@tty1.service -> {lib}"),
            ]
        );
        assert_eq!(shown(&tree, "getty@tty3.service").len(), 2);
    }

    #[test]
    fn what_cannot_be_enabled_says_so() {
        let tree = tree(&[("a.service", "[Unit]\n"), ("b.service", "[Install]\nWantedBy=../../x\n")]);
        for unit in ["a.service", "b.service", "c.service"] {
            assert!(links(&tree, Scope::System, unit).is_err(), "{unit}");
        }
    }
}
