//! containerd against the kubelet: cgroups, socket, sandbox, CNI, versions.

use toml::Value;

use super::super::containerd::Plugins;
use super::super::merge::get;
use super::super::version::Version;
use super::super::{containerd, paths};
use super::{Finding, Node};
use crate::path::RootPath;
use crate::profile::Cluster;

/// The oldest kubelet that is still maintained where 1.36 is the newest.
const MAINTAINED: Version = Version::new(1, 34);
/// The first kubelet that wants containerd 2.
const WANTS_CONTAINERD_2: Version = Version::new(1, 36);
/// The first kubelet that speaks CRI v1; containerd 2 speaks nothing else.
const SPEAKS_V1: Version = Version::new(1, 23);

pub(super) fn check(node: &Node<'_>, out: &mut Vec<Finding>) {
    versions(node, out);
    cgroups(node, out);
    socket(node, out);
    sandbox(node, out);
    cni(node, out);
}

fn versions(node: &Node<'_>, out: &mut Vec<Finding>) {
    let (containerd, kubelet) = (node.containerd_version, node.kubelet_version);
    if containerd.major < 2 && kubelet >= WANTS_CONTAINERD_2 {
        let message = format!("kubelet {kubelet} wants containerd 2, this is {containerd}");
        out.push(Finding::new("version-skew", message, "take containerd 2, or a kubelet before 1.36"));
    }
    if containerd.major >= 2 && kubelet < SPEAKS_V1 {
        let message = format!("kubelet {kubelet} speaks CRI v1alpha2 only, containerd {containerd} v1 only");
        out.push(Finding::new("version-skew", message, "take containerd 1.7, or a kubelet from 1.23 on"));
    }
    if kubelet < MAINTAINED {
        let message = format!("kubelet {kubelet} gets no security fixes any more");
        out.push(Finding::new("kubelet-supported", message, format!("take a kubelet from {MAINTAINED} on")));
    }
    let wanted = if containerd.major < 2 { 2 } else { 3 };
    if node.containerd.get("version").and_then(Value::as_integer) != Some(wanted) {
        let message = format!("containerd {containerd} reads configuration of version {wanted}");
        out.push(Finding::new("containerd-config", message, "take `version` out of `containerd.config`"));
    }
    let name = Plugins::of(containerd).runtime;
    let plugins = node.containerd.get("plugins").and_then(Value::as_table).into_iter().flat_map(|table| table.keys());
    let other = Plugins::of(if wanted == 2 { Version::new(2, 0) } else { Version::new(1, 7) });
    for key in plugins.filter(|key| *key != name && (*key == other.runtime || *key == other.images)) {
        let message = format!("containerd {containerd} has no plugin `{key}`");
        out.push(Finding::new("containerd-config", message, format!("write it for `{name}`")));
    }
}

/// Every runtime's options and its name.
fn runtimes<'a>(node: &'a Node<'_>) -> Vec<(&'a String, &'a Value)> {
    let name = Plugins::of(node.containerd_version).runtime;
    let runtimes = get(&node.containerd, &["plugins", name, "containerd", "runtimes"]).and_then(Value::as_table);
    runtimes.into_iter().flatten().collect()
}

fn cgroups(node: &Node<'_>, out: &mut Vec<Finding>) {
    let driver = node.kubelet.get("cgroupDriver").and_then(Value::as_str).unwrap_or("cgroupfs");
    for (name, runtime) in runtimes(node) {
        let of_systemd =
            runtime.get("options").and_then(|options| options.get("SystemdCgroup")).and_then(Value::as_bool);
        let theirs = if of_systemd == Some(true) { "systemd" } else { "cgroupfs" };
        let runc = runtime.get("runtime_type").and_then(Value::as_str).is_none_or(|kind| kind.contains("runc"));
        if runc && theirs != driver {
            let message = format!(
                "the kubelet's cgroup driver is `{driver}`, that of containerd's runtime `{name}` is `{theirs}`"
            );
            let hint = "leave `cgroupDriver` and `SystemdCgroup` as they are by default: systemd on both sides";
            out.push(Finding::new("cgroup-driver", message, hint));
        }
    }
}

fn socket(node: &Node<'_>, out: &mut Vec<Finding>) {
    let served = get(&node.containerd, &["grpc", "address"]).and_then(Value::as_str).unwrap_or_default();
    let config = node.kubelet.get("containerRuntimeEndpoint").and_then(Value::as_str);
    let asked = node.flag("container-runtime-endpoint").or(config).unwrap_or("nothing");
    if asked.strip_prefix("unix://").unwrap_or(asked) != served {
        let message = format!("the kubelet looks for containerd at `{asked}`, it serves at `{served}`");
        let hint = format!("leave both as they are by default: `{}`", paths::CONTAINERD_SOCKET);
        out.push(Finding::new("runtime-socket", message, hint));
    }
}

fn sandbox(node: &Node<'_>, out: &mut Vec<Finding>) {
    let images = Plugins::of(node.containerd_version).images;
    let path: &[&str] = match node.containerd_version.major {
        0 | 1 => &["plugins", images, "sandbox_image"],
        _ => &["plugins", images, "pinned_images", "sandbox"],
    };
    let image = get(&node.containerd, path).and_then(Value::as_str).unwrap_or_default();
    let preloaded = node.profile.preload.iter().any(|preload| preload.name == image);
    if preloaded {
        return;
    }
    let reachable = image.split_once('/').is_some_and(|(host, _)| host.contains('.') && !host.starts_with("localhost"));
    if !reachable || node.profile.cluster == Cluster::Standalone {
        let message = format!("the image of every pod's sandbox, `{image}`, is neither preloaded nor surely to be had");
        let hint = format!("preload it: `[[preload]] name = \"{}\"`", containerd::sandbox_image(node.profile));
        out.push(Finding::new("sandbox-image", message, hint));
    }
}

fn cni(node: &Node<'_>, out: &mut Vec<Finding>) {
    let name = Plugins::of(node.containerd_version).runtime;
    let get = |key: &str| get(&node.containerd, &["plugins", name, "cni", key]);
    let bins: Vec<&str> = match (get("bin_dirs"), get("bin_dir")) {
        (Some(Value::Array(folders)), _) => folders.iter().filter_map(Value::as_str).collect(),
        (_, Some(Value::String(folder))) => vec![folder],
        _ => Vec::new(),
    };
    let config = get("conf_dir").and_then(Value::as_str).unwrap_or_default();
    // Where the image's own plugins lie, containerd has to look.
    if let Some(cni) = &node.profile.cni {
        let folders = cni.unpack.values().map(ToString::to_string);
        for folder in folders.filter(|folder| !bins.contains(&folder.as_str())) {
            let message = format!("the CNI plugins go to `{folder}`, containerd looks in `{}`", bins.join("`, `"));
            out.push(Finding::new("cni-paths", message, format!("unpack them to `{}`", paths::CNI_BIN)));
        }
    }
    // Network DaemonSets write both, at the places that they all assume.
    if node.profile.cluster == Cluster::Join {
        for (folder, what) in bins.iter().map(|bin| (*bin, "plugins")).chain([(config, "configuration")]) {
            if !writable(node, folder) {
                let message = format!("CNI {what} of a network DaemonSet go to `{folder}`, which cannot be written");
                out.push(Finding::new(
                    "cni-paths",
                    message,
                    format!("add `\"{folder}\" = \"persistent\"` to `[writable]`"),
                ));
            }
        }
        if !bins.contains(&paths::CNI_BIN) || config != paths::CNI_CONFIG {
            let message = "network DaemonSets write /opt/cni/bin and /etc/cni/net.d, containerd looks elsewhere";
            out.push(Finding::new("cni-paths", message, "leave `cni` of `containerd.config` as it is by default"));
        }
    }
}

/// Whether pods can write there through a hostPath.
fn writable(node: &Node<'_>, folder: &str) -> bool {
    let Ok(folder) = RootPath::new(folder) else { return false };
    let mut places = ["/var", "/run", "/tmp"].into_iter().filter_map(|place| RootPath::new(place).ok());
    places.any(|place| folder.starts_with(&place))
        || node.profile.writable.keys().any(|place| folder.starts_with(place))
}
