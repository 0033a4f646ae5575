//! A folder or an archive as the tree that a verb works on.

use std::path::Path;

use crate::error::Result;
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
