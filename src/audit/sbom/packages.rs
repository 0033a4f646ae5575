//! The database of dpkg, as far as a bill of materials needs it.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::apt::deb822;

/// More packages than this are not told of.
const MAX_PACKAGES: usize = 100_000;

/// An installed package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture.
    pub arch: String,
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

/// The installed packages of a status file (or of one paragraph of it), sorted by name and architecture; nothing is
/// twice.
pub fn installed(text: &str) -> Vec<Installed> {
    let mut found = BTreeMap::new();
    for package in deb822::paragraphs(text).filter_map(package).take(MAX_PACKAGES) {
        found.entry((package.name.clone(), package.arch.clone())).or_insert(package);
    }
    found.into_values().collect()
}

fn package(paragraph: &str) -> Option<Installed> {
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
    let depends = ["Pre-Depends", "Depends"].into_iter().filter_map(field).flat_map(groups).collect();
    Some(Installed {
        arch: field("Architecture").unwrap_or_default().to_owned(),
        maintainer: field("Maintainer").unwrap_or_default().to_owned(),
        homepage: field("Homepage").unwrap_or_default().to_owned(),
        provides: groups(field("Provides").unwrap_or_default()).into_iter().flatten().collect(),
        name,
        version,
        source,
        depends,
    })
}

/// `a (>= 1) | b, c:any` as names.
fn groups(text: &str) -> Vec<Vec<String>> {
    let name = |one: &str| one.trim().split([' ', '(', ':', '[', '\n']).next().unwrap_or_default().to_owned();
    let groups = text.split(',').map(|group| group.split('|').map(name).filter(|name| !name.is_empty()).collect());
    groups.filter(|group: &Vec<String>| !group.is_empty()).collect()
}

/// For each package the indexes of those that it depends on: of each group the first that is there.
pub fn dependencies(packages: &[Installed]) -> Vec<BTreeSet<usize>> {
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, package) in packages.iter().enumerate() {
        named.entry(&package.name).or_insert(index);
    }
    let mut provided: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, package) in packages.iter().enumerate() {
        for name in &package.provides {
            provided.entry(name).or_insert(index);
        }
    }
    let find = |name: &String| named.get(name.as_str()).or_else(|| provided.get(name.as_str())).copied();
    let of = |(index, package): (usize, &Installed)| {
        let found = package.depends.iter().filter_map(|group| group.iter().find_map(find));
        found.filter(|other| *other != index).collect()
    };
    packages.iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "\
Package: b
Status: install ok installed
Version: 2:1-1
Architecture: amd64
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
        let packages = installed(STATUS);
        let names: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(packages[1].source, ("src".to_owned(), "1-1".to_owned()));
        assert_eq!(packages[0].source, ("other".to_owned(), "1".to_owned()));
        assert_eq!(packages[1].depends.len(), 4);
        assert_eq!(dependencies(&packages), [BTreeSet::new(), BTreeSet::from([0])]);
    }
}
