//! Where each partition lies: arithmetic on the profile's sizes, and nothing else.
//!
//! ```text
//! 0        1 MiB                                                       end
//! | GPT    | ESP | root A | verity A | sig A |   in the image    | GPT |
//! | GPT    | BIOS boot | ESP | ...                  with a BIOS       | GPT |
//!                                    then, made at first boot on a larger disk:
//!                                            | root B | verity B | sig B | var ... | GPT |
//! ```
//!
//! - Sizes never depend on what is in the partitions, so that a later release fits the same disk.
//! - Partitions begin and end at whole MiB, do not overlap, and follow each other without gaps.

use crate::arch::Arch;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::guid::Guid;
use crate::profile;
use crate::size::Size;

/// Type of the EFI system partition.
pub const ESP_TYPE: Guid = Guid::literal(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);
/// Type of the partition that holds GRUB's core for a BIOS.
pub const BIOS_TYPE: Guid = Guid::literal(0x21686148_6449_6e6f_744e_656564454649);
/// Number of the ESP on a disk that a BIOS boots.
pub const BIOS_ESP: u32 = 2;
/// Attribute: mounted by hand only (Discoverable Partitions Specification).
pub const NO_AUTO: u64 = 1 << 63;
/// Attribute: never written to (Discoverable Partitions Specification).
pub const READ_ONLY: u64 = 1 << 60;

/// Everything is aligned to this: what firmware, SSDs and cloud disks want.
pub const ALIGNMENT: u64 = Size::MIB;
/// Firmware derives the FAT type from the cluster count: at 4 KiB clusters (all that a disk with
/// 4096-byte sectors can have) a FAT32 needs more than 65,525 of them.
pub const ESP_MINIMUM: u64 = 260 * Size::MIB;
/// Bytes of a logical sector, unless something else is asked for.
const SECTOR: u32 = 512;
/// Data and hash blocks of dm-verity.
const BLOCK: u64 = 4096;
/// SHA-256 digests in one hash block.
const FAN_OUT: u64 = BLOCK / 32;
/// A root above this share of its slot leaves little room for later releases.
const ROOMY_PERCENT: u64 = 80;
/// A GPT name holds 36 UTF-16 units.
const LABEL_UNITS: usize = 36;

/// The sizes of every partition that the node will ever have; in bytes, whole MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// The BIOS boot partition; zero where no BIOS boots the disk.
    pub bios: u64,
    /// The ESP.
    pub esp: u64,
    /// Root of one slot.
    pub root: u64,
    /// Hash tree of one slot: enough for a full one.
    pub verity: u64,
    /// Signature of one slot's root hash, reserved.
    pub signature: u64,
    /// 1 or 2.
    pub slots: u8,
    /// /var at least.
    pub var: u64,
}

impl Sizes {
    /// The sizes that a profile asks for; `bios`: whether a BIOS boots the disk as well.
    ///
    /// # Errors
    /// Sizes that cannot be, and two slots with a BIOS: GRUB's core names one kernel, so that nothing
    /// would choose between them.
    pub fn new(layout: &profile::Layout, var: &profile::Var, bios: bool) -> Result<Self> {
        if bios && layout.slots != 1 {
            return Err(Error::user("a BIOS cannot choose between two slots").hint("expected `layout.slots = 1`"));
        }
        if layout.esp.0 < ESP_MINIMUM {
            return Err(Error::user(format!("an ESP of {} is too small", layout.esp))
                .hint(format!("expected {} or more, which FAT32 needs", Size(ESP_MINIMUM))));
        }
        if !(1..=2).contains(&layout.slots) {
            return Err(Error::user(format!("`{}` slots", layout.slots)).hint("expected 1 or 2"));
        }
        let root = aligned(layout.slot.0)?;
        if root == 0 {
            return Err(Error::user("a slot of no bytes").hint("expected `layout.slot` of 1M or more"));
        }
        let sizes = Sizes {
            bios: if bios { ALIGNMENT } else { 0 },
            esp: aligned(layout.esp.0)?,
            root,
            verity: aligned(tree_bytes(root))?,
            signature: ALIGNMENT,
            slots: layout.slots,
            var: aligned(var.size.0)?,
        };
        sizes.minimum_disk().map(|_| sizes)
    }

    /// Bytes of one slot.
    pub fn slot(&self) -> Result<u64> {
        sum([self.root, self.verity, self.signature])
    }

    /// The smallest disk on which the node can make everything that it needs.
    pub fn minimum_disk(&self) -> Result<u64> {
        let slots = self.slot()?.checked_mul(u64::from(self.slots)).ok_or_else(too_large)?;
        // One alignment unit for each copy of the partition table.
        sum([ALIGNMENT, self.bios, self.esp, slots, self.var, ALIGNMENT])
    }
}

/// What a partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// GRUB's core, for a BIOS.
    Bios,
    /// The EFI system partition.
    Esp,
    /// Root of slot A.
    Root,
    /// Hash tree of slot A.
    Verity,
    /// Reserved for the signature of slot A's root hash.
    Signature,
}

/// One partition of the image; positions and lengths in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// What it is for.
    pub role: Role,
    /// Type.
    pub kind: Guid,
    /// Unique id.
    pub id: Guid,
    /// Name in the partition table.
    pub label: String,
    /// Attribute bits.
    pub attributes: u64,
    /// First byte.
    pub at: u64,
    /// Bytes.
    pub length: u64,
}

/// The disk as the image holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What all ids but the sealed partitions' are derived from.
    pub seed: Guid,
    /// The disk's id.
    pub id: Guid,
    /// Bytes of the image.
    pub length: u64,
    /// Bytes of a logical sector: 512, or 4096 for disks that have no smaller ones.
    pub sector: u32,
    /// What the node will need.
    pub sizes: Sizes,
    /// The partitions, in order of position.
    pub partitions: Vec<Partition>,
}

impl Layout {
    /// The layout of `image`, whose root has the hash `root`.
    pub fn new(image: &profile::Image, sizes: Sizes, root: &Digest) -> Result<Self> {
        let seed = Guid::seed(&image.id);
        let types = image.arch.root_types();
        let (root_id, verity_id) = Guid::of_root_hash(root);
        let label = image.name();
        let units = label.encode_utf16().count();
        if units > LABEL_UNITS {
            return Err(Error::user(format!("`{label}` is too long to name a partition"))
                .hint(format!("expected `id` and `version` of at most {} characters together", LABEL_UNITS - 1)));
        }
        let sealed = NO_AUTO | READ_ONLY;
        let rows = [
            (Role::Bios, BIOS_TYPE, seed.partition(&BIOS_TYPE, 0), "bios", NO_AUTO, sizes.bios),
            (Role::Esp, ESP_TYPE, seed.partition(&ESP_TYPE, 0), "esp", 0, sizes.esp),
            (Role::Root, types.root, root_id, &label, sealed, sizes.root),
            (Role::Verity, types.verity, verity_id, &label, sealed, sizes.verity),
            (Role::Signature, types.signature, seed.partition(&types.signature, 0), &label, 0, sizes.signature),
        ];
        let mut at = ALIGNMENT;
        let mut partitions = Vec::new();
        for (role, kind, id, label, attributes, length) in rows.into_iter().filter(|row| row.5 > 0) {
            partitions.push(Partition { role, kind, id, label: label.to_owned(), attributes, at, length });
            at = at.checked_add(length).ok_or_else(too_large)?;
        }
        let length = sum([at, ALIGNMENT])?;
        Ok(Layout { seed, id: seed.derive("disk-uuid"), length, sector: SECTOR, sizes, partitions })
    }

    /// The same partitions on a disk of `length` bytes, no less than it had, with sectors of `sector` bytes.
    pub fn on(&self, length: u64, sector: u32) -> Result<Self> {
        if length < self.length || !length.is_multiple_of(ALIGNMENT) || ![512, 4096].contains(&sector) {
            return Err(Error::bug(format!("a disk of {length} bytes with sectors of {sector}")));
        }
        Ok(Layout { length, sector, ..self.clone() })
    }

    /// The partition of a role.
    pub fn partition(&self, role: Role) -> Result<&Partition> {
        let found = self.partitions.iter().find(|partition| partition.role == role);
        found.ok_or_else(|| Error::bug(format!("a layout without {role:?}")))
    }
}

/// Refuses a root or hash tree that its partition cannot hold; a word of warning where a root
/// leaves little room for later releases.
pub fn check_root(sizes: &Sizes, root: u64, verity: u64) -> Result<Option<String>> {
    let hint =
        "a larger `layout.slot` does not fit disks that are installed already; leave packages out, or exclude files";
    if root > sizes.root {
        let message = format!("the root has {root} bytes, its slot {}", Size(sizes.root));
        return Err(Error::user(message).hint(hint));
    }
    if verity > sizes.verity {
        return Err(Error::bug(format!("a hash tree of {verity} bytes for a partition of {}", sizes.verity)));
    }
    let percent = (u128::from(root) * 100 / u128::from(sizes.root)) as u64;
    let warning = format!("the root fills {percent} % of its slot of {}", Size(sizes.root));
    Ok((percent >= ROOMY_PERCENT).then_some(warning))
}

/// Bytes of superblock and hash tree over `data` bytes.
pub fn tree_bytes(data: u64) -> u64 {
    let mut blocks = data.div_ceil(BLOCK);
    let mut total: u64 = 1;
    loop {
        blocks = blocks.div_ceil(FAN_OUT);
        // Each level is at most 1/128 of the one below: no overflow below 2^64 bytes of data.
        total += blocks;
        if blocks <= 1 {
            return total * BLOCK;
        }
    }
}

/// What the node's `repart.d` must hold, by file name, so that systemd-repart finds the partitions
/// of the image and makes the rest at first boot.
///
/// systemd-repart pairs definitions with existing partitions by type, in file order; what exists
/// keeps its label and id. Sizes are fixed on both sides, so that only /var ever grows. Partitions of
/// signatures know no attributes.
pub fn repart_definitions(sizes: &Sizes, arch: Arch) -> Vec<(String, String)> {
    let types = arch.root_types();
    let sealed = "Label=_empty\nReadOnly=yes\nNoAuto=yes\n";
    let parts = [
        ("root", types.root, sizes.root, sealed),
        ("verity", types.verity, sizes.verity, sealed),
        ("sig", types.signature, sizes.signature, "Label=_empty\n"),
    ];
    let mut files = vec![("10-esp.conf".to_owned(), definition(&ESP_TYPE, sizes.esp, "Label=esp\n"))];
    for slot in 0..sizes.slots {
        let letter = char::from(b'a' + slot);
        for (index, (name, kind, size, rest)) in parts.iter().enumerate() {
            let file = format!("{}{index}-{name}-{letter}.conf", 2 + slot);
            files.push((file, definition(kind, *size, rest)));
        }
    }
    let var = format!(
        "[Partition]\nType=var\nLabel=var\nSizeMinBytes={}\nFormat=ext4\nGrowFileSystem=yes\nNoAuto=yes\n",
        sizes.var
    );
    files.push(("40-var.conf".to_owned(), var));
    files
}

fn definition(kind: &Guid, size: u64, rest: &str) -> String {
    format!("[Partition]\nType={kind}\n{rest}SizeMinBytes={size}\nSizeMaxBytes={size}\n")
}

fn aligned(size: u64) -> Result<u64> {
    size.checked_next_multiple_of(ALIGNMENT).ok_or_else(too_large)
}

fn sum(sizes: impl IntoIterator<Item = u64>) -> Result<u64> {
    sizes.into_iter().try_fold(0u64, u64::checked_add).ok_or_else(too_large)
}

fn too_large() -> Error {
    Error::user("the partitions together are larger than any disk")
        .hint("expected sizes in `layout` and `var` of a few GiB")
}
