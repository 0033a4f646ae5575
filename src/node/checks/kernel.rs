//! Modules and settings of the kernel that containerd, the kubelet and networks need.

use toml::Value;

use super::super::sysctl;
use super::{Finding, Node};
use crate::path::RootPath;
use crate::tree::NodeRef;

/// What pods and their networks need besides what is loaded at start.
const ALSO: [&str; 3] = ["veth", "bridge", "vxlan"];

pub(super) fn check(node: &Node<'_>, out: &mut Vec<Finding>) {
    modules(node, out);
    settings(node, out);
}

fn modules(node: &Node<'_>, out: &mut Vec<Finding>) {
    let Some(releases) = RootPath::new("/usr/lib/modules").ok().and_then(|path| node.tree.directory(&path)) else {
        return;
    };
    let own = node.profile.kernel.modules.iter().map(String::as_str);
    let mut missing: Vec<&str> = sysctl::MODULES.into_iter().chain(ALSO).chain(own).collect();
    for entry in releases.entries.values() {
        let NodeRef::Directory(release) = node.tree.node(entry) else { continue };
        let mut names = Vec::new();
        collect(node, release, &mut names);
        let builtin = release.entries.get(&b"modules.builtin"[..]).map(|entry| node.tree.node(entry));
        if let Some(NodeRef::Leaf(_, crate::tree::Leaf { kind: crate::tree::Kind::File(content), .. })) = builtin
            && let Ok(bytes) = content.read(1 << 20)
        {
            names.extend(String::from_utf8_lossy(&bytes).lines().map(|line| stem(line.as_bytes())));
        }
        missing.retain(|module| !names.contains(&plain(module)));
    }
    for module in missing {
        let message = format!("the kernel module `{module}` is not in the image");
        out.push(Finding::new("kernel-modules", message, "take its glob out of `kernel.exclude`, or another kernel"));
    }
}

fn collect(node: &Node<'_>, folder: &crate::tree::Directory, names: &mut Vec<String>) {
    for (name, entry) in &folder.entries {
        match node.tree.node(entry) {
            NodeRef::Directory(folder) => collect(node, folder, names),
            NodeRef::Leaf(..) => names.push(stem(name)),
        }
    }
}

/// `br_netfilter` of `kernel/net/bridge/br_netfilter.ko.xz`.
fn stem(path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path);
    let name = path.rsplit('/').next().unwrap_or_default();
    plain(name.split(".ko").next().unwrap_or_default())
}

/// The kernel takes `-` and `_` for the same.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

fn settings(node: &Node<'_>, out: &mut Vec<Finding>) {
    let settings = sysctl::settings(node.profile);
    let protected = node.kubelet.get("protectKernelDefaults").and_then(Value::as_bool) == Some(true);
    let wanted = sysctl::NETWORK.iter().chain(sysctl::PROTECTED.iter().filter(|_| protected));
    for (name, value) in wanted {
        if settings.get(name) == Some(value) {
            continue;
        }
        let message = format!("`{name}` is {}, and has to be {value}", settings.get(name).unwrap_or(&"not set"));
        let hint = if sysctl::NETWORK.iter().any(|row| row.0 == *name) {
            format!("take `{name}` out of `[kernel.sysctl]`: pods' networks need it")
        } else {
            format!("take `{name}` out of `[kernel.sysctl]`, or set `[kubelet.config] protectKernelDefaults = false`")
        };
        out.push(Finding::new("kernel-settings", message, hint));
    }
}
