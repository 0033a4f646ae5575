//! `[[output]]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{List, Opt, Parsed};
use crate::profile::{ClusterCodec, Compression, DiskAdapter, MachineFirmware, OciKind, Then, VhdKind, VmdkKind};
use crate::size::Size;

/// A file that is written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Output {
    /// The format and its options: `format.raw = {}`. With a `cloud`, another one of those that it takes; without,
    /// it is needed.
    pub format: Opt<Format>,
    /// What the file is for, by its name in `[cloud]` or in `imagebuild clouds`: format, compressor, size of the
    /// disk and words of the command line follow from it.
    pub cloud: Opt<String>,
    /// How the whole file is compressed: `gz`, `xz` or `zst`; not at all by default.
    pub compress: Opt<Compression>,
    /// What tells this file from others: `node_1.0.0.NAME.qcow2`; small letters, digits and `-`. The cloud's name by
    /// default.
    pub name: Opt<String>,
    /// Words of the command line that this output alone has. They lie in an addon of the UKI that is called
    /// after the output's cloud, name or format, so that kernel, root and root hash are the same for every output.
    pub cmdline: List<String>,
}

/// A format and its options.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Format {
    /// A raw disk.
    Raw {},
    /// QEMU's disk: clusters of zeros are left out, others may be compressed.
    Qcow2(Qcow2),
    /// The disk of Azure (fixed), Virtual PC and Xen.
    Vhd(Vhd),
    /// Hyper-V's disk, dynamic.
    Vhdx(Vhdx),
    /// VMware's disk.
    Vmdk(Vmdk),
    /// A CD, and the image of a USB stick, that starts the sealed system with /var in memory. It starts
    /// where the disk does (`boot.firmware`), takes no disk and writes to none, unless it is told to install
    /// or to keep /var on a partition (the word `imagebuild.var=LABEL`).
    Iso(Iso),
    /// A machine with its disk in one file, as vSphere imports it.
    Ova(Box<Ova>),
    /// A compressed archive that holds `disk.raw` in whole GiB, as Google Cloud imports it.
    Gce {},
    /// A folder with each partition, the UKI, the kernel and the initrd as files of their own.
    Split {},
    /// A folder that systemd-sysupdate on running nodes fetches from.
    Update(Update),
    /// A folder in the OCI image layout, that any registry client can push.
    Oci(Oci),
    /// A folder for machines that boot over the network and have no disk: kernel, initrd, the root as a
    /// further initrd, an iPXE script, and one UKI with all of it for HTTP boot. /var is in
    /// memory, or on a partition (the word `imagebuild.var=LABEL`).
    Netboot {},
}

/// The options of an ISO image.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Iso {
    /// The medium can install the image onto a disk: `install = {}` for one that does where a file on the stick says
    /// so, `install.disk` for one that does so by itself. The disk is that of an output `raw` with the same words
    /// of the command line.
    pub install: Opt<Install>,
}

/// What an ISO image installs onto, when it is started, without a question.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Install {
    /// `"auto"`: the one disk that is large enough and neither removable nor read-only nor the medium itself; where
    /// there are several, none. Or a disk by the kernel's name, `"/dev/nvme0n1"`. Without it the file
    /// `loader/credentials/imagebuild.install.cred` on the stick says so: `auto` or a disk, then `,erase` and
    /// `,poweroff` as wanted.
    pub disk: Opt<String>,
    /// Whether a disk that holds data is taken, too, and the data lost; `false` by default.
    pub erase: Opt<bool>,
    /// `reboot` (the default) or `poweroff`.
    pub then: Opt<Then>,
}

/// The options of an OCI layout.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Oci {
    /// `disk` (the default): an image with the disk as a qcow2 file in `/disk`, which KubeVirt starts as a
    /// container disk. `artifact`: no image, but kernel, initrd, command line, UKI, root, hash tree and the raw
    /// disk as blobs of one artifact.
    pub kind: Opt<OciKind>,
    /// The name in the layout's index: `"node:1.0.0"`; id and version by default.
    pub reference: Opt<String>,
}

/// The options of an update bundle.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Update {
    /// Where running nodes find the bundles of all versions: `"https://example.org/node/"`. It goes into
    /// the root as the source of systemd-sysupdate's transfers.
    #[schemars(extend("x-needed" = true))]
    pub url: Opt<String>,
    /// Whether nodes ask for a signature, `SHA256SUMS.gpg`, by a key of `/usr/lib/systemd/import-pubring.gpg`;
    /// `true` by default.
    pub verify: Opt<bool>,
}

/// The options of qcow2.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Qcow2 {
    /// `3` (the default), or `2` for hosts older than QEMU 1.1.
    pub version: Opt<u32>,
    /// Bytes of a cluster, a power of two from `"512"` to `"2M"`; `"64K"` by default.
    pub cluster: Opt<Parsed<Size>>,
    /// How clusters are compressed: `none` (the default), `deflate`, or `zstd` (version 3, QEMU 5.1
    /// and later).
    pub codec: Opt<ClusterCodec>,
}

/// The options of VHD.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Vhd {
    /// `fixed` (the default): the raw disk and a footer, as Azure takes it. `dynamic`: blocks of zeros are left out.
    pub kind: Opt<VhdKind>,
    /// The disk grows by zeros to a multiple of this, a power of two from `"512"` to `"1G"`; `"1M"` by default, as
    /// Azure asks for.
    pub align: Opt<Parsed<Size>>,
}

/// The options of VMDK.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Vmdk {
    /// `stream` (the default): streamOptimized, packed for transport; vSphere, AWS and VirtualBox import it. `sparse`:
    /// monolithicSparse, which Workstation, Fusion and QEMU run from.
    pub kind: Opt<VmdkKind>,
    /// The controller that the descriptor names: `lsilogic` (the default), `pvscsi` (which a descriptor calls
    /// lsilogic as well) or `ide`.
    pub adapter: Opt<DiskAdapter>,
}

/// The options of VHDX.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Vhdx {
    /// Bytes of a block, a power of two from `"1M"` to `"256M"`; those of zeros are left out. `"1M"` by default, as
    /// Microsoft asks for with Linux guests.
    pub block: Opt<Parsed<Size>>,
}

/// The options of an OVA: the machine that it describes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ova {
    /// Virtual processors; `2` by default.
    pub cpus: Opt<u32>,
    /// Memory, whole MiB; `"4G"` by default.
    pub memory: Opt<Parsed<Size>>,
    /// The version of the virtual hardware; `"vmx-15"` (vSphere 6.7 U2) by default.
    pub hardware: Opt<String>,
    /// `efi` (the default) or `bios`.
    pub firmware: Opt<MachineFirmware>,
    /// The SCSI controller that the disk is plugged into: `"VirtualSCSI"` (paravirtual, the default), `"lsilogic"`,
    /// `"lsilogicsas"`.
    pub controller: Opt<String>,
    /// The network interface: `"VmxNet3"` (the default), `"E1000e"`.
    pub network: Opt<String>,
    /// What VMware calls the guest; `"other3xLinux64Guest"` by default.
    pub os: Opt<String>,
    /// What the machine says of itself.
    pub product: Opt<Product>,
}

/// What a virtual machine says of itself.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Product {
    /// Its name.
    #[schemars(extend("x-needed" = true))]
    pub name: Opt<String>,
    /// Who makes it.
    pub vendor: Opt<String>,
    /// Its version.
    pub version: Opt<String>,
    /// Where more is told.
    pub url: Opt<String>,
}
