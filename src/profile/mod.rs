//! What to build: every field valid, defaults filled in, for one architecture.
//!
//! A [`Profile`] is made only by [`load()`], from one TOML file and the templates that it
//! extends; all mistakes of all files come back at once.

mod boot;
pub mod checks;
pub mod cloud;
mod content;
mod de;
mod expand;
mod extend;
mod fault;
mod glob;
mod load;
mod local;
pub mod manual;
mod merge;
mod mistake;
mod node;
mod origins;
mod output;
mod place;
pub mod posture;
mod program;
pub mod raw;
mod resolve;
pub mod schema;
mod show;
pub mod template;

pub use boot::{Boot, Firmware};
pub use cloud::{Cloud, Drivers, SizeRule, Starts};
pub use content::{Edit, FileContent, Pod, Preload, PreloadImage, Unit, UnitState, User};
pub use glob::Glob;
pub use load::{LoadOptions, clouds, load, load_output, load_text, named_files};
pub use mistake::Mistake;
pub use origins::{Origins, quoted};
pub use output::{
    ClusterCodec, Compression, DiskAdapter, Format, Gce, Install, Iso, MachineFirmware, Netboot, Oci, OciKind, Output,
    Ova, Product, Qcow2, Raw, Split, Then, Update, Vhd, VhdKind, Vhdx, Vmdk, VmdkKind,
};
pub use posture::Posture;
pub use program::{Component, Go, Origin, Program, Url};
pub use resolve::is_reference;
pub use show::show;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::arch::Arch;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::path::RootPath;
use crate::size::Size;

/// A resolved profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The file that was loaded.
    pub path: PathBuf,
    /// Name, version, architecture.
    pub image: Image,
    /// Package archives by name.
    pub sources: BTreeMap<String, Source>,
    /// The kernel and its settings.
    pub kernel: Kernel,
    /// What the image boots on.
    pub boot: Boot,
    /// The packages of the root.
    pub userland: Userland,
    /// containerd.
    pub containerd: Component,
    /// runc, where containerd's packages do not bring it.
    pub runc: Option<Program>,
    /// The CNI plugins, where wanted.
    pub cni: Option<Program>,
    /// The kubelet.
    pub kubelet: Component,
    /// Whether the kubelet joins a cluster or runs the image's static pods only.
    pub cluster: Cluster,
    /// Further programs (crictl ...), by name.
    pub programs: BTreeMap<String, Program>,
    /// Container images that are there from the start.
    pub preload: Vec<Preload>,
    /// Static pods, sealed in the root.
    pub pods: Vec<Pod>,
    /// Accounts beyond those of packages.
    pub users: Vec<User>,
    /// Units of the profile and the state of any unit.
    pub units: Vec<Unit>,
    /// Files, links, folders, modes, removals, in the order in which they are applied.
    pub edits: Vec<Edit>,
    /// The network.
    pub network: Network,
    /// The journal's bound on disk.
    pub journal: Size,
    /// The writable layout.
    pub var: Var,
    /// What else may be written, and for how long.
    pub writable: BTreeMap<RootPath, Writable>,
    /// Sizes of the partitions.
    pub layout: Layout,
    /// How the root is packed.
    pub pack: Pack,
    /// What is emitted.
    pub outputs: Vec<Output>,
    /// The clouds that outputs name, and those of the profile, by name.
    pub clouds: BTreeMap<String, Cloud>,
    /// Rules that the tree must keep.
    pub posture: Posture,
    /// Checks and defaults that the profile gives up, by id.
    pub waivers: BTreeMap<String, Waiver>,
}

impl Profile {
    /// What an output is for.
    pub fn cloud(&self, output: &Output) -> Option<&Cloud> {
        self.clouds.get(output.cloud.as_ref()?)
    }

    /// Every program with its name: the node's own, then the others.
    pub fn programs(&self) -> impl Iterator<Item = (&str, &Program)> {
        let own = [
            ("containerd", Some(&self.containerd.program)),
            ("kubelet", Some(&self.kubelet.program)),
            ("runc", self.runc.as_ref()),
            ("cni", self.cni.as_ref()),
        ];
        let own = own.into_iter().filter_map(|(name, program)| Some((name, program?)));
        own.chain(self.programs.iter().map(|(name, program)| (name.as_str(), program)))
    }

    /// Whether the posture asks for a rule, and no waiver that holds at `epoch` gives it up.
    pub fn forbids(&self, rule: &str, epoch: Epoch) -> bool {
        let waived = self.waivers.get(rule).is_some_and(|waiver| waiver.holds(epoch));
        posture::rule(rule).is_some_and(|rule| self.posture.asks(rule)) && !waived
    }
}

/// `[image]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// IMAGE_ID: letters, digits, `-` and `.`; at most 64 bytes; no `_`, which separates it from the version.
    pub id: String,
    /// IMAGE_VERSION: letters, digits, `.`, `-`, `~`, `^`, `+`.
    pub version: String,
    /// The target.
    pub arch: Arch,
}

impl Image {
    /// `<id>_<version>`: the name of UKI, partitions and files.
    pub fn name(&self) -> String {
        format!("{}_{}", self.id, self.version)
    }
}

/// `[source.NAME]`: an archive of packages, tagged by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A signed Debian archive.
    Apt(Apt),
}

/// `[source.NAME.apt]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apt {
    /// Suites, all of one distribution: `trixie`, `trixie-updates`, `trixie-security`.
    pub suites: Vec<String>,
    /// Components; `main` by default.
    pub components: Vec<String>,
    /// Who must have signed.
    pub keyring: Keyring,
    /// Where; by default what the host's own apt configuration names.
    pub mirror: Option<String>,
}

/// Keys that an archive's signatures are checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keyring {
    /// Debian's, built in.
    Debian,
    /// A file, armored or binary.
    File(PathBuf),
}

/// A package by name, and the source that it comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Name.
    pub name: String,
    /// A key of [`Profile::sources`].
    pub from: String,
}

/// `[kernel]`
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// The package of the kernel.
    pub package: Package,
    /// Words of the command line besides those that the tool sets (roothash, consoles are words here).
    pub cmdline: Vec<String>,
    /// Modules loaded at start, beyond what containerd and the kubelet need.
    pub modules: Vec<String>,
    /// Kernel settings of the profile; they win over those of [`crate::node`].
    pub sysctl: BTreeMap<String, String>,
    /// Globs of modules (`drivers/gpu/**`) that are left out of the root, below `kernel/`.
    pub exclude: Vec<String>,
}

/// `[userland]`
#[derive(Debug, Clone, PartialEq)]
pub struct Userland {
    /// What was asked for.
    pub packages: Vec<Package>,
    /// Globs of paths that are left out of the tree (`/usr/share/doc/**/changelog*`).
    pub exclude: Vec<Glob>,
    /// Dependencies that are left out, each with the reason; a name, or `name < dependant`.
    pub without: BTreeMap<String, String>,
    /// Maintainer scripts that no step covers, acknowledged with a reason.
    pub scripts: Vec<Acknowledgement>,
}

/// A maintainer script that the profile takes responsibility for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The package.
    pub package: String,
    /// `preinst`, `postinst` or `triggers`.
    pub script: String,
    /// Digest of what is left of the script in its normal form; a changed script asks again.
    pub sha256: Digest,
    /// Why it may be passed over.
    pub reason: String,
}

/// `[cluster]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cluster {
    /// The kubelet waits for a bootstrap kubeconfig (a systemd credential) and joins.
    Join,
    /// No API server: the static pods only.
    Standalone,
}

/// `[network]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Fixed host name; by default a credential's, DHCP's, or one made of the machine id.
    pub hostname: Option<String>,
    /// DHCP on every wired interface.
    pub dhcp: bool,
    /// NTP servers; the distribution's by default.
    pub ntp: Vec<String>,
}

/// `[var]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Var {
    /// At least; grows to the disk's end at first boot.
    pub size: Size,
    /// How it is encrypted.
    pub encryption: Encryption,
}

/// `encryption.NAME = {}`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Not at all.
    None,
}

/// How long what is written survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writable {
    /// Kept under /var.
    Persistent,
    /// On tmpfs; reset by each start.
    Volatile,
}

/// `[layout]`: explicit sizes, since releases to come must fit disks in the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Data partition of a slot.
    pub slot: Size,
    /// 1 or 2.
    pub slots: u8,
    /// The ESP; at least 260 MiB.
    pub esp: Size,
}

/// `[pack]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// zstd by default.
    pub codec: Codec,
    /// 15 by default, for codecs that have levels.
    pub level: i32,
    /// 4 KiB to 1 MiB, a power of two; 128 KiB by default.
    pub block: Size,
}

/// Codecs of squashfs 4.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// Zstandard.
    Zstd,
    /// xz.
    Xz,
    /// zlib.
    Gzip,
    /// LZ4.
    Lz4,
    /// Not compressed.
    None,
}

/// The one form in which a profile gives something up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// Why.
    pub reason: String,
    /// The last day on which it holds, `YYYY-MM-DD`; judged against the lock's epoch.
    pub until: Option<String>,
}

impl Waiver {
    /// `a reason (until 2027-06-30)`
    pub fn said(&self) -> String {
        match &self.until {
            Some(until) => format!("{} (until {until})", self.reason),
            None => self.reason.clone(),
        }
    }

    /// Whether it holds at a moment.
    pub fn holds(&self, epoch: Epoch) -> bool {
        // Days as `YYYY-MM-DD` sort as text.
        self.until.as_deref().is_none_or(|until| day(epoch).as_str() <= until)
    }
}

/// The day of a moment, `YYYY-MM-DD`.
fn day(epoch: Epoch) -> String {
    let at = jiff::Timestamp::from_second(i64::from(epoch.0));
    at.map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiver_ends_with_its_day() {
        assert_eq!(day(Epoch(0)), "1970-01-01");
        let (today, waiver) =
            (Epoch(1_767_225_600), |until: Option<&str>| Waiver { reason: "x".into(), until: until.map(Into::into) });
        assert_eq!(day(today), "2026-01-01");
        assert!(waiver(None).holds(today));
        assert!(waiver(Some("2026-01-01")).holds(today));
        assert!(!waiver(Some("2025-12-31")).holds(today));
    }
}
