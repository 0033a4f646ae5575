//! A revision of a git repository as files, by the user's own `git`.
//!
//! The working tree, its index and its files are not touched: an index of its own is filled and written out into a
//! temporary folder. Symbolic links become plain files, so that none leads out of it.

use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error, Result};
use crate::temp::TempFolder;

/// The files of a revision; gone when dropped.
pub struct Checkout {
    folder: TempFolder,
    revision: String,
}

impl Checkout {
    /// Writes out a revision of the repository that the current folder is in.
    pub fn new(revision: &str) -> Result<Self> {
        if revision.is_empty() || revision.starts_with('-') {
            return Err(Error::user(format!("`{revision}` is no revision")));
        }
        let folder = TempFolder::new_in(&std::env::temp_dir())?;
        let (index, top) = (folder.path().join(".index"), git(&["rev-parse", "--show-toplevel"], None, None)?);
        let top = PathBuf::from(top.trim_end_matches('\n'));
        git(&["read-tree", "--end-of-options", revision], Some(&top), Some(&index))?;
        let prefix = format!("--prefix={}/", folder.path().display());
        git(&["-c", "core.symlinks=false", "checkout-index", "--all", &prefix], Some(&top), Some(&index))?;
        Ok(Checkout { folder, revision: revision.to_owned() })
    }

    /// Where the files are.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What was asked for.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// A file of it, by its path from the repository's top.
    pub fn file(&self, path: &str) -> Result<PathBuf> {
        let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let file = self.path().join(path);
        if !inside || !file.exists() {
            return Err(Error::user(format!("the revision `{}` holds no `{path}`", self.revision))
                .hint("expected a path from the top of the repository"));
        }
        Ok(file)
    }
}

fn git(arguments: &[&str], folder: Option<&Path>, index: Option<&Path>) -> Result<String> {
    let mut command = Command::new("git");
    command.args(arguments);
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    if let Some(index) = index {
        command.env("GIT_INDEX_FILE", index);
    }
    let output = command.output().context(|| "starting `git`".to_owned());
    let output = output.map_err(|error| error.hint("`git:REVISION:PATH` needs git: apt install git"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::user(format!("git {}: {}", arguments.join(" "), said.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
