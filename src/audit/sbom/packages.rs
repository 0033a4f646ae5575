//! What packages of a bill of materials need of each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::dpkg::Package;

/// For each package the indexes of those that it depends on: of each group the first that is there.
pub fn dependencies(packages: &[Package]) -> Vec<BTreeSet<usize>> {
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
    let of = |(index, package): (usize, &Package)| {
        let found = package.depends.iter().filter_map(|group| group.iter().find_map(find));
        found.filter(|other| *other != index).collect()
    };
    packages.iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::dpkg;

    #[test]
    fn what_is_there_is_needed() {
        let packages = dpkg::packages(dpkg::tests::STATUS);
        assert_eq!(dependencies(&packages), [BTreeSet::new(), BTreeSet::from([0])]);
    }
}
