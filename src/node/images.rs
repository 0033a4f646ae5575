//! Preloaded container images on the node: archives in the sealed root, and their import.
//!
//! Each is imported once per digest (a mark beside containerd's own state, so both are lost together) and
//! pinned, so that the kubelet's garbage collection leaves it alone.

use super::kubelet::quote;
use super::paths;
use super::put::Put;
use crate::error::Result;
use crate::system::{Image, Inputs};
use crate::tree::Tree;

/// Where the marks lie: gone when containerd's state is.
const MARKS: &str = "/var/lib/containerd/io.imagebuild";

/// Lays archives and units into the tree.
pub(super) fn step(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<()> {
    let mut put = Put::new(tree, inputs, "preloaded images");
    for image in inputs.images {
        let digest = image.digest.to_string();
        put.content(&archive(&digest), 0o644, image.archive.clone())?;
        let mark = format!("d {MARKS} 0700 root root\nf {MARKS}/{digest} 0600 root root\n");
        put.text(&format!("{}/image-{digest}.conf", paths::TMPFILES), 0o644, mark)?;
        let name = format!("imagebuild-image-{}.service", &digest[..12]);
        put.unit(&name, unit(image, &digest), &["imagebuild-images.service"])?;
    }
    put.unit("imagebuild-images.service", ALL, &["multi-user.target"])
}

fn archive(digest: &str) -> String {
    format!("{}/{digest}.tar", paths::IMAGES)
}

fn unit(image: &Image, digest: &str) -> String {
    let name = quote(&image.name);
    format!(
        "[Unit]\n\
         Description=Import the container image {description}\n\
         Requires=containerd.service\n\
         After=containerd.service\n\
         Before=imagebuild-images.service kubelet.service\n\
         ConditionPathExists=!{MARKS}/{digest}\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart=ctr --namespace k8s.io images import --snapshotter overlayfs {archive}\n\
         ExecStart=ctr --namespace k8s.io images label {name} io.cri-containerd.pinned=pinned\n\
         ExecStart=systemd-tmpfiles --create {tmpfiles}/image-{digest}.conf\n\
         TimeoutStartSec=10min\n\
         Restart=on-failure\n\
         RestartSec=5s\n",
        description = image.name.replace('%', "%%"),
        archive = archive(digest),
        tmpfiles = paths::TMPFILES,
    )
}

/// One name to order after, whatever the images are.
const ALL: &str = "\
[Unit]
Description=Preloaded container images
After=containerd.service
Before=kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-systemctl --quiet is-active containerd.service
";
