//! The versions of containerd and the kubelet, as far as configuration depends on them.

use std::fmt;

use crate::error::{Error, Result};
use crate::profile::{Component, Origin};
use crate::system::Inputs;

/// Major and minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// `1` of `1.36.4`.
    pub major: u32,
    /// `36` of `1.36.4`.
    pub minor: u32,
}

impl Version {
    /// A version.
    pub const fn new(major: u32, minor: u32) -> Self {
        Version { major, minor }
    }

    /// Reads `v1.36.4`, `2.3.4` or a package's `1.7.24~ds1-6+deb13u1`; an epoch in front is passed over.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.split_once(':').map_or(text, |(_, rest)| rest);
        let mut parts = text.strip_prefix('v').unwrap_or(text).splitn(3, '.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next()?;
        let digits = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
        Some(Version { major, minor: minor.get(..digits)?.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// containerd's version: the package's, or what the profile says.
pub fn containerd(inputs: &Inputs<'_>) -> Result<Version> {
    of("containerd", &inputs.profile.containerd, inputs)
}

/// The kubelet's version: the source's, the package's, or what the profile says.
pub fn kubelet(inputs: &Inputs<'_>) -> Result<Version> {
    of("kubelet", &inputs.profile.kubelet, inputs)
}

fn of(name: &str, component: &Component, inputs: &Inputs<'_>) -> Result<Version> {
    let text = match (&component.program.origin, &component.program.version) {
        (_, Some(version)) => Some(version.as_str()),
        (Origin::Go(go), None) => Some(go.version.as_str()),
        (Origin::Apt(asked), None) => {
            let package = inputs.packages.iter().find(|package| asked.iter().any(|asked| asked.name == package.name));
            package.map(|package| package.version.as_str())
        }
        (Origin::Url(_) | Origin::File(_), None) => None,
    };
    let hint = format!("say it: `[{name}] version = \"1.2.3\"`");
    let Some(text) = text else {
        return Err(Error::user(format!("the version of {name} is not known")).hint(hint));
    };
    Version::parse(text)
        .ok_or_else(|| Error::user(format!("the version of {name} is `{text}`, not MAJOR.MINOR...")).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_is_read() {
        for (text, major, minor) in [
            ("v1.36.4", 1, 36),
            ("2.3.4", 2, 3),
            ("1.7.24~ds1-6+deb13u1", 1, 7),
            ("1:2.0~rc1-1", 2, 0),
            ("1.20", 1, 20),
        ] {
            assert_eq!(Version::parse(text), Some(Version::new(major, minor)), "{text}");
        }
        for text in ["", "v", "1", "one.two", "1.x", "99999999999.1"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
