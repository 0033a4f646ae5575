//! A package as the steps of the system see it, whatever its format was.

use std::collections::BTreeMap;

use crate::path::RootPath;
use crate::tree::{Content, Meta};

/// A package, unpacked but not applied.
#[derive(Debug, Clone)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version, opaque.
    pub version: String,
    /// The architecture as the format names it: `amd64`, `all`.
    pub arch: String,
    /// Key of the profile's source.
    pub from: String,
    /// Whether the profile asked for it, or a dependency did.
    pub requested: bool,
    /// The control paragraph, in the order of the package: field, value (folded lines kept).
    pub control: Vec<(String, String)>,
    /// What it ships, in the archive's order.
    pub members: Vec<Member>,
    /// Maintainer scripts, their text.
    pub scripts: BTreeMap<ScriptKind, String>,
    /// The text of `triggers`.
    pub triggers: String,
    /// Paths that are configuration, and whether they are flagged `remove-on-upgrade`.
    pub conffiles: Vec<(RootPath, bool)>,
    /// The text of `md5sums`, as it is.
    pub md5sums: String,
}

impl Package {
    /// A field of the control paragraph; names compare without case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.control.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// When a maintainer script would run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScriptKind {
    /// Before unpacking.
    Preinst,
    /// After unpacking.
    Postinst,
    /// Before removal: never matters to an image.
    Prerm,
    /// After removal: never matters to an image.
    Postrm,
    /// debconf's: never run, a table holds the answers.
    Config,
}

impl ScriptKind {
    /// The file's name in the package.
    pub fn name(self) -> &'static str {
        match self {
            ScriptKind::Preinst => "preinst",
            ScriptKind::Postinst => "postinst",
            ScriptKind::Prerm => "prerm",
            ScriptKind::Postrm => "postrm",
            ScriptKind::Config => "config",
        }
    }
}

/// One entry of a package's payload.
#[derive(Debug, Clone)]
pub struct Member {
    /// Where it goes.
    pub path: RootPath,
    /// Mode, ids as numbers, time, attributes.
    pub meta: Meta,
    /// Names of owner and group, where the archive gives them; they win over the numbers.
    pub owner: (Option<String>, Option<String>),
    /// What it is.
    pub kind: MemberKind,
}

/// The kinds of entry.
#[derive(Debug, Clone)]
pub enum MemberKind {
    /// A folder.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link, its target as it is.
    Symlink(Box<[u8]>),
    /// Another name of an entry before it.
    HardLink(RootPath),
    /// A device: block or character, major, minor.
    Device(bool, u32, u32),
    /// A named pipe.
    Fifo,
}
