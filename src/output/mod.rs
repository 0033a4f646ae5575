//! Disk formats: how a [`Disk`] becomes the bytes of a file, and how such a file is read as a disk again.
//!
//! - A format's options *are* the format: each is a struct in a room of its own, and one arm of
//!   [`of`], which the compiler asks for.
//! - Bytes of a file depend on the bytes of the disk and the format's options, and on nothing else:
//!   chunks of zeros are found by reading, ids are derived from the disk's seed.
//! - What is read is hostile: places lie inside the file, sizes are bounded, no other file is followed.

pub(crate) mod archive;
mod compress;
mod bundle;
mod file;
mod iso;
mod gce;
mod mapped;
mod noise;
pub(crate) mod open;
mod ova;
pub(crate) mod packed;
mod qcow2;
mod raw;
mod spool;
#[cfg(test)]
mod tests;
pub(crate) mod vhd;
pub(crate) mod vhdx;
mod vmdk;

pub use compress::Compressed;
pub use file::FileSink;
pub use open::{Kind, LIMIT, Opened, Plain, open, open_within};
pub use packed::Unpack;

use std::path::Path;

use crate::boot::Boot;
use crate::boot::grub::Grub;
use crate::digest::Digest;
use crate::disk::{Disk, Layout, Pieces, Sink};
use crate::epoch::Epoch;
use crate::error::Result;
use crate::guid::Guid;
use crate::installer::Installer;
use crate::profile;

/// What a file depends on besides the disk and the options of its format.
#[derive(Debug, Clone, Copy)]
pub struct Emit<'a> {
    /// Threads; no output byte depends on it.
    pub jobs: usize,
    /// What ids of the file are derived from.
    pub seed: Guid,
    /// The moment of every time stamp.
    pub epoch: Epoch,
    /// The image's name, as `node_1.0.0`.
    pub name: &'a str,
    /// A folder for what must be kept until it is known how long it is.
    pub spool: &'a Path,
}

/// One disk format.
pub trait Format: Send + Sync {
    /// Its name in profiles: `qcow2`.
    fn name(&self) -> &'static str;

    /// The file's extension, without the dot.
    fn extension(&self) -> &'static str {
        self.name()
    }

    /// Bytes of the file, where they are known before it is written.
    fn measure(&self, _disk: &Disk) -> Option<u64> {
        None
    }

    /// Writes the file front to back.
    fn emit(&self, disk: &Disk, how: &Emit<'_>, sink: &mut dyn Sink) -> Result<()>;
}

/// What a build gives to outputs that are more than a disk.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// Name, version, architecture.
    pub image: &'a profile::Image,
    /// Kernel, initrd, command line, UKI.
    pub boot: &'a Boot,
    /// Words of the command line that this output has beyond the UKI's.
    pub words: &'a [String],
    /// The partitions.
    pub layout: &'a Layout,
    /// What is in them.
    pub pieces: &'a Pieces,
    /// All of it.
    pub disk: &'a Disk,
    /// What a BIOS runs from a CD.
    pub cd: Option<&'a Grub>,
    /// What a medium installs the disk with.
    pub installer: Option<&'a Installer>,
}

/// One file that is no disk but made of the same pieces, and written as its bytes are.
pub trait Medium: Send + Sync {
    /// Its name in profiles, and the file's extension: `iso`.
    fn name(&self) -> &'static str;

    /// All of its bytes.
    fn disk(&self, made: &Made<'_>, how: &Emit<'_>) -> Result<Disk>;
}

/// Several files in a folder of their own.
pub trait Bundle: Send + Sync {
    /// Its name in profiles, and the folder's extension: `split`.
    fn name(&self) -> &'static str;

    /// Hands every file to `files`; the one that others are found by comes last.
    fn emit(&self, made: &Made<'_>, how: &Emit<'_>, files: &mut dyn Files) -> Result<()>;
}

/// The folder of a bundle, while it is written.
pub trait Files {
    /// Writes a file at a path in the folder.
    fn put(&mut self, path: &str, file: &Disk) -> Result<Written>;

    /// Writes a file into a folder of the folder, where its name is its SHA-256.
    fn put_by_digest(&mut self, folder: &str, file: &Disk) -> Result<Written>;
}

/// A file of a bundle that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Bytes.
    pub size: u64,
    /// Of all of them.
    pub sha256: Digest,
}

/// What makes an output.
pub enum Maker {
    /// One file, made of the disk.
    File(Box<dyn Format>),
    /// One file, made of what the disk is made of.
    Medium(Box<dyn Medium>),
    /// Several files, made of what the disk is made of.
    Folder(Box<dyn Bundle>),
}

impl Maker {
    /// The name in profiles.
    pub fn name(&self) -> &'static str {
        match self {
            Maker::File(format) => format.name(),
            Maker::Medium(medium) => medium.name(),
            Maker::Folder(bundle) => bundle.name(),
        }
    }

    fn extension(&self) -> &'static str {
        match self {
            Maker::File(format) => format.extension(),
            Maker::Medium(medium) => medium.name(),
            Maker::Folder(bundle) => bundle.name(),
        }
    }
}

/// What makes the output that a profile names.
pub fn of(format: &profile::Format) -> Maker {
    match format {
        profile::Format::Raw(options) => Maker::File(Box::new(*options)),
        profile::Format::Qcow2(options) => Maker::File(Box::new(*options)),
        profile::Format::Vhd(options) => Maker::File(Box::new(*options)),
        profile::Format::Vmdk(options) => Maker::File(Box::new(*options)),
        profile::Format::Vhdx(options) => Maker::File(Box::new(*options)),
        profile::Format::Iso(options) => Maker::Medium(Box::new(options.clone())),
        profile::Format::Ova(options) => Maker::File(options.clone()),
        profile::Format::Gce(options) => Maker::File(Box::new(*options)),
        profile::Format::Split(options) => Maker::Folder(Box::new(*options)),
        profile::Format::Update(options) => Maker::Folder(Box::new(options.clone())),
        profile::Format::Netboot(options) => Maker::Folder(Box::new(*options)),
        profile::Format::Oci(options) => Maker::Folder(Box::new(options.clone())),
    }
}

/// What a file's or folder's name has behind the image's: `.qcow2`, `.metal.raw.zst`.
pub fn suffix(output: &profile::Output, maker: &Maker) -> String {
    let name = output.name.iter().map(String::as_str);
    let parts = name.chain([maker.extension()]).chain(output.compress.map(|compress| compress.extension()));
    parts.flat_map(|part| [".", part]).collect()
}
