//! Processor architectures, and every dialect of their names.

use serde::{Deserialize, Serialize};

use crate::guid::Guid;

/// The architecture of an image (or of the host that builds).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
}

impl Arch {
    /// Every architecture, in order.
    pub const ALL: [Arch; 2] = [Arch::Amd64, Arch::Arm64];

    /// Debian's, Go's and OCI's name, and ours: `amd64`, `arm64`.
    pub fn name(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
        }
    }

    /// The architecture that a name of ours stands for.
    pub fn from_name(name: &str) -> Option<Self> {
        Arch::ALL.into_iter().find(|arch| arch.name() == name)
    }

    /// The architecture of the host, where it is one that we know.
    pub fn host() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Arch::Amd64),
            "aarch64" => Some(Arch::Arm64),
            _ => None,
        }
    }

    /// The kernel's name: `x86_64`, `aarch64`.
    pub fn kernel(self) -> &'static str {
        match self {
            Arch::Amd64 => "x86_64",
            Arch::Arm64 => "aarch64",
        }
    }

    /// The GNU triplet of Debian's library folders.
    pub fn triplet(self) -> &'static str {
        match self {
            Arch::Amd64 => "x86_64-linux-gnu",
            Arch::Arm64 => "aarch64-linux-gnu",
        }
    }

    /// The suffix of EFI file names: `x64`, `aa64` (UEFI specification, 3.5.1.1).
    pub fn efi(self) -> &'static str {
        match self {
            Arch::Amd64 => "x64",
            Arch::Arm64 => "aa64",
        }
    }

    /// Partition types of root, root-verity and root-verity-sig (Discoverable Partitions).
    pub fn root_types(self) -> RootTypes {
        match self {
            Arch::Amd64 => RootTypes {
                root: Guid::literal(0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709),
                verity: Guid::literal(0x2c7357ed_ebd2_46d9_aec1_23d437ec2bf5),
                signature: Guid::literal(0x41092b05_9fc8_4523_994f_2def0408b176),
            },
            Arch::Arm64 => RootTypes {
                root: Guid::literal(0xb921b045_1df0_41c3_af44_4c6f280d3fae),
                verity: Guid::literal(0xdf3300ce_d69f_4c92_978c_9bfb0f38d820),
                signature: Guid::literal(0x6db69de6_29f4_4758_a7a5_962190f00ce3),
            },
        }
    }

    /// The serial console that machines of this architecture have.
    pub fn console(self) -> &'static str {
        match self {
            Arch::Amd64 => "ttyS0",
            Arch::Arm64 => "ttyAMA0",
        }
    }
}

impl std::str::FromStr for Arch {
    type Err = crate::error::Error;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let bad =
            || crate::error::Error::user(format!("unknown architecture `{name}`")).hint("expected amd64 or arm64");
        Arch::from_name(name).ok_or_else(bad)
    }
}

impl std::fmt::Display for Arch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The three partition types of a sealed root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootTypes {
    /// The data (squashfs).
    pub root: Guid,
    /// The hash tree.
    pub verity: Guid,
    /// The signature of the root hash.
    pub signature: Guid,
}
