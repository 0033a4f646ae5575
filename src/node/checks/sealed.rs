//! What makes the node lies where nothing that runs on it can write.

use toml::Value;

use super::super::paths;
use super::{Finding, Node};
use crate::path::RootPath;

pub(super) fn check(node: &Node<'_>, out: &mut Vec<Finding>) {
    let mut sealed = |what: &str, path: Option<&str>| {
        let Some(path) = path.and_then(|path| RootPath::new(path).ok()) else { return };
        let writable = ["/var", "/run", "/tmp"].into_iter().filter_map(|place| RootPath::new(place).ok());
        let place = writable.chain(node.profile.writable.keys().cloned()).find(|place| path.starts_with(place));
        if let Some(place) = place {
            let message = format!("{what} would lie in `{path}`, and `{place}` can be written");
            out.push(Finding::new("sealed-configuration", message, format!("leave it below `{}`", paths::KUBERNETES)));
        }
    };
    let manifests = node.flag("pod-manifest-path").or(node.kubelet.get("staticPodPath").and_then(Value::as_str));
    sealed("static pods", manifests);
    sealed("the kubelet's configuration", node.flag("config"));
    sealed("the kubelet's configuration", node.flag("config-dir"));
    if !node.profile.pods.is_empty() && manifests != Some(paths::MANIFESTS) {
        let message = "the profile has static pods, but the kubelet looks for them elsewhere";
        let hint = "take `staticPodPath` out of `kubelet.config`";
        out.push(Finding::new("sealed-configuration", message, hint));
    }
}
