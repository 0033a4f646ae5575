//! The running node's configuration: golden files for each version of containerd and the kubelet that a
//! profile names, and every check of one part against the other with what it says.
//!
//! A new check belongs here, as a row of `every_check_speaks`. `BLESS=1` rewrites golden files and
//! fails the run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use imagebuild::epoch::Epoch;
use imagebuild::node::version::Version;
use imagebuild::node::{self, checks};
use imagebuild::path::RootPath;
use imagebuild::profile::{LoadOptions, Profile, Waiver, load, load_text};
use imagebuild::report::Report;
use imagebuild::system::{Image, Inputs};
use imagebuild::tree::{Content, Kind, Leaf, Meta, NodeRef, Tree};

const HELLO: &str = "examples/hello-pod.toml";
const KUBERNETES: &str = "profiles/kubernetes-1.36.toml";

fn profile(path: &str) -> Profile {
    load(Path::new(path), &LoadOptions::default()).unwrap().0
}

/// The profile at `path` with `more` laid over it.
fn changed(path: &str, more: &str) -> Profile {
    let base = std::fs::canonicalize(path).unwrap();
    let image = "[image]\nid = \"x\"\nversion = \"1\"\narch = \"amd64\"\n";
    let text = format!("schema = 1\nextends = [{:?}]\n{image}{more}", base.to_str().unwrap());
    load_text(&base.with_file_name("changed.toml"), Some(text), &LoadOptions::default()).unwrap().0
}

/// A tree that holds what the checks look for.
fn tree() -> Tree {
    let mut tree = Tree::default();
    let files = [
        "/usr/bin/containerd",
        "/usr/bin/ctr",
        "/usr/bin/dbus-broker-launch",
        "/usr/bin/kubelet",
        "/usr/bin/lsattr",
        "/usr/bin/mount",
        "/usr/bin/runc",
        "/usr/bin/systemctl",
        "/usr/bin/systemd-repart",
        "/usr/bin/systemd-tmpfiles",
        "/usr/lib/modules/6.12/kernel/drivers/net/veth.ko.xz",
        "/usr/lib/modules/6.12/kernel/drivers/net/vxlan/vxlan.ko.xz",
        "/usr/lib/modules/6.12/kernel/fs/overlayfs/overlay.ko.xz",
        "/usr/lib/modules/6.12/kernel/net/bridge/br_netfilter.ko.xz",
        "/usr/lib/modules/6.12/kernel/net/bridge/bridge.ko.xz",
        "/usr/lib/modules/6.12/kernel/net/netfilter/nf_conntrack.ko.xz",
        "/usr/lib/systemd/systemd-logind",
        "/usr/lib/systemd/systemd-resolved",
        "/usr/sbin/fsck",
        "/usr/sbin/fsck.ext4",
        "/usr/sbin/iptables",
        "/usr/sbin/mkfs.ext4",
        "/usr/sbin/modprobe",
    ];
    for file in files {
        tree.put_file(&path(file), Meta::new(0o755, 0), Content::bytes(*b"x")).unwrap();
    }
    let link = b"../run/systemd/resolve/resolv.conf";
    tree.put_link(&path("/etc/resolv.conf"), Meta::default(), link).unwrap();
    tree
}

fn path(text: &str) -> RootPath {
    RootPath::new(text).unwrap()
}

/// Calls `with` with the inputs of a profile, containerd 1.7 where it comes from packages.
fn with<T>(profile: &Profile, with: impl FnOnce(&Inputs<'_>) -> T) -> T {
    let report = Report::silent();
    let (programs, files) = (BTreeMap::new(), BTreeMap::new());
    let packages = [imagebuild::source::Package {
        name: "containerd".into(),
        version: "1.7.24~ds1-6+deb13u1".into(),
        arch: "amd64".into(),
        from: "debian".into(),
        requested: true,
        control: Vec::new(),
        members: Vec::new(),
        scripts: BTreeMap::new(),
        triggers: String::new(),
        conffiles: Vec::new(),
        md5sums: String::new(),
    }];
    let images: Vec<Image> = profile
        .preload
        .iter()
        .map(|preload| Image {
            name: preload.name.clone(),
            digest: imagebuild::digest::Digest::of(preload.name.as_bytes()),
            archive: Content::bytes(*b"archive"),
        })
        .collect();
    with(&Inputs {
        profile,
        epoch: Epoch(1_767_225_600),
        packages: &packages,
        programs: &programs,
        files: &files,
        images: &images,
        record: &Default::default(),
        report: &report,
    })
}

/// The tree after every step of the node.
fn node(profile: &Profile) -> Tree {
    let mut tree = tree();
    with(profile, |inputs| {
        for (name, step) in node::STEPS {
            step(&mut tree, inputs).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    });
    tree
}

fn text(tree: &Tree, at: &str) -> String {
    let (_, content) = tree.file(&path(at)).unwrap_or_else(|| panic!("{at} is no file"));
    String::from_utf8(content.read(1 << 20).unwrap()).unwrap()
}

#[test]
fn configurations_are_golden() {
    let (mut blessed, mut stale) = (Vec::<PathBuf>::new(), Vec::<PathBuf>::new());
    let mut golden = |name: &str, have: String| {
        let file = Path::new("tests/node").join(name);
        if std::fs::read_to_string(&file).is_ok_and(|want| want == have) {
            return;
        }
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, have).unwrap();
            blessed.push(file);
        } else {
            stale.push(file);
        }
    };
    for (name, containerd, kubelet) in
        [(HELLO, Version::new(1, 7), Version::new(1, 20)), (KUBERNETES, Version::new(2, 3), Version::new(1, 36))]
    {
        let profile = profile(name);
        golden(
            &format!("containerd-{containerd}.toml"),
            node::containerd_text(&node::containerd_config(&profile, containerd)),
        );
        let config = node::kubelet_config(&profile, kubelet);
        golden(&format!("kubelet-{kubelet}.json"), node::kubelet_text(&config).unwrap());
        golden(&format!("kubelet-{kubelet}.args"), node::kubelet_command(&profile, kubelet).join("\n") + "\n");
    }
    // Every file, link and folder of ours, and each unit's text.
    for (name, profile) in [("hello-pod", profile(HELLO)), ("kubernetes-1.36", profile(KUBERNETES))] {
        let tree = node(&profile);
        let mut all = imagebuild::tree::listing(&tree);
        for (at, seen) in tree.walk() {
            if let NodeRef::Leaf(_, Leaf { kind: Kind::File(content), .. }) = seen
                && (at.to_string().contains("/systemd/") || at.to_string().starts_with("/usr/lib/imagebuild"))
                && content.len() > 1
            {
                all += &format!("\n--- {at}\n{}", text(&tree, &at.to_string()));
            }
        }
        golden(&format!("{name}.tree"), all);
    }
    assert!(stale.is_empty(), "not as expected: {stale:?}; BLESS=1 rewrites them");
    assert!(blessed.is_empty(), "rewritten: {blessed:?}; look at the difference and run again");
}

#[test]
fn what_the_steps_make_does_not_depend_on_how_often_they_run() {
    let profile = profile(KUBERNETES);
    assert_eq!(imagebuild::tree::listing(&node(&profile)), imagebuild::tree::listing(&node(&profile)));
    let mut twice = node(&profile);
    with(&profile, |inputs| {
        for (name, step) in node::STEPS.iter().filter(|step| step.0 != "writable") {
            step(&mut twice, inputs).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    });
    assert_eq!(imagebuild::tree::listing(&node(&profile)), imagebuild::tree::listing(&twice));
}

#[test]
fn shipped_profiles_pass_with_their_waivers() {
    for name in [HELLO, KUBERNETES] {
        let profile = profile(name);
        let tree = node(&profile);
        with(&profile, |inputs| {
            checks::run(&tree, inputs).unwrap();
            // Each of its waivers is needed.
            assert_eq!(inputs.report.warnings(), Vec::<String>::new(), "{name}");
        });
    }
}

/// The check's id and a piece of its message, the profile it is made from, what is laid over it.
const BROKEN: &[(&str, &str, &str, &str)] = &[
    ("cgroup-driver", "`cgroupfs`", HELLO, "[kubelet.config]\ncgroupDriver = \"cgroupfs\"\n"),
    (
        "cni-paths",
        "containerd looks elsewhere",
        KUBERNETES,
        "[containerd.config.plugins.\"io.containerd.cri.v1.runtime\".cni]\nconf_dir = \"/etc/cni/other\"\n",
    ),
    (
        "cni-paths",
        "cannot be written",
        KUBERNETES,
        "[containerd.config.plugins.\"io.containerd.cri.v1.runtime\".cni]\nbin_dirs = [\"/opt/cni/bin\", \"/usr/lib/cni\"]\n",
    ),
    ("containerd-config", "version 2", HELLO, "[containerd.config]\nversion = 3\n"),
    (
        "containerd-config",
        "no plugin",
        KUBERNETES,
        "[containerd.config.plugins.\"io.containerd.grpc.v1.cri\"]\nx = 1\n",
    ),
    ("kernel-modules", "`nft_magic`", HELLO, "[kernel]\nmodules = [\"nft_magic\"]\n"),
    ("kernel-settings", "`net.ipv4.ip_forward` is 0", HELLO, "[kernel.sysctl]\n\"net.ipv4.ip_forward\" = 0\n"),
    ("kernel-settings", "`kernel.panic` is 0", HELLO, "[kernel.sysctl]\n\"kernel.panic\" = 0\n"),
    (
        "pod-images",
        "would be pulled",
        HELLO,
        "[[\"+pod\"]]\nname = \"two\"\nmanifest = { apiVersion = \"v1\", kind = \"Pod\", metadata = { name = \"two\" }, spec = { containers = [{ name = \"c\", image = \"localhost/busybox:1\", imagePullPolicy = \"Always\" }] } }\n",
    ),
    ("runtime-socket", "/run/other.sock", HELLO, "[containerd.config.grpc]\naddress = \"/run/other.sock\"\n"),
    (
        "sandbox-image",
        "neither preloaded",
        KUBERNETES,
        "[containerd.config.plugins.\"io.containerd.cri.v1.images\".pinned_images]\nsandbox = \"localhost/none:1\"\n",
    ),
    ("version-skew", "v1alpha2", KUBERNETES, "[kubelet]\nversion = \"1.22.0\"\n"),
    ("version-skew", "wants containerd 2", KUBERNETES, "[containerd]\nversion = \"1.7.28\"\n"),
    ("kubelet-supported", "no security fixes", KUBERNETES, "[kubelet]\nversion = \"1.33.0\"\n"),
];

#[test]
fn every_check_speaks() {
    for (id, piece, base, more) in BROKEN {
        let profile = changed(base, more);
        let tree = node(&profile);
        let error = with(&profile, |inputs| checks::run(&tree, inputs)).expect_err(id);
        let said = error.to_string();
        let line = said.lines().find(|line| line.contains(&format!("{id}: ")) && line.contains(piece));
        assert!(line.is_some(), "{id} ({piece}) is not in:\n{said}");
        assert!(error.hints().iter().any(|hint| hint.starts_with(id)), "{id} has no hint");
    }
}

#[test]
fn checks_of_the_tree_speak() {
    let profile = profile(KUBERNETES);
    for (gone, id) in [
        ("/usr/bin/ctr", "node-tools"),
        ("/usr/bin/kubelet", "node-tools"),
        ("/usr/bin/runc", "node-tools"),
        ("/usr/lib/systemd/systemd-resolved", "resolv-conf"),
        ("/usr/lib/systemd/systemd-logind", "graceful-shutdown"),
        ("/usr/bin/dbus-broker-launch", "graceful-shutdown"),
        ("/usr/lib/modules/6.12/kernel/net/bridge/br_netfilter.ko.xz", "kernel-modules"),
    ] {
        let mut tree = node(&profile);
        assert!(tree.remove(&path(gone)));
        let error = with(&profile, |inputs| checks::run(&tree, inputs)).expect_err(gone);
        assert!(error.to_string().contains(&format!("{id}: ")), "{gone}: {error}");
    }
}

#[test]
fn what_a_profile_would_unseal_is_refused() {
    let mut profile = profile(KUBERNETES);
    profile.kubelet.config.insert("staticPodPath".into(), "/etc/kubernetes/manifests".into());
    let tree = node(&profile);
    let error = with(&profile, |inputs| checks::run(&tree, inputs)).unwrap_err();
    assert_eq!(error.kind().exit_code(), 2);
    assert!(error.to_string().contains("sealed-configuration: static pods would lie in"), "{error}");
}

#[test]
fn a_waiver_gives_one_check_up_until_its_day() {
    let mut profile = changed(KUBERNETES, "[kubelet]\nversion = \"1.33.0\"\n");
    let tree = node(&profile);
    // The inputs' moment is 2026-01-01.
    for (until, passes) in [(None, true), (Some("2026-01-01"), true), (Some("2025-12-31"), false)] {
        let waiver = Waiver { reason: "test".into(), until: until.map(Into::into) };
        profile.waivers.insert("kubelet-supported".into(), waiver);
        assert_eq!(with(&profile, |inputs| checks::run(&tree, inputs)).is_ok(), passes, "{until:?}");
    }
    profile.waivers.insert("cgroup-driver".into(), Waiver { reason: "not needed".into(), until: None });
    with(&profile, |inputs| {
        let _ = checks::run(&tree, inputs);
        let warnings = inputs.report.warnings().join("\n");
        assert!(warnings.contains("`cgroup-driver` gives up nothing"), "{warnings}");
        assert!(warnings.contains("`kubelet-supported` ended on 2025-12-31"), "{warnings}");
    });
}
