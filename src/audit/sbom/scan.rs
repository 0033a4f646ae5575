//! What is picked out of a root, and out of the container images that lie in it.

use super::oci;
use super::pick::{self, Interest, MAX_PROGRAMS, Picked};
use crate::audit::carried::part;
use crate::error::{Context, Error, Result};
use crate::node::paths::IMAGES;
use crate::record::{LOCK, PROFILE};
use crate::squashfs::{Image, Node, NodeKind};

/// More files than this are not looked into, nor containers.
const MAX_FILES: usize = 1 << 20;
const MAX_CONTAINERS: usize = 1024;

/// What a root gave.
#[derive(Debug, Default)]
pub struct Scanned {
    /// Of the root itself.
    pub picked: Picked,
    /// Container images, by the path of their archive.
    pub containers: Vec<(String, oci::Container)>,
    /// The profile of the record, if the image carries one.
    pub profile: Option<String>,
    /// The lock of the record.
    pub lock: Option<String>,
    /// What could not be looked into.
    pub warnings: Vec<String>,
}

/// Looks into everything of interest in `root`.
pub fn scan(root: &Image) -> Result<Scanned> {
    let mut out = Scanned::default();
    let mut files: Vec<(Node, Interest)> = Vec::new();
    let mut archives = Vec::new();
    root.walk(&mut |node| {
        // A name that is no text is none of a package's.
        let Ok(path) = std::str::from_utf8(node.path.as_bytes()) else { return Ok(()) };
        match &node.kind {
            NodeKind::Symlink(target) if pick::link_interest(path) && out.picked.links.len() < MAX_FILES => {
                out.picked.links.insert(path.to_owned(), String::from_utf8_lossy(target).into_owned());
            }
            NodeKind::File(_) if path.strip_prefix(IMAGES).is_some_and(|rest| rest.ends_with(".tar")) => {
                archives.push(node);
            }
            NodeKind::File(size) => {
                if let Some(interest) = pick::interest(path, node.meta.mode, *size) {
                    files.push((node, interest));
                }
            }
            _ => {}
        }
        match files.len() > MAX_FILES || archives.len() > MAX_CONTAINERS {
            true => Err(Error::source("the root holds more files than are looked into")),
            false => Ok(()),
        }
    })?;
    let mut left = MAX_PROGRAMS;
    let mut seen = std::collections::BTreeSet::new();
    for (node, interest) in &files {
        let path = node.path.to_string();
        match interest {
            Interest::Text(limit) => match node.kind {
                NodeKind::File(size) if size > *limit => out.warnings.push(format!("`{path}` is too large to be read")),
                _ => {
                    if !out.picked.text(path, root.read_file(node, *limit)?) {
                        return Err(Error::source("the root holds more package data than is read"));
                    }
                }
            },
            // Another name of a file that was looked at is no other program.
            Interest::Program if seen.insert(node.number) => {
                let file = root.open_file(node)?;
                if let Some(program) = pick::program(&file, &mut left).context(|| format!("reading `{path}`"))? {
                    out.picked.programs.insert(path, program);
                }
            }
            Interest::Program => {}
        }
    }
    for node in archives {
        let path = node.path.to_string();
        match oci::read(&root.open_file(&node)?, &mut left) {
            Ok(container) => out.containers.push((path, container)),
            Err(error) => out.warnings.push(format!("`{path}` cannot be looked into: {}", error.message())),
        }
    }
    let text = |name| Ok::<_, Error>(part(root, name)?.and_then(|bytes| String::from_utf8(bytes).ok()));
    (out.profile, out.lock) = (text(PROFILE)?, text(LOCK)?);
    Ok(out)
}
