//! A raw disk: every byte where the disk has it.

use super::Format;
use crate::disk::{Disk, Sink};
use crate::error::Result;

/// The raw format; it has no options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw;

impl Format for Raw {
    fn extension(&self) -> &'static str {
        "raw"
    }

    fn measure(&self, disk: &Disk) -> Option<u64> {
        Some(disk.len())
    }

    fn emit(&self, disk: &Disk, sink: &mut dyn Sink) -> Result<()> {
        disk.emit(sink)
    }
}
