//! Where an archive is to be had: what the user says, else what the host's own apt uses.
//!
//! For the source `debian`, the first of these that there is:
//! 1. `--mirror debian=URL`; for suites that end in `-security` first `--mirror debian-security=URL`,
//! 2. `IMAGEBUILD_MIRROR_DEBIAN`; for security suites first `IMAGEBUILD_MIRROR_DEBIAN_SECURITY`,
//! 3. `mirror` in the profile,
//! 4. entries of the host's `sources.list` and `sources.list.d`, by suite: the same suite, or for
//!    Debian's suites any entry of Debian's (a security suite's for a security suite).

use std::collections::BTreeMap;
use std::path::Path;

use super::deb822;
use crate::error::{Context, Error, Result};
use crate::profile::Apt;

/// Debian's suites: code names and what they are called in turn.
const SUITES: &[&str] = &[
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "stable",
    "oldstable",
    "oldoldstable",
    "testing",
    "unstable",
];
/// What is put behind a suite's name on the same archive.
const ENDINGS: &[&str] = &["-updates", "-backports", "-proposed-updates", "-backports-sloppy"];
/// The largest configuration file that is read.
const MAX_CONFIG: u64 = 1 << 20;

/// A kind of archive that one address serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Main,
    Security,
}

fn family(suite: &str) -> Option<Family> {
    let debian = |name: &str| SUITES.contains(&name);
    if let Some(name) = suite.strip_suffix("-security").or_else(|| suite.strip_suffix("/updates")) {
        return debian(name).then_some(Family::Security);
    }
    let main = debian(suite) || ENDINGS.iter().any(|end| suite.strip_suffix(end).is_some_and(debian));
    main.then_some(Family::Main)
}

/// An address and the suites that the host takes from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub(crate) uri: String,
    pub(crate) suite: String,
}

/// What the host's apt is configured for.
#[derive(Debug, Clone, Default)]
pub struct Host {
    entries: Vec<Entry>,
}

impl Host {
    /// Reads the configuration in `folder` (`/etc/apt`); a missing file is an empty one.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut files = vec![folder.join("sources.list")];
        if let Ok(listing) = std::fs::read_dir(folder.join("sources.list.d")) {
            let mut more: Vec<_> = listing.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
            more.sort();
            files.extend(more);
        }
        let mut entries = Vec::new();
        for path in files.into_iter().filter(|path| path.is_file()) {
            let length = path.metadata().map_or(0, |meta| meta.len());
            let ending = path.extension().and_then(|ending| ending.to_str());
            if length > MAX_CONFIG || !matches!(ending, Some("list" | "sources")) {
                continue;
            }
            let bytes = std::fs::read(&path).context(|| format!("reading `{}`", path.display()))?;
            let text = String::from_utf8_lossy(&bytes);
            match ending {
                Some("sources") => entries.extend(deb822_entries(&text)),
                _ => entries.extend(text.lines().flat_map(line_entries)),
            }
        }
        Ok(Host { entries })
    }

    /// Every address, each once, in the order of the configuration.
    pub fn addresses(&self) -> Vec<String> {
        let mut found = Vec::new();
        for address in self.entries.iter().map(|entry| tidy(&entry.uri)) {
            if !found.contains(&address) {
                found.push(address);
            }
        }
        found
    }

    /// Addresses for a suite, in the order of the configuration.
    fn of(&self, suite: &str) -> Vec<String> {
        let family = family(suite);
        let same = self.entries.iter().filter(|entry| entry.suite == suite);
        let alike = self.entries.iter().filter(|entry| family.is_some() && self::family(&entry.suite) == family);
        let mut found: Vec<String> = Vec::new();
        for entry in same.chain(alike) {
            let uri = tidy(&entry.uri);
            if !found.contains(&uri) {
                found.push(uri);
            }
        }
        found
    }
}

/// `deb [options] URI SUITE COMPONENT...` (`sources.list(5)`); flat archives are passed over.
pub(crate) fn line_entries(line: &str) -> Vec<Entry> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let Some(rest) = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t'])) else { return Vec::new() };
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']').map_or("", |(_, rest)| rest),
        None => rest,
    };
    let mut words = rest.split_ascii_whitespace();
    match (words.next(), words.next()) {
        (Some(uri), Some(suite)) => entry(uri, suite).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Paragraphs with Types, URIs, Suites and Enabled (`sources.list(5)`, DEB822-STYLE FORMAT).
pub(crate) fn deb822_entries(text: &str) -> Vec<Entry> {
    let text: String = text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    let mut entries = Vec::new();
    for paragraph in deb822::paragraphs(&text) {
        let words = |name| deb822::field(paragraph, name).unwrap_or_default().split_ascii_whitespace();
        let off = words("Enabled").any(|word| ["no", "false", "off", "without", "disable"].contains(&word));
        if off || !words("Types").any(|word| word == "deb") {
            continue;
        }
        entries.extend(words("URIs").flat_map(|uri| words("Suites").filter_map(move |suite| entry(uri, suite))));
    }
    entries
}

fn entry(uri: &str, suite: &str) -> Option<Entry> {
    let spoken = ["http://", "https://", "file:"].iter().any(|scheme| uri.starts_with(scheme));
    (spoken && !suite.ends_with('/')).then(|| Entry { uri: uri.to_owned(), suite: suite.to_owned() })
}

/// Without a slash at the end; a path becomes a `file` URL.
fn tidy(address: &str) -> String {
    let address = address.trim_end_matches('/');
    match address.starts_with('/') {
        true => format!("file://{address}"),
        false => address.to_owned(),
    }
}

/// Addresses of the archive `name` for a suite, the best first.
///
/// `environment` looks a variable up; `host` is asked last.
pub fn bases(
    name: &str,
    apt: &Apt,
    suite: &str,
    flags: &BTreeMap<String, String>,
    environment: &dyn Fn(&str) -> Option<String>,
    host: &Host,
) -> Result<Vec<String>> {
    let security = suite.ends_with("-security");
    let variable = |name: &str| {
        let upper: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        format!("IMAGEBUILD_MIRROR_{upper}")
    };
    let special = security.then(|| format!("{name}-security"));
    let names = || special.iter().map(String::as_str).chain([name]);
    let flag = names().find_map(|name| flags.get(name).cloned());
    let set = flag.or_else(|| names().find_map(|name| environment(&variable(name)))).or_else(|| apt.mirror.clone());
    if let Some(address) = set {
        return Ok(vec![tidy(&address)]);
    }
    let found = host.of(suite);
    if found.is_empty() {
        let wanted = special.as_deref().unwrap_or(name);
        return Err(Error::user(format!("nothing says where suite `{suite}` of source `{name}` is to be had"))
            .hint(format!("name a mirror: --mirror {wanted}=URL, or {}=URL", variable(wanted)))
            .hint(format!("or write it into the profile: [source.{name}.apt] mirror = \"URL\""))
            .hint("by default it is what this machine's own apt uses; nothing there fits"));
    }
    Ok(found)
}

/// The address of a path below an archive's root, its bytes escaped as URLs want it.
pub fn address(base: &str, path: &str) -> String {
    let mut url = format!("{base}/");
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => url.push(char::from(byte)),
            _ if b"-._~!$&'()*+,;=:@/".contains(&byte) => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Keyring;

    fn apt(mirror: Option<&str>) -> Apt {
        Apt {
            suites: vec!["trixie".into()],
            components: vec!["main".into()],
            keyring: Keyring::Debian,
            mirror: mirror.map(str::to_owned),
        }
    }

    fn host() -> (tempfile::TempDir, Host) {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("sources.list.d");
        std::fs::create_dir(&list).unwrap();
        std::fs::write(
            folder.path().join("sources.list"),
            "# deb http://no.test/ trixie main\ndeb-src http://src.test/ trixie main\n\
             deb [arch=amd64 signed-by=/x] https://vendor.test/apt tool-bookworm main\ndeb http://flat.test/ ./\n",
        )
        .unwrap();
        std::fs::write(
            list.join("debian.sources"),
            "Types: deb deb-src\n# URIs: http://old.test\nURIs: http://one.test/debian/\nSuites: bookworm bookworm-updates\n\n\
             Types: deb\nURIs: http://one.test/debian-security\nSuites: bookworm-security\n\n\
             Types: deb\nEnabled: no\nURIs: http://off.test/debian\nSuites: bookworm\n",
        )
        .unwrap();
        std::fs::write(list.join("x.list.save"), "deb http://save.test/ trixie main\n").unwrap();
        let host = Host::read(folder.path()).unwrap();
        (folder, host)
    }

    fn ask(
        name: &str,
        suite: &str,
        profile: Option<&str>,
        flags: &[(&str, &str)],
        env: &[(&str, &str)],
    ) -> Result<Vec<String>> {
        let flags = flags.iter().map(|(name, url)| (name.to_string(), url.to_string())).collect();
        let look = |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        bases(name, &apt(profile), suite, &flags, &look, &host().1)
    }

    #[test]
    fn the_host_s_own_configuration_is_the_last_resort() {
        assert_eq!(ask("debian", "trixie", None, &[], &[]).unwrap(), ["http://one.test/debian"]);
        assert_eq!(ask("debian", "trixie-updates", None, &[], &[]).unwrap(), ["http://one.test/debian"]);
        assert_eq!(ask("debian", "trixie-security", None, &[], &[]).unwrap(), ["http://one.test/debian-security"]);
        assert_eq!(ask("vendor", "tool-bookworm", None, &[], &[]).unwrap(), ["https://vendor.test/apt"]);
        let error = ask("ubuntu", "noble", None, &[], &[]).unwrap_err();
        assert!(error.hints()[0].contains("--mirror ubuntu=URL, or IMAGEBUILD_MIRROR_UBUNTU=URL"), "{error:?}");
    }

    #[test]
    fn flag_then_variable_then_profile() {
        let env = [("IMAGEBUILD_MIRROR_MY_DEB", "http://env.test"), ("IMAGEBUILD_MIRROR_MY_DEB_SECURITY", "/srv/sec/")];
        assert_eq!(ask("my-deb", "trixie", Some("http://p.test"), &[], &[]).unwrap(), ["http://p.test"]);
        assert_eq!(ask("my-deb", "trixie", Some("http://p.test"), &[], &env).unwrap(), ["http://env.test"]);
        assert_eq!(ask("my-deb", "trixie-security", None, &[], &env).unwrap(), ["file:///srv/sec"]);
        let flags = [("my-deb", "http://flag.test/")];
        assert_eq!(ask("my-deb", "trixie", None, &flags, &env).unwrap(), ["http://flag.test"]);
        assert_eq!(ask("my-deb", "trixie-security", None, &flags, &env).unwrap(), ["http://flag.test"]);
    }

    #[test]
    fn addresses_are_escaped() {
        assert_eq!(address("http://a", "pool/x+1~2_é#.deb"), "http://a/pool/x+1~2_%C3%A9%23.deb");
    }
}
