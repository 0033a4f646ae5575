//! What the tests of steps share: an empty profile, packages made by hand.

use std::collections::BTreeMap;

use crate::arch::Arch;
use crate::path::RootPath;
use crate::profile::{
    Boot, Cluster, Codec, Component, Encryption, Image, Kernel, Layout, Network, Origin, Pack, Package as Name,
    Posture, Profile, Program, Userland, Var,
};
use crate::size::Size;
use crate::source::{Member, MemberKind, Package};
use crate::tree::{Content, Meta};

/// A path that is right.
pub fn path(text: &str) -> RootPath {
    RootPath::new(text).unwrap()
}

/// A profile that asks for nothing.
pub fn profile() -> Profile {
    let size = |text: &str| -> Size { text.parse().unwrap() };
    let program = || Program {
        origin: Origin::Apt(Vec::new()),
        version: None,
        path: path("/usr/bin/x"),
        unpack: BTreeMap::new(),
    };
    let component = || Component { program: program(), config: toml::Table::new(), args: Vec::new() };
    Profile {
        path: "test.toml".into(),
        image: Image { id: "test".into(), version: "1".into(), arch: Arch::Amd64 },
        sources: BTreeMap::new(),
        kernel: Kernel {
            package: Name { name: "linux".into(), from: "debian".into() },
            cmdline: Vec::new(),
            modules: Vec::new(),
            sysctl: BTreeMap::new(),
            exclude: Vec::new(),
        },
        boot: Boot::default(),
        userland: Userland { packages: Vec::new(), exclude: Vec::new(), without: BTreeMap::new(), scripts: Vec::new() },
        containerd: component(),
        runc: None,
        cni: None,
        kubelet: component(),
        cluster: Cluster::Standalone,
        programs: BTreeMap::new(),
        preload: Vec::new(),
        pods: Vec::new(),
        users: Vec::new(),
        units: Vec::new(),
        edits: Vec::new(),
        network: Network { hostname: None, dhcp: true, ntp: Vec::new() },
        journal: size("64M"),
        var: Var { size: size("1G"), encryption: Encryption::None },
        writable: BTreeMap::new(),
        layout: Layout { slot: size("512M"), slots: 2, esp: size("512M") },
        pack: Pack { codec: Codec::Zstd, level: 3, block: size("128K") },
        outputs: Vec::new(),
        clouds: BTreeMap::new(),
        posture: Posture::default(),
        waivers: BTreeMap::new(),
    }
}

/// A package without members and scripts.
pub fn package(name: &str) -> Package {
    Package {
        name: name.into(),
        version: "1.0-1".into(),
        arch: "amd64".into(),
        from: "debian".into(),
        requested: true,
        control: vec![("Package".into(), name.into()), ("Version".into(), "1.0-1".into())],
        members: Vec::new(),
        scripts: BTreeMap::new(),
        triggers: String::new(),
        conffiles: Vec::new(),
        md5sums: String::new(),
    }
}

/// A member of a payload, owned by root by name.
pub fn member(at: &str, mode: u16, kind: MemberKind) -> Member {
    let root = || Some("root".to_owned());
    Member { path: path(at), meta: Meta::new(mode, 5), owner: (root(), root()), kind }
}

/// A regular file of a payload.
pub fn file(at: &str, mode: u16, text: &str) -> Member {
    member(at, mode, MemberKind::File(Content::bytes(text.as_bytes())))
}

/// A folder of a payload.
pub fn folder(at: &str, mode: u16) -> Member {
    member(at, mode, MemberKind::Directory)
}

/// A link of a payload.
pub fn link(at: &str, target: &str) -> Member {
    member(at, 0o777, MemberKind::Symlink(target.as_bytes().into()))
}

/// Everything that inputs refer to.
pub struct Fixture {
    /// The profile.
    pub profile: Profile,
    /// The packages.
    pub packages: Vec<Package>,
    /// The programs.
    pub programs: BTreeMap<String, Vec<Member>>,
    /// Where warnings go.
    pub report: crate::report::Report,
}

impl Fixture {
    /// An empty one.
    pub fn new() -> Self {
        Fixture {
            profile: profile(),
            packages: Vec::new(),
            programs: BTreeMap::new(),
            report: crate::report::Report::silent(),
        }
    }

    /// Calls `f` with the inputs.
    pub fn with<T>(&self, f: impl FnOnce(&super::Inputs<'_>) -> T) -> T {
        f(&super::Inputs {
            profile: &self.profile,
            epoch: crate::epoch::Epoch(1_700_000_000),
            packages: &self.packages,
            programs: &self.programs,
            files: &BTreeMap::new(),
            images: &[],
            record: &crate::record::Record::default(),
            report: &self.report,
        })
    }
}
