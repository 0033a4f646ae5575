//! Where units lie in a tree.

use crate::error::{Context, Error, Result};
use crate::path::RootPath;
use crate::tree::Tree;

/// No unit's file is larger.
const LIMIT: u64 = 1 << 20;

/// Whose units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The system's.
    System,
    /// Every user's.
    User,
}

impl Scope {
    /// The folder's name.
    fn name(self) -> &'static str {
        match self {
            Scope::System => "system",
            Scope::User => "user",
        }
    }

    /// The folder of links that an administrator makes.
    pub fn etc(self) -> RootPath {
        // A path of plain letters cannot be wrong.
        RootPath::new(format!("/etc/systemd/{}", self.name())).unwrap_or_else(|_| RootPath::root())
    }

    /// The folders of units, the first one wins.
    pub fn folders(self) -> [RootPath; 2] {
        let lib = RootPath::new(format!("/usr/lib/systemd/{}", self.name()));
        [self.etc(), lib.unwrap_or_else(|_| RootPath::root())]
    }
}

/// Whether `name` can be a unit's: letters, digits and `:-_.\@`, with a known suffix, at most 255 bytes.
pub fn is_unit_name(name: &str) -> bool {
    const SUFFIXES: [&str; 11] =
        ["service", "socket", "target", "device", "mount", "automount", "swap", "timer", "path", "slice", "scope"];
    let suffix = name.rsplit_once('.').is_some_and(|(stem, suffix)| !stem.is_empty() && SUFFIXES.contains(&suffix));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    suffix && name.len() <= 255 && name.bytes().all(plain)
}

/// The file of a unit and its text; an instance falls back to its template. A masked unit has none.
pub fn unit_file(tree: &Tree, scope: Scope, name: &str) -> Result<Option<(RootPath, String)>> {
    if !is_unit_name(name) {
        return Err(Error::user(format!("`{}` is not the name of a unit", name.escape_default()))
            .hint("expected a name with its type: `containerd.service`"));
    }
    let template = name.split_once('@').and_then(|(prefix, rest)| {
        let (_, suffix) = rest.rsplit_once('.')?;
        Some(format!("{prefix}@.{suffix}"))
    });
    for name in std::iter::once(name.to_owned()).chain(template) {
        for folder in scope.folders() {
            // An alias leads to the unit that it stands for.
            let Some(path) = tree.resolve(&folder.join(&name)?) else { continue };
            let Some((_, content)) = tree.file(&path) else { continue };
            let text = content.read(LIMIT).context(|| format!("reading `{path}`"))?;
            return Ok(Some((path, String::from_utf8_lossy(&text).into_owned())));
        }
    }
    Ok(None)
}
