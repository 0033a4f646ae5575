//! Programs and services that units and configuration count on.

use toml::Value;

use super::{Finding, Node};
use crate::path::RootPath;
use crate::tree::{Kind, Leaf, NodeRef};

/// Programs by their name, whom they serve, and the package that brings them.
const TOOLS: [(&str, &str, &str); 11] = [
    ("ctr", "the import of preloaded images", "containerd"),
    ("fsck", "the check of /var", "util-linux"),
    ("fsck.ext4", "the check of /var", "e2fsprogs"),
    ("iptables", "the kubelet", "iptables"),
    ("lsattr", "the list of changed files", "e2fsprogs"),
    ("mkfs.ext4", "systemd-repart, which makes /var", "e2fsprogs"),
    ("modprobe", "the kernel", "kmod"),
    ("mount", "the kubelet", "mount"),
    ("systemctl", "several units", "systemd"),
    ("systemd-repart", "the first boot", "systemd-repart"),
    ("systemd-tmpfiles", "several units", "systemd"),
];

pub(super) fn check(node: &Node<'_>, out: &mut Vec<Finding>) {
    for (name, serves, package) in TOOLS {
        if !["/usr/bin", "/usr/sbin"].iter().any(|folder| there(node, &format!("{folder}/{name}"))) {
            let message = format!("`{name}` is not in the image, and {serves} needs it");
            out.push(Finding::new("node-tools", message, format!("add `{package}` to `userland.packages`")));
        }
    }
    for (name, program) in
        [("containerd", &node.profile.containerd.program), ("kubelet", &node.profile.kubelet.program)]
    {
        if !there(node, &program.path.to_string()) {
            let message = format!("`{}` is not in the image, and {name} starts there", program.path);
            out.push(Finding::new("node-tools", message, format!("correct `{name}.path`")));
        }
    }
    let runc = node.profile.runc.as_ref().map_or("/usr/bin/runc".to_owned(), |runc| runc.path.to_string());
    if !there(node, &runc) && !there(node, "/usr/sbin/runc") {
        out.push(Finding::new("node-tools", "runc is not in the image, and containerd needs it", "add `[runc]`"));
    }
    services(node, out);
}

fn services(node: &Node<'_>, out: &mut Vec<Finding>) {
    let resolv = node.kubelet.get("resolvConf").and_then(Value::as_str).unwrap_or_default();
    if resolv.starts_with("/run/systemd/resolve/") && !there(node, "/usr/lib/systemd/systemd-resolved") {
        let message =
            format!("the kubelet reads `{resolv}`, which systemd-resolved writes, and it is not in the image");
        out.push(Finding::new("resolv-conf", message, "add `systemd-resolved`, or set `[kubelet.config] resolvConf`"));
    }
    let grace = node.kubelet.get("shutdownGracePeriod").and_then(Value::as_str).unwrap_or("0");
    let bus = there(node, "/usr/bin/dbus-broker-launch") || there(node, "/usr/bin/dbus-daemon");
    if grace.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
        && !(bus && there(node, "/usr/lib/systemd/systemd-logind"))
    {
        let message = "the kubelet's orderly shutdown needs logind and a message bus";
        let hint =
            "add `dbus-broker`, or set `[kubelet.config] shutdownGracePeriod = \"0s\"` and the one for critical pods";
        out.push(Finding::new("graceful-shutdown", message, hint));
    }
}

/// A file or a link: what a link leads to is its package's affair.
fn there(node: &Node<'_>, path: &str) -> bool {
    let path = RootPath::new(path).ok().and_then(|path| node.tree.resolve(&path));
    let found = path.and_then(|path| node.tree.get(&path));
    matches!(found, Some(NodeRef::Leaf(_, Leaf { kind: Kind::File(_) | Kind::Symlink(_), .. })))
}
