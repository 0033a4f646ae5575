//! What a build was made of and what came out: `manifest.json`, the same bytes for the same inputs.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::assemble::Assembled;
use crate::bytes::limited;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::{Context, Error, Kind, Result};
use crate::guid::Guid;
use crate::lock::Lock;
use crate::profile::Profile;
use crate::report::pretty;
use crate::temp;

/// The version of the manifest's format.
pub const SCHEMA: u32 = 1;

/// Its name beside the artifacts.
pub const NAME: &str = "manifest.json";

/// The digests of all artifacts beside it, as sha256sum reads them.
pub const SUMS: &str = "SHA256SUMS";

/// A manifest is read whole; ours have some 10 kB.
const LIMIT: u64 = 16 << 20;

/// A build's account. Holds no path of the host, no time but the image's, no name of a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of the tool.
    pub imagebuild: String,
    /// Name, version, architecture.
    pub image: Image,
    /// Whether it was packed by `--fast`: other bytes than a release's.
    pub fast: bool,
    /// The moment of every time stamp.
    pub epoch: Epoch,
    /// What went in.
    pub inputs: Inputs,
    /// The sealed root.
    pub root: Root,
    /// What boots it.
    pub boot: Boot,
    /// The partitions of the disk, in order.
    pub partitions: Vec<Partition>,
    /// Bytes that a disk must have: ESP, all slots and the least /var.
    pub minimum_disk: u64,
    /// How every maintainer script was accounted for.
    pub scripts: serde_json::Value,
    /// Checks that the profile gave up, with the reasons and the last days.
    pub waivers: BTreeMap<String, String>,
    /// What the node was held against before it was packed.
    #[serde(default)]
    pub posture: Posture,
    /// What was warned of.
    pub warnings: Vec<String>,
    /// The files that came out.
    pub artifacts: Vec<Artifact>,
}

/// What a node was held against.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Posture {
    /// Sets of rules.
    pub rules: Vec<String>,
    /// How many rules were kept.
    pub kept: usize,
    /// Rules that are broken and waived, by id, with the places.
    pub waived: BTreeMap<String, Vec<String>>,
    /// Rules that could not be looked at, by id, with the reason.
    pub unknown: BTreeMap<String, String>,
}

/// Which image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Image {
    /// IMAGE_ID.
    pub id: String,
    /// IMAGE_VERSION.
    pub version: String,
    /// The target.
    pub arch: Arch,
}

/// Digests of all that went in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inputs {
    /// Of the resolved profile as the image carries it: in its canonical form, files beside it named by digest.
    pub profile: Digest,
    /// Of the lock's section for this architecture.
    pub lock: Digest,
    /// Of every file of the tree with its meta: what was packed.
    pub tree: Digest,
    /// Packages: name, version.
    pub packages: BTreeMap<String, String>,
}

/// The sealed root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Root {
    /// The verity root hash.
    pub root_hash: Digest,
    /// The verity salt, hex.
    pub salt: String,
    /// Bytes of the squashfs.
    pub size: u64,
    /// Bytes of the hash tree.
    pub verity_size: u64,
    /// Codec and level.
    pub codec: String,
    /// Inodes.
    pub inodes: u64,
}

/// What boots the root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Boot {
    /// The kernel's release, `uname -r`.
    pub kernel: String,
    /// The whole command line.
    pub cmdline: String,
    /// Bytes of the initrd.
    pub initrd_size: u64,
    /// Bytes of the UKI.
    pub uki_size: u64,
    /// Of the UKI.
    pub uki: Digest,
}

/// One partition of the image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Partition {
    /// Its name in the table.
    pub label: String,
    /// Partition type.
    pub kind: Guid,
    /// Unique id.
    pub id: Guid,
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub size: u64,
}

/// A file that came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Artifact {
    /// Its name beside the manifest.
    pub path: String,
    /// The format's name.
    pub format: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// Bytes of the disk in it; 0 where an older manifest does not tell.
    #[serde(default)]
    pub disk: u64,
    /// Words of the command line that it alone has, behind those of [`Boot::cmdline`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cmdline: Vec<String>,
    /// Bytes, holes included.
    pub size: u64,
    /// Of all bytes.
    pub sha256: Digest,
}

/// The values of a build that its account is drawn from.
pub struct Made<'a> {
    /// What was built.
    pub profile: &'a Profile,
    /// Of what.
    pub lock: &'a Lock,
    /// The tree.
    pub assembled: &'a Assembled,
    /// The sealed root.
    pub root: &'a crate::root::Root,
    /// What boots it.
    pub boot: &'a crate::boot::Boot,
    /// Where it lies.
    pub layout: &'a crate::disk::Layout,
    /// How it stands to its rules.
    pub posture: Posture,
}

impl Manifest {
    /// The account of a build.
    pub fn new(made: &Made<'_>, fast: bool, artifacts: Vec<Artifact>, warnings: Vec<String>) -> Result<Self> {
        let Made { profile, lock, assembled, root, boot, layout, posture } = made;
        let bug = |error: serde_json::Error| Error::bug(error.to_string());
        let section = lock.section(profile.image.arch)?;
        let packages = section.packages.iter().map(|package| (package.name.clone(), package.version.clone()));
        let partitions = layout.partitions.iter().map(|partition| Partition {
            label: partition.label.clone(),
            kind: partition.kind,
            id: partition.id,
            start: partition.at,
            size: partition.length,
        });
        let level = crate::level(profile, fast);
        Ok(Manifest {
            schema: SCHEMA,
            imagebuild: env!("CARGO_PKG_VERSION").to_owned(),
            image: Image {
                id: profile.image.id.clone(),
                version: profile.image.version.clone(),
                arch: profile.image.arch,
            },
            fast,
            epoch: lock.epoch,
            inputs: Inputs {
                profile: assembled.record.digest(),
                lock: Digest::of(&serde_json::to_vec(section).map_err(bug)?),
                tree: assembled.tree.identity()?,
                packages: packages.collect(),
            },
            root: Root {
                root_hash: root.root_hash,
                salt: hex::encode(root.parameters.salt),
                size: root.squashfs.length(),
                verity_size: root.verity.length(),
                codec: format!("{} {level}", profile.pack.codec.name()),
                inodes: u64::from(root.summary.inodes),
            },
            boot: Boot {
                kernel: boot.kernel.clone(),
                cmdline: boot.cmdline.clone(),
                initrd_size: boot.initrd.len(),
                uki_size: boot.uki.len(),
                uki: boot.uki_digest,
            },
            partitions: partitions.collect(),
            minimum_disk: layout.sizes.minimum_disk()?,
            scripts: serde_json::to_value(&assembled.tally).map_err(bug)?,
            waivers: profile.waivers.iter().map(|(id, waiver)| (id.clone(), waiver.said())).collect(),
            posture: posture.clone(),
            warnings,
            artifacts,
        })
    }

    /// Writes it to `path`, whole or not at all; gives the digest of the file.
    pub fn write(&self, path: &Path) -> Result<Digest> {
        let text = pretty(self)?;
        temp::write_file(path, text.as_bytes())?;
        Ok(Digest::of(text.as_bytes()))
    }

    /// Writes what sha256sum checks: the digest of every artifact, and of the files `beside` them, itself among those;
    /// gives its text.
    pub fn write_sums(&self, folder: &Path, beside: &[(String, Digest)]) -> Result<String> {
        let artifacts = self.artifacts.iter().map(|artifact| (artifact.path.as_str(), artifact.sha256));
        let beside = beside.iter().map(|(name, digest)| (name.as_str(), *digest));
        let lines: String = artifacts.chain(beside).map(|(path, digest)| format!("{digest}  {path}\n")).collect();
        temp::write_file(&folder.join(SUMS), lines.as_bytes())?;
        Ok(lines)
    }

    /// The JSON schema of manifests (2020-12).
    pub fn schema() -> serde_json::Value {
        let settings = schemars::generate::SchemaSettings::draft2020_12();
        settings.into_generator().into_root_schema_for::<Manifest>().to_value()
    }

    /// Reads one.
    pub fn read(path: &Path) -> Result<Self> {
        let doing = || format!("reading `{}`", path.display());
        let file = std::fs::File::open(path).context(doing)?;
        Self::parse(&limited(file, LIMIT, Kind::User).context(doing)?).context(doing)
    }

    /// Reads one from its JSON.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| Error::user(format!("not a manifest: {error}")))
    }
}
