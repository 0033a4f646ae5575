//! What files of packages say: programs, modules, scripts, units, accounts, lines of tmpfiles.d.

use super::text;
use crate::path::RootPath;
use crate::system::accounts::sysusers as accounts;
use crate::system::depmod::facts::Facts;
use crate::system::depmod::{graph, tables};
use crate::system::units::{Scope, install, preset};
use crate::system::{closure, pam as stacks, scripts, tmpfiles as temporary};
use crate::tree::{Content, Meta, Tree};

/// A program or a library.
pub fn elf(bytes: &[u8]) {
    if let Ok(Some(elf)) = closure::read(&Content::bytes(bytes)) {
        let names: usize = elf.needed.iter().map(String::len).sum();
        assert!(elf.needed.len() <= bytes.len() && names <= 64 * bytes.len().pow(2), "names out of nothing");
    }
}

/// A kernel module, plain and by the codecs that it may be packed with, and the tables made of it.
pub fn module(bytes: &[u8]) {
    let content = Content::bytes(bytes);
    for ending in ["xz", "zst", "gz"] {
        let _ = Facts::read(&format!("kernel/a.ko.{ending}"), &content);
    }
    let Ok(facts) = Facts::read("kernel/a.ko", &content) else { return };
    let other = Facts { imports: facts.exports.clone(), ..Facts::default() };
    let parts = graph::Parts {
        version: "6.1".to_owned(),
        files: vec![("kernel/a.ko".to_owned(), facts), ("kernel/b.ko".to_owned(), other)],
        order: b"kernel/b.ko\n".to_vec(),
        builtin: b"kernel/c.ko\n".to_vec(),
        builtin_info: bytes.to_vec(),
    };
    if let Ok(modules) = graph::build(parts) {
        let _ = tables::all(&modules);
        let _ = modules.load_order(&["b"]);
    }
}

/// A maintainer script, parsed, printed and evaluated; nothing is run.
pub fn script(bytes: &[u8]) {
    if let Ok((printed, left)) = scripts::tried(&text(bytes)) {
        // Each command of a script is evaluated at most a few times.
        assert!(printed.len() <= 64 * (bytes.len() + 1) && left.len() <= 4096 * (bytes.len() + 1), "a text that grows");
    }
}

/// A unit's file, and the same bytes as a file of presets.
pub fn unit(bytes: &[u8]) {
    let mut tree = Tree::default();
    for place in ["system/a.service", "system/b@.service", "system-preset/50-a.preset"] {
        put(&mut tree, &format!("/usr/lib/systemd/{place}"), bytes);
    }
    for unit in ["a.service", "b@.service", "b@1.service"] {
        for (path, _) in install::links(&tree, Scope::System, unit).unwrap_or_default() {
            assert!(path.starts_with(&Scope::System.etc()), "a link at `{path}`");
        }
    }
    if let Ok(presets) = preset::Presets::of(&tree) {
        presets.allows("a.service");
    }
}

/// A file of tmpfiles.d.
pub fn tmpfiles(bytes: &[u8]) {
    let mut tree = Tree::default();
    put(&mut tree, "/usr/lib/tmpfiles.d/a.conf", bytes);
    for line in temporary::lines(&tree).unwrap_or_default() {
        assert!(line.mode.is_none_or(|mode| mode <= 0o7777) && !line.kind.is_empty());
    }
}

/// A file of sysusers.d.
pub fn sysusers(bytes: &[u8]) {
    if let Ok(lines) = accounts::parse(&text(bytes)) {
        assert!(lines.iter().all(|line| line.rank() <= 2));
    }
}

/// A description of a PAM module; and the same bytes as the linker's list of folders.
pub fn pam(bytes: &[u8]) {
    let _ = stacks::parse(&text(bytes));
    let mut tree = Tree::default();
    put(&mut tree, "/etc/ld.so.conf", bytes);
    let _ = closure::folders(&tree);
}

fn put(tree: &mut Tree, path: &str, bytes: &[u8]) {
    let path = RootPath::new(path).expect("a path");
    tree.put_file(&path, Meta::new(0o644, 0), Content::bytes(bytes)).expect("a file");
}
