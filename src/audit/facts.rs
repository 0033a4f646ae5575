//! What is known of a root by itself, packed or not: packages, files, units, accounts, configuration.

use super::contents;
use super::dpkg::{self, Package};
use super::inventory::{self, Inventory};
use super::posture::{NodeKind, View};
use crate::error::{Context, Result};
use crate::node::paths;
use crate::squashfs;
use crate::tree::Tree;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Packages of dpkg's database.
    pub packages: bool,
    /// Every name.
    pub files: bool,
    /// What starts, and what is masked.
    pub units: bool,
    /// Users and groups.
    pub users: bool,
    /// The kubelet's and containerd's configuration.
    pub config: bool,
}

/// What was found; only what was asked for is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Packages, sorted by name.
    pub packages: Option<Vec<Package>>,
    /// `MODE UID:GID SIZE PATH [-> TARGET]` of each name.
    pub files: Option<Vec<String>>,
    /// Units, each with what starts it, or `masked`.
    pub units: Option<Vec<(String, String)>>,
    /// `user LINE` and `group LINE` of /etc/passwd and /etc/group.
    pub users: Option<Vec<String>>,
    /// Path and text.
    pub config: Option<Vec<(String, String)>>,
}

impl Facts {
    /// Of a root's file system; all of its names are read only where that is needed.
    pub fn of_image(root: squashfs::Image, wanted: Wanted) -> Result<Self> {
        let packages = wanted.packages.then(|| dpkg::read(&root)).transpose()?;
        let listing = wanted.files.then(|| contents::listing(&root)).transpose()?;
        let files = listing.map(|listing| listing.lines().map(str::to_owned).collect());
        let mut facts = Facts { packages, files, ..Facts::default() };
        if wanted.units || wanted.users || wanted.config {
            let inventory = Inventory::read(root)?;
            facts.units = wanted.units.then(|| inventory.enabled().map(plain)).transpose()?;
            facts.read(wanted, &|path| inventory.text(path))?;
        }
        Ok(facts)
    }

    /// Of a tree: a folder or an archive.
    pub fn of_tree(tree: &Tree, wanted: Wanted) -> Result<Self> {
        let view = View::of_tree(tree);
        let mut facts = Facts::default();
        if wanted.packages {
            let status = dpkg::FOLDERS.iter().find_map(|folder| view.find(&format!("{folder}/status")));
            let text = status.map(|(path, _)| view.bytes(path, dpkg::MAX).context(|| format!("reading `{path}`")));
            let text = text.transpose()?.flatten().unwrap_or_default();
            facts.packages = Some(dpkg::packages(&String::from_utf8_lossy(&text)));
        }
        if wanted.files {
            facts.files = Some(contents::tree_lines(tree));
        }
        if wanted.units {
            let links = view.below(inventory::UNITS).filter_map(|(path, node)| match node.kind {
                NodeKind::Link(target) => Some((path, target)),
                _ => None,
            });
            facts.units = Some(plain(inventory::started(links)));
        }
        facts.read(wanted, &|path| view.text(path))?;
        Ok(facts)
    }

    /// What is told out of texts.
    fn read(&mut self, wanted: Wanted, text: &dyn Fn(&str) -> Result<Option<String>>) -> Result<()> {
        if wanted.users {
            let mut users = Vec::new();
            for (path, word) in [("/etc/passwd", "user"), ("/etc/group", "group")] {
                users.extend(text(path)?.unwrap_or_default().lines().map(|line| format!("{word} {line}")));
            }
            self.users = Some(users);
        }
        if wanted.config {
            let mut config = Vec::new();
            for path in [paths::KUBELET_CONFIG, paths::CONTAINERD_CONFIG] {
                config.extend(text(path)?.map(|text| (path.to_owned(), text)));
            }
            self.config = Some(config);
        }
        Ok(())
    }
}

/// The units of `UNIT LINK`.
fn plain(started: inventory::Started) -> Vec<(String, String)> {
    let unit = |name: String| name.split(' ').next().unwrap_or_default().to_owned();
    started.into_iter().map(|(name, (state, _))| (unit(name), state)).collect()
}
