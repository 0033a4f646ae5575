//! Where things lie on a node; one place for names on which several steps must agree.

/// containerd's configuration; sealed.
pub const CONTAINERD_CONFIG: &str = "/etc/containerd/config.toml";
/// Mirrors and certificates of registries, in containerd's `hosts.toml` form; sealed.
pub const REGISTRIES: &str = "/etc/containerd/certs.d";
/// containerd's socket.
pub const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";
/// CNI plugins; network DaemonSets write theirs here.
pub const CNI_BIN: &str = "/opt/cni/bin";
/// CNI configuration; network DaemonSets write it at each start.
pub const CNI_CONFIG: &str = "/etc/cni/net.d";
/// The node's own configuration; sealed.
pub const KUBERNETES: &str = "/usr/lib/kubernetes";
/// KubeletConfiguration; sealed. JSON, which every reader of YAML takes.
pub const KUBELET_CONFIG: &str = "/usr/lib/kubernetes/kubelet.json";
/// Static pods; sealed.
pub const MANIFESTS: &str = "/usr/lib/kubernetes/manifests";
/// Archives of preloaded container images; sealed.
pub const IMAGES: &str = "/usr/lib/kubernetes/images";
/// What a cluster gives the node; persistent.
pub const CLUSTER: &str = "/etc/kubernetes";
/// Out-of-tree volume plugins.
pub const VOLUME_PLUGINS: &str = "/var/lib/kubelet/volumeplugins";
/// What the node keeps for itself.
pub const STATE: &str = "/var/lib/imagebuild";
/// Configuration of systemd-tmpfiles that single units of ours name; not in `tmpfiles.d`, where it
/// would be carried out at every start.
pub const TMPFILES: &str = "/usr/lib/imagebuild";
/// Links of our own to the partitions of the disk that holds the running root, made by a rule
/// that the initrd leaves for udev: a second disk with the same labels never gets them.
pub const DISK_LINKS: &str = "/dev/disk/imagebuild";
/// The bootstrap kubeconfig: brought by a credential, or by whoever provisions the node.
pub const BOOTSTRAP: &str = "/etc/kubernetes/bootstrap-kubelet.conf";
/// The kubeconfig that the kubelet writes once it has joined.
pub const KUBECONFIG: &str = "/etc/kubernetes/kubelet.conf";
/// The cluster's authority.
pub const CA: &str = "/etc/kubernetes/pki/ca.crt";
