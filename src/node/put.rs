//! Writing files, links and units of our own into the tree.
//!
//! Everything is owned by root, carries the image's one moment, and says which step made it.

use std::sync::Arc;

use crate::error::Result;
use crate::path::RootPath;
use crate::system::Inputs;
use crate::tree::{Content, Meta, Tree};

/// Where the units of packages, and ours, lie.
pub(super) const UNITS: &str = "/usr/lib/systemd/system";

/// A tree, and what every node put into it has in common.
pub(super) struct Put<'a> {
    pub(super) tree: &'a mut Tree,
    mtime: u32,
    origin: Arc<str>,
}

impl<'a> Put<'a> {
    /// For the step `step`.
    pub(super) fn new(tree: &'a mut Tree, inputs: &Inputs<'_>, step: &str) -> Self {
        Put { tree, mtime: inputs.epoch.0, origin: step.into() }
    }

    fn meta(&self, mode: u16) -> Meta {
        Meta::new(mode, self.mtime).from(&self.origin)
    }

    /// A text file.
    pub(super) fn text(&mut self, path: &str, mode: u16, text: impl Into<String>) -> Result<()> {
        self.content(path, mode, Content::bytes(text.into().into_bytes()))
    }

    /// A file of any content.
    pub(super) fn content(&mut self, path: &str, mode: u16, content: Content) -> Result<()> {
        let meta = self.meta(mode);
        self.tree.put_file(&RootPath::new(path)?, meta, content)
    }

    /// A folder; one that is there keeps its entries and takes the mode.
    pub(super) fn directory(&mut self, path: &str, mode: u16) -> Result<()> {
        let meta = self.meta(mode);
        self.tree.put_directory(&RootPath::new(path)?, meta)
    }

    /// A folder; one that is there stays as it is.
    pub(super) fn keep_directory(&mut self, path: &str, mode: u16) -> Result<()> {
        match self.tree.directory(&RootPath::new(path)?) {
            Some(_) => Ok(()),
            None => self.directory(path, mode),
        }
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<()> {
        let meta = self.meta(0o777);
        self.tree.put_link(&RootPath::new(path)?, meta, target.as_bytes())
    }

    /// A unit, pulled in by the units of `wanted_by`: `multi-user.target`, or
    /// `local-fs.target.requires` where a failure must be the target's.
    pub(super) fn unit(&mut self, name: &str, text: impl Into<String>, wanted_by: &[&str]) -> Result<()> {
        self.text(&format!("{UNITS}/{name}"), 0o644, text)?;
        wanted_by.iter().try_for_each(|by| self.pull(name, by))
    }

    /// Makes `by` pull a unit in that is there already.
    pub(super) fn pull(&mut self, name: &str, by: &str) -> Result<()> {
        let folder = match by.rsplit_once('.') {
            Some((_, "requires" | "wants")) => by.to_owned(),
            _ => format!("{by}.wants"),
        };
        self.link(&format!("{UNITS}/{folder}/{name}"), &format!("../{name}"))
    }

    /// A drop-in of a unit.
    pub(super) fn dropin(&mut self, unit: &str, name: &str, text: impl Into<String>) -> Result<()> {
        self.text(&format!("{UNITS}/{unit}.d/{name}.conf"), 0o644, text)
    }

    /// Whether there is anything at `path`.
    pub(super) fn has(&self, path: &str) -> bool {
        RootPath::new(path).is_ok_and(|path| self.tree.get(&path).is_some())
    }
}

/// The name of the mount unit of `path`, as systemd.unit(5) escapes it.
pub(super) fn mount_unit(path: &RootPath) -> String {
    format!("{}.mount", escape(path))
}

/// A path as it stands in a unit's name: `/` becomes `-`, all but letters, digits, `_`, `:` and `.` is
/// `\xNN`, and so is a dot in front.
pub(super) fn escape(path: &RootPath) -> String {
    if path.is_root() {
        return "-".to_owned();
    }
    let mut out = String::new();
    for (index, byte) in path.as_bytes().iter().skip(1).enumerate() {
        match byte {
            b'/' => out.push('-'),
            b'.' if index == 0 => out.push_str("\\x2e"),
            byte if byte.is_ascii_alphanumeric() || b"_:.".contains(byte) => out.push(char::from(*byte)),
            byte => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_units_are_escaped() {
        let name = |path: &str| mount_unit(&RootPath::new(path).unwrap());
        assert_eq!(name("/etc/cni"), "etc-cni.mount");
        assert_eq!(name("/var/lib/a-b"), "var-lib-a\\x2db.mount");
        assert_eq!(name("/.x/.y"), "\\x2ex-.y.mount");
        assert_eq!(name("/"), "-.mount");
    }
}
