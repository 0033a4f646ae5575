//! What a rule looks at: a type for each subject, so that no rule is without code.

use serde::Deserialize;

/// How a rule is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Check {
    /// None of these programs, and no unit that starts one.
    Programs(Programs),
    /// Files, modes and accounts.
    Tree(Files),
    /// What the kernel is told.
    Kernel(Kernel),
    /// What is mounted.
    Mounts(Mounts),
    /// Words of the kernel's command line.
    Words(Words),
    /// A setting of the kernel.
    Sysctl(Sysctl),
    /// The kubelet.
    Kubelet(Kubelet),
    /// containerd.
    Containerd(Containerd),
}

/// What is asked of files, modes and accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Files {
    /// Nothing has a setuid or setgid bit.
    Setuid,
    /// No file has capabilities but those that the profile names.
    Capability,
    /// Nothing may be written by everybody.
    WorldWritable,
    /// The system's own files are root's alone to write.
    WritableProgram,
    /// No devices outside of /dev.
    Device,
    /// Every owner has an account.
    NamelessOwner,
    /// Every program came with a package, or from the profile.
    Unowned,
    /// No keys, tokens and passwords in files.
    Secret,
    /// Nothing that each machine must make for itself.
    SharedIdentity,
    /// No account has a password.
    Password,
    /// One account has the number 0.
    SecondRoot,
    /// No account starts a shell.
    LoginShell,
}

/// What the kernel is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// Which root it must verify.
    SealedRoot,
}

/// What is asked of the kubelet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kubelet {
    /// The unit's files are root's alone.
    Unit,
    /// Kubeconfigs are root's alone.
    Kubeconfig,
    /// The cluster's authority is root's alone.
    Authority,
    /// The configuration's file is root's alone.
    Configuration,
    /// kube-proxy shows its metrics to the node alone.
    ProxyMetrics,
    /// The name is the host's own.
    HostnameOverride,
    /// A setting, by flag or configuration.
    #[serde(untagged)]
    Setting(KubeletSetting),
}

/// What is asked of a setting of the kubelet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KubeletSetting {
    /// Nobody without a name is served.
    Anonymous,
    /// Who asks is authorized.
    Authorization,
    /// Clients show certificates.
    ClientCa,
    /// There is no port that asks for nothing.
    ReadOnlyPort,
    /// Idle connections end.
    StreamingTimeout,
    /// The utility chains are kept.
    Iptables,
    /// Events are not held back.
    EventRate,
    /// The serving certificate is not signed by the kubelet itself.
    ServingCertificate,
    /// Client certificates are renewed.
    RotateCertificates,
    /// Serving certificates are renewed.
    RotateServerCertificates,
    /// Suites are strong.
    Ciphers,
    /// A pod has so many processes and no more.
    PidLimit,
    /// Pods get the runtime's seccomp profile where they name none.
    Seccomp,
    /// Settings of the kernel are not changed.
    KernelDefaults,
    /// TLS 1.2 at least.
    TlsVersion,
}

/// What is asked of containerd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Containerd {
    /// The configuration's file is root's alone.
    Configuration,
    /// A setting of its configuration.
    #[serde(untagged)]
    Setting(ContainerdSetting),
}

/// What is asked of a setting of containerd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContainerdSetting {
    /// Who reaches the socket.
    Socket,
    /// Streams come from the node alone.
    Streaming,
    /// Registries are verified.
    Registry,
    /// AppArmor and seccomp are not turned off.
    Confinement,
    /// Runtimes are sealed.
    Runtime,
    /// Containers get no devices of the host.
    HostDevices,
}

/// Names of programs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programs {
    /// Files in folders of programs.
    pub names: Vec<String>,
    /// How names of units begin that nothing may want.
    #[serde(default)]
    pub units: Vec<String>,
}

/// Options of mounts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mounts {
    /// An option that each file system that can be written has.
    pub option: Option<String>,
    /// Where it counts; everywhere where there is nothing.
    pub at: Vec<String>,
    /// Where nothing that can be written may lie.
    pub never: Vec<String>,
}

/// Words of a command line. A word without `=` stands for itself with any value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Words {
    /// One of them must be there.
    pub needs: Vec<String>,
    /// None of them may be there.
    pub never: Vec<String>,
}

/// A setting of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sysctl {
    /// Its name, with dots.
    pub name: String,
    /// Values that are right.
    pub is: Vec<String>,
    /// What the kernel has where nothing sets it, if that is sure.
    pub default: Option<String>,
}
