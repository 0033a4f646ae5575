//! Paths inside a root: absolute, normal, of any bytes but NUL.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// The longest path that Linux takes, in bytes.
const PATH_MAX: usize = 4096;
/// The longest name of one component, in bytes.
const NAME_MAX: usize = 255;

/// An absolute path below the root of an image, without `.`, `..`, doubled slashes, NUL or
/// a slash at the end; the root itself is `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootPath(Vec<u8>);

impl RootPath {
    /// The root itself.
    pub fn root() -> Self {
        RootPath(b"/".to_vec())
    }

    /// Takes an absolute path; anything that is not normal is an error, never mended.
    pub fn new(path: impl AsRef<[u8]>) -> Result<Self> {
        let path = path.as_ref();
        let Some(rest) = path.strip_prefix(b"/") else {
            return Err(bad(path, "must begin with `/`"));
        };
        if rest.is_empty() {
            return Ok(RootPath::root());
        }
        Self::checked(path, rest.split(|byte| *byte == b'/'))
    }

    /// Takes a member's name as archives hold it: `./usr/bin/x`, `usr/bin/x/` or `/usr/bin/x`.
    pub fn from_member(name: &[u8]) -> Result<Self> {
        let parts = name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && part != b".");
        Self::checked(name, parts)
    }

    fn checked<'a>(whole: &[u8], parts: impl Iterator<Item = &'a [u8]>) -> Result<Self> {
        let mut out = Vec::with_capacity(whole.len() + 1);
        for part in parts {
            match part {
                b"" => return Err(bad(whole, "holds an empty component")),
                b"." | b".." => return Err(bad(whole, "holds `.` or `..`")),
                part if part.contains(&0) => return Err(bad(whole, "holds a NUL byte")),
                part if part.len() > NAME_MAX => return Err(bad(whole, "holds a name of more than 255 bytes")),
                part => {
                    out.push(b'/');
                    out.extend_from_slice(part);
                }
            }
        }
        match out.len() {
            0 => Ok(RootPath::root()),
            length if length > PATH_MAX => Err(bad(whole, "is longer than 4096 bytes")),
            _ => Ok(RootPath(out)),
        }
    }

    /// The bytes, beginning with `/`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is `/`.
    pub fn is_root(&self) -> bool {
        self.0 == b"/"
    }

    /// The components from the top; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|part| !part.is_empty())
    }

    /// The folder that holds it; none for the root.
    pub fn parent(&self) -> Option<Self> {
        let slash = self.0.iter().rposition(|byte| *byte == b'/')?;
        match (self.is_root(), slash) {
            (true, _) => None,
            (false, 0) => Some(RootPath::root()),
            (false, slash) => Some(RootPath(self.0[..slash].to_vec())),
        }
    }

    /// The last component; none for the root.
    pub fn name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    /// The path of `name` (one component) or of a relative path below this one.
    pub fn join(&self, relative: impl AsRef<[u8]>) -> Result<Self> {
        let mut whole = if self.is_root() { Vec::new() } else { self.0.clone() };
        whole.push(b'/');
        whole.extend_from_slice(relative.as_ref());
        Self::new(whole)
    }

    /// Whether it is `other` or lies below it.
    pub fn starts_with(&self, other: &RootPath) -> bool {
        other.is_root() || self.0.strip_prefix(other.as_bytes()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

/// Everything below a folder in a map by path, in the order of paths.
pub fn below<'m, T>(
    map: &'m BTreeMap<RootPath, T>,
    folder: &RootPath,
) -> impl Iterator<Item = (&'m RootPath, &'m T)> + use<'m, T> {
    let after = (Bound::Excluded(folder.clone()), Bound::Unbounded);
    let (start, inside) = (folder.clone(), folder.clone());
    // A name such as `a-b` lies between `a` and `a/b`.
    map.range(after)
        .take_while(move |(path, _)| path.as_bytes().starts_with(start.as_bytes()))
        .filter(move |(path, _)| path.starts_with(&inside))
}

/// As many links as Linux follows in one path (`path_resolution(7)`).
pub const MAX_LINKS: usize = 40;

/// What a walk over links finds at a path.
pub enum Found {
    /// A link and its target.
    Link(Box<[u8]>),
    /// Anything else.
    There,
    /// Nothing.
    Nothing,
}

/// Where a walk over links ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// At something.
    There(RootPath),
    /// At a last component that is not there; the folder is.
    Absent(RootPath),
    /// At a component before the last that is not there.
    Lost(RootPath),
    /// Behind more than [`MAX_LINKS`] links.
    Endless,
}

impl RootPath {
    /// Follows all links of a path as a running system would, never out of the root; that of its last component, too,
    /// if `last` says so.
    ///
    /// # Errors
    /// Those of `look`, which says what is at a path whose folders are no links.
    pub fn follow(&self, last: bool, mut look: impl FnMut(&RootPath) -> Result<Found>) -> Result<Followed> {
        let mut todo: Vec<Vec<u8>> = self.components().rev().map(<[u8]>::to_vec).collect();
        let mut at = RootPath::root();
        let mut links = 0;
        while let Some(name) = todo.pop() {
            match &name[..] {
                b"" | b"." => continue,
                b".." => {
                    at = at.parent().unwrap_or(at);
                    continue;
                }
                _ => {}
            }
            let next = at.join(&name)?;
            match look(&next)? {
                Found::Link(target) if last || !todo.is_empty() => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Ok(Followed::Endless);
                    }
                    if target.starts_with(b"/") {
                        at = RootPath::root();
                    }
                    todo.extend(target.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
                }
                Found::Link(_) | Found::There => at = next,
                Found::Nothing if todo.is_empty() => return Ok(Followed::Absent(next)),
                Found::Nothing => return Ok(Followed::Lost(next)),
            }
        }
        Ok(Followed::There(at))
    }
}

fn bad(path: &[u8], why: &str) -> Error {
    Error::user(format!("the path `{}` {why}", path.escape_ascii()))
}

impl Borrow<[u8]> for RootPath {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// UTF-8 as it is, other bytes as `\xNN`.
impl fmt::Display for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(text) => f.write_str(text),
            Err(_) => write!(f, "{}", self.0.escape_ascii()),
        }
    }
}

impl fmt::Debug for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for RootPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text).map_err(|error| {
            error.hint("expected an absolute path without `.`, `..` and doubled slashes, as `/etc/motd`")
        })
    }
}

impl Serialize for RootPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RootPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        RootPath::new(text).map_err(|error| serde::de::Error::custom(error.message()))
    }
}

impl schemars::JsonSchema for RootPath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RootPath".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^/" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_normal_is_refused() {
        for path in ["", "usr", "/usr/", "//usr", "/usr//bin", "/usr/./bin", "/usr/../etc", "/a\0b"] {
            assert!(RootPath::new(path).is_err(), "{path:?}");
        }
        assert!(RootPath::new("/".to_owned() + &"x".repeat(256)).is_err());
    }

    #[test]
    fn members_are_brought_to_one_form() {
        for name in ["./usr/bin/x", "usr/bin/x", "/usr/bin/x", "usr/bin//x/"] {
            assert_eq!(RootPath::from_member(name.as_bytes()).unwrap().to_string(), "/usr/bin/x");
        }
        assert!(RootPath::from_member(b"./").unwrap().is_root());
        assert!(RootPath::from_member(b"usr/../../x").is_err());
    }

    #[test]
    fn family() {
        let path = RootPath::new("/usr/bin").unwrap();
        assert_eq!(path.parent().unwrap().to_string(), "/usr");
        assert_eq!(path.parent().unwrap().parent().unwrap(), RootPath::root());
        assert_eq!(path.name(), Some(&b"bin"[..]));
        assert_eq!(path.join("x/y").unwrap().to_string(), "/usr/bin/x/y");
        assert!(path.starts_with(&RootPath::new("/usr").unwrap()));
        assert!(!RootPath::new("/usrlocal").unwrap().starts_with(&RootPath::new("/usr").unwrap()));
    }
}
