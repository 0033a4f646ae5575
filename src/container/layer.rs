//! The one layer of a container image: a tree, written as a tar archive.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::epoch::Epoch;
use crate::error::{Context, Error, Result};
use crate::path::RootPath;
use crate::tree::{Kind, Leaf, LeafId, NodeRef, Tree, Xattrs};

/// The most bytes that a layer may have: it is assembled in memory.
const LIMIT: u64 = 256 << 20;

/// Writes the tree: sorted by path, folders before what they hold, names of links after the first as hard links;
/// attributes as pax records (`SCHILY.xattr.NAME`, as containerd reads and writes them).
pub(super) fn write(tree: &Tree, epoch: Epoch, out: &mut Vec<u8>) -> Result<()> {
    let total: u64 = tree.walk().iter().map(|(_, node)| size(node)).sum();
    if total > LIMIT {
        return Err(Error::user(format!("a layer of {total} bytes, at most {LIMIT} are assembled"))
            .hint("take in what is needed only, or bring the image as an archive"));
    }
    let mut archive = tar::Builder::new(out);
    let mut seen: HashMap<LeafId, RootPath> = HashMap::new();
    for (path, node) in tree.walk() {
        let name = member_name(&path);
        let meta = node.meta();
        let of = |kind, size| header(kind, meta.mode, (meta.uid, meta.gid), epoch, size);
        let link = match &node {
            NodeRef::Leaf(id, _) => seen.get(id),
            NodeRef::Directory(_) => None,
        };
        if let (Some(xattrs), None) = (&meta.xattrs, link) {
            attributes(&mut archive, xattrs).context(|| format!("packing `{path}`"))?;
        }
        let (id, leaf) = match node {
            NodeRef::Directory(_) => {
                archive.append_data(&mut of(tar::EntryType::Directory, 0), name.join(""), &[][..])?;
                continue;
            }
            NodeRef::Leaf(id, leaf) => (id, leaf),
        };
        if let Some(first) = link {
            archive.append_link(&mut of(tar::EntryType::Link, 0), name, member_name(first))?;
            continue;
        }
        match &leaf.kind {
            Kind::File(content) => {
                let mut header = of(tar::EntryType::Regular, content.len());
                archive.append_data(&mut header, name, content.open()?).context(|| format!("packing `{path}`"))?;
            }
            Kind::Symlink(target) => {
                let target = Path::new(OsStr::from_bytes(target));
                archive.append_link(&mut of(tar::EntryType::Symlink, 0), name, target)?;
            }
            Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
                let block = matches!(leaf.kind, Kind::BlockDevice { .. });
                let mut header = of(if block { tar::EntryType::Block } else { tar::EntryType::Char }, 0);
                header.set_device_major(*major)?;
                header.set_device_minor(*minor)?;
                archive.append_data(&mut header, name, &[][..])?;
            }
            Kind::Fifo => archive.append_data(&mut of(tar::EntryType::Fifo, 0), name, &[][..])?,
            Kind::Socket => return Err(Error::user(format!("`{path}` is a socket, which no archive holds"))),
        }
        seen.insert(id, path);
    }
    archive.into_inner()?.flush()?;
    Ok(())
}

fn size(node: &NodeRef<'_>) -> u64 {
    match node {
        NodeRef::Leaf(_, Leaf { kind: Kind::File(content), .. }) => content.len(),
        _ => 0,
    }
}

fn member_name(path: &RootPath) -> &Path {
    let bytes = path.as_bytes();
    Path::new(OsStr::from_bytes(bytes.strip_prefix(b"/").unwrap_or(bytes)))
}

fn attributes(archive: &mut tar::Builder<&mut Vec<u8>>, xattrs: &Xattrs) -> Result<()> {
    let mut records = Vec::new();
    for (name, value) in xattrs {
        let name = std::str::from_utf8(name).map_err(|_| Error::user("the name of an attribute is no text"))?;
        records.push((format!("SCHILY.xattr.{name}"), value));
    }
    Ok(archive.append_pax_extensions(records.iter().map(|(name, value)| (name.as_str(), &value[..])))?)
}

/// A header whose every field is given; GNU's form, since names may be long.
pub(super) fn header(kind: tar::EntryType, mode: u16, owner: (u32, u32), epoch: Epoch, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode.into());
    header.set_uid(owner.0.into());
    header.set_gid(owner.1.into());
    header.set_mtime(epoch.0.into());
    header.set_size(size);
    header
}
