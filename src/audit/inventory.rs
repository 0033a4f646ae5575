//! A root of an image, read once: its names, who brought them, its packages.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::dpkg::{self, Package};
use crate::error::Result;
use crate::path::{RootPath, below};
use crate::record;
use crate::squashfs::{Image, Node, NodeKind, Pair};

/// Where an image says which units start.
pub(super) const UNITS: &str = "/etc/systemd/system";
/// Whose files of no package are.
pub const NOBODY: &str = "(no package)";
/// As large as a part of a record may be.
const MAX_CARRIED: u64 = 64 << 20;
/// As large as a file of configuration is read; those of ours have some kB.
pub const MAX_TEXT: u64 = 4 << 20;
/// As many names as are compared; each takes some 300 bytes.
const MAX_NAMES: usize = 4 << 20;

/// What starts units, or masks them: by `UNIT LINK` what the link says and where it lies.
pub type Started = BTreeMap<String, (String, RootPath)>;

/// What links of [`UNITS`], each with its target, say of units.
pub(super) fn started<'a>(links: impl Iterator<Item = (&'a RootPath, &'a [u8])>) -> Started {
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let mut out = BTreeMap::new();
    for (path, target) in links {
        let name = text(path.name().unwrap_or_default());
        let folder = path.parent().and_then(|folder| folder.name().map(text)).unwrap_or_default();
        let state = match (target, folder.rsplit_once('.')) {
            (b"/dev/null", _) => "masked".to_owned(),
            (_, Some((by, "wants"))) => format!("enabled, wanted by {by}"),
            (_, Some((by, "requires"))) => format!("enabled, required by {by}"),
            (target, _) => format!("an alias of {}", target.escape_ascii()),
        };
        out.insert(format!("{name} {path}"), (state, path.clone()));
    }
    out
}

/// A root.
pub struct Inventory {
    image: Image,
    /// Every name.
    pub nodes: BTreeMap<RootPath, Node>,
    owners: HashMap<Vec<u8>, Arc<str>>,
    /// Packages by name.
    pub packages: BTreeMap<String, Package>,
}

impl Inventory {
    /// Reads all names and the package database.
    pub fn read(image: Image) -> Result<Self> {
        let nodes = image.nodes(MAX_NAMES)?.into_iter().map(|node| (node.path.clone(), node)).collect();
        let mut root = Inventory { image, nodes, owners: HashMap::new(), packages: BTreeMap::new() };
        let Some(base) = dpkg::FOLDERS.iter().find(|base| root.node(&format!("{base}/status")).is_some()) else {
            return Ok(root);
        };
        let status = root.text_within(&format!("{base}/status"), dpkg::MAX)?.unwrap_or_default();
        root.packages = dpkg::packages(&status).into_iter().map(|package| (package.name.clone(), package)).collect();
        let folder = RootPath::new(format!("{base}/info"))?;
        let lists: Vec<Node> = root.below(&folder).cloned().collect();
        for node in lists {
            let path = node.path.to_string();
            let Some(name) = dpkg::list_of(&path) else { continue };
            let name: Arc<str> = name.into();
            for line in root.bytes(&node, dpkg::MAX)?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                root.owners.entry(merged(line)).or_insert_with(|| name.clone());
            }
        }
        Ok(root)
    }

    /// The file system that was read.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// What a path stands for, links not followed.
    pub fn node(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path.as_bytes())
    }

    /// Everything below a folder.
    pub fn below(&self, folder: &RootPath) -> impl Iterator<Item = &Node> + use<'_> {
        below(&self.nodes, folder).map(|(_, node)| node)
    }

    /// Files and links directly in a folder, by their names.
    pub fn files(&self, folder: &str) -> Result<BTreeMap<String, RootPath>> {
        let folder = RootPath::new(folder)?;
        let inside = self.below(&folder).filter(|node| node.path.parent().as_ref() == Some(&folder));
        let files = inside.filter(|node| matches!(node.kind, NodeKind::File(_) | NodeKind::Symlink(_)));
        let name = |node: &Node| String::from_utf8_lossy(node.path.name().unwrap_or_default()).into_owned();
        Ok(files.map(|node| (name(node), node.path.clone())).collect())
    }

    /// What starts units, or masks them.
    pub fn enabled(&self) -> Result<Started> {
        let folder = RootPath::new(UNITS)?;
        Ok(started(self.below(&folder).filter_map(|node| match &node.kind {
            NodeKind::Symlink(target) => Some((&node.path, &**target)),
            _ => None,
        })))
    }

    /// The bytes of a file; an error above `limit`.
    pub fn bytes(&self, node: &Node, limit: u64) -> Result<Vec<u8>> {
        self.image.read_file(node, limit)
    }

    /// The text of the file at a path; none where there is no file of at most [`MAX_TEXT`] bytes.
    pub fn text(&self, path: &str) -> Result<Option<String>> {
        self.text_within(path, MAX_TEXT)
    }

    /// The same up to `limit` bytes.
    pub(super) fn text_within(&self, path: &str, limit: u64) -> Result<Option<String>> {
        match self.node(path) {
            Some(node) if matches!(node.kind, NodeKind::File(size) if size <= limit) => {
                Ok(Some(String::from_utf8_lossy(&self.bytes(node, limit)?).into_owned()))
            }
            _ => Ok(None),
        }
    }

    /// The first bytes of a file; enough to tell what it is.
    pub fn head(&self, node: &Node) -> Result<Vec<u8>> {
        self.image.head(node, 64)
    }

    /// Bytes of files by package; those of none are [`NOBODY`]'s. A file of several names counts once.
    pub fn by_package(&self) -> BTreeMap<String, u64> {
        let mut out = BTreeMap::<String, u64>::new();
        let mut seen = HashSet::new();
        for (path, node) in &self.nodes {
            let NodeKind::File(size) = node.kind else { continue };
            if node.links > 1 && !seen.insert(node.number) {
                continue;
            }
            let name = self.owner(path).map_or(NOBODY, |owner| owner);
            let sum = out.entry(name.to_owned()).or_default();
            *sum = sum.saturating_add(size);
        }
        out
    }

    /// A part of the record that an image carries of its own making; none where it has no such file.
    pub fn carried(&self, name: &str) -> Result<Option<String>> {
        self.text_within(&format!("{}/{name}", record::FOLDER), MAX_CARRIED)
    }

    /// The package that brought a path.
    pub fn owner(&self, path: &RootPath) -> Option<&Arc<str>> {
        self.owners.get(path.as_bytes())
    }

    /// Whether the package database is there at all.
    pub fn has_database(&self) -> bool {
        !self.packages.is_empty()
    }

    /// This root and another, whose files are compared.
    pub fn pair<'i>(&'i self, other: &'i Inventory) -> Pair<'i> {
        Pair::new(&self.image, &other.image)
    }

    /// Packages that need a package, by its name or by what it provides.
    pub fn dependants(&self, name: &str) -> Vec<&str> {
        let provides = self.packages.get(name).map(|package| package.provides.as_slice()).unwrap_or_default();
        let is = |needed: &String| needed == name || provides.contains(needed);
        let needs = |package: &Package| package.depends.iter().flatten().any(is);
        self.packages
            .iter()
            .filter(|(other, package)| *other != name && needs(package))
            .map(|(other, _)| other.as_str())
            .collect()
    }

    /// The shortest way from one of `asked` to a package: the names on it, both ends included.
    pub fn why(&self, asked: &HashSet<&str>) -> HashMap<String, Vec<String>> {
        let mut providers: HashMap<&str, Vec<&str>> = HashMap::new();
        for (name, package) in &self.packages {
            for provided in package.provides.iter().map(String::as_str).chain([name.as_str()]) {
                providers.entry(provided).or_default().push(name);
            }
        }
        let mut ways: HashMap<String, Vec<String>> = HashMap::new();
        let mut queue: VecDeque<&str> = VecDeque::new();
        for name in self.packages.keys().filter(|name| asked.contains(name.as_str())) {
            ways.insert(name.clone(), vec![name.clone()]);
            queue.push_back(name);
        }
        while let Some(name) = queue.pop_front() {
            let way = ways.get(name).cloned().unwrap_or_default();
            let Some(package) = self.packages.get(name) else { continue };
            for needed in package.depends.iter().flatten() {
                for provider in providers.get(needed.as_str()).into_iter().flatten() {
                    if !ways.contains_key(*provider) {
                        let mut way = way.clone();
                        way.push((*provider).to_owned());
                        ways.insert((*provider).to_owned(), way);
                        queue.push_back(provider);
                    }
                }
            }
        }
        ways
    }
}

/// A path as a root with a merged /usr has it.
fn merged(path: &[u8]) -> Vec<u8> {
    let top = path.strip_prefix(b"/").and_then(|path| path.split(|byte| *byte == b'/').next());
    match top {
        Some(b"bin" | b"sbin" | b"lib" | b"lib64" | b"lib32" | b"libx32") if path.len() > 1 => {
            [b"/usr".as_slice(), path].concat()
        }
        _ => path.to_vec(),
    }
}
