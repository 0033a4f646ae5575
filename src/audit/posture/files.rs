//! Files by mode, owner and content.

use super::view::{Kind, Node, View};
use super::{Breach, Verdict, accounts, secrets};
use crate::error::Result;
use crate::path::RootPath;
use crate::profile::posture::{Files, Posture};

/// Where the system's own programs, libraries and units lie.
const SYSTEM: [&[u8]; 9] =
    [b"/usr", b"/bin", b"/sbin", b"/lib", b"/lib32", b"/lib64", b"/opt", b"/etc/systemd", b"/boot"];
/// What each machine makes for itself: a path, or how the name in a folder begins and ends.
const IDENTITY: [(&[u8], &[u8], &[u8]); 8] = [
    (b"/etc", b"machine-id", b""),
    (b"/var/lib/dbus", b"machine-id", b""),
    (b"/etc/ssh", b"ssh_host_", b"key"),
    (b"/var/lib/systemd", b"random-seed", b""),
    (b"/var/lib/systemd/credential.secret", b"", b""),
    (b"/etc/iscsi", b"initiatorname.iscsi", b""),
    (b"/etc/nvme", b"hostid", b""),
    (b"/etc/nvme", b"hostnqn", b""),
];

/// Looks at a rule.
pub fn check(view: &View<'_>, what: Files, posture: &Posture) -> Result<Verdict> {
    let each = |looked: &dyn Fn(&RootPath, &Node<'_>) -> Option<String>| {
        let found = view.nodes.iter().filter_map(|(path, node)| Some(Breach::at(path, looked(path, node)?)));
        Ok(Verdict::of(found.collect()))
    };
    let file = |node: &Node<'_>| matches!(node.kind, Kind::File(..));
    match what {
        Files::Setuid => each(&|_, node| (file(node) && node.meta.mode & 0o6000 != 0).then(|| mode(node))),
        Files::Capability => each(&|path, node| {
            let has = node.meta.xattrs.as_ref().is_some_and(|map| map.contains_key(&b"security.capability"[..]));
            (file(node) && has && !posture.capabilities.contains(path)).then(String::new)
        }),
        Files::WorldWritable => each(&|_, node| {
            let open = match node.kind {
                Kind::Directory => node.meta.mode & 0o1002 == 0o002,
                Kind::Link(_) => false,
                _ => node.meta.mode & 0o002 != 0,
            };
            open.then(|| mode(node))
        }),
        Files::WritableProgram => each(&|path, node| {
            let inside = |folder: &[u8]| {
                path.as_bytes().strip_prefix(folder).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
            };
            let system = SYSTEM.iter().any(|folder| inside(folder)) && !matches!(node.kind, Kind::Link(_));
            let wrong = node.meta.uid != 0 || node.meta.mode & 0o022 != 0;
            (system && wrong).then(|| format!("{}, of {}:{}", mode(node), node.meta.uid, node.meta.gid))
        }),
        Files::Device => each(&|path, node| {
            (matches!(node.kind, Kind::Device) && !path.as_bytes().starts_with(b"/dev/")).then(String::new)
        }),
        Files::NamelessOwner => {
            let (users, groups) = (accounts::named(view, "/etc/passwd")?, accounts::named(view, "/etc/group")?);
            // A root without any account says nothing of whom its files are but root's.
            let named = |numbers: &std::collections::BTreeSet<u32>, number| number == 0 || numbers.contains(&number);
            each(&|_, node| {
                let sound = named(&users, node.meta.uid) && named(&groups, node.meta.gid);
                (!sound).then(|| format!("of {}:{}", node.meta.uid, node.meta.gid))
            })
        }
        Files::Unowned if !view.owners => Ok(Verdict::Unknown("the image has no database of packages")),
        Files::Unowned => each(&|path, node| {
            let program = file(node) && (node.meta.mode & 0o111 != 0 || is_library(path));
            (program && view.origin(path).is_none()).then(String::new)
        }),
        Files::Secret => secrets::check(view),
        Files::SharedIdentity => each(&|path, node| {
            let Kind::File(size, _) = node.kind else { return None };
            (size > 0 && is_identity(path)).then(String::new)
        }),
        Files::Password => accounts::passwords(view),
        Files::SecondRoot => accounts::second_root(view),
        Files::LoginShell => accounts::shells(view),
    }
}

fn mode(node: &Node<'_>) -> String {
    format!("mode {:04o}", node.meta.mode)
}

/// `libc.so.6`, `x.so`; not `ld.so.cache`.
fn is_library(path: &RootPath) -> bool {
    let name = path.name().unwrap_or_default();
    let end = name.iter().rposition(|byte| !byte.is_ascii_digit() && *byte != b'.').map_or(0, |at| at + 1);
    name.get(..end).is_some_and(|stem| stem.ends_with(b".so"))
}

fn is_identity(path: &RootPath) -> bool {
    let folder = path.parent();
    let name = path.name().unwrap_or_default();
    IDENTITY.iter().any(|(at, start, end)| match start {
        [] => path.as_bytes() == *at,
        start => {
            folder.as_ref().is_some_and(|folder| folder.as_bytes() == *at)
                && name.starts_with(start)
                && (if end.is_empty() { name.len() == start.len() } else { name.ends_with(end) })
        }
    })
}
