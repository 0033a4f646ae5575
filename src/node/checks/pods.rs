//! Static pods: every image that no registry can give is preloaded.

use super::super::pods;
use super::{Finding, Node};
use crate::profile::Cluster;

pub(super) fn check(node: &Node<'_>, out: &mut Vec<Finding>) {
    for pod in &node.profile.pods {
        for (container, image, policy) in pods::images(&pod.manifest) {
            let preloaded = node.profile.preload.iter().any(|preload| preload.name == image);
            let local = image.starts_with("localhost/")
                || policy == Some("Never")
                || node.profile.cluster == Cluster::Standalone;
            let whose = format!("the image `{image}` of `{container}` in the pod `{}`", pod.name);
            if !preloaded && local {
                let message = format!("{whose} is not preloaded, and no registry gives it");
                out.push(Finding::new("pod-images", message, format!("add `[[preload]] name = \"{image}\"`")));
            }
            // Kubernetes pulls `:latest` and untagged images each time unless told otherwise.
            let tag = image.rsplit('/').next().unwrap_or_default();
            let floating = !tag.contains(':') || tag.ends_with(":latest");
            if preloaded && (policy == Some("Always") || (policy.is_none() && floating && !tag.contains('@'))) {
                let message = format!("{whose} is preloaded, but would be pulled all the same");
                out.push(Finding::new("pod-images", message, "set `imagePullPolicy = \"Never\"` for the container"));
            }
        }
    }
}
