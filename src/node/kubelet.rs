//! The kubelet's unit and command line.
//!
//! Joining a cluster, it starts when the cluster's files are there and waits until then; it never
//! starts only to fail.

use super::kubeletconfig;
use super::put::{Put, UNITS};
use super::version::{self, Version};
use super::{containerd, paths};
use crate::error::Result;
use crate::profile::{Cluster, Profile};
use crate::system::Inputs;
use crate::tree::Tree;

/// Lays configuration and unit into the tree.
pub(super) fn step(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<()> {
    let profile = inputs.profile;
    let version = version::kubelet(inputs)?;
    let config = kubeletconfig::config(profile, version);
    let mut put = Put::new(tree, inputs, "kubelet");
    put.text(paths::KUBELET_CONFIG, 0o600, kubeletconfig::text(&config)?)?;
    put.directory(paths::MANIFESTS, 0o755)?;
    // CIS 4.1.1: nobody but root reads how the kubelet is started.
    put.text(&format!("{UNITS}/kubelet.service"), 0o600, unit(profile, version))?;
    put.pull("kubelet.service", "multi-user.target")?;
    match profile.cluster {
        Cluster::Join => put.unit("kubelet.path", PATH, &["multi-user.target"]),
        Cluster::Standalone => Ok(()),
    }
}

/// The command line, flags that the configuration cannot say only.
pub fn command(profile: &Profile, version: Version) -> Vec<String> {
    let mut words = vec![profile.kubelet.program.path.to_string(), format!("--config={}", paths::KUBELET_CONFIG)];
    // Until 1.26 the endpoint is a flag, until 1.23 there is dockershim besides.
    if version < Version::new(1, 27) {
        if version < Version::new(1, 24) {
            words.push("--container-runtime=remote".to_owned());
        }
        words.push(format!("--container-runtime-endpoint=unix://{}", paths::CONTAINERD_SOCKET));
        // Keeps the image from garbage collection; containerd pins it for later ones.
        words.push(format!("--pod-infra-container-image={}", containerd::sandbox_image(profile)));
    }
    if profile.cluster == Cluster::Join {
        words.push(format!("--bootstrap-kubeconfig={}", paths::BOOTSTRAP));
        words.push(format!("--kubeconfig={}", paths::KUBECONFIG));
    }
    words.extend(profile.kubelet.args.iter().cloned());
    words
}

/// The value of a flag of a command line, `NAME=value` or `NAME value`; `name` with its dashes.
pub fn flag<'a>(words: &'a [String], name: &str) -> Option<&'a str> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix(name) {
            Some("") => return words.next().map(String::as_str),
            Some(rest) if rest.starts_with('=') => return rest.get(1..),
            _ => {}
        }
    }
    None
}

fn unit(profile: &Profile, version: Version) -> String {
    let conditions = match profile.cluster {
        Cluster::Standalone => String::new(),
        Cluster::Join => format!(
            "# Waits for what the cluster gives: kubelet.path looks.\n\
             ConditionPathExists={ca}\nConditionPathExists=|{config}\nConditionPathExists=|{bootstrap}\n\
             Wants=network-online.target\nAfter=network-online.target imagebuild-join.service\n",
            ca = paths::CA,
            config = paths::KUBECONFIG,
            bootstrap = paths::BOOTSTRAP,
        ),
    };
    let command: Vec<String> = command(profile, version).iter().map(|word| quote(word)).collect();
    UNIT.replace("@CONDITIONS@", &conditions).replace("@COMMAND@", &command.join(" \\\n  "))
}

/// A word of a command line as systemd.service(5) reads it.
pub(super) fn quote(word: &str) -> String {
    let word = word.replace('\\', "\\\\").replace('%', "%%").replace('$', "$$").replace('"', "\\\"");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word } else { format!("\"{}\"", word.replace('\n', "\\n")) }
}

const UNIT: &str = "\
[Unit]
Description=kubelet
Documentation=https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/
Wants=containerd.service
After=containerd.service imagebuild-images.service imagebuild-hostname.service time-set.target
RequiresMountsFor=/var/lib/kubelet
StartLimitIntervalSec=0
@CONDITIONS@
[Service]
Type=notify
NotifyAccess=main
ExecStart=@COMMAND@
Restart=always
RestartSec=5
TimeoutStartSec=5min
KillMode=process
OOMScoreAdjust=-999
LimitNOFILE=1000000
CPUAccounting=yes
MemoryAccounting=yes
IPAccounting=no
UMask=0077
";

const PATH: &str = "\
[Unit]
Description=What a cluster gives the node
# Else it would be wanted before basic.target, and imagebuild-join.service, for which it waits, comes after.
DefaultDependencies=no
RequiresMountsFor=/etc/kubernetes
After=sysinit.target
Before=shutdown.target
Conflicts=shutdown.target

[Path]
PathChanged=/etc/kubernetes
PathChanged=/etc/kubernetes/pki
Unit=kubelet.service
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_systemd() {
        for (word, quoted) in [
            ("--config=/usr/x.json", "--config=/usr/x.json"),
            ("--node-labels=a=b,c=d", "--node-labels=a=b,c=d"),
            ("50%", "50%%"),
            ("$HOME", "\"$$HOME\""),
            ("a b", "\"a b\""),
            ("say \"x\"", "\"say \\\"x\\\"\""),
            ("", "\"\""),
        ] {
            assert_eq!(quote(word), quoted);
        }
    }
}
