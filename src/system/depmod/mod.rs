//! The tables by which modprobe, udev and the kernel find modules: what kmod's `depmod` writes.
//!
//! - Every table but `modules.symbols` is byte for byte that of kmod 34; `modules.symbols`, whose
//!   order there is that of a hash, is sorted here.
//! - The order of modules is `modules.order`'s, then that of paths.
//! - What was read out of the modules is kept in the store, by the digest of all of them.

pub(crate) mod facts;
pub(crate) mod graph;
mod index;
pub(crate) mod tables;

pub use graph::{Module, Modules};

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::facts::Facts;
use crate::digest::Hasher;
use crate::epoch::Epoch;
use crate::error::{Context, Error, Result};
use crate::path::RootPath;
use crate::store::{Key, Store};
use crate::tree::{Content, Meta, NodeRef, Tree};

/// Changes whenever the same modules give other facts.
const FACTS_VERSION: u32 = 1;
/// kmod numbers modules by 16 bits.
const MAX_MODULES: usize = 65_534;
/// `modules.order`, `modules.builtin` and their like are read whole.
const MAX_LIST: u64 = 16 << 20;

/// A module's file before it is looked into.
struct Found {
    /// Relative to the folder of the release.
    path: String,
    content: Content,
}

/// Writes the tables of the kernel release `version` below `/usr/lib/modules` and gives the graph.
///
/// Reads modules with `jobs` threads where the store does not hold their facts; `store` may be none.
pub fn depmod(tree: &mut Tree, version: &str, epoch: Epoch, store: Option<&Store>, jobs: usize) -> Result<Modules> {
    let modules = read(tree, version, store, jobs)?;
    let folder = folder(version)?;
    let meta = Meta::new(0o644, epoch.0).from(&"depmod".into());
    for (name, bytes) in tables::all(&modules)? {
        tree.put_file(&folder.join(name)?, meta.clone(), Content::bytes(bytes))?;
    }
    Ok(modules)
}

/// The graph of the modules of a release, nothing written.
pub fn read(tree: &Tree, version: &str, store: Option<&Store>, jobs: usize) -> Result<Modules> {
    let doing = || format!("reading the modules of kernel `{version}`");
    let folder = folder(version)?;
    let found = find(tree, &folder).context(doing)?;
    let facts = all_facts(&found, store, jobs).context(doing)?;
    let list = |name: &str| -> Result<Vec<u8>> {
        match tree.file(&folder.join(name)?) {
            Some((_, content)) => content.read(MAX_LIST).context(|| format!("reading `{name}`")),
            None => Ok(Vec::new()),
        }
    };
    let parts = graph::Parts {
        version: version.to_owned(),
        files: found.into_iter().map(|found| found.path).zip(facts).collect(),
        order: list("modules.order")?,
        builtin: list("modules.builtin")?,
        builtin_info: list("modules.builtin.modinfo")?,
    };
    graph::build(parts).context(doing)
}

fn folder(version: &str) -> Result<RootPath> {
    RootPath::new("/usr/lib/modules")?.join(version)
}

/// Every module below the release's folder, by path.
fn find(tree: &Tree, folder: &RootPath) -> Result<Vec<Found>> {
    fn below(tree: &Tree, at: &crate::tree::Directory, prefix: &str, out: &mut Vec<Found>) -> Result<()> {
        for (name, entry) in &at.entries {
            let Ok(name) = std::str::from_utf8(name) else { continue };
            let path = format!("{prefix}{name}");
            match tree.node(entry) {
                // Links to the sources of the kernel.
                NodeRef::Directory(_) if prefix.is_empty() && ["build", "source"].contains(&name) => {}
                NodeRef::Directory(directory) => below(tree, directory, &format!("{path}/"), out)?,
                NodeRef::Leaf(_, leaf) => {
                    if let crate::tree::Kind::File(content) = &leaf.kind
                        && facts::is_module(name)
                    {
                        out.push(Found { path, content: content.clone() });
                    }
                }
            }
        }
        if out.len() > MAX_MODULES { Err(Error::source("more than 65,534 modules")) } else { Ok(()) }
    }
    let directory = tree.directory(folder).ok_or_else(|| {
        Error::user(format!("the tree has no `{folder}`")).hint("expected the modules of the kernel's package there")
    })?;
    let mut out = Vec::new();
    below(tree, directory, "", &mut out)?;
    out.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(out)
}

/// The facts of every module, from the store where it has them.
fn all_facts(found: &[Found], store: Option<&Store>, jobs: usize) -> Result<Vec<Facts>> {
    let Some(store) = store else { return parse_all(found, jobs) };
    let mut key = Key::new("module-facts", FACTS_VERSION).of("modules");
    let mut all = Hasher::default();
    for module in found {
        let digest = module.content.sha256()?;
        all.field(module.path.as_bytes());
        all.field(&digest.0);
        key = key.with(&module.path).with(digest.0);
    }
    let key = key.told("modules", &all.finish()).told("count", &(found.len() as u32));
    let mut made = None;
    let (blob, _) = store.derived(key, |out| {
        let facts = parse_all(found, jobs)?;
        serde_json::to_writer(out, &facts).map_err(|error| Error::system(error.to_string()))?;
        made = Some(facts);
        Ok(())
    })?;
    if let Some(facts) = made {
        return Ok(facts);
    }
    let facts: Option<Vec<Facts>> = serde_json::from_reader(std::io::BufReader::new(blob.open()?)).ok();
    match facts.filter(|facts| facts.len() == found.len()) {
        Some(facts) => Ok(facts),
        // A spoilt value of the store costs a second, not the build.
        None => parse_all(found, jobs),
    }
}

fn parse_all(found: &[Found], jobs: usize) -> Result<Vec<Facts>> {
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Result<Facts>>>> = found.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, found.len().max(1)) {
            scope.spawn(|| {
                while let Some((module, slot)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    found.get(index).zip(results.get(index))
                } {
                    let facts = Facts::read(&module.path, &module.content);
                    if let Ok(mut slot) = slot.lock() {
                        *slot = Some(facts.context(|| format!("reading `{}`", module.path)));
                    }
                }
            });
        }
    });
    let taken = results.into_iter().map(|slot| slot.into_inner().ok().flatten());
    taken.map(|facts| facts.unwrap_or_else(|| Err(Error::bug("a module was passed over")))).collect()
}

#[cfg(test)]
mod tests;
