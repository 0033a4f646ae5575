//! A profile of packages alone, made by hand.
#![allow(dead_code)] // each test binary uses its own part

use std::collections::BTreeMap;
use std::path::PathBuf;

use imagebuild::arch::Arch;
use imagebuild::path::RootPath;
use imagebuild::profile::*;
use imagebuild::size::Size;

/// A package of the source.
pub fn package(name: &str, from: &str) -> Package {
    Package { name: name.to_owned(), from: from.to_owned() }
}

/// A program that is packages.
pub fn program(packages: Vec<Package>) -> Program {
    let path = RootPath::new("/usr/bin/x").expect("a path");
    Program { origin: Origin::Apt(packages), version: None, path, unpack: BTreeMap::new() }
}

/// An archive.
pub fn apt(suites: &[&str], keyring: Keyring, mirror: Option<String>) -> Source {
    let suites = suites.iter().map(|suite| suite.to_string()).collect();
    Source::Apt(Apt { suites, components: vec!["main".to_owned()], keyring, mirror })
}

/// A profile that asks for packages of the source `debian`, the first of which stands for the kernel.
pub fn profile(sources: BTreeMap<String, Source>, packages: &[&str]) -> Profile {
    let component = || Component { program: program(Vec::new()), config: toml::Table::new(), args: Vec::new() };
    Profile {
        path: PathBuf::from("node.toml"),
        image: Image { id: "test".to_owned(), version: "1".to_owned(), arch: Arch::Amd64 },
        sources,
        kernel: Kernel {
            package: package(packages[0], "debian"),
            cmdline: Vec::new(),
            modules: Vec::new(),
            sysctl: BTreeMap::new(),
            exclude: Vec::new(),
        },
        boot: Boot::default(),
        userland: Userland {
            packages: packages[1..].iter().map(|name| package(name, "debian")).collect(),
            exclude: Vec::new(),
            without: BTreeMap::new(),
            scripts: Vec::new(),
        },
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
        journal: Size(64 << 20),
        var: Var { size: Size(1 << 30), encryption: Encryption::None },
        writable: BTreeMap::new(),
        layout: Layout { slot: Size(512 << 20), slots: 2, esp: Size(512 << 20) },
        pack: Pack { codec: Codec::Zstd, level: 15, block: Size(128 << 10) },
        outputs: Vec::new(),
        clouds: BTreeMap::new(),
        posture: Posture::of(posture::Set::None),
        waivers: BTreeMap::new(),
    }
}
