//! Programs that a node has no use for, and units that start them.

use super::view::{Kind, View};
use super::{Breach, Verdict};
use crate::profile::posture::Programs;

/// Folders of programs.
const FOLDERS: [&[u8]; 10] = [
    b"/bin/",
    b"/sbin/",
    b"/usr/bin/",
    b"/usr/sbin/",
    b"/usr/local/bin/",
    b"/usr/local/sbin/",
    b"/usr/lib/klibc/bin/",
    b"/usr/libexec/",
    b"/opt/bin/",
    b"/opt/sbin/",
];

/// Where links say which units start.
const UNITS: [&str; 2] = ["/etc/systemd/system", "/usr/lib/systemd/system"];

/// Whether one of the programs is there, or a unit of one is wanted.
pub fn check(view: &View<'_>, programs: &Programs) -> Verdict {
    let mut breaches = Vec::new();
    for (path, node) in &view.nodes {
        let name = FOLDERS.iter().find_map(|folder| path.as_bytes().strip_prefix(*folder));
        let Some(name) = name else { continue };
        if !programs.names.iter().any(|other| is(other.as_bytes(), name)) {
            continue;
        }
        let there = match node.kind {
            Kind::File(..) => true,
            // A link that leads nowhere runs nothing.
            Kind::Link(_) => view.resolve(path).is_some(),
            Kind::Directory | Kind::Device | Kind::Other => false,
        };
        if there {
            breaches.push(Breach::at(path, ""));
        }
    }
    if !programs.units.is_empty() {
        for folder in UNITS {
            breaches.extend(view.below(folder).filter_map(|(path, node)| {
                let wanted = path.parent().and_then(|folder| {
                    folder.name().map(|name| name.ends_with(b".wants") || name.ends_with(b".requires"))
                });
                let name = path.name().unwrap_or_default();
                let named = programs.units.iter().any(|start| name.starts_with(start.as_bytes()));
                (wanted == Some(true) && named && matches!(node.kind, Kind::Link(_)))
                    .then(|| Breach::at(path, "starts one"))
            }));
        }
    }
    Verdict::of(breaches)
}

/// Whether a file's name is a program's, or that of one of its versions: `python3.13` of `python3`.
fn is(program: &[u8], name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(program) else { return false };
    let version = |rest: &[u8]| rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    match rest {
        [] => true,
        // `-12`, `5.40`, `.1`: not `x86_64`, and not `ld.so`.
        [b'-', rest @ ..] => rest.first().is_some_and(u8::is_ascii_digit) && version(rest),
        [first, ..] if first.is_ascii_digit() => program.len() > 1 && version(rest),
        [b'.', rest @ ..] => rest.first().is_some_and(u8::is_ascii_digit) && version(rest),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_a_program_are_that_program() {
        for (program, name, wanted) in [
            ("sh", "sh", true),
            ("sh", "ssh", false),
            ("python3", "python3.13", true),
            ("python3", "python3-config", false),
            ("gcc", "gcc-14", true),
            ("perl", "perl5.40.1", true),
            ("lua", "lua5.4", true),
            ("go", "go1.26", true),
            ("as", "asn1", false),
            ("ld", "ld.so", false),
            ("X", "X11", false),
        ] {
            assert_eq!(is(program.as_bytes(), name.as_bytes()), wanted, "{program} {name}");
        }
    }
}
