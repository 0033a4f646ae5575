//! `[cloud.NAME]`: what a cloud, a hypervisor or a kind of machine asks of an image; a row of data.
//!
//! The rows that the tool knows are text of the very form that a profile has (`clouds.toml`), read by the
//! same types; a row of the profile takes the place of the tool's of that name.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Compression, Format};
use crate::error::{Error, Result};
use crate::size::Size;

/// The rows that are built in.
pub const TEXT: &str = include_str!("clouds.toml");

/// `[cloud.NAME]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cloud {
    /// What people call it.
    pub title: String,
    /// The format that is written.
    pub format: Format,
    /// How the whole file is compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compress: Option<Compression>,
    /// Names of other formats that its import takes.
    pub accepts: Vec<String>,
    /// What the size of the disk must be.
    pub size: SizeRule,
    /// Bytes of a logical sector: 512 or 4096.
    pub sector: u32,
    /// How its machines start a disk.
    pub firmware: Starts,
    /// Words of the command line that its machines need.
    pub cmdline: Vec<String>,
    /// Modules without which its machines have no disk or no network.
    pub drivers: Drivers,
    /// Features of the guest that an import names.
    pub features: Vec<String>,
    /// What an import tells of the image, by the import's own names.
    pub metadata: BTreeMap<String, String>,
    /// Commands that import the file, with `{file}` and its like to be filled in.
    pub import: Vec<String>,
    /// Where these rules are written down.
    pub source: String,
}

/// `size = {}`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SizeRule {
    /// A multiple of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiple: Option<Size>,
    /// Exactly this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact: Option<Size>,
    /// This at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<Size>,
}

/// `drivers = {}`: names of modules, `_` for `-`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Drivers {
    /// In the kernel or the initrd.
    pub disk: Vec<String>,
    /// In the kernel, the initrd or the root.
    pub network: Vec<String>,
}

/// How a machine starts a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Starts {
    /// By UEFI, at least where it is asked to.
    Uefi,
    /// By BIOS alone.
    Bios,
    /// It depends on the machine, or is not written down.
    Either,
}

impl fmt::Display for Starts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Starts::Uefi => "UEFI",
            Starts::Bios => "BIOS alone",
            Starts::Either => "UEFI or BIOS, as the machine has it",
        })
    }
}

/// What a disk must have, for people; nothing where there is no rule.
impl fmt::Display for SizeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.exact.map(|size| format!("exactly {size}"));
        let multiple = self.multiple.map(|size| format!("a multiple of {size}"));
        let most = self.most.map(|size| format!("at most {size}"));
        f.write_str(&[exact, multiple, most].into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

impl SizeRule {
    /// What is wrong with a disk of `length` bytes: what the rule demands; nothing where all is well.
    pub fn fault(&self, length: u64) -> Option<String> {
        match *self {
            SizeRule { exact: Some(exact), .. } if length != exact.0 => Some(format!("exactly {exact}")),
            SizeRule { multiple: Some(unit), .. } if !length.is_multiple_of(unit.0.max(1)) => {
                Some(format!("a multiple of {unit}"))
            }
            SizeRule { most: Some(most), .. } if length > most.0 => Some(format!("at most {most}")),
            _ => None,
        }
    }

    /// The least length from `length` bytes on that keeps the rule.
    ///
    /// # Errors
    /// None is as small as the rule demands.
    pub fn grown(&self, length: u64) -> Result<u64> {
        let unit = self.multiple.map_or(1, |unit| unit.0.max(1));
        let grown = match self.exact {
            Some(exact) if exact.0 >= length => Some(exact.0),
            _ => length.checked_next_multiple_of(unit),
        };
        let too_large = |rule: String| {
            Error::user(format!("a disk of {} is too large: it must have {rule}", Size(length)))
                .hint("smaller `layout.slot` or `layout.esp` make it smaller")
        };
        let grown = grown.ok_or_else(|| too_large("less than 16 EiB".to_owned()))?;
        self.fault(grown).map_or(Ok(grown), |rule| Err(too_large(rule)))
    }
}

/// Words that a command of an import may hold in braces, besides the keys of `metadata`.
pub const PLACEHOLDERS: [&str; 7] = ["file", "size", "sha256", "name", "disk", "gib", "arch"];

/// The words in braces of a command. `{S3Key={file}}` has one: only small letters, digits, `_` and `-` are words.
pub fn placeholders(command: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for piece in command.split('{').skip(1) {
        let Some((word, _)) = piece.split_once('}') else { continue };
        let part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
        if !word.is_empty() && word.bytes().all(part) {
            out.push(word);
        }
    }
    out
}

impl Cloud {
    /// The commands of its import, with the values of `known` and of `metadata` in them; what has no value stays.
    pub fn commands(&self, known: &BTreeMap<&str, String>) -> Vec<String> {
        let fill = |command: &String| {
            placeholders(command).into_iter().fold(command.clone(), |filled, word| {
                match known.get(word).or_else(|| self.metadata.get(word)) {
                    Some(value) => filled.replace(&format!("{{{word}}}"), value),
                    None => filled,
                }
            })
        };
        self.import.iter().map(fill).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_grows_to_the_rule_or_is_refused() {
        let gib = SizeRule { multiple: Some(Size(1 << 30)), ..SizeRule::default() };
        assert_eq!(gib.grown(1).unwrap(), 1 << 30);
        assert_eq!(gib.grown(2 << 30).unwrap(), 2 << 30);
        assert_eq!(gib.fault((2 << 30) + 1).unwrap(), "a multiple of 1G");
        let exact = SizeRule { exact: Some(Size(10 << 30)), ..SizeRule::default() };
        assert_eq!(exact.grown(1 << 20).unwrap(), 10 << 30);
        assert!(exact.grown(11 << 30).is_err());
        let most = SizeRule { most: Some(Size(5 << 30)), ..gib };
        assert!(most.grown((5 << 30) + 1).is_err());
        assert_eq!(most.grown(5 << 30).unwrap(), 5 << 30);
        assert!(gib.grown(u64::MAX).is_err());
    }

    #[test]
    fn only_words_in_braces_are_filled_in() {
        let command = "import --disk Format=RAW,UserBucket={S3Bucket=BUCKET,S3Key={file}} --x {} {Y} {name}";
        assert_eq!(placeholders(command), ["file", "name"]);
    }
}
