//! The ids of all checks that a profile may give up.

use super::posture;

/// Checks of the node (`crate::node::checks`), sorted.
pub const NODE: [&str; 14] = [
    "cgroup-driver",
    "cni-paths",
    "containerd-config",
    "graceful-shutdown",
    "kernel-modules",
    "kernel-settings",
    "kubelet-supported",
    "node-tools",
    "pod-images",
    "resolv-conf",
    "runtime-socket",
    "sandbox-image",
    "sealed-configuration",
    "version-skew",
];

/// The check that every library that a program needs is in the tree.
pub const LIBRARIES: &str = "missing-libraries";

/// Every id.
pub fn all() -> impl Iterator<Item = &'static str> + Clone {
    NODE.into_iter().chain([LIBRARIES]).chain(posture::rules().iter().map(|rule| rule.id.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sorted() {
        assert!(NODE.is_sorted());
    }
}
