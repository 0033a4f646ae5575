//! The database of dpkg in a root: where it lies, and what is installed.

use std::collections::BTreeMap;

use crate::error::{Context, Result};
use crate::path::RootPath;
use crate::source::apt::deb822;
use crate::squashfs::{Image, NodeKind};

/// Where it may be; the first that is there counts.
pub const FOLDERS: [&str; 2] = ["/usr/lib/dpkg-db", "/var/lib/dpkg"];
/// A database of a file for each package, as distroless images have it.
pub const SINGLES: &str = "/var/lib/dpkg/status.d/";
/// A database of 10,000 packages has some 10 MB.
pub const MAX: u64 = 64 << 20;
/// More packages than this are not told of.
const MAX_PACKAGES: usize = 100_000;

/// An installed package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture.
    pub arch: String,
    /// Bytes, as its maintainer says.
    pub size: u64,
    /// Source package: name, version.
    pub source: (String, String),
    /// `Name <address>`
    pub maintainer: String,
    /// The project's page.
    pub homepage: String,
    /// Each a list of names of which any will do.
    pub depends: Vec<Vec<String>>,
    /// Names that it stands for.
    pub provides: Vec<String>,
}

/// Whether a path is that of a database's status.
pub fn is_status(path: &str) -> bool {
    FOLDERS.iter().any(|folder| path.strip_prefix(folder) == Some("/status"))
}

/// The package whose list of files a path is.
pub fn list_of(path: &str) -> Option<&str> {
    let name = FOLDERS.iter().find_map(|folder| path.strip_prefix(folder)?.strip_prefix("/info/"))?;
    // `libc6:amd64.list`
    name.strip_suffix(".list")?.split(':').next()
}

/// The packages of a root, sorted by name and architecture; none where it has no database.
pub fn read(root: &Image) -> Result<Vec<Package>> {
    for folder in FOLDERS {
        let path = RootPath::new(format!("{folder}/status"))?;
        if let Some(node) = root.find(&path)?.filter(|node| matches!(node.kind, NodeKind::File(_))) {
            let text = root.read_file(&node, MAX).context(|| format!("reading `{path}`"))?;
            return Ok(packages(&String::from_utf8_lossy(&text)));
        }
    }
    Ok(Vec::new())
}

/// The installed packages of a status file (or of one paragraph of it), sorted by name and architecture; nothing is
/// twice.
pub fn packages(status: &str) -> Vec<Package> {
    let mut found = BTreeMap::new();
    for package in deb822::paragraphs(status).filter_map(package).take(MAX_PACKAGES) {
        found.entry((package.name.clone(), package.arch.clone())).or_insert(package);
    }
    found.into_values().collect()
}

fn package(paragraph: &str) -> Option<Package> {
    let field = |name: &str| deb822::field(paragraph, name).filter(|value| !value.is_empty());
    // Distroless images have no state.
    if field("Status").is_some_and(|status| !status.ends_with(" installed")) {
        return None;
    }
    let (name, version) = (field("Package")?.to_owned(), field("Version")?.to_owned());
    let source = match field("Source") {
        None => (name.clone(), version.clone()),
        Some(text) => match text.split_once(" (") {
            Some((source, of)) => (source.to_owned(), of.trim_end_matches(')').to_owned()),
            None => (text.to_owned(), version.clone()),
        },
    };
    let kib: u64 = field("Installed-Size").and_then(|size| size.parse().ok()).unwrap_or(0);
    let depends = ["Pre-Depends", "Depends"].into_iter().filter_map(field).flat_map(groups).collect();
    Some(Package {
        arch: field("Architecture").unwrap_or_default().to_owned(),
        size: kib.saturating_mul(1024),
        maintainer: field("Maintainer").unwrap_or_default().to_owned(),
        homepage: field("Homepage").unwrap_or_default().to_owned(),
        provides: groups(field("Provides").unwrap_or_default()).into_iter().flatten().collect(),
        name,
        version,
        source,
        depends,
    })
}

/// `a (>= 1) | b, c:any` as names; what cannot be read says nothing of what it needs.
fn groups(text: &str) -> Vec<Vec<String>> {
    let name = |one: &str| one.trim().split([' ', '(', ':', '[', '\n']).next().unwrap_or_default().to_owned();
    let groups = text.split(',').map(|group| group.split('|').map(name).filter(|name| !name.is_empty()).collect());
    groups.filter(|group: &Vec<String>| !group.is_empty()).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub const STATUS: &str = "\
Package: b
Status: install ok installed
Version: 2:1-1
Architecture: amd64
Installed-Size: 3
Source: src (1-1)
Depends: libc6 (>= 2.36) | libc, gone | a:any
Pre-Depends: virtual,
 a

Package: gone
Status: deinstall ok config-files
Version: 1
Architecture: amd64

Package: a
Status: install ok installed
Version: 1
Architecture: all
Source: other
Provides: virtual (= 1), more
Maintainer: A Team <a@example.org>

no paragraph
";

    #[test]
    fn what_is_installed_is_found_with_what_it_needs() {
        let packages = packages(STATUS);
        let names: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(packages[0].source, ("other".to_owned(), "1".to_owned()));
        assert_eq!(packages[0].provides, ["virtual", "more"]);
        let b = &packages[1];
        assert_eq!((b.source.clone(), b.size, b.depends.len()), (("src".to_owned(), "1-1".to_owned()), 3072, 4));
        assert_eq!(b.depends[2], ["libc6", "libc"]);
    }

    #[test]
    fn files_of_a_database_are_known_by_their_paths() {
        assert_eq!(list_of("/var/lib/dpkg/info/libc6:amd64.list"), Some("libc6"));
        assert_eq!(list_of("/usr/lib/dpkg-db/info/a.list"), Some("a"));
        assert_eq!(list_of("/usr/lib/dpkg-db/info/a.md5sums"), None);
        assert!(is_status("/usr/lib/dpkg-db/status") && !is_status("/usr/lib/dpkg-db/status-old"));
    }
}
