//! Which modules the initrd holds: what stands between the firmware and the root.

use crate::arch::Arch;
use crate::error::Result;
use crate::system::depmod::{Module, Modules};

/// Without these there is no root.
pub const REQUIRED: [&str; 2] = ["dm_verity", "squashfs"];

/// What is taken where the kernel has it as a module; built in or missing is as well.
///
/// The kernel chooses among implementations of SHA-256 when the verity table is made, so the fast ones
/// come first. Then what tells which disk the firmware booted, the TPM, and disks: of hypervisors and
/// clouds, then of hardware.
const OPTIONAL: [&str; 31] = [
    "efivarfs",
    "tpm_tis",
    "tpm_crb",
    "virtio_pci",
    "virtio_mmio",
    "virtio_blk",
    "virtio_scsi",
    "nvme",
    "hv_vmbus",
    "hv_storvsc",
    "xen_blkfront",
    "vmw_pvscsi",
    "mptspi",
    "mptsas",
    "sd_mod",
    "ahci",
    "ata_piix",
    "ata_generic",
    "sr_mod",
    "megaraid_sas",
    "mpt3sas",
    "smartpqi",
    "hpsa",
    "aacraid",
    "xhci_pci",
    "ehci_pci",
    "uas",
    "usb_storage",
    "mmc_block",
    "sdhci_pci",
    "sdhci_acpi",
];

/// What a root that is carried in an initrd needs: a block device in front of its file.
pub const CARRIED: &str = "loop";

/// Fast SHA-256, by architecture.
fn hashes(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::Amd64 => &["sha256_ssse3"],
        Arch::Arm64 => &["sha2_ce", "sha256_arm64"],
    }
}

/// The modules of an initrd in the order of loading, `more` of them than every image has. An error names a
/// required one that is missing.
pub fn wanted(modules: &Modules, arch: Arch, more: &[String]) -> Result<Vec<Module>> {
    let more = more.iter().map(String::as_str).filter(|name| !OPTIONAL.contains(name));
    let optional = hashes(arch).iter().chain(&OPTIONAL).copied().chain(more);
    let mut names: Vec<&str> = optional.filter(|name| modules.get(name).is_some()).collect();
    names.extend(REQUIRED);
    Ok(modules.load_order(&names)?.into_iter().cloned().collect())
}
