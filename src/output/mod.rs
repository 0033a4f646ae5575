//! Disk formats: how a [`Disk`] becomes the bytes of a file.
//!
//! A format's options *are* the format: each is a struct in a file of its own, and one arm of
//! [`of`], which the compiler asks for.

mod raw;

pub use raw::Raw;

use crate::disk::{Disk, Sink};
use crate::error::Result;
use crate::profile;

/// One disk format.
pub trait Format {
    /// The file's extension, without the dot.
    fn extension(&self) -> &'static str;

    /// Bytes of the file, where they are known before it is written.
    fn measure(&self, disk: &Disk) -> Option<u64>;

    /// Writes the file front to back.
    fn emit(&self, disk: &Disk, sink: &mut dyn Sink) -> Result<()>;
}

/// The format that a profile names.
pub fn of(format: &profile::Format) -> Box<dyn Format> {
    match format {
        profile::Format::Raw => Box::new(Raw),
    }
}
