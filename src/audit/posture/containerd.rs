//! containerd: who reaches it, what it trusts, and how it confines (config.toml of versions 1 to 3, hosts.toml).

use toml::{Table, Value};

use super::unit::{Unit, flag};
use super::view::View;
use super::{Breach, Verdict};
use crate::error::Result;
use crate::profile::posture::{Containerd as Rule, ContainerdSetting as Setting};

/// Where its configuration is, unless its unit says otherwise.
const CONFIG: &str = "/etc/containerd/config.toml";
/// Where registries' hosts.toml are, besides where the configuration says.
const REGISTRIES: &str = "/etc/containerd/certs.d";
/// Addresses that only the node itself reaches.
const LOOPBACK: [&str; 4] = ["127.", "localhost", "[::1]", "::1"];
/// What can be written on a running node, whatever else can.
const WRITABLE: [&str; 6] = ["/var/", "/run/", "/tmp/", "/home/", "/root/", "/dev/"];

/// containerd of a root.
pub struct Containerd {
    there: bool,
    path: String,
    config: std::result::Result<Table, &'static str>,
}

impl Containerd {
    /// Reads its configuration.
    pub fn read(view: &View<'_>) -> Result<Self> {
        let unit = Unit::read(view, "containerd.service")?;
        let command = unit.as_ref().map(Unit::command).unwrap_or_default();
        let path = flag(&command, "config").or_else(|| flag(&command, "c")).unwrap_or(CONFIG).to_owned();
        let text = view.text(&path)?;
        let there = unit.is_some() || text.is_some();
        // Without a file it runs by its defaults.
        let config = text.unwrap_or_default().parse().map_err(|_| "containerd's configuration cannot be read");
        Ok(Containerd { there, path, config })
    }

    /// Looks at a rule.
    pub fn check(&self, view: &View<'_>, what: Rule) -> Result<Verdict> {
        if !self.there {
            return Ok(Verdict::Unknown("there is no containerd"));
        }
        match what {
            Rule::Configuration => Ok(self.file(view)),
            Rule::Setting(what) => self.setting(view, what),
        }
    }

    /// Who may write its configuration.
    fn file(&self, view: &View<'_>) -> Verdict {
        let wrong = view.find(&self.path).filter(|(_, node)| {
            let meta = node.meta;
            meta.uid != 0 || meta.gid != 0 || meta.mode & 0o022 != 0
        });
        let told = wrong.map(|(path, node)| {
            Breach::at(path, format!("mode {:04o}, of {}:{}", node.meta.mode, node.meta.uid, node.meta.gid))
        });
        Verdict::of(told.into_iter().collect())
    }

    fn setting(&self, view: &View<'_>, what: Setting) -> Result<Verdict> {
        let config = match &self.config {
            Ok(config) => config,
            Err(why) => return Ok(Verdict::Unknown(why)),
        };
        let mut found = Vec::new();
        match what {
            Setting::Socket => socket(config, &mut found),
            Setting::Streaming => each(config, &mut |key, value| {
                if key == "stream_server_address"
                    && !value.as_str().is_none_or(|text| text.is_empty() || is_loopback(text))
                {
                    found.push(format!("`{key}` is {value}"));
                }
            }),
            Setting::Registry => registries(view, config, &mut found)?,
            Setting::Confinement => each(config, &mut |key, value| {
                let off = key == "disable_apparmor" && value.as_bool() == Some(true)
                    || key == "unset_seccomp_profile" && value.as_str() == Some("unconfined");
                if off {
                    found.push(format!("`{key}` is {value}"));
                }
            }),
            Setting::Runtime => each(config, &mut |key, value| {
                let Some(program) = value.as_str().filter(|text| text.starts_with('/')) else { return };
                if !matches!(key, "BinaryName" | "runtime_path") {
                    return;
                }
                if WRITABLE.iter().any(|folder| program.starts_with(folder)) {
                    found.push(format!("`{program}` lies where it can be exchanged"));
                } else if view.find(program).is_none() {
                    found.push(format!("`{program}` is not in the image"));
                }
            }),
            Setting::HostDevices => each(config, &mut |key, value| {
                let wide = match (key, value) {
                    ("base_runtime_spec", Value::String(text)) => !text.is_empty(),
                    ("privileged_without_host_devices_all_devices_allowed", Value::Boolean(on)) => *on,
                    ("container_annotations", Value::Array(list)) => list.iter().any(|one| one.as_str() == Some("*")),
                    _ => false,
                };
                if wide {
                    found.push(format!("`{key}` is {value}"));
                }
            }),
        }
        Ok(Verdict::of(found.into_iter().map(Breach::of).collect()))
    }
}

/// Whether only the node itself reaches an address.
pub fn is_loopback(address: &str) -> bool {
    LOOPBACK.iter().any(|start| address.starts_with(start))
}

/// Every key of a configuration with its value, tables in tables included.
fn each(table: &Table, look: &mut dyn FnMut(&str, &Value)) {
    for (key, value) in table {
        look(key, value);
        match value {
            Value::Table(table) => each(table, look),
            Value::Array(list) => list.iter().filter_map(Value::as_table).for_each(|table| each(table, look)),
            _ => {}
        }
    }
}

fn socket(config: &Table, found: &mut Vec<String>) {
    let table = |name: &str| config.get(name).and_then(Value::as_table);
    let text = |table: Option<&Table>, key: &str| {
        table.and_then(|table| table.get(key)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    for name in ["grpc", "ttrpc", "debug"] {
        let of = table(name);
        let address = text(of, "address");
        if !address.is_empty() && !address.starts_with('/') && !address.starts_with("unix://") {
            found.push(format!("`{name}.address` is `{address}`"));
        }
        let tcp = text(of, "tcp_address");
        if !tcp.is_empty() {
            found.push(format!("`{name}.tcp_address` is `{tcp}`"));
        }
        for owner in ["uid", "gid"] {
            let number = of.and_then(|of| of.get(owner)).and_then(Value::as_integer).unwrap_or(0);
            if number != 0 {
                found.push(format!("`{name}.{owner}` is {number}"));
            }
        }
    }
    let metrics = text(table("metrics"), "address");
    if !metrics.is_empty() && !is_loopback(&metrics) {
        found.push(format!("`metrics.address` is `{metrics}`"));
    }
}

/// Mirrors without TLS, and certificates that nobody verifies: in the configuration itself, and in each hosts.toml.
fn registries(view: &View<'_>, config: &Table, found: &mut Vec<String>) -> Result<()> {
    let mut folders = vec![REGISTRIES.to_owned()];
    each(config, &mut |key, value| match (key, value) {
        ("config_path", Value::String(list)) => folders.extend(list.split(':').map(str::to_owned)),
        ("insecure_skip_verify", Value::Boolean(true)) => found.push("`insecure_skip_verify` is true".to_owned()),
        ("endpoint", Value::Array(list)) => found.extend(list.iter().filter_map(Value::as_str).filter_map(plain)),
        _ => {}
    });
    folders.sort();
    folders.dedup();
    for folder in folders.iter().filter(|folder| !folder.is_empty()) {
        let files: Vec<String> = view
            .below(folder)
            .filter(|(path, _)| path.name() == Some(b"hosts.toml"))
            .map(|(path, _)| path.to_string())
            .collect();
        for file in files {
            let Ok(table) = view.text(&file)?.unwrap_or_default().parse::<Table>() else {
                found.push(format!("`{file}` cannot be read"));
                continue;
            };
            let mut add = |what: String| found.push(format!("`{file}`: {what}"));
            each(&table, &mut |key, value| match (key, value) {
                ("skip_verify", Value::Boolean(true)) => add("`skip_verify` is true".to_owned()),
                ("server", value) => value.as_str().and_then(plain).into_iter().for_each(&mut add),
                (url, Value::Table(_)) => plain(url).into_iter().for_each(&mut add),
                _ => {}
            });
        }
    }
    Ok(())
}

/// What there is to say of a URL that is not encrypted on its way.
fn plain(url: &str) -> Option<String> {
    url.strip_prefix("http://").filter(|host| !is_loopback(host)).map(|_| format!("`{url}` is not encrypted"))
}
