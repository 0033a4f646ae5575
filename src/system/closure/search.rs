//! Where the dynamic linker looks for libraries.

use std::collections::{BTreeMap, BTreeSet};

use super::elf::Elf;
use crate::error::{Context, Result};
use crate::path::RootPath;
use crate::tree::{NodeRef, Tree};

/// No file of the linker's configuration is larger.
const LIMIT: u64 = 1 << 16;

/// Libraries by folder and name.
pub struct Search<'a> {
    tree: &'a Tree,
    elves: &'a BTreeMap<RootPath, Elf>,
    folders: Vec<RootPath>,
}

impl<'a> Search<'a> {
    /// Reads the linker's configuration of `tree`, whose ELF files are `elves`.
    pub fn of(tree: &'a Tree, elves: &'a BTreeMap<RootPath, Elf>) -> Result<Self> {
        Ok(Search { tree, elves, folders: folders(tree)? })
    }

    /// The file that `program` would get for `name`.
    pub fn find(&self, program: &RootPath, elf: &Elf, name: &str) -> Option<RootPath> {
        if name.contains('/') {
            return self.library(&RootPath::new(name).ok()?, elf);
        }
        let own = program.parent()?.to_string();
        let triplet = self.folders.first().and_then(|folder| folder.name()).unwrap_or_default();
        let runpath = elf.runpath.iter().filter_map(|path| {
            let path = path.replace("${ORIGIN}", &own).replace("$ORIGIN", &own);
            let path = path.replace("$LIB", &format!("lib/{}", String::from_utf8_lossy(triplet)));
            // `$ORIGIN/../lib` is not normal; the tree's own resolution makes it so.
            normal(&path)
        });
        // A library in a folder of its own is loaded by programs that have loaded its neighbours before.
        let beside = program.parent().filter(|_| elf.interpreter.is_none());
        runpath
            .chain(self.folders.iter().cloned())
            .chain(beside)
            .find_map(|folder| self.library(&folder.join(name).ok()?, elf))
    }

    fn library(&self, path: &RootPath, elf: &Elf) -> Option<RootPath> {
        let real = self.tree.resolve(path)?;
        let (_, content) = self.tree.file(&real)?;
        // A hard link's other name is not in the list; then being there must do.
        let fits = self.elves.get(&real).is_none_or(|library| library.machine == elf.machine);
        (fits && !content.is_empty()).then_some(real)
    }
}

/// `path` without `.` and `..`.
fn normal(path: &str) -> Option<RootPath> {
    let mut out = RootPath::root();
    for part in path.strip_prefix('/')?.split('/').filter(|part| !part.is_empty() && *part != ".") {
        out = if part == ".." { out.parent()? } else { out.join(part).ok()? };
    }
    Some(out)
}

/// The folders of `ld.so.conf`, then those that the linker knows by itself.
pub fn folders(tree: &Tree) -> Result<Vec<RootPath>> {
    let mut out = Vec::new();
    let mut files = vec![RootPath::new("/etc/ld.so.conf")?];
    let below = RootPath::new("/etc/ld.so.conf.d")?;
    // The main file's only line includes the others; without it they are not read.
    if tree.get(&files[0]).is_some() {
        let names = tree.directory(&below).into_iter().flat_map(|folder| folder.entries.keys());
        for name in names.filter(|name| name.ends_with(b".conf")) {
            files.push(below.join(name)?);
        }
    }
    for file in files {
        let Some((_, content)) = tree.file(&file) else { continue };
        let text = content.read(LIMIT).context(|| format!("reading `{file}`"))?;
        for line in String::from_utf8_lossy(&text).lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            out.extend(normal(line.trim_end_matches('/')));
        }
    }
    for triplet in crate::arch::Arch::ALL.map(crate::arch::Arch::triplet) {
        let known = RootPath::new(format!("/usr/lib/{triplet}"))?;
        if matches!(tree.get(&known), Some(NodeRef::Directory(_))) {
            out.push(RootPath::new(format!("/lib/{triplet}"))?);
            out.push(known);
        }
    }
    for folder in ["/lib", "/usr/lib", "/lib64", "/usr/lib64"] {
        out.push(RootPath::new(folder)?);
    }
    // One folder under two names is searched once.
    let mut seen = BTreeSet::new();
    out.retain(|folder| tree.resolve(folder).is_some_and(|real| seen.insert(real)));
    Ok(out)
}
