//! Commands whose meaning is known: what they ask of the steps, or why an image needs nothing of them.
//!
//! Debhelper's blocks are made of these; they are recognised by what they say, never by their headings.

use super::effect::{Alternative, Bits, Effect, Owner};
use super::tools::STAND_INS;
use crate::path::RootPath;
use crate::system::units::Scope;

/// What a known command means.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// Nothing to do; the step that covers it, or why it is not needed.
    Nothing(&'static str),
    /// Nothing to do, and this is how it would end.
    Answer(bool),
    /// A unit is enabled.
    Enable(Scope, String),
    /// Something for the steps.
    Effect(Box<Effect>),
}

/// The meaning of a command, where it is one of those that are known.
pub fn meaning(words: &[String]) -> Option<Meaning> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (name, rest) = words.split_first()?;
    match name.rsplit('/').next()? {
        "deb-systemd-helper" => helper(rest),
        "systemctl" => systemctl(rest),
        "deb-systemd-invoke" => Some(Meaning::Nothing("no service runs while an image is made")),
        "systemd-sysusers" => Some(Meaning::Nothing("accounts: every file of sysusers.d is read")),
        "systemd-tmpfiles" if rest.contains(&"--create") => {
            Some(Meaning::Nothing("tmpfiles: carried out at each boot"))
        }
        "update-rc.d" | "invoke-rc.d" => Some(Meaning::Nothing("init scripts are not used")),
        "dpkg-maintscript-helper" => {
            const UPGRADES: [&str; 4] = ["rm_conffile", "mv_conffile", "symlink_to_dir", "dir_to_symlink"];
            let known = rest.first().is_some_and(|verb| UPGRADES.contains(verb));
            known.then_some(Meaning::Nothing("there is no older version"))
        }
        "py3compile" | "pypy3compile" => Some(Meaning::Nothing("byte code only saves time at start")),
        "update-xmlcatalog" => Some(Meaning::Nothing("catalogs serve document processors")),
        "dpkg-trigger" => Some(Meaning::Nothing("triggers have an account of their own")),
        "update-initramfs" => Some(Meaning::Nothing("the initrd is the image's own")),
        "ldconfig" => Some(Meaning::Nothing("linker cache")),
        "update-alternatives" => alternatives(rest),
        "adduser" | "addgroup" | "useradd" | "groupadd" => account(name.rsplit('/').next()?, rest),
        // Accounts are made all the same if they are there already.
        "getent" if matches!(rest, ["passwd" | "group", _]) => Some(Meaning::Answer(false)),
        "id" if matches!(rest, ["-u" | "-g", _]) || matches!(rest, [name] if !name.starts_with('-')) => {
            Some(Meaning::Answer(false))
        }
        "dpkg-statoverride" => override_(rest),
        "dpkg-divert" => diversion(rest),
        "dpkg" => match rest {
            ["--compare-versions", "--", words @ ..] | ["--compare-versions", words @ ..] => {
                super::condition::versions(words).map(Meaning::Answer)
            }
            _ => None,
        },
        "command" if rest.first() == Some(&"-v") => rest.get(1).and_then(|tool| found(tool)),
        "which" | "type" => rest.first().and_then(|tool| found(tool)),
        // debconf: its answers are the defaults, and its state serves later questions only.
        "." if rest == ["/usr/share/debconf/confmodule"] => Some(Meaning::Nothing("debconf is not asked")),
        "db_version" | "db_capb" | "db_stop" | "db_title" | "db_settitle" | "db_input" | "db_go" | "db_purge"
        | "db_fset" | "db_subst" | "db_unregister" | "db_register" | "db_reset" | "db_set" | "db_beginblock"
        | "db_endblock" => Some(Meaning::Nothing("debconf is not asked")),
        _ => None,
    }
}

fn found(tool: &str) -> Option<Meaning> {
    STAND_INS.contains(&tool).then_some(Meaning::Answer(true))
}

fn helper(words: &[&str]) -> Option<Meaning> {
    let scope = if words.contains(&"--user") { Scope::User } else { Scope::System };
    let words: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with("--")).collect();
    match words[..] {
        // A unit that was never seen counts as enabled, one that is off by default was not seen either.
        ["was-enabled", _] => Some(Meaning::Answer(true)),
        ["debian-installed", _] => Some(Meaning::Answer(false)),
        ["enable", unit] => Some(Meaning::Enable(scope, unit.to_owned())),
        ["unmask" | "update-state" | "disable" | "purge", ..] => Some(Meaning::Nothing("the state of later upgrades")),
        _ => None,
    }
}

fn systemctl(words: &[&str]) -> Option<Meaning> {
    let words: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with("--root=")).collect();
    match words[..] {
        ["enable", unit] => Some(Meaning::Enable(Scope::System, unit.to_owned())),
        ["daemon-reload" | "daemon-reexec"] | ["--system", "daemon-reload"] => {
            Some(Meaning::Nothing("no service runs while an image is made"))
        }
        _ => None,
    }
}

fn alternatives(words: &[&str]) -> Option<Meaning> {
    let mut words = words.iter().copied().filter(|word| !["--quiet", "--force"].contains(word));
    match words.next()? {
        "--install" => {}
        "--remove" | "--remove-all" | "--auto" => return Some(Meaning::Nothing("nothing was chosen before")),
        _ => return None,
    }
    let link = RootPath::new(words.next()?).ok()?;
    let name = words.next()?.to_owned();
    let path = RootPath::new(words.next()?).ok()?;
    let priority = words.next()?.parse().ok()?;
    let mut slaves = Vec::new();
    while let Some(word) = words.next() {
        if word != "--slave" {
            return None;
        }
        let link = RootPath::new(words.next()?).ok()?;
        let name = words.next()?.to_owned();
        slaves.push((name, link, RootPath::new(words.next()?).ok()?));
    }
    Some(Meaning::Effect(Box::new(Effect::Alternative(Alternative { name, link, path, priority, slaves }))))
}

/// `adduser --system` and its like; any option that is not known makes the command unknown.
fn account(tool: &str, words: &[&str]) -> Option<Meaning> {
    let (mut home, mut shell, mut group, mut system) = (None, None, None, false);
    let mut own_group = false;
    let mut names = Vec::new();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        let (word, mut inline) = match word.split_once('=') {
            Some((word, value)) if word.starts_with("--") => (word, Some(value)),
            _ => (word, None),
        };
        let mut value = || inline.take().or_else(|| words.next());
        match word {
            "--system" | "-r" => system = true,
            "--quiet"
            | "--no-create-home"
            | "--disabled-login"
            | "--disabled-password"
            | "--force-badname"
            | "--allow-bad-names"
            | "--allow-badname"
            | "--no-user-group"
            | "-M" => {}
            "--group" if tool == "adduser" => own_group = true,
            "--home" | "--home-dir" | "-d" => home = Some(value()?.to_owned()),
            "--shell" | "-s" => shell = Some(value()?.to_owned()),
            "--ingroup" | "--gid" | "-g" => group = Some(value()?.to_owned()),
            "--gecos" | "--comment" | "-c" | "--stdoutmsglevel" | "--loglevel" => drop(value()?),
            word if word.starts_with('-') => return None,
            name => names.push(name),
        }
    }
    let [name] = names[..] else { return None };
    if !system {
        return None;
    }
    let name = name.to_owned();
    if tool == "addgroup" || tool == "groupadd" {
        return Some(Meaning::Effect(Box::new(Effect::Group { name })));
    }
    let group = match (own_group, group) {
        (true, _) => None,
        (false, Some(group)) => Some(group),
        // adduser puts a system user without `--group` into nogroup.
        (false, None) => Some("nogroup".to_owned()),
    };
    let home = home.unwrap_or_else(|| "/nonexistent".into());
    let shell = shell.unwrap_or_else(|| "/usr/sbin/nologin".into());
    Some(Meaning::Effect(Box::new(Effect::User { name, group, home, shell })))
}

fn override_(words: &[&str]) -> Option<Meaning> {
    let words: Vec<&str> =
        words.iter().copied().filter(|word| !["--update", "--quiet", "--force"].contains(word)).collect();
    match words[..] {
        ["--list", _] => Some(Meaning::Answer(false)),
        ["--add", user, group, mode, path] => {
            let mode = u16::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777)?;
            Some(Meaning::Effect(Box::new(Effect::Mode {
                path: RootPath::new(path).ok()?,
                mode: Some(Bits(mode)),
                owner: Some(Owner(user.to_owned(), group.to_owned())),
            })))
        }
        _ => None,
    }
}

/// Diversions that only guard against an unmerged `/usr` move nothing.
fn diversion(words: &[&str]) -> Option<Meaning> {
    let guards = words.iter().any(|word| word.ends_with(".usr-is-merged"));
    let moves = words.contains(&"--rename");
    match (words.contains(&"--remove"), guards && !moves) {
        (true, _) => Some(Meaning::Nothing("nothing was diverted")),
        (false, true) => Some(Meaning::Nothing("the file systems are merged, nothing lies there")),
        (false, false) if words.contains(&"--list") || words.contains(&"--truename") => None,
        (false, false) => None,
    }
}

/// Commands that read and print, whatever their arguments; without a file to write to they change nothing.
pub fn only_reads(words: &[&str]) -> bool {
    const READERS: [&str; 46] = [
        "cat",
        "grep",
        "egrep",
        "fgrep",
        "cut",
        "sort",
        "uniq",
        "head",
        "tail",
        "tr",
        "wc",
        "stat",
        "readlink",
        "basename",
        "dirname",
        "id",
        "getent",
        "uname",
        "ls",
        "echo",
        "printf",
        "test",
        "[",
        "true",
        "false",
        ":",
        "which",
        "type",
        "dpkg-query",
        "cmp",
        "diff",
        "md5sum",
        "sha256sum",
        "expr",
        "seq",
        "realpath",
        "df",
        "mountpoint",
        "findmnt",
        "read",
        "aa-enabled",
        "ischroot",
        "umask",
        "cd",
        "dpkg-architecture",
        "pidof",
    ];
    let Some((name, rest)) = words.split_first() else { return true };
    let any = |flags: &[&str]| rest.iter().any(|word| flags.iter().any(|flag| word.starts_with(flag)));
    match name.rsplit('/').next().unwrap_or_default() {
        "sed" => !any(&["-i", "--in-place"]),
        "find" => !any(&["-delete", "-exec", "-ok", "-fprint", "-fls"]),
        "command" => rest.first() == Some(&"-v"),
        "dpkg" => any(&["--compare-versions", "--print-", "-s", "--status", "-L", "--listfiles", "-l", "-S"]),
        "dpkg-divert" => any(&["--list", "--truename", "--listpackage"]),
        "dpkg-statoverride" => any(&["--list"]),
        "update-alternatives" => any(&["--query", "--list", "--display", "--get-selections"]),
        "deb-systemd-helper" => rest.contains(&"was-enabled") || rest.contains(&"debian-installed"),
        "systemctl" => rest.contains(&"show") || rest.contains(&"is-active") || rest.contains(&"is-enabled"),
        "db_get" | "db_metaget" | "db_fget" => true,
        name => READERS.contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Meaning> {
        meaning(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn accounts_in_disguise() {
        let user = |name: &str, group: Option<&str>, home: &str| {
            let (name, home, shell) = (name.to_owned(), home.to_owned(), "/usr/sbin/nologin".to_owned());
            Some(Meaning::Effect(Box::new(Effect::User { name, group: group.map(str::to_owned), home, shell })))
        };
        assert_eq!(of("adduser --system --group --home /h --no-create-home --quiet x"), user("x", None, "/h"));
        assert_eq!(of("adduser --system --home=/h x"), user("x", Some("nogroup"), "/h"));
        let group = Effect::Group { name: "x".into() };
        assert_eq!(of("addgroup --system x"), Some(Meaning::Effect(Box::new(group))));
        assert_eq!(of("adduser x y"), None);
        assert_eq!(of("adduser --system --uid 5 x"), None);
    }

    #[test]
    fn what_only_looks_known_is_not() {
        for text in [
            "systemctl stop x",
            "dpkg-divert --add --rename --divert /a /b",
            "update-alternatives --set a /b",
            "systemd-tmpfiles --remove x",
            "deb-systemd-helper mask x",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn alternatives_with_slaves() {
        let Some(Meaning::Effect(effect)) =
            of("update-alternatives --install /usr/bin/x x /usr/bin/y 20 --slave /a b /c")
        else {
            panic!()
        };
        let Effect::Alternative(found) = *effect else { panic!() };
        assert_eq!((found.priority, found.slaves.len()), (20, 1));
        assert_eq!(of("update-alternatives --install /usr/bin/x x /usr/bin/y"), None);
    }
}
