//! `[[output]]`: the files that come out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::size::Size;

/// `[[output]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Output {
    /// The format and its options.
    pub format: Format,
    /// What it is for: a key of [`Profile::clouds`](crate::profile::Profile::clouds).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// How the whole file is compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compress: Option<Compression>,
    /// A part of the file's name that tells it from others: small letters, digits, `-`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Words of the command line that this output alone has, as an addon of the UKI.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cmdline: Vec<String>,
}

impl Output {
    /// What messages call it: its name, else that of its format.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(self.format.name())
    }

    /// What its addon of the UKI is called after: its cloud, else what messages call it.
    pub fn target(&self) -> &str {
        self.cloud.as_deref().unwrap_or(self.label())
    }
}

/// `format.NAME = {}`: the options are the format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The disk itself.
    Raw(Raw),
    /// QEMU's disk.
    Qcow2(Qcow2),
    /// Virtual PC's and Azure's.
    Vhd(Vhd),
    /// Hyper-V's.
    Vhdx(Vhdx),
    /// VMware's.
    Vmdk(Vmdk),
    /// A CD, and the image of a USB stick.
    Iso(Iso),
    /// A machine with its disk, for VMware.
    Ova(Box<Ova>),
    /// An archive for Google Cloud.
    Gce(Gce),
    /// Each partition and boot file by itself.
    Split(Split),
    /// What systemd-sysupdate fetches.
    Update(Update),
    /// An OCI image layout.
    Oci(Oci),
    /// What machines without a disk boot.
    Netboot(Netboot),
}

impl Format {
    /// Whether it is a folder of files that are found by their names: each is written as it is.
    pub fn is_folder(&self) -> bool {
        matches!(self, Format::Split(_) | Format::Update(_) | Format::Oci(_) | Format::Netboot(_))
    }
}

/// `format.netboot = {}`: it has no options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Netboot {}

/// `format.iso = {}`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Iso {
    /// What it installs from itself; none for a medium that writes to no disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<Install>,
}

/// `format.iso = { install = {} }`
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Install {
    /// `auto` or `/dev/NAME`: where it installs without being asked; none for a medium that a file tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// Whether data on the disk may be lost.
    pub erase: bool,
    /// What follows.
    pub then: Then,
}

/// What follows an installation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// The machine starts again.
    #[default]
    Reboot,
    /// The machine is switched off.
    Poweroff,
}

/// `format.oci = {}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Oci {
    /// An image or an artifact.
    pub kind: OciKind,
    /// The name in the layout's index; id and version where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// What an OCI layout holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OciKind {
    /// An image whose one layer has the disk: KubeVirt's container disk.
    Disk,
    /// All that was built, as blobs of an artifact.
    Artifact,
}

/// `format.split = {}`: it has no options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Split {}

/// `format.update = {}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Update {
    /// Where running nodes find the bundles of all versions: a folder of files, `SHA256SUMS` among them.
    pub url: String,
    /// Whether a node asks for a signature of `SHA256SUMS` (`SHA256SUMS.gpg`).
    pub verify: bool,
}

/// `format.raw = {}`: it has no options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Raw {}

/// `format.qcow2 = {}`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Qcow2 {
    /// 2 or 3.
    pub version: u32,
    /// Bytes of a cluster: a power of two, 512 bytes to 2 MiB.
    pub cluster: Size,
    /// How clusters are compressed; zstd with version 3 only.
    pub codec: ClusterCodec,
}

impl Default for Qcow2 {
    fn default() -> Self {
        Qcow2 { version: 3, cluster: Size(64 * Size::KIB), codec: ClusterCodec::None }
    }
}

/// `format.vhd = {}`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Vhd {
    /// Whether blocks of zeros are left out.
    pub kind: VhdKind,
    /// The disk becomes a multiple of this, a power of two from 512 bytes on.
    pub align: Size,
}

impl Default for Vhd {
    fn default() -> Self {
        Vhd { kind: VhdKind::Fixed, align: Size(Size::MIB) }
    }
}

/// How a VHD holds its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VhdKind {
    /// As a raw disk with a footer: what Azure takes.
    Fixed,
    /// In blocks; those of zeros are left out.
    Dynamic,
}

/// `format.vhdx = {}`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Vhdx {
    /// Bytes of a block: a power of two, 1 MiB to 256 MiB.
    pub block: Size,
}

impl Default for Vhdx {
    fn default() -> Self {
        Vhdx { block: Size(Size::MIB) }
    }
}

/// `format.vmdk = {}`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Vmdk {
    /// Packed for transport, or to be run from.
    pub kind: VmdkKind,
    /// The controller that the descriptor names.
    pub adapter: DiskAdapter,
}

/// How a VMDK holds its disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VmdkKind {
    /// streamOptimized: packed, what is imported.
    #[default]
    Stream,
    /// monolithicSparse: what machines run from.
    Sparse,
}

/// What a VMDK says that the disk is plugged into.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DiskAdapter {
    /// SCSI.
    #[default]
    Lsilogic,
    /// Paravirtual SCSI, which a descriptor calls lsilogic.
    Pvscsi,
    /// IDE.
    Ide,
}

/// `format.gce = {}`: it has no options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Gce {}

/// `format.ova = {}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ova {
    /// Virtual processors.
    pub cpus: u32,
    /// Memory, whole MiB.
    pub memory: Size,
    /// The version of the virtual hardware: `vmx-15`.
    pub hardware: String,
    /// The firmware.
    pub firmware: MachineFirmware,
    /// The disk's SCSI controller.
    pub controller: String,
    /// The network interface.
    pub network: String,
    /// What VMware calls the guest.
    pub os: String,
    /// What it says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
}

impl Default for Ova {
    fn default() -> Self {
        Ova {
            cpus: 2,
            memory: Size(4 * Size::GIB),
            hardware: "vmx-15".to_owned(),
            firmware: MachineFirmware::Efi,
            controller: "VirtualSCSI".to_owned(),
            network: "VmxNet3".to_owned(),
            os: "other3xLinux64Guest".to_owned(),
            product: None,
        }
    }
}

/// The firmware of a virtual machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MachineFirmware {
    /// UEFI.
    Efi,
    /// BIOS.
    Bios,
}

/// `format.ova = { product = {} }`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Product {
    /// Its name.
    pub name: String,
    /// Who makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where more is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// How clusters of a disk are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ClusterCodec {
    /// Not at all.
    None,
    /// Deflate: every reader knows it.
    Deflate,
    /// Zstandard: QEMU 5.1 and later.
    Zstd,
}

/// A compressor of whole files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// gzip.
    Gz,
    /// xz.
    Xz,
    /// Zstandard.
    Zst,
}

impl Format {
    /// Its name in profiles.
    pub fn name(&self) -> &'static str {
        match self {
            Format::Raw(_) => "raw",
            Format::Qcow2(_) => "qcow2",
            Format::Iso(_) => "iso",
            Format::Vhd(_) => "vhd",
            Format::Vhdx(_) => "vhdx",
            Format::Vmdk(_) => "vmdk",
            Format::Ova(_) => "ova",
            Format::Gce(_) => "gce",
            Format::Split(_) => "split",
            Format::Update(_) => "update",
            Format::Oci(_) => "oci",
            Format::Netboot(_) => "netboot",
        }
    }
}
