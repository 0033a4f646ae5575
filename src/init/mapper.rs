//! The device mapper's own device, to which all requests go.

use super::sys::{File, open as flags};
use super::text::Fault;

/// Opens it.
pub fn open() -> Result<File, Fault> {
    File::open(c"/dev/mapper/control", flags::READ_WRITE)
        .map_err(|errno| Fault::of(format_args!("device mapper: not there (errno {errno}); is dm-mod loaded?")))
}
