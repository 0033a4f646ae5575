//! A folder or an archive as the tree that a verb works on.

use std::path::Path;

use crate::error::Result;
use crate::manifest;
use crate::report::Report;
use crate::tree::{self, Tree, tarball};

/// The tree, and what its contents are read from.
pub enum Input {
    /// A folder of the host.
    Folder(Tree),
    /// An archive; its spool lives as long as this.
    Archive(tarball::Archive),
}

impl Input {
    /// Whether a path is a root by itself that is not packed: a folder that no build wrote, or an archive.
    pub fn is(path: &Path) -> bool {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match path.is_dir() {
            true => !path.join(manifest::NAME).is_file(),
            false => name.ends_with(".tar") || name.contains(".tar."),
        }
    }

    /// Reads `path`; an archive is unpacked into a file without a name in `spool`.
    pub fn read(path: &Path, spool: &Path, report: &Report) -> Result<Self> {
        if path.is_dir() {
            tree::scan(path, report).map(Self::Folder)
        } else {
            tarball::read(path, spool, report).map(Self::Archive)
        }
    }

    /// The tree.
    pub fn tree(&self) -> &Tree {
        match self {
            Self::Folder(tree) => tree,
            Self::Archive(archive) => &archive.tree,
        }
    }
}
