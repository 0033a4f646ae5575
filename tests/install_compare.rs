//! The same packages, once installed with their scripts run and once assembled by us: the trees must agree.
//!
//! Every difference is in `install_compare/differences.toml` with its reason; a new one fails, and so does
//! a row that no difference fits any more. A new judge of the assembled system goes here too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use imagebuild::digest::Digest;
use imagebuild::epoch::Epoch;
use imagebuild::lock;
use imagebuild::path::RootPath;
use imagebuild::profile::{Apt, Keyring};
use imagebuild::report::Report;
use imagebuild::source::apt::{archive, deb};
use imagebuild::source::{Context, Package};
use imagebuild::store::Store;
use imagebuild::system::{self, Inputs};
use imagebuild::tree::{Kind, NodeRef, Tree};

#[path = "common/profile.rs"]
mod profile;

/// What `examples/hello-pod.toml` asks for, but the kernel: its scripts make an initrd and boot entries,
/// and its module tables have a judge of their own.
const PACKAGES: &str = "base-files,ca-certificates,containerd,dbus-broker,e2fsprogs,iptables,kmod,mount,netbase,\
    systemd,systemd-boot,systemd-repart,systemd-resolved,systemd-timesyncd,udev,util-linux";
const SUITES: [&str; 3] = ["trixie", "trixie-updates", "trixie-security"];

/// Both trees.
struct Pair {
    folder: tempfile::TempDir,
    installed: Nodes,
    installed_files: BTreeMap<String, Vec<u8>>,
    ours: Tree,
    packages: Vec<Package>,
}

/// What is compared of a node: kind, mode, owner by name, target or digest.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    kind: char,
    mode: u32,
    owner: (String, String),
    rest: String,
}

type Nodes = BTreeMap<String, Node>;

fn pair() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| {
        let folder = tempfile::Builder::new().tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let debs = folder.path().join("debs");
        fs::create_dir(&debs).expect("a folder for packages");
        let tar = folder.path().join("installed.tar");
        install(&tar, &debs);
        let (installed, installed_files) = read_tar(&tar);
        let packages = load(&folder.path().join("store"), &debs);
        let ours = assemble(&packages);
        Pair { folder, installed, installed_files, ours, packages }
    })
}

/// Installs with mmdebstrap from the host's own mirror, and keeps every package that it installed.
fn install(tar: &Path, debs: &Path) {
    let report = Report::silent();
    let store = Store::open(&tar.with_extension("mirrors")).expect("a store");
    let context = Context { store, report: &report, offline: false, jobs: 2, mirrors: BTreeMap::new() };
    let suites = SUITES.iter().map(|suite| (*suite).to_owned()).collect();
    let apt = Apt { suites, components: vec!["main".into()], keyring: Keyring::Debian, mirror: None };
    let download = format!(
        "cd '{}' && APT_CONFIG=\"$MMDEBSTRAP_APT_CONFIG\" apt-get -qq -o APT::Sandbox::User=root download \
         $(dpkg-query --admindir=\"$1/var/lib/dpkg\" -W -f '${{Package}}:${{Architecture}}=${{Version}} ' | sed 's/:all=/=/g')",
        debs.display()
    );
    let mut command = Command::new("mmdebstrap");
    command.args(["--variant=essential", "--quiet", &format!("--include={PACKAGES}")]);
    command.arg(format!("--customize-hook={download}")).arg(SUITES[0]).arg(tar);
    for suite in SUITES {
        let bases = archive::bases("debian", &apt, suite, &context).expect("a mirror of the host's");
        let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
        command.arg(format!("deb [signed-by={keys}] {} {suite} main", bases[0]));
    }
    let output = command.output().expect("mmdebstrap starts; tests/run installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn read_tar(path: &Path) -> (Nodes, BTreeMap<String, Vec<u8>>) {
    let mut files = BTreeMap::new();
    let mut raw = Vec::new();
    let mut archive = tar::Archive::new(File::open(path).expect("the installed tree"));
    for entry in archive.entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        let name = RootPath::from_member(&entry.path_bytes()).expect("a path").to_string();
        let header = entry.header().clone();
        let kind = header.entry_type();
        let mut rest = entry.link_name_bytes().map(|to| String::from_utf8_lossy(&to).into_owned()).unwrap_or_default();
        let letter = if kind.is_dir() {
            'd'
        } else if kind.is_symlink() {
            'l'
        } else if kind.is_file() {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("content");
            rest = Digest::of(&bytes).to_string();
            if name.starts_with("/etc/") {
                files.insert(name.clone(), bytes);
            }
            '-'
        } else if kind.is_hard_link() {
            let to = RootPath::from_member(rest.as_bytes()).expect("a path").to_string();
            let first = raw.iter().find(|(name, ..): &&(String, char, u32, u64, u64, String)| *name == to);
            rest = first.map(|first| first.5.clone()).unwrap_or_default();
            '-'
        } else {
            '?'
        };
        let (uid, gid) = (header.uid().expect("an id"), header.gid().expect("an id"));
        raw.push((name, letter, header.mode().expect("a mode") & 0o7777, uid, gid, rest));
    }
    let users = names(&files["/etc/passwd"]);
    let groups = names(&files["/etc/group"]);
    let nodes = raw.into_iter().map(|(name, kind, mode, uid, gid, rest)| {
        let mode = if kind == 'l' { 0o777 } else { mode };
        (name, Node { kind, mode, owner: (named(&users, uid), named(&groups, gid)), rest })
    });
    (nodes.collect(), files)
}

/// Names by id, of passwd or group.
fn names(text: &[u8]) -> BTreeMap<u64, String> {
    let text = String::from_utf8_lossy(text);
    let line = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        Some((fields.get(2)?.parse().ok()?, fields[0].to_owned()))
    };
    text.lines().filter_map(line).collect()
}

fn named(names: &BTreeMap<u64, String>, id: u64) -> String {
    names.get(&id).cloned().unwrap_or_else(|| id.to_string())
}

fn load(store: &Path, debs: &Path) -> Vec<Package> {
    let store = Store::open(store).expect("a store");
    let mut packages: Vec<Package> = Vec::new();
    for entry in fs::read_dir(debs).expect("packages") {
        let path = entry.expect("a package").path();
        let (sha256, size) = Digest::of_reader(File::open(&path).expect("a package")).expect("a package");
        let blob = store.insert(&sha256, size, File::open(&path).expect("a package")).expect("a blob");
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let location = lock::Location::Url(String::new());
        let name = name.split('_').next().expect("a name").to_owned();
        let input = lock::Input { name, location, size: Some(size), sha256 };
        packages.push(deb::unpack_input(&store, &blob, &input).expect("a package that unpacks"));
    }
    assert!(packages.len() > 80, "{} packages", packages.len());
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    packages
}

fn assemble(packages: &[Package]) -> Tree {
    let report = Report::silent();
    let profile = profile::profile(BTreeMap::new(), &["linux"]);
    let inputs = Inputs {
        profile: &profile,
        epoch: Epoch(1_700_000_000),
        packages,
        programs: &BTreeMap::new(),
        files: &BTreeMap::new(),
        images: &[],
        record: &Default::default(),
        report: &report,
    };
    system::assemble(&inputs, |_, _| Ok(())).unwrap_or_else(|error| panic!("{error}\n{:?}", error.hints())).0
}

fn text(tree: &Tree, path: &str) -> String {
    let (_, content) = tree.file(&RootPath::new(path).expect("a path")).unwrap_or_else(|| panic!("no {path}"));
    String::from_utf8(content.read(1 << 24).expect("content")).expect("text")
}

fn our_nodes(tree: &Tree) -> Nodes {
    let users = names(text(tree, "/etc/passwd").as_bytes());
    let groups = names(text(tree, "/etc/group").as_bytes());
    let mut out = Nodes::new();
    for (path, node) in tree.walk() {
        let (kind, rest) = match node {
            NodeRef::Directory(_) => ('d', String::new()),
            NodeRef::Leaf(_, leaf) => match &leaf.kind {
                Kind::File(content) => {
                    ('-', Digest::of_reader(content.open().expect("content")).expect("content").0.to_string())
                }
                Kind::Symlink(target) => ('l', String::from_utf8_lossy(target).into_owned()),
                _ => ('?', String::new()),
            },
        };
        let meta = node.meta();
        let owner = (named(&users, meta.uid.into()), named(&groups, meta.gid.into()));
        out.insert(path.to_string(), Node { kind, mode: meta.mode.into(), owner, rest });
    }
    // What boot makes below /var stands for what lies there.
    for line in text(tree, system::TMPFILES).lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let id = |at: usize| fields[at].parse::<u64>().unwrap_or(0);
        let owner = (named(&users, id(3)), named(&groups, id(4)));
        let mode = u32::from_str_radix(fields[2], 8).unwrap_or(0o777);
        let (kind, rest) = match fields[0] {
            "d" => ('d', String::new()),
            "L" => ('l', fields[6].to_owned()),
            _ => continue,
        };
        out.insert(fields[1].to_owned(), Node { kind, mode, owner, rest });
    }
    out
}

/// One difference: where, and in what.
type Difference = (String, &'static str);

fn differences(pair: &Pair) -> BTreeMap<Difference, String> {
    let ours = our_nodes(&pair.ours);
    let mut out = BTreeMap::new();
    for path in pair.installed.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
        let mut note = |what, text: String| drop(out.insert((path.clone(), what), text));
        match (pair.installed.get(path), ours.get(path)) {
            (Some(a), Some(b)) if a.kind != b.kind => note("kind", format!("{a:?} {b:?}")),
            (Some(a), Some(b)) => {
                if a.mode != b.mode {
                    note("mode", format!("{:04o} {:04o}", a.mode, b.mode));
                }
                if a.owner != b.owner {
                    note("owner", format!("{:?} {:?}", a.owner, b.owner));
                }
                if a.rest != b.rest {
                    note(if a.kind == 'l' { "target" } else { "content" }, format!("{} {}", a.rest, b.rest));
                }
            }
            (Some(a), None) => note("missing", format!("{a:?}")),
            (None, Some(b)) => note("added", format!("{b:?}")),
            (None, None) => {}
        }
    }
    out
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    paths: Vec<String>,
    what: String,
    reason: String,
}

#[derive(serde::Deserialize)]
struct Rows {
    difference: Vec<Row>,
}

#[test]
fn trees_agree_but_for_what_is_written_down() {
    let rows: Rows = toml::from_str(include_str!("install_compare/differences.toml")).expect("the list");
    let mut used = BTreeSet::new();
    let mut new = Vec::new();
    for ((path, what), text) in differences(pair()) {
        let mut hit = false;
        for row in rows.difference.iter().filter(|row| row.what == what) {
            assert!(!row.reason.is_empty());
            for glob in &row.paths {
                let matcher = globset::GlobBuilder::new(glob).literal_separator(true).build().expect("a glob");
                if matcher.compile_matcher().is_match(&path) {
                    used.insert((glob, &row.what));
                    hit = true;
                }
            }
        }
        if !hit {
            new.push(format!("{what} {path}: {text}"));
        }
    }
    let all = rows.difference.iter().flat_map(|row| row.paths.iter().map(|path| (path, &row.what)));
    let stale: Vec<_> = all.filter(|row| !used.contains(row)).collect();
    assert!(new.is_empty() && stale.is_empty(), "new:\n{}\nno longer there: {stale:?}", new.join("\n"));
}

/// Users and groups agree by name: fixed ids, homes, shells, members; free ids are pinned here.
#[test]
fn accounts_agree() {
    let pair = pair();
    for (file, id) in [("/etc/passwd", 2), ("/etc/group", 2)] {
        let table = |text: &str| -> BTreeMap<String, Vec<String>> {
            let line = |line: &str| {
                let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
                let number: u32 = fields[id].parse().expect("an id");
                // From 100 on the order of installation decides; a full name is decoration.
                if (100..60_000).contains(&number) && fields[0] != "users" {
                    fields[2] = "free".into();
                    if file == "/etc/passwd" {
                        fields[3] = "free".into();
                    }
                }
                fields[1].clear();
                if file == "/etc/passwd" {
                    fields[4].clear();
                }
                (fields.remove(0), fields)
            };
            text.lines().map(line).collect()
        };
        let installed = String::from_utf8_lossy(&pair.installed_files[file]).into_owned();
        assert_eq!(table(&text(&pair.ours, file)), table(&installed), "{file}");
    }
}

/// dpkg reads the database where it lies, and finds the same packages as where they were installed.
#[test]
fn dpkg_reads_the_database() {
    let pair = pair();
    let admin: PathBuf = pair.folder.path().join("dpkg-db");
    let top = RootPath::new("/usr/lib/dpkg-db").expect("a path");
    for (path, node) in pair.ours.walk().into_iter().filter(|(path, _)| path.starts_with(&top)) {
        let to = admin.join(path.to_string().trim_start_matches("/usr/lib/dpkg-db").trim_start_matches('/'));
        match node {
            NodeRef::Directory(_) => fs::create_dir_all(&to).expect("a folder"),
            NodeRef::Leaf(..) => {
                let (_, content) = pair.ours.file(&path).expect("a file");
                fs::write(&to, content.read(1 << 26).expect("content")).expect("a file");
            }
        }
    }
    let query = |arguments: &[&str]| {
        let mut command = Command::new("dpkg-query");
        let output =
            command.arg(format!("--admindir={}", admin.display())).args(arguments).output().expect("dpkg-query");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let listed = query(&["-W", "-f", "${Package} ${Version} ${Status}\n"]);
    let expected: String = pair
        .packages
        .iter()
        .map(|package| format!("{} {} install ok installed\n", package.name, package.version))
        .collect();
    assert_eq!(listed, expected);
    assert!(query(&["-L", "libc6"]).contains("/usr/lib/x86_64-linux-gnu/libc.so.6\n"));
    assert!(query(&["-S", "/usr/sbin/xtables-nft-multi"]).starts_with("iptables:"));
}

/// The linker's own tool finds the same libraries in our cache as in the one that it made.
#[test]
fn ldconfig_reads_the_cache() {
    let pair = pair();
    let listed = |name: &str, bytes: &[u8]| {
        let path = pair.folder.path().join(name);
        fs::write(&path, bytes).expect("a file");
        let output = Command::new("/sbin/ldconfig").arg("-p").arg("-C").arg(&path).output().expect("ldconfig");
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().filter(|line| line.starts_with('\t')).map(str::to_owned).collect::<Vec<_>>()
    };
    let (_, content) = pair.ours.file(&RootPath::new("/etc/ld.so.cache").expect("a path")).expect("a cache");
    let ours = listed("ours.cache", &content.read(1 << 20).expect("content"));
    let theirs = listed("theirs.cache", &pair.installed_files["/etc/ld.so.cache"]);
    assert_eq!(ours, theirs);
    assert!(ours.len() > 50);
}
