//! A raw disk: every byte where the disk has it.

use super::{Emit, Format};
use crate::disk::{Disk, Sink};
use crate::error::Result;
use crate::profile::Raw;

impl Format for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn measure(&self, disk: &Disk) -> Option<u64> {
        Some(disk.len())
    }

    fn emit(&self, disk: &Disk, how: &Emit<'_>, sink: &mut dyn Sink) -> Result<()> {
        disk.emit(how.jobs, sink)
    }
}
