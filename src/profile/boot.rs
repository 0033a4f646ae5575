//! `[boot]`: what the image boots on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[boot]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// Kinds of firmware, none twice, UEFI among them.
    pub firmware: Vec<Firmware>,
}

/// A kind of firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// UEFI.
    Uefi,
    /// A BIOS, as PCs had before UEFI and some clouds still have.
    Bios,
}

impl Boot {
    /// Whether a BIOS boots the image as well.
    pub fn bios(&self) -> bool {
        self.firmware.contains(&Firmware::Bios)
    }
}

impl Default for Boot {
    fn default() -> Self {
        Boot { firmware: vec![Firmware::Uefi] }
    }
}

impl Firmware {
    /// Its name in profiles.
    pub fn name(self) -> &'static str {
        match self {
            Firmware::Uefi => "uefi",
            Firmware::Bios => "bios",
        }
    }
}
