//! Package URLs (ECMA-427, `pkg:type/namespace/name@version?qualifiers#subpath`).

use std::collections::BTreeMap;

/// What a package URL is made of; nothing in it is encoded yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purl<'a> {
    /// `deb`, `golang`, `oci`.
    pub kind: &'static str,
    /// Names separated by `/`; empty where there is none.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
    /// Version; empty where it is not known.
    pub version: &'a str,
    /// Qualifiers; those without a value are left out.
    pub qualifiers: BTreeMap<&'static str, &'a str>,
}

impl std::fmt::Display for Purl<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pkg:{}/", self.kind)?;
        for part in self.namespace.split('/').filter(|part| !part.is_empty()) {
            write!(f, "{}/", encoded(part))?;
        }
        f.write_str(&encoded(self.name))?;
        if !self.version.is_empty() {
            write!(f, "@{}", encoded(self.version))?;
        }
        let mut mark = '?';
        for (key, value) in self.qualifiers.iter().filter(|(_, value)| !value.is_empty()) {
            write!(f, "{mark}{key}={}", encoded(value).replace("%2F", "/"))?;
            mark = '&';
        }
        Ok(())
    }
}

/// A Go module. Its path keeps its case: that is how every database of modules has it.
pub fn module(path: &str, version: &str) -> String {
    let (namespace, name) = path.rsplit_once('/').unwrap_or(("", path));
    Purl { kind: "golang", namespace, name, version, ..Purl::default() }.to_string()
}

/// Percent-encoded but for letters, digits, `.-_~`, and the colon, which is never encoded. In the value of a qualifier
/// a slash is not, either.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_encoded_each_for_itself() {
        let qualifiers = BTreeMap::from([("distro", "debian-13"), ("arch", "amd64"), ("upstream", "")]);
        let purl =
            Purl { kind: "deb", namespace: "debian", name: "libstdc++6", version: "1:14.2.0-19+b1~x", qualifiers };
        assert_eq!(purl.to_string(), "pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19%2Bb1~x?arch=amd64&distro=debian-13");
        assert_eq!(module("github.com/BurntSushi/toml", "v1.2.0"), "pkg:golang/github.com/BurntSushi/toml@v1.2.0");
        assert_eq!(module("stdlib", ""), "pkg:golang/stdlib");
        assert_eq!(module("a b/é?#", "v1@2"), "pkg:golang/a%20b/%C3%A9%3F%23@v1%402");
    }
}
