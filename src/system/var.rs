//! `/var`: what the image ships there is made on the machine's own file system at boot.
//!
//! The partition that hides the image's `/var` starts empty. Every folder, link and file that packages,
//! steps or the profile put below it becomes a line of a generated tmpfiles.d file; the bytes of files
//! lie under `/usr/share/factory`. In the image itself only the skeleton stays, which services need that
//! start before `/var` is mounted.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::scripts::Account;
use super::{Inputs, Place, tmpfiles};
use crate::error::Result;
use crate::path::RootPath;
use crate::tree::{Content, Kind, Meta, NodeRef, Tree};

/// The generated file. Its name sorts last: the lines of packages win.
pub const TMPFILES: &str = "/usr/lib/tmpfiles.d/zz-image-var.conf";

/// What stays in the image.
const SKELETON: [&str; 10] = [
    "/var/cache",
    "/var/lib",
    "/var/lib/dpkg",
    "/var/lock",
    "/var/log",
    "/var/run",
    "/var/spool",
    "/var/tmp",
    "/var/lib/private",
    "/var/log/private",
];

/// Moves what lies below `/var` into the generated tmpfiles.d file.
pub fn var(tree: &mut Tree, inputs: &Inputs<'_>, _: &Account) -> Result<()> {
    let top = RootPath::new("/var")?;
    // Lines of packages about the same path win; a second one would only be complained about.
    let taken: BTreeSet<RootPath> = tmpfiles::lines(tree)?.into_iter().map(|line| line.path).collect();
    let mut lines = String::from("# What the image ships below /var; made with the image.\n");
    let mut files: Vec<(RootPath, Meta, Content)> = Vec::new();
    let mut gone = Vec::new();
    for (path, node) in tree.walk() {
        if !path.starts_with(&top) || path == top {
            continue;
        }
        let stays = SKELETON.iter().any(|kept| kept.as_bytes() == path.as_bytes());
        if !stays {
            gone.push(path.clone());
        }
        if taken.contains(&path) {
            continue;
        }
        let Meta { mode, uid, gid, .. } = node.meta();
        let name = quoted(&path);
        // Writing to a string cannot fail.
        match node {
            NodeRef::Directory(_) => drop(writeln!(lines, "d {name} {mode:04o} {uid} {gid} -")),
            NodeRef::Leaf(_, leaf) => match &leaf.kind {
                Kind::Symlink(target) => {
                    let target = String::from_utf8_lossy(target).into_owned();
                    let _ = writeln!(lines, "L {name} - - - - {}", escaped(&target));
                }
                Kind::File(content) => {
                    let factory = RootPath::new("/usr/share/factory")?.join(&path.as_bytes()[1..])?;
                    let _ = writeln!(lines, "C {name} {mode:04o} {uid} {gid} - {}", quoted(&factory));
                    files.push((factory, leaf.meta.clone(), content.clone()));
                }
                Kind::Fifo => drop(writeln!(lines, "p {name} {mode:04o} {uid} {gid} -")),
                // Nothing ships these; the running system makes them.
                Kind::BlockDevice { .. } | Kind::CharDevice { .. } | Kind::Socket => {}
            },
        }
    }
    // What lies inside goes first, so that no folder is lost with something that stays.
    for path in gone.iter().rev() {
        tree.remove(path);
    }
    for (path, meta, content) in files {
        tree.put_file(&path, meta, content)?;
    }
    Place::new(tree, inputs, "var").file(TMPFILES, 0o644, lines)
}

/// A path as a field of tmpfiles.d: specifiers and blanks escaped.
fn quoted(path: &RootPath) -> String {
    escaped(&path.to_string())
}

fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('%', "%%").replace('"', "\\\"");
    if text.contains(char::is_whitespace) { format!("\"{text}\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fixture, path};
    use super::*;

    #[test]
    fn what_lies_below_var_is_made_at_boot() {
        let mut tree = Tree::default();
        let meta = |mode| Meta::new(mode, 0);
        tree.put_directory(&path("/var/lib"), meta(0o755)).unwrap();
        tree.put_directory(&path("/var/lib/app"), meta(0o750).owned(5, 6)).unwrap();
        tree.put_file(&path("/var/lib/app/a b%"), meta(0o600), Content::bytes(*b"x")).unwrap();
        tree.put_link(&path("/var/lib/link"), meta(0), b"app").unwrap();
        tree.put_directory(&path("/var/lib/theirs"), meta(0o755)).unwrap();
        tree.put_file(&path("/usr/lib/tmpfiles.d/a.conf"), meta(0o644), Content::bytes(*b"d /var/lib/theirs 0700\n"))
            .unwrap();
        Fixture::new().with(|inputs| var(&mut tree, inputs, &Account::default())).unwrap();
        let lines = String::from_utf8(tree.file(&path(TMPFILES)).unwrap().1.read(10_000).unwrap()).unwrap();
        assert_eq!(
            lines.lines().skip(1).collect::<Vec<_>>(),
            [
                "d /var/lib 0755 0 0 -",
                "d /var/lib/app 0750 5 6 -",
                "C \"/var/lib/app/a b%%\" 0600 0 0 - \"/usr/share/factory/var/lib/app/a b%%\"",
                "L /var/lib/link - - - - app",
            ]
        );
        assert!(tree.file(&path("/usr/share/factory/var/lib/app/a b%")).is_some());
        assert_eq!(tree.directory(&path("/var/lib")).unwrap().entries.len(), 0);
    }
}
