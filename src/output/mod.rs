//! Disk formats: how a [`Disk`] becomes the bytes of a file, and how such a file is read as a disk again.
//!
//! - A format's options *are* the format: each is a struct in a room of its own, and one arm of
//!   [`of`], which the compiler asks for.
//! - Bytes of a file depend on the bytes of the disk and the format's options, and on nothing else:
//!   chunks of zeros are found by reading, ids are derived from the disk's seed.
//! - What is read is hostile: places lie inside the file, sizes are bounded, no other file is followed.

mod compress;
mod open;
mod qcow2;
mod raw;

pub use compress::Compressed;
pub use open::{Kind, Opened, open};

use std::path::Path;

use crate::disk::{Disk, Sink};
use crate::epoch::Epoch;
use crate::error::Result;
use crate::guid::Guid;
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

/// The format that a profile names.
pub fn of(format: &profile::Format) -> Box<dyn Format> {
    match format {
        profile::Format::Raw(options) => Box::new(*options),
        profile::Format::Qcow2(options) => Box::new(*options),
    }
}

/// What a file's name has behind the image's: `.qcow2`, `.metal.raw.zst`.
pub fn suffix(output: &profile::Output, format: &dyn Format) -> String {
    let name = output.name.iter().map(String::as_str);
    let parts = name.chain([format.extension()]).chain(output.compress.map(|compress| compress.extension()));
    parts.flat_map(|part| [".", part]).collect()
}
