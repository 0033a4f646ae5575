//! KubeletConfiguration (`kubelet.config.k8s.io/v1beta1`) for the version at hand.
//!
//! Values are those that the CIS benchmark for worker nodes asks for; where it leaves room, those of
//! other sealed systems, each with its reason below.

use toml::{Table, Value};

use super::version::Version;
use super::{merge, paths};
use crate::error::Result;
use crate::profile::{Cluster, Profile};

/// The whole configuration: what follows from the profile, with `[kubelet.config]` over it.
pub fn config(profile: &Profile, version: Version) -> Table {
    let mut config = base();
    let own = access(profile.cluster);
    merge::merge(&mut config, &own);
    merge::merge(&mut config, &by_version(version));
    merge::merge(&mut config, &profile.kubelet.config);
    config
}

/// The text of a configuration: JSON with sorted keys, so the same table gives the same bytes.
pub fn text(config: &Table) -> Result<String> {
    let json = merge::json(config)?;
    let text = serde_json::to_string_pretty(&json);
    Ok(text.map_err(|error| crate::error::Error::bug(error.to_string()))? + "\n")
}

fn base() -> Table {
    let mut config = toml::toml! {
        apiVersion = "kubelet.config.k8s.io/v1beta1"
        kind = "KubeletConfiguration"
        staticPodPath = "MANIFESTS"
        volumePluginDir = "PLUGINS"
        // systemd is the one writer of cgroups, containerd's runc does the same.
        cgroupDriver = "systemd"
        // The stub resolver's 127.0.0.53 means nothing inside a pod.
        resolvConf = "/run/systemd/resolve/resolv.conf"
        failSwapOn = true
        // CIS 4.2.4 to 4.2.8, 4.2.10.
        readOnlyPort = 0
        streamingConnectionIdleTimeout = "4h0m0s"
        makeIPTablesUtilChains = true
        eventRecordQPS = 50
        rotateCertificates = true
        // Refuses to start where the kernel's settings are not what `[kernel.sysctl]` seals.
        protectKernelDefaults = true
        // CIS 4.2.12. With 1.3 as the least, the list matters to whoever lowers it.
        tlsMinVersion = "VersionTLS13"
        tlsCipherSuites = [
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        ]
        // CIS 4.2.13: one pod cannot take every pid of the node.
        podPidsLimit = 4096
        maxPods = 110
        // One slow registry does not hold up all others.
        serializeImagePulls = false
        // systemd, containerd and the kubelet themselves.
        systemReserved = { cpu = "100m", memory = "256Mi", "ephemeral-storage" = "256Mi", pid = "1000" }
    };
    config.insert("staticPodPath".into(), paths::MANIFESTS.into());
    config.insert("volumePluginDir".into(), paths::VOLUME_PLUGINS.into());
    config
}

/// Who may talk to the kubelet: CIS 4.2.1 to 4.2.3.
fn access(cluster: Cluster) -> Table {
    match cluster {
        Cluster::Join => {
            let mut config = toml::toml! {
                [authentication.anonymous]
                enabled = false
                [authentication.webhook]
                enabled = true
                [authentication.x509]
                clientCAFile = "CA"
                [authorization]
                mode = "Webhook"
            };
            if let Some(Value::Table(authentication)) = config.get_mut("authentication") {
                authentication
                    .insert("x509".into(), Table::from_iter([("clientCAFile".into(), paths::CA.into())]).into());
            }
            config
        }
        // Without an API server nobody can be asked, so nobody is let in: the server is off.
        Cluster::Standalone => toml::toml! {
            enableServer = false
            [authentication.anonymous]
            enabled = false
            [authentication.webhook]
            enabled = false
            [authorization]
            mode = "AlwaysAllow"
        },
    }
}

/// Fields that not every version knows.
fn by_version(version: Version) -> Table {
    let mut config = Table::new();
    if version >= Version::new(1, 21) {
        config.insert("shutdownGracePeriod".into(), "30s".into());
        config.insert("shutdownGracePeriodCriticalPods".into(), "10s".into());
    }
    if version >= Version::new(1, 25) {
        // CIS 4.2.14.
        config.insert("seccompDefault".into(), true.into());
    }
    if version >= Version::new(1, 27) {
        config.insert("containerRuntimeEndpoint".into(), format!("unix://{}", paths::CONTAINERD_SOCKET).into());
    }
    config
}
