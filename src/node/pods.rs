//! The profile's static pods, sealed in the root: nothing on /var can replace them.

use super::put::Put;
use super::{merge, paths};
use crate::error::{Context, Result};
use crate::system::Inputs;
use crate::tree::Tree;

/// Writes each pod's manifest, as JSON, where the kubelet looks.
pub(super) fn step(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<()> {
    let mut put = Put::new(tree, inputs, "pod of the profile");
    for pod in &inputs.profile.pods {
        let json = merge::json(&pod.manifest).context(|| format!("writing the pod `{}`", pod.name))?;
        put.text(&format!("{}/{}.json", paths::MANIFESTS, pod.name), 0o600, format!("{json:#}\n"))?;
    }
    Ok(())
}

/// Every image that a pod's containers name, with the name of the container and its pull policy.
pub(super) fn images(manifest: &toml::Table) -> Vec<(&str, &str, Option<&str>)> {
    let Some(spec) = manifest.get("spec").and_then(toml::Value::as_table) else { return Vec::new() };
    let lists = ["initContainers", "containers"].into_iter().filter_map(|key| spec.get(key)?.as_array());
    let containers = lists.flatten().filter_map(toml::Value::as_table);
    containers
        .filter_map(|container| {
            let text = |key: &str| container.get(key).and_then(toml::Value::as_str);
            Some((text("name").unwrap_or("?"), text("image")?, text("imagePullPolicy")))
        })
        .collect()
}
