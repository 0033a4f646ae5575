//! What the profile forbids a tree to hold.

use super::Inputs;
use super::scripts::Account;
use crate::error::{Error, Kind, Result};
use crate::path::RootPath;
use crate::profile::Forbidden;
use crate::tree::{Kind as Leaf, NodeRef, Tree};

/// Folders of programs.
const FOLDERS: [&[u8]; 8] = [
    b"/bin/",
    b"/sbin/",
    b"/usr/bin/",
    b"/usr/sbin/",
    b"/usr/local/bin/",
    b"/usr/local/sbin/",
    b"/usr/lib/klibc/bin/",
    b"/opt/bin/",
];
const SHELLS: [&str; 18] = [
    "sh", "ash", "bash", "rbash", "dash", "ksh", "ksh93", "mksh", "lksh", "zsh", "csh", "tcsh", "fish", "yash", "posh",
    "busybox", "toybox", "nsh",
];
const PACKAGE_MANAGERS: [&str; 24] = [
    "dpkg",
    "dpkg-deb",
    "dpkg-divert",
    "apt",
    "apt-get",
    "aptitude",
    "rpm",
    "rpmdb",
    "dnf",
    "dnf5",
    "microdnf",
    "tdnf",
    "yum",
    "zypper",
    "apk",
    "pacman",
    "opkg",
    "emerge",
    "snap",
    "flatpak",
    "pip",
    "pip3",
    "nix",
    "nix-env",
];
const SSH: [&str; 3] = ["sshd", "dropbear", "tinysshd"];
const GETTYS: [&str; 7] = ["agetty", "getty", "mgetty", "mingetty", "fgetty", "sulogin", "login"];

/// Checks the rules of the profile; everything that breaks one comes in one error.
pub fn posture(tree: &mut Tree, inputs: &Inputs<'_>, _: &Account) -> Result<()> {
    let mut found = Vec::new();
    let nodes = tree.walk();
    for rule in &inputs.profile.posture.forbid {
        let hits: Vec<String> = nodes
            .iter()
            .filter(|(path, node)| breaks(tree, *rule, path, *node))
            .map(|(path, _)| format!("`{path}`"))
            .collect();
        if !hits.is_empty() {
            found.push(format!("{}: {}", described(*rule), hits.join(", ")));
        }
    }
    match found.is_empty() {
        true => Ok(()),
        false => Err(Error::new(Kind::Found, format!("the image breaks its posture\n    {}", found.join("\n    ")))
            .hint(
                "exclude or remove the files, clear the bits with [[mode]], or take the word out of `posture.forbid`",
            )),
    }
}

fn described(rule: Forbidden) -> &'static str {
    match rule {
        Forbidden::Shell => "shell",
        Forbidden::PackageManager => "package-manager",
        Forbidden::Ssh => "ssh",
        Forbidden::Getty => "getty",
        Forbidden::Setuid => "setuid",
        Forbidden::WorldWritable => "world-writable",
    }
}

fn breaks(tree: &Tree, rule: Forbidden, path: &RootPath, node: NodeRef<'_>) -> bool {
    let mode = node.meta().mode;
    let program = |names: &[&str]| {
        // A link that leads nowhere runs nothing.
        matches!(node, NodeRef::Leaf(..))
            && tree.resolve(path).is_some_and(|real| tree.get(&real).is_some())
            && FOLDERS.iter().any(|folder| {
                path.as_bytes()
                    .strip_prefix(*folder)
                    .is_some_and(|name| names.iter().any(|have| have.as_bytes() == name))
            })
    };
    match (rule, node) {
        (Forbidden::Shell, _) => program(&SHELLS),
        (Forbidden::PackageManager, _) => program(&PACKAGE_MANAGERS),
        (Forbidden::Ssh, _) => program(&SSH),
        (Forbidden::Getty, _) => program(&GETTYS) || pulls_getty(path),
        (Forbidden::Setuid, NodeRef::Leaf(_, leaf)) => {
            matches!(leaf.kind, Leaf::File(_)) && (mode & 0o6000 != 0 || has_capabilities(&leaf.meta))
        }
        (Forbidden::Setuid, NodeRef::Directory(_)) => false,
        (Forbidden::WorldWritable, NodeRef::Directory(_)) => mode & 0o1002 == 0o002,
        (Forbidden::WorldWritable, NodeRef::Leaf(_, leaf)) => {
            mode & 0o002 != 0 && !matches!(leaf.kind, Leaf::Symlink(_) | Leaf::Socket)
        }
    }
}

/// A file with capabilities raises whoever runs it, as setuid does.
fn has_capabilities(meta: &crate::tree::Meta) -> bool {
    meta.xattrs.as_ref().is_some_and(|xattrs| xattrs.contains_key(&b"security.capability"[..]))
}

/// Whether the path is a link that starts a login prompt at boot.
fn pulls_getty(path: &RootPath) -> bool {
    let mut names = path.components().rev();
    let (Some(name), Some(folder)) = (names.next(), names.next()) else { return false };
    let prompt = [&b"getty@"[..], b"serial-getty@", b"console-getty", b"container-getty@", b"getty-static"];
    folder.ends_with(b".wants") && prompt.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fixture, path};
    use super::*;
    use crate::tree::{Content, Meta};

    #[test]
    fn each_rule_finds_its_file_and_no_other() {
        let cases = [
            (Forbidden::Shell, "/usr/bin/dash", 0o755),
            (Forbidden::PackageManager, "/usr/bin/dpkg", 0o755),
            (Forbidden::Ssh, "/usr/sbin/sshd", 0o755),
            (Forbidden::Getty, "/usr/sbin/agetty", 0o755),
            (Forbidden::Setuid, "/usr/bin/mount", 0o4755),
            (Forbidden::Setuid, "/usr/bin/chage", 0o2755),
            (Forbidden::WorldWritable, "/etc/open", 0o666),
        ];
        let mut fixture = Fixture::new();
        for (rule, name, _) in &cases {
            let mut tree = Tree::default();
            for (_, name, mode) in &cases {
                tree.put_file(&path(name), Meta::new(*mode, 0), Content::bytes(*b"x")).unwrap();
            }
            tree.put_directory(&path("/tmp"), Meta::new(0o1777, 0)).unwrap();
            tree.put_link(&path("/usr/share/sh"), Meta::default(), b"x").unwrap();
            fixture.profile.posture.forbid = vec![*rule];
            let error = fixture.with(|inputs| posture(&mut tree, inputs, &Account::default())).unwrap_err();
            let count = cases.iter().filter(|(other, ..)| other == rule).count();
            assert_eq!(error.kind(), Kind::Found);
            assert_eq!(error.message().matches('`').count(), 2 * count, "{error}");
            assert!(error.message().contains(name), "{error}");
        }
        fixture.profile.posture.forbid.clear();
        assert!(fixture.with(|inputs| posture(&mut Tree::default(), inputs, &Account::default())).is_ok());
    }
}
