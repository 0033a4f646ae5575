//! Kernel settings and modules that containerd, the kubelet and its networks need.
//!
//! | setting | Talos | Bottlerocket | kernel self-protection | ours, and why |
//! |---|---|---|---|---|
//! | kernel.kptr_restrict | 2 | 1 | 2 | 2: the strictest; nothing on a node reads kernel addresses |
//! | kernel.yama.ptrace_scope | 2 | 1 | 3 | 2: a debugger with CAP_SYS_PTRACE (an ephemeral container) still works, 3 cannot be undone |
//! | kernel.perf_event_paranoid | 3 | | 3 | 3 |
//! | net.core.bpf_jit_harden | 2 | 2 | 2 | 2 |
//! | user.max_user_namespaces | 0 | 0 | 0 | not set: pods with user namespaces are the better protection; set 0 where none are used |
//! | kernel.kexec_load_disabled | 1 on clouds | by lockdown | 1 | 1: a node is changed by its image alone |
//! | net.bridge.bridge-nf-call-* | 1 | | | 1: kube-proxy's rules must see bridged packets |
//! | vm.max_map_count | | 1048576 | | 262144: what databases ask for; the larger one only costs kernel memory to whoever misuses it |
//! | net.netfilter.nf_conntrack_max | | 1048576 | | not set: kube-proxy computes it from the number of processors |
//! | net.*.conf.*.*_redirects | | | | 0: a node forwards for its pods; nobody on the link sends its traffic another way |
//! | fs.suid_dumpable, dev.tty.*, fs.protected_* | 0, 0, 1/1/2/2 | | the same | the same |

use std::collections::BTreeMap;

use super::put::Put;
use crate::error::Result;
use crate::profile::Profile;
use crate::system::Inputs;
use crate::tree::Tree;

/// What `protectKernelDefaults` of the kubelet demands exactly; a profile that wants others has to turn that off.
pub const PROTECTED: [(&str, &str); 6] = [
    ("kernel.keys.root_maxbytes", "25000000"),
    ("kernel.keys.root_maxkeys", "1000000"),
    ("kernel.panic", "10"),
    ("kernel.panic_on_oops", "1"),
    ("vm.overcommit_memory", "1"),
    ("vm.panic_on_oom", "0"),
];

/// What the networks of a cluster cannot do without.
pub const NETWORK: [(&str, &str); 3] = [
    ("net.bridge.bridge-nf-call-ip6tables", "1"),
    ("net.bridge.bridge-nf-call-iptables", "1"),
    ("net.ipv4.ip_forward", "1"),
];

/// The rest of the table above, and limits that a node full of pods runs into.
const HARDENING: [(&str, &str); 28] = [
    ("dev.tty.ldisc_autoload", "0"),
    ("dev.tty.legacy_tiocsti", "0"),
    ("fs.inotify.max_user_instances", "8192"),
    ("fs.inotify.max_user_watches", "524288"),
    ("fs.protected_fifos", "2"),
    ("fs.protected_hardlinks", "1"),
    ("fs.protected_regular", "2"),
    ("fs.protected_symlinks", "1"),
    ("fs.suid_dumpable", "0"),
    ("kernel.dmesg_restrict", "1"),
    ("kernel.kexec_load_disabled", "1"),
    ("kernel.kptr_restrict", "2"),
    ("kernel.perf_event_paranoid", "3"),
    ("kernel.unprivileged_bpf_disabled", "1"),
    ("kernel.yama.ptrace_scope", "2"),
    ("net.core.bpf_jit_harden", "2"),
    ("net.ipv4.conf.all.accept_redirects", "0"),
    ("net.ipv4.conf.all.secure_redirects", "0"),
    ("net.ipv4.conf.all.send_redirects", "0"),
    ("net.ipv4.conf.default.accept_redirects", "0"),
    ("net.ipv4.conf.default.secure_redirects", "0"),
    ("net.ipv4.conf.default.send_redirects", "0"),
    ("net.ipv6.conf.all.accept_redirects", "0"),
    ("net.ipv6.conf.all.forwarding", "1"),
    ("net.ipv6.conf.default.accept_redirects", "0"),
    ("vm.max_map_count", "262144"),
    ("vm.unprivileged_userfaultfd", "0"),
    ("kernel.sysrq", "0"),
];

/// Modules without which settings above do not exist, or pods do not start.
pub const MODULES: [&str; 3] = ["br_netfilter", "nf_conntrack", "overlay"];

/// Every setting: the defaults with the profile's own over them.
pub fn settings(profile: &Profile) -> BTreeMap<&str, &str> {
    let defaults = PROTECTED.iter().chain(&NETWORK).chain(&HARDENING).copied();
    let own = profile.kernel.sysctl.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    defaults.chain(own).collect()
}

/// Writes both lists where systemd reads them at start.
pub(super) fn step(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<()> {
    let mut put = Put::new(tree, inputs, "kernel settings");
    let settings: String = settings(inputs.profile).iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    // 99: after whatever packages bring.
    put.text("/usr/lib/sysctl.d/99-imagebuild.conf", 0o644, settings)?;
    let own = inputs.profile.kernel.modules.iter().map(String::as_str);
    let modules: std::collections::BTreeSet<&str> = MODULES.into_iter().chain(own).collect();
    let modules: String = modules.iter().map(|name| format!("{name}\n")).collect();
    put.text("/usr/lib/modules-load.d/imagebuild.conf", 0o644, modules)
}
