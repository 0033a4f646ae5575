//! containerd's configuration, in the form that its version reads, and its unit.
//!
//! containerd 1.x reads `version = 2`, 2.x reads `version = 3` (with a version 2 file its image
//! plugin has no platform to unpack for, and every pull fails).

use toml::{Table, Value};

use super::put::{Put, UNITS};
use super::version::{self, Version};
use super::{merge, paths};
use crate::error::Result;
use crate::profile::Profile;
use crate::system::Inputs;
use crate::tree::Tree;

/// Tables of the configuration that tell the runtime's part: v2 has one plugin, v3 two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plugins {
    /// Sandboxes, runtimes, CNI.
    pub(super) runtime: &'static str,
    /// Images, registries, the sandbox's image.
    pub(super) images: &'static str,
}

impl Plugins {
    pub(super) fn of(version: Version) -> Self {
        match version.major {
            0 | 1 => Plugins { runtime: "io.containerd.grpc.v1.cri", images: "io.containerd.grpc.v1.cri" },
            _ => Plugins { runtime: "io.containerd.cri.v1.runtime", images: "io.containerd.cri.v1.images" },
        }
    }
}

/// Lays configuration and unit into the tree.
pub(super) fn step(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<()> {
    let config = config(inputs.profile, version::containerd(inputs)?);
    let mut put = Put::new(tree, inputs, "containerd");
    put.text(paths::CONTAINERD_CONFIG, 0o600, text(&config))?;
    if !put.has(&format!("{UNITS}/containerd.service")) {
        let program = inputs.profile.containerd.program.path.to_string();
        put.text(&format!("{UNITS}/containerd.service"), 0o644, UNIT.replace("@PROGRAM@", &program))?;
    }
    put.pull("containerd.service", "multi-user.target")?;
    let args: String = inputs.profile.containerd.args.iter().map(|arg| format!(" {arg}")).collect();
    if !args.is_empty() {
        let program = inputs.profile.containerd.program.path.to_string();
        put.dropin("containerd.service", "10-args", format!("[Service]\nExecStart=\nExecStart={program}{args}\n"))?;
    }
    // Its state is on /var: without it, it must not start on the folder below the mount point.
    put.dropin("containerd.service", "10-node", "[Unit]\nRequiresMountsFor=/var/lib/containerd\n")
}

/// The whole configuration: what follows from the profile, with `[containerd.config]` over it.
pub fn config(profile: &Profile, version: Version) -> Table {
    let mut config = match version.major {
        0 | 1 => version2(profile),
        _ => version3(profile, version),
    };
    merge::merge(&mut config, &profile.containerd.config);
    config
}

/// The text of a configuration; the same table gives the same bytes.
pub fn text(config: &Table) -> String {
    format!("# Made by imagebuild from the profile.\n{config}")
}

fn common(number: i64) -> Table {
    toml::toml! {
        version = 2
        root = "/var/lib/containerd"
        state = "/run/containerd"
        oom_score = -999
        [grpc]
        address = "/run/containerd/containerd.sock"
        [plugins."io.containerd.internal.v1.opt"]
        path = "/var/lib/containerd/opt"
    }
    .with("version", number)
}

trait With {
    fn with(self, key: &str, value: impl Into<Value>) -> Self;
}

impl With for Table {
    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.insert(key.to_owned(), value.into());
        self
    }
}

/// The image of every pod's sandbox: the preloaded image whose name begins with `localhost/pause`, else
/// Kubernetes' own, which a registry has to serve.
pub(super) fn sandbox_image(profile: &Profile) -> String {
    let ours = profile.preload.iter().map(|image| image.name.as_str()).find(|name| {
        let last = name.rsplit('/').next().unwrap_or(name);
        last == "pause" || last.starts_with("pause:") || last.starts_with("pause@")
    });
    ours.unwrap_or("registry.k8s.io/pause:3.10").to_owned()
}

fn runc(profile: &Profile) -> Table {
    let mut options = Table::new().with("SystemdCgroup", true);
    if let Some(runc) = &profile.runc {
        options.insert("BinaryName".to_owned(), runc.path.to_string().into());
    }
    let runc = Table::new().with("runtime_type", "io.containerd.runc.v2").with("options", options);
    Table::new().with("default_runtime_name", "runc").with("runtimes", Table::new().with("runc", runc))
}

fn registry() -> Table {
    Table::new().with("config_path", paths::REGISTRIES)
}

fn version2(profile: &Profile) -> Table {
    let cri = Table::new()
        .with("sandbox_image", sandbox_image(profile))
        .with("containerd", runc(profile).with("snapshotter", "overlayfs"))
        .with("cni", Table::new().with("bin_dir", paths::CNI_BIN).with("conf_dir", paths::CNI_CONFIG))
        .with("registry", registry());
    let mut config = common(2);
    plugin(&mut config, "io.containerd.grpc.v1.cri", cri);
    config
}

fn version3(profile: &Profile, version: Version) -> Table {
    let mut config = common(3);
    // `bin_dir` gave way to `bin_dirs` in 2.1.
    let cni = match version {
        version if version < Version::new(2, 1) => Table::new().with("bin_dir", paths::CNI_BIN),
        _ => Table::new().with("bin_dirs", Value::Array(vec![paths::CNI_BIN.into()])),
    };
    let runtime = Table::new().with("containerd", runc(profile)).with("cni", cni.with("conf_dir", paths::CNI_CONFIG));
    let images = Table::new()
        .with("snapshotter", "overlayfs")
        .with("pinned_images", Table::new().with("sandbox", sandbox_image(profile)))
        .with("registry", registry());
    plugin(&mut config, "io.containerd.cri.v1.runtime", runtime);
    plugin(&mut config, "io.containerd.cri.v1.images", images);
    config
}

fn plugin(config: &mut Table, name: &str, table: Table) {
    if let Some(Value::Table(plugins)) = config.get_mut("plugins") {
        plugins.insert(name.to_owned(), table.into());
    }
}

/// For containerd that is no package; the package's own unit is taken as it is.
const UNIT: &str = "\
[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target local-fs.target dbus.service

[Service]
Type=notify
ExecStart=@PROGRAM@
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-999
";
