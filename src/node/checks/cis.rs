//! The CIS Kubernetes benchmark 1.10 for worker nodes, section 4.2 (the kubelet).
//!
//! 4.1 is about files and their modes, which the steps write as it asks.

use toml::Value;

use super::super::merge::get;
use super::super::version::Version;
use super::{Finding, Node};

/// Suites that the benchmark calls strong.
const STRONG: [&str; 9] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
];

pub(super) fn check(node: &Node<'_>, out: &mut Vec<Finding>) {
    let value = |path: &[&str]| get(&node.kubelet, path);
    let is = |path: &[&str], wanted: bool| value(path).and_then(Value::as_bool) == Some(wanted);
    let integer = |path: &[&str]| value(path).and_then(Value::as_integer);
    let text = |path: &[&str]| value(path).and_then(Value::as_str);
    let mut rule = |id, number: &str, kept: bool, what: &str, hint: &str| {
        if !kept {
            out.push(Finding::new(id, format!("{what} (CIS {number})"), hint));
        }
    };
    rule(
        "kubelet-anonymous",
        "4.2.1",
        is(&["authentication", "anonymous", "enabled"], false),
        "the kubelet answers whoever asks",
        "set `[kubelet.config.authentication.anonymous] enabled = false`",
    );
    rule(
        "kubelet-authorization",
        "4.2.2",
        text(&["authorization", "mode"]).is_some_and(|mode| mode != "AlwaysAllow"),
        "the kubelet allows everything to everyone whom it knows",
        "set `[kubelet.config.authorization] mode = \"Webhook\"`; it needs an API server to ask",
    );
    rule(
        "kubelet-client-ca",
        "4.2.3",
        text(&["authentication", "x509", "clientCAFile"]).is_some_and(|file| !file.is_empty()),
        "no authority for clients' certificates is set",
        "set `[kubelet.config.authentication.x509] clientCAFile = \"/etc/kubernetes/pki/ca.crt\"`",
    );
    rule(
        "kubelet-read-only-port",
        "4.2.4",
        integer(&["readOnlyPort"]) == Some(0),
        "the kubelet serves without authentication",
        "set `[kubelet.config] readOnlyPort = 0`",
    );
    rule(
        "kubelet-streaming-timeout",
        "4.2.5",
        text(&["streamingConnectionIdleTimeout"])
            .is_some_and(|time| time.bytes().any(|byte| (b'1'..=b'9').contains(&byte))),
        "idle connections are never closed",
        "set `[kubelet.config] streamingConnectionIdleTimeout = \"4h\"`",
    );
    rule(
        "kubelet-iptables",
        "4.2.6",
        is(&["makeIPTablesUtilChains"], true),
        "the kubelet does not keep its iptables chains",
        "set `[kubelet.config] makeIPTablesUtilChains = true`",
    );
    rule(
        "kubelet-hostname-override",
        "4.2.7",
        node.flag("hostname-override").is_none(),
        "the kubelet's name is set apart from the host's",
        "take `--hostname-override` out of `kubelet.args`; a host name comes by `[network] hostname` or the credential `system.hostname`",
    );
    rule(
        "kubelet-event-rate",
        "4.2.8",
        integer(&["eventRecordQPS"]).is_some_and(|rate| rate >= 0),
        "events get lost",
        "set `[kubelet.config] eventRecordQPS = 50`",
    );
    rule(
        "kubelet-rotate-certificates",
        "4.2.10",
        is(&["rotateCertificates"], true),
        "the kubelet's client certificate is not renewed",
        "set `[kubelet.config] rotateCertificates = true`",
    );
    rule(
        "kubelet-rotate-server-certificates",
        "4.2.11",
        !is(&["featureGates", "RotateKubeletServerCertificate"], false),
        "the kubelet's server certificate cannot be renewed",
        "take `RotateKubeletServerCertificate = false` out of `kubelet.config.featureGates`",
    );
    let suites = value(&["tlsCipherSuites"]).and_then(Value::as_array);
    let strong = |suite: &Value| suite.as_str().is_some_and(|suite| STRONG.contains(&suite));
    rule(
        "kubelet-ciphers",
        "4.2.12",
        suites.is_some_and(|suites| !suites.is_empty() && suites.iter().all(strong)),
        "weak ciphers are allowed",
        "leave `tlsCipherSuites` of `kubelet.config` as it is by default",
    );
    rule(
        "kubelet-pid-limit",
        "4.2.13",
        integer(&["podPidsLimit"]).is_some_and(|limit| limit > 0),
        "one pod can take every process id of the node",
        "set `[kubelet.config] podPidsLimit = 4096`",
    );
    rule(
        "kubelet-seccomp",
        "4.2.14",
        // The field came with 1.22, and is on without a gate since 1.25.
        node.kubelet_version < Version::new(1, 25) || is(&["seccompDefault"], true),
        "pods run without a filter of system calls",
        "set `[kubelet.config] seccompDefault = true`",
    );
}
