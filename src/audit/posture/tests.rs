//! Each rule has a node that only it refuses, and all keep the node that these are made from.

use std::collections::BTreeMap;

use super::*;
use crate::tree::{Content, Kind as Leaf, Meta, Tree};

const LINE: &str = "roothash=0 ro init_on_alloc=1 slab_nomerge page_alloc.shuffle=1 randomize_kstack_offset=1 \
                    proc_mem.force_override=never module.sig_enforce=1";
const SYSCTL: &str = "kernel.randomize_va_space=2\nkernel.kptr_restrict = 2\nkernel.dmesg_restrict=1\n\
    kernel.perf_event_paranoid=3\nkernel.unprivileged_bpf_disabled=1\nnet.core.bpf_jit_harden=2\n\
    kernel.yama.ptrace_scope=2\nkernel.kexec_load_disabled=1\nkernel.sysrq=0\ndev.tty.ldisc_autoload=0\n\
    vm.unprivileged_userfaultfd=0\nfs.protected_hardlinks=1\nfs.protected_symlinks=1\nfs.protected_fifos=2\n\
    fs.protected_regular=2\nfs.suid_dumpable=0\nkernel.panic_on_oops=1\nnet.ipv4.tcp_syncookies=1\n\
    net.ipv4.icmp_echo_ignore_broadcasts=1\nnet.ipv4.conf.all.accept_redirects=0\n\
    net.ipv6.conf.all.accept_redirects=0\nnet.ipv4.conf.all.send_redirects=0\nnet.ipv4.conf.all.accept_source_route=0\n";
const KUBELET: &str = r#"{
    "authentication": { "anonymous": { "enabled": false }, "x509": { "clientCAFile": "/etc/kubernetes/pki/ca.crt" } },
    "authorization": { "mode": "Webhook" }, "readOnlyPort": 0, "streamingConnectionIdleTimeout": "4h0m0s",
    "makeIPTablesUtilChains": true, "eventRecordQPS": 50, "serverTLSBootstrap": true, "rotateCertificates": true,
    "featureGates": { "RotateKubeletServerCertificate": true }, "tlsMinVersion": "VersionTLS13",
    "tlsCipherSuites": ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"], "podPidsLimit": 4096, "seccompDefault": true,
    "protectKernelDefaults": true
}"#;
const CONTAINERD: &str = "version = 3\n[grpc]\naddress = \"/run/containerd/containerd.sock\"\n\
    [plugins.'io.containerd.cri.v1.runtime']\ndisable_apparmor = false\nunset_seccomp_profile = \"\"\n\
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\n\
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\nBinaryName = \"/usr/bin/runc\"\n\
    [plugins.'io.containerd.grpc.v1.cri']\nstream_server_address = \"127.0.0.1\"\n";
const HOSTS: &str = "server = \"https://registry.example\"\n[host.\"https://mirror.example\"]\nskip_verify = false\n";
const VAR: &str = "[Mount]\nWhat=/dev/x\nWhere=/var\nType=ext4\nOptions=nodev,nosuid\n";
const TMP: &str = "[Mount]\nWhat=tmpfs\nWhere=/tmp\nType=tmpfs\nOptions=nodev,nosuid,noexec\n";

/// A node: its tree, and the words that its kernel is told.
struct Node {
    tree: Tree,
    line: String,
    addons: Vec<String>,
    sealed: bool,
}

fn path(text: &str) -> RootPath {
    RootPath::new(text).unwrap()
}

fn meta(mode: u16) -> Meta {
    Meta::new(mode, 0).from(&"a-package".into())
}

impl Node {
    fn file(&mut self, at: &str, mode: u16, text: &str) {
        self.tree.put_file(&path(at), meta(mode), Content::bytes(text.as_bytes().to_vec())).unwrap();
    }

    /// The text of a file with something in it exchanged.
    fn change(&mut self, at: &str, old: &str, new: &str) {
        let (meta, content) = self.tree.file(&path(at)).map(|(meta, content)| (meta.clone(), content.clone())).unwrap();
        let text = String::from_utf8(content.read(1 << 20).unwrap()).unwrap();
        assert!(text.contains(old), "`{old}` is not in {at}");
        self.tree.put_file(&path(at), meta, Content::bytes(text.replace(old, new).into_bytes())).unwrap();
    }

    fn meta(&mut self, at: &str) -> &mut Meta {
        self.tree.meta_mut(&path(at)).unwrap()
    }

    fn check(&self) -> Report {
        let posture = Posture { rules: Set::ALL.to_vec(), also: Vec::new(), capabilities: vec![path("/usr/bin/ping")] };
        self.check_as(&Asked { posture, waivers: BTreeMap::new(), epoch: Epoch(0) })
    }

    fn check_as(&self, asked: &Asked) -> Report {
        let mut view = View::of_build(&self.tree, self.line.clone(), self.addons.clone());
        view.sealed = Some(self.sealed);
        check(&view, asked).unwrap()
    }
}

/// A node that keeps every rule.
fn node() -> Node {
    let mut node = Node { tree: Tree::default(), line: LINE.to_owned(), addons: Vec::new(), sealed: true };
    for (at, mode, text) in [
        ("/etc/containerd/certs.d/registry.example/hosts.toml", 0o644, HOSTS),
        ("/etc/containerd/config.toml", 0o600, CONTAINERD),
        ("/etc/group", 0o644, "root:x:0:\nshadow:x:42:\n"),
        ("/etc/kubernetes/kubelet.conf", 0o600, "kind: Config\n"),
        ("/etc/kubernetes/pki/ca.crt", 0o600, "-----BEGIN CERTIFICATE-----\n"),
        ("/etc/machine-id", 0o444, ""),
        ("/etc/passwd", 0o644, "root:x:0:0::/root:/usr/sbin/nologin\nx:x:7:0::/:/bin/none\n"),
        ("/etc/shadow", 0o640, "root:!*:::::::\nx:*:::::::\n"),
        ("/etc/sysctl.d/50-node.conf", 0o644, SYSCTL),
        ("/usr/bin/containerd", 0o755, "\x7fELF"),
        ("/usr/bin/kubelet", 0o755, "\x7fELF"),
        ("/usr/bin/ping", 0o755, "\x7fELF"),
        ("/usr/bin/runc", 0o755, "\x7fELF"),
        ("/usr/lib/kubernetes/kubelet.json", 0o600, KUBELET),
        ("/usr/lib/systemd/system/containerd.service", 0o644, "[Service]\nExecStart=/usr/bin/containerd\n"),
        (
            "/usr/lib/systemd/system/kubelet.service",
            0o600,
            "[Service]\nExecStart=/usr/bin/kubelet \\\n  --config=/usr/lib/kubernetes/kubelet.json --kubeconfig=/etc/kubernetes/kubelet.conf\n",
        ),
        ("/usr/lib/systemd/system/tmp.mount", 0o644, TMP),
        ("/usr/lib/systemd/system/var.mount", 0o644, VAR),
        ("/usr/lib/x86_64-linux-gnu/libc.so.6", 0o644, "\x7fELF"),
        ("/usr/sbin/nologin", 0o755, "\x7fELF"),
    ] {
        node.file(at, mode, text);
    }
    node.meta("/usr/bin/ping").set_xattr(b"security.capability", b"x");
    *node.meta("/etc/shadow") = meta(0o640).owned(0, 42);
    node.tree.put_link(&path("/usr/bin/sh"), meta(0o777), b"dash").unwrap();
    node.tree.put_directory(&path("/tmp"), meta(0o1777)).unwrap();
    node
}

type Break = fn(&mut Node);

const CONFIG: &str = "/usr/lib/kubernetes/kubelet.json";
const RUNTIME: &str = "/etc/containerd/config.toml";
const SETTINGS: &str = "/etc/sysctl.d/50-node.conf";

/// Every rule, and what breaks it.
const BREAKS: &[(&str, Break)] = &[
    ("shell", |node| node.file("/usr/bin/dash", 0o755, "x")),
    ("package-manager", |node| node.file("/usr/bin/dpkg", 0o755, "x")),
    ("ssh", |node| node.file("/usr/sbin/sshd", 0o755, "x")),
    ("getty", |node| {
        let link = "/usr/lib/systemd/system/getty.target.wants/getty@tty1.service";
        node.tree.put_link(&path(link), meta(0o777), b"../getty@.service").unwrap();
    }),
    ("interpreter", |node| node.file("/usr/bin/python3.13", 0o755, "x")),
    ("compiler", |node| node.file("/usr/bin/gcc-14", 0o755, "x")),
    ("privilege", |node| node.file("/usr/bin/sudo", 0o755, "x")),
    ("debugger", |node| node.file("/usr/bin/strace", 0o755, "x")),
    ("transfer", |node| node.file("/usr/bin/curl", 0o755, "x")),
    ("network-service", |node| node.file("/usr/sbin/rpcbind", 0o755, "x")),
    ("other-runtime", |node| node.file("/usr/bin/dockerd", 0o755, "x")),
    ("setuid", |node| node.meta("/usr/bin/ping").mode = 0o2755),
    ("capability", |node| node.meta("/usr/bin/runc").set_xattr(b"security.capability", b"x")),
    ("world-writable", |node| {
        node.tree.put_directory(&path("/srv/drop"), meta(0o777)).unwrap();
    }),
    ("writable-program", |node| node.meta("/usr/bin/runc").uid = 7),
    ("device", |node| {
        let leaf = crate::tree::Leaf { meta: meta(0o600), kind: Leaf::CharDevice { major: 1, minor: 1 } };
        node.tree.insert(&path("/srv/mem"), crate::tree::Node::Leaf(leaf)).unwrap();
    }),
    ("nameless-owner", |node| *node.meta("/etc/shadow") = meta(0o640).owned(0, 43)),
    ("unowned", |node| node.meta("/usr/lib/x86_64-linux-gnu/libc.so.6").origin = None),
    ("secret", |node| {
        let key = format!("-----BEGIN PRIVATE KEY-----\n{}\n", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw".repeat(2));
        node.file("/etc/tls.key", 0o600, &key);
    }),
    ("shared-identity", |node| node.file("/etc/machine-id", 0o444, "0123456789abcdef0123456789abcdef\n")),
    ("password", |node| node.change("/etc/shadow", "x:*:", "x:$6$salt$hash:")),
    ("second-root", |node| node.change("/etc/passwd", "x:x:7:", "x:x:0:")),
    ("login-shell", |node| node.change("/etc/passwd", "/bin/none", "/usr/bin/kubelet")),
    ("sealed-root", |node| node.sealed = false),
    ("mount-nosuid", |node| node.change("/usr/lib/systemd/system/var.mount", "nodev,nosuid", "nodev")),
    ("mount-nodev", |node| node.change("/usr/lib/systemd/system/var.mount", "nodev,nosuid", "nosuid")),
    ("mount-noexec", |node| {
        let dropin = "/etc/systemd/system/tmp.mount.d/x.conf";
        node.file(dropin, 0o644, "[Mount]\nOptions=nodev,nosuid\n");
    }),
    ("sealed-folder", |node| node.file("/etc/fstab", 0o644, "tmpfs /usr/bin tmpfs nodev,nosuid 0 0\n")),
    ("cmdline-init-on-alloc", |node| node.line = LINE.replace("init_on_alloc=1", "")),
    ("cmdline-slab-nomerge", |node| node.line = LINE.replace("slab_nomerge", "")),
    ("cmdline-page-shuffle", |node| node.line = LINE.replace("page_alloc.shuffle=1", "")),
    ("cmdline-stack-offset", |node| node.line = LINE.replace("randomize_kstack_offset=1", "")),
    ("cmdline-proc-mem", |node| node.line = LINE.replace("proc_mem.force_override=never", "")),
    ("cmdline-mitigations", |node| node.line += " mitigations=off"),
    ("cmdline-protections", |node| node.addons.push("console=ttyS0 nokaslr".to_owned())),
    ("cmdline-modules-of-security", |node| node.line += " apparmor=0"),
    ("cmdline-rescue", |node| node.line += " systemd.debug-shell=1"),
    ("module-signature", |node| node.line = LINE.replace("module.sig_enforce=1", "")),
    ("sysctl-address-space", |node| node.change(SETTINGS, "va_space=2", "va_space=1")),
    ("sysctl-kernel-pointers", |node| node.change(SETTINGS, "kptr_restrict = 2", "kptr_restrict = 0")),
    ("sysctl-kernel-log", |node| node.change(SETTINGS, "dmesg_restrict=1", "dmesg_restrict=0")),
    ("sysctl-perf", |node| node.change(SETTINGS, "paranoid=3", "paranoid=1")),
    ("sysctl-bpf", |node| node.change(SETTINGS, "bpf_disabled=1", "bpf_disabled=0")),
    ("sysctl-bpf-jit", |node| node.change(SETTINGS, "harden=2", "harden=0")),
    ("sysctl-ptrace", |node| node.change(SETTINGS, "ptrace_scope=2", "ptrace_scope=0")),
    ("sysctl-kexec", |node| node.change(SETTINGS, "kernel.kexec_load_disabled=1\n", "")),
    ("sysctl-sysrq", |node| node.change(SETTINGS, "sysrq=0", "sysrq=438")),
    // What comes later by name wins.
    ("sysctl-line-discipline", |node| node.file("/usr/lib/sysctl.d/99-z.conf", 0o644, "dev/tty/ldisc_autoload = 1\n")),
    ("sysctl-userfaultfd", |node| node.change(SETTINGS, "userfaultfd=0", "userfaultfd=1")),
    ("sysctl-hardlinks", |node| node.change(SETTINGS, "hardlinks=1", "hardlinks=0")),
    ("sysctl-symlinks", |node| node.change(SETTINGS, "symlinks=1", "symlinks=0")),
    ("sysctl-fifos", |node| node.change(SETTINGS, "fifos=2", "fifos=0")),
    ("sysctl-regular", |node| node.change(SETTINGS, "regular=2", "regular=0")),
    ("sysctl-dumps", |node| node.change(SETTINGS, "dumpable=0", "dumpable=2")),
    ("sysctl-panic", |node| node.change(SETTINGS, "panic_on_oops=1", "panic_on_oops=0")),
    ("sysctl-syn-cookies", |node| node.change(SETTINGS, "syncookies=1", "syncookies=0")),
    ("sysctl-broadcasts", |node| node.change(SETTINGS, "broadcasts=1", "broadcasts=0")),
    ("sysctl-redirects", |node| {
        node.change(SETTINGS, "ipv4.conf.all.accept_redirects=0", "ipv4.conf.all.accept_redirects=1")
    }),
    ("sysctl-redirects-6", |node| node.change(SETTINGS, "ipv6.conf.all.accept_redirects=0", "x.y=0")),
    ("sysctl-send-redirects", |node| node.change(SETTINGS, "all.send_redirects=0", "all.send_redirects=1")),
    ("sysctl-source-route", |node| node.change(SETTINGS, "source_route=0", "source_route=1")),
    ("kubelet-unit", |node| {
        let dropin = "/etc/systemd/system/kubelet.service.d/10-x.conf";
        node.file(dropin, 0o644, "[Service]\nRestart=no\n");
    }),
    ("kubelet-kubeconfig", |node| node.meta("/etc/kubernetes/kubelet.conf").mode = 0o640),
    ("kubelet-authority", |node| node.meta("/etc/kubernetes/pki/ca.crt").mode = 0o644),
    ("kubelet-configuration", |node| node.meta(CONFIG).mode = 0o644),
    ("kubelet-anonymous", |node| node.change(CONFIG, r#""enabled": false"#, r#""enabled": true"#)),
    ("kubelet-authorization", |node| node.change(CONFIG, "Webhook", "AlwaysAllow")),
    ("kubelet-client-ca", |node| node.change(CONFIG, "/etc/kubernetes/pki/ca.crt", "")),
    ("kubelet-read-only-port", |node| node.change(CONFIG, r#""readOnlyPort": 0"#, r#""readOnlyPort": 10255"#)),
    ("kubelet-streaming-timeout", |node| node.change(CONFIG, "4h0m0s", "0s")),
    ("kubelet-iptables", |node| node.change(CONFIG, r#"UtilChains": true"#, r#"UtilChains": false"#)),
    ("kubelet-hostname-override", |node| {
        node.change("/usr/lib/systemd/system/kubelet.service", "--kubeconfig", "--hostname-override x --kubeconfig");
    }),
    ("kubelet-event-rate", |node| node.change(CONFIG, r#"QPS": 50"#, r#"QPS": -1"#)),
    ("kubelet-serving-certificate", |node| node.change(CONFIG, r#"Bootstrap": true"#, r#"Bootstrap": false"#)),
    // A flag goes before the file.
    ("kubelet-rotate-certificates", |node| {
        node.change(
            "/usr/lib/systemd/system/kubelet.service",
            "--kubeconfig",
            "--rotate-certificates=false --kubeconfig",
        );
    }),
    ("kubelet-rotate-server-certificates", |node| {
        node.change(CONFIG, r#"ServerCertificate": true"#, r#"ServerCertificate": false"#);
    }),
    ("kubelet-ciphers", |node| {
        node.change(CONFIG, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_RC4_128_SHA")
    }),
    ("kubelet-pid-limit", |node| node.change(CONFIG, "4096", "-1")),
    ("kubelet-seccomp", |node| node.change(CONFIG, r#""seccompDefault": true"#, r#""seccompDefault": false"#)),
    ("kube-proxy-metrics", |node| {
        let pod =
            "spec:\n  containers:\n  - name: kube-proxy\n    command: [kube-proxy, --metrics-bind-address=0.0.0.0]\n";
        node.file("/etc/kubernetes/manifests/proxy.yaml", 0o600, pod);
    }),
    ("kubelet-kernel-defaults", |node| node.change(CONFIG, r#"Defaults": true"#, r#"Defaults": false"#)),
    ("kubelet-tls-version", |node| node.change(CONFIG, "VersionTLS13", "VersionTLS11")),
    ("containerd-configuration", |node| node.meta(RUNTIME).mode = 0o660),
    ("containerd-socket", |node| node.change(RUNTIME, "[grpc]", "[grpc]\ntcp_address = \"0.0.0.0:1\"")),
    ("containerd-streaming", |node| node.change(RUNTIME, "127.0.0.1", "0.0.0.0")),
    ("containerd-registry", |node| {
        node.change("/etc/containerd/certs.d/registry.example/hosts.toml", "https://mirror", "http://mirror");
    }),
    ("containerd-confinement", |node| node.change(RUNTIME, "disable_apparmor = false", "disable_apparmor = true")),
    ("containerd-runtime", |node| node.change(RUNTIME, "/usr/bin/runc", "/var/lib/runc")),
    ("containerd-host-devices", |node| {
        node.change(RUNTIME, "runtime_type", "base_runtime_spec = \"/etc/containerd/all.json\"\nruntime_type");
    }),
];

#[test]
fn a_sound_node_keeps_every_rule() {
    let report = node().check();
    let states: Vec<_> = report.outcomes.iter().filter(|outcome| outcome.state != State::Kept).collect();
    assert!(states.is_empty(), "{states:#?}");
    assert_eq!(report.outcomes.len(), rules().len());
    assert!(report.error().is_none());
}

#[test]
fn each_rule_refuses_a_node_that_no_other_does() {
    let named: Vec<&str> = BREAKS.iter().map(|(id, _)| *id).collect();
    assert_eq!(named, rules().iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>());
    for (id, break_it) in BREAKS {
        let mut node = node();
        break_it(&mut node);
        let report = node.check();
        let broken: Vec<&str> = report.broken().map(|(rule, _)| rule.id.as_str()).collect();
        assert_eq!(broken, [*id]);
        assert_eq!(report.count(|state| *state == State::Kept), rules().len() - 1, "{id}");
        let error = report.error().unwrap();
        assert_eq!(error.kind(), Kind::Found);
        assert!(error.message().contains(&format!("{id}: ")) && !error.hints().is_empty(), "{error}");
    }
}

#[test]
fn a_waiver_gives_a_rule_up_until_its_day() {
    let mut node = node();
    node.file("/usr/bin/dash", 0o755, "x");
    for (until, gives_up) in [(None, true), (Some("1970-01-01"), true), (Some("1969-12-31"), false)] {
        let waiver = Waiver { reason: "a test".into(), until: until.map(Into::into) };
        let waivers = BTreeMap::from([("shell".to_owned(), waiver.clone()), ("ssh".to_owned(), waiver)]);
        let report = node.check_as(&Asked { posture: Posture::default(), waivers, epoch: Epoch(0) });
        let ids: Vec<&str> = report.broken().map(|(rule, _)| rule.id.as_str()).collect();
        // Capabilities are nobody's here.
        assert_eq!(ids, if gives_up { vec!["capability"] } else { vec!["shell", "capability"] }, "{until:?}");
        assert_eq!(report.idle, ["ssh"]);
    }
}

#[test]
fn what_cannot_be_looked_at_is_never_kept() {
    let tree = Tree::default();
    let posture = Posture::default();
    let report = check(&View::of_tree(&tree), &Asked { posture, waivers: BTreeMap::new(), epoch: Epoch(0) }).unwrap();
    let unknown: Vec<&str> = report
        .outcomes
        .iter()
        .filter(|outcome| matches!(outcome.state, State::Unknown(_)))
        .map(|outcome| outcome.rule.id.as_str())
        .collect();
    let expected = |rule: &&Rule| {
        matches!(rule.check, Check::Words(_) | Check::Kernel(_) | Check::Kubelet(_) | Check::Containerd(_))
            || rule.id == "unowned"
    };
    assert_eq!(unknown, rules().iter().filter(expected).map(|rule| rule.id.as_str()).collect::<Vec<_>>());
}

#[test]
fn forms_tell_what_is_broken_and_what_is_waived() {
    let mut node = node();
    node.file("/usr/bin/dash", 0o755, "x");
    node.file("/usr/bin/curl", 0o755, "x");
    let waiver = Waiver { reason: "a | test".into(), until: Some("2027-01-01".into()) };
    let posture =
        Posture { rules: vec![Set::ContainerHost], also: Vec::new(), capabilities: vec![path("/usr/bin/ping")] };
    let waivers = BTreeMap::from([("transfer".to_owned(), waiver)]);
    let report = node.check_as(&Asked { posture, waivers, epoch: Epoch(0) });
    let told = text(&report, false);
    // The link of the name `sh` runs now, too.
    assert!(
        told.contains("broken  shell: no command interpreter\n          `/usr/bin/dash`\n          `/usr/bin/sh`\n"),
        "{told}"
    );
    assert!(told.contains("waived  transfer: `/usr/bin/curl` (a | test, until 2027-01-01)\n"), "{told}");
    let told = markdown(&report);
    assert!(
        told.contains("| :x: broken | `shell` | no command interpreter | `/usr/bin/dash`, `/usr/bin/sh` |"),
        "{told}"
    );
    assert!(told.contains("| a \\| test |"), "{told}");
    let log = sarif(&report, &Anchor { uri: "node.toml".into(), line: 3 });
    let results = log["runs"][0]["results"].as_array().unwrap();
    let of = |id: &str| results.iter().find(|result| result["ruleId"] == id).unwrap();
    assert_eq!((of("shell")["level"].as_str(), of("ssh")["kind"].as_str()), (Some("error"), Some("pass")));
    assert_eq!(of("transfer")["suppressions"][0]["justification"], "a | test (until 2027-01-01)");
    assert_eq!(of("shell")["locations"][0]["logicalLocations"][0]["fullyQualifiedName"], "/usr/bin/dash");
    let index = of("shell")["ruleIndex"].as_u64().unwrap() as usize;
    assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][index]["id"], "shell");
}

#[test]
fn a_configuration_may_be_yaml() {
    let mut node = node();
    let yaml = "authentication:\n  anonymous:\n    enabled: true\nreadOnlyPort: 10255\npodPidsLimit: 100\n";
    node.file(CONFIG, 0o600, yaml);
    let report = node.check();
    let states: BTreeMap<&str, &State> =
        report.outcomes.iter().map(|outcome| (outcome.rule.id.as_str(), &outcome.state)).collect();
    for broken in ["kubelet-anonymous", "kubelet-read-only-port", "kubelet-authorization", "kubelet-seccomp"] {
        assert!(matches!(states[broken], State::Broken(_)), "{broken}");
    }
    for kept in ["kubelet-pid-limit", "kubelet-iptables", "kubelet-event-rate"] {
        assert_eq!(*states[kept], State::Kept, "{kept}");
    }
}

#[test]
fn a_carried_profile_of_another_version_asks_for_everything() {
    let asked = Asked::carried("[posture]\nforbid = [\"shell\"]\n[waive.ssh]\nreason = \"x\"\n", Epoch(0)).unwrap();
    assert_eq!(asked.posture, Posture::default());
    assert_eq!(asked.waivers["ssh"].reason, "x");
    let asked = Asked::carried("[posture]\nrules = [\"none\"]\n", Epoch(0)).unwrap();
    assert_eq!(asked.posture, Posture::of(Set::None));
    assert!(Asked::carried("posture = 3", Epoch(0)).is_err());
}
