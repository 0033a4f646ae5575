//! What a maintainer script would have done, said declaratively: a closed list.

use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result};
use crate::path::RootPath;

/// One thing that a script would have done; the steps carry it out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// A system user, with a pinned id.
    User {
        /// Login name.
        name: String,
        /// Primary group; its own where none is named.
        group: Option<String>,
        /// Home.
        #[serde(default = "nonexistent")]
        home: String,
        /// Shell.
        #[serde(default = "nologin")]
        shell: String,
    },
    /// A system group, with a pinned id.
    Group {
        /// Name.
        name: String,
    },
    /// Mode and owner of something that a package ships.
    Mode {
        /// Which.
        path: RootPath,
        /// Permission bits.
        #[serde(default)]
        mode: Option<Bits>,
        /// `user:group`.
        #[serde(default)]
        owner: Option<Owner>,
    },
    /// A copy of a shipped default, unless something is there.
    Copy {
        /// What is copied.
        from: RootPath,
        /// Where to.
        to: RootPath,
        /// Permission bits.
        #[serde(default = "plain_file")]
        mode: Bits,
        /// `user:group`.
        #[serde(default)]
        owner: Owner,
    },
    /// A symbolic link; it replaces a file or an empty folder.
    Link {
        /// Where.
        path: RootPath,
        /// To what.
        target: String,
    },
    /// A folder.
    Directory {
        /// Where.
        path: RootPath,
        /// Permission bits.
        #[serde(default = "plain_folder")]
        mode: Bits,
        /// `user:group`.
        #[serde(default)]
        owner: Owner,
    },
    /// A file of fixed content, unless something is there.
    File {
        /// Where.
        path: RootPath,
        /// What it holds.
        #[serde(default)]
        text: String,
        /// Permission bits.
        #[serde(default = "plain_file")]
        mode: Bits,
        /// `user:group`.
        #[serde(default)]
        owner: Owner,
    },
    /// A unit that is on.
    Enable {
        /// Its name.
        unit: String,
    },
    /// A choice among programs.
    Alternative(Alternative),
    /// Something that must be made by each machine for itself: the image must not hold it.
    FirstBoot {
        /// Where it would lie; a glob.
        path: String,
    },
}

/// One candidate of a group of alternatives.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// The group.
    pub name: String,
    /// The generic path.
    pub link: RootPath,
    /// What it leads to.
    pub path: RootPath,
    /// The highest wins.
    pub priority: i32,
    /// Links that go with it: group, generic path, what it leads to.
    #[serde(default)]
    pub slaves: Vec<(String, RootPath, RootPath)>,
}

/// Permission bits, written as octal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits(pub u16);

impl<'de> Deserialize<'de> for Bits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bits = u16::from_str_radix(&text, 8).ok().filter(|bits| *bits <= 0o7777);
        bits.map(Bits).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an octal mode")))
    }
}

/// Owner and group by name; root's by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner(pub String, pub String);

impl Default for Owner {
    fn default() -> Self {
        Owner("root".into(), "root".into())
    }
}

impl std::str::FromStr for Owner {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some((user, group)) if !user.is_empty() && !group.is_empty() => Ok(Owner(user.into(), group.into())),
            _ => Err(Error::user(format!("`{text}` is not an owner")).hint("expected `user:group`")),
        }
    }
}

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| serde::de::Error::custom(error.message()))
    }
}

fn nonexistent() -> String {
    "/nonexistent".into()
}

fn nologin() -> String {
    "/usr/sbin/nologin".into()
}

fn plain_file() -> Bits {
    Bits(0o644)
}

fn plain_folder() -> Bits {
    Bits(0o755)
}
