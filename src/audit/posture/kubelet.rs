//! The kubelet: the CIS Kubernetes Benchmark's section 4 (1.12), and what it leaves open.
//!
//! Its configuration is read from the file that its unit names; a flag goes before the file, as in the kubelet itself.

use serde_json::Value;

use super::containerd::is_loopback;
use super::unit::{Unit, flag};
use super::view::View;
use super::{Breach, Verdict};
use crate::audit::diff::keys;
use crate::error::Result;
use crate::profile::posture::{Kubelet as Rule, KubeletSetting as Setting};

/// The unit that every distribution of Kubernetes has.
const UNIT: &str = "kubelet.service";
/// Kubeconfigs by the names that installers give them.
const KUBECONFIGS: [&str; 5] = [
    "/etc/kubernetes/bootstrap-kubelet.conf",
    "/etc/kubernetes/kubelet.conf",
    "/etc/kubernetes/proxy.conf",
    "/var/lib/kube-proxy/kubeconfig",
    "/var/lib/kubelet/kubeconfig",
];
/// Where static pods lie, where the configuration does not say.
const PODS: &str = "/etc/kubernetes/manifests";
/// Where the authority is kept, where nothing says otherwise.
const AUTHORITY: &str = "/etc/kubernetes/pki/ca.crt";
/// Suites that the benchmark calls strong.
const STRONG: [&str; 8] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// The kubelet of a root.
pub struct Kubelet {
    unit: Option<Unit>,
    command: Vec<String>,
    config: Option<Value>,
}

impl Kubelet {
    /// Reads unit and configuration, where they are.
    pub fn read(view: &View<'_>) -> Result<Self> {
        let unit = Unit::read(view, UNIT)?;
        let command = unit.as_ref().map(Unit::command).unwrap_or_default();
        let text = match flag(&command, "config") {
            Some(path) => view.text(path)?,
            None => None,
        };
        // Each JSON is YAML, but its reader knows all numbers.
        let read = |text: String| keys::of("x.json", &text).or_else(|| keys::of("x.yaml", &text));
        let config = text.and_then(read);
        Ok(Kubelet { unit, command, config })
    }

    /// Looks at a rule.
    pub fn check(&self, view: &View<'_>, what: Rule) -> Verdict {
        let Some(unit) = &self.unit else { return Verdict::Unknown("no unit starts a kubelet") };
        let named = |flags: &[&str], also: &[&str]| {
            let flags = flags.iter().filter_map(|name| flag(&self.command, name));
            private(view, flags.chain(also.iter().copied()))
        };
        match what {
            Rule::Unit => {
                let files: Vec<String> = unit.files.iter().map(ToString::to_string).collect();
                private(view, files.iter().map(String::as_str))
            }
            Rule::Kubeconfig => named(&["kubeconfig", "bootstrap-kubeconfig"], &KUBECONFIGS),
            Rule::Authority => {
                let set = self.text("authentication.x509.clientCAFile", "client-ca-file");
                named(&[], &[set.unwrap_or(AUTHORITY)])
            }
            Rule::Configuration => named(&["config"], &[]),
            Rule::ProxyMetrics => self.proxy(view),
            Rule::HostnameOverride => {
                let name = flag(&self.command, "hostname-override");
                Verdict::when(name.is_none(), "`--hostname-override` is set")
            }
            Rule::Setting(_) if self.config.is_none() => {
                Verdict::Unknown("the kubelet's configuration is not in the image, or cannot be read")
            }
            Rule::Setting(what) => self.setting(what),
        }
    }

    /// Where kube-proxy shows its metrics: by a unit, or as a static pod.
    fn proxy(&self, view: &View<'_>) -> Verdict {
        const NAME: &str = "metrics-bind-address";
        let unit = Unit::read(view, "kube-proxy.service").ok().flatten();
        let command = unit.as_ref().map(Unit::command).unwrap_or_default();
        let mut found: Vec<Breach> = flag(&command, NAME)
            .filter(|at| !is_loopback(at))
            .map(|at| Breach::of(format!("`--{NAME}` is {at}")))
            .into_iter()
            .collect();
        let pods = self.at("staticPodPath").and_then(Value::as_str).unwrap_or(PODS);
        for path in view.files(pods).into_values() {
            let text = view.text(&path.to_string()).ok().flatten().unwrap_or_default();
            let pod = keys::of("x.json", &text).or_else(|| keys::of("x.yaml", &text));
            each(&pod.unwrap_or_default(), &mut |word| {
                let at = word.strip_prefix("--").and_then(|word| word.strip_prefix(NAME)?.strip_prefix('='));
                if let Some(at) = at.filter(|at| !is_loopback(at)) {
                    found.push(Breach::at(&path, format!("`--{NAME}` is {at}")));
                }
            });
        }
        Verdict::of(found)
    }

    /// A rule about a setting.
    fn setting(&self, what: Setting) -> Verdict {
        let is = |path: &str, flag: &str, wanted: bool| self.boolean(path, flag) == Some(wanted);
        let number = |path: &str, flag: &str| self.number(path, flag);
        let text = |path: &str, flag: &str| self.text(path, flag);
        let set = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
        // What is served to nobody needs no key.
        let serves = self.boolean("enableServer", "") != Some(false);
        let (kept, found) = match what {
            Setting::Anonymous => (
                !serves || is("authentication.anonymous.enabled", "anonymous-auth", false),
                "`authentication.anonymous.enabled` is not false",
            ),
            Setting::Authorization => {
                let mode = text("authorization.mode", "authorization-mode");
                let sound = mode.is_some_and(|mode| !mode.split(',').any(|one| one == "AlwaysAllow"));
                (!serves || sound, "`authorization.mode` is `AlwaysAllow`, or not set")
            }
            Setting::ClientCa => (
                !serves || set(text("authentication.x509.clientCAFile", "client-ca-file")),
                "`authentication.x509.clientCAFile` is not set",
            ),
            Setting::ReadOnlyPort => {
                (number("readOnlyPort", "read-only-port").unwrap_or(0) == 0, "`readOnlyPort` is not 0")
            }
            Setting::StreamingTimeout => {
                let time = text("streamingConnectionIdleTimeout", "streaming-connection-idle-timeout");
                let ends = |time: &str| time.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
                (time.is_none_or(ends), "`streamingConnectionIdleTimeout` is 0")
            }
            Setting::Iptables => {
                (!is("makeIPTablesUtilChains", "make-iptables-util-chains", false), "`makeIPTablesUtilChains` is false")
            }
            Setting::EventRate => {
                (number("eventRecordQPS", "event-qps").unwrap_or(50) >= 0, "`eventRecordQPS` is below 0")
            }
            Setting::ServingCertificate => {
                let files =
                    set(text("tlsCertFile", "tls-cert-file")) && set(text("tlsPrivateKeyFile", "tls-private-key-file"));
                let asks = is("serverTLSBootstrap", "rotate-server-certificates", true);
                (!serves || files || asks, "the kubelet signs its serving certificate itself")
            }
            Setting::RotateCertificates => {
                (is("rotateCertificates", "rotate-certificates", true), "`rotateCertificates` is not true")
            }
            Setting::RotateServerCertificates => (
                !is("featureGates.RotateKubeletServerCertificate", "", false),
                "`featureGates.RotateKubeletServerCertificate` is false",
            ),
            Setting::Ciphers => {
                let listed: Option<Vec<&str>> = match flag(&self.command, "tls-cipher-suites") {
                    Some(list) => Some(list.split(',').map(str::trim).collect()),
                    None => self
                        .at("tlsCipherSuites")
                        .and_then(Value::as_array)
                        .map(|list| list.iter().map(|suite| suite.as_str().unwrap_or_default()).collect()),
                };
                let sound =
                    listed.is_some_and(|list| !list.is_empty() && list.iter().all(|suite| STRONG.contains(suite)));
                (!serves || sound, "`tlsCipherSuites` is not set, or names a weak one")
            }
            Setting::PidLimit => {
                (number("podPidsLimit", "pod-max-pids").is_some_and(|limit| limit > 0), "`podPidsLimit` is not set")
            }
            Setting::Seccomp => (is("seccompDefault", "seccomp-default", true), "`seccompDefault` is not true"),
            Setting::KernelDefaults => {
                (is("protectKernelDefaults", "protect-kernel-defaults", true), "`protectKernelDefaults` is not true")
            }
            Setting::TlsVersion => {
                let least = text("tlsMinVersion", "tls-min-version");
                let sound = least.is_none_or(|least| matches!(least, "" | "VersionTLS12" | "VersionTLS13"));
                (sound, "`tlsMinVersion` is below 1.2")
            }
        };
        Verdict::when(kept, found)
    }

    /// A value of the configuration, by keys with dots.
    fn at(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(self.config.as_ref()?, |value, key| value.get(key))
    }

    fn boolean(&self, path: &str, name: &str) -> Option<bool> {
        flag(&self.command, name).and_then(|value| value.parse().ok()).or_else(|| self.at(path)?.as_bool())
    }

    fn number(&self, path: &str, name: &str) -> Option<i64> {
        flag(&self.command, name).and_then(|value| value.parse().ok()).or_else(|| self.at(path)?.as_i64())
    }

    fn text<'a>(&'a self, path: &str, name: &str) -> Option<&'a str> {
        flag(&self.command, name).or_else(|| self.at(path)?.as_str())
    }
}

/// Every text of a value, those in lists and tables included.
fn each(value: &Value, look: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => look(text),
        Value::Array(list) => list.iter().for_each(|value| each(value, look)),
        Value::Object(table) => table.values().for_each(|value| each(value, look)),
        _ => {}
    }
}

/// Whether files that are there are root's and nobody else's; those that come at run time are not there.
fn private<'a>(view: &View<'_>, paths: impl Iterator<Item = &'a str>) -> Verdict {
    let wrong = paths.filter_map(|path| {
        let (path, node) = view.find(path)?;
        let meta = node.meta;
        let sound = meta.mode & 0o177 == 0 && meta.uid == 0 && meta.gid == 0;
        (!sound).then(|| Breach::at(path, format!("mode {:04o}, of {}:{}", meta.mode, meta.uid, meta.gid)))
    });
    Verdict::of(wrong.collect())
}
