//! newc archives (kernel documentation, `driver-api/early-userspace/buffer-format`).

use crate::epoch::Epoch;
use crate::error::{Error, Result};

/// Mode of a folder.
pub const DIRECTORY: u32 = 0o040755;
/// Mode of a file.
pub const FILE: u32 = 0o100644;
/// Mode of a program.
pub const PROGRAM: u32 = 0o100755;
/// Mode of a character device for root alone.
pub const CONSOLE: u32 = 0o020600;

/// An archive that grows.
pub struct Cpio {
    out: Vec<u8>,
    number: u32,
    epoch: Epoch,
}

impl Cpio {
    /// An empty one; every entry has the one moment.
    pub fn new(epoch: Epoch) -> Self {
        Cpio { out: Vec::new(), number: 0, epoch }
    }

    /// An entry with its bytes; `device` is the number of a device file.
    pub fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), bytes: &[u8]) -> Result<()> {
        self.head(name, mode, device, bytes.len() as u64)?;
        self.out.extend(bytes);
        self.pad();
        Ok(())
    }

    /// An entry whose `size` bytes follow elsewhere: what is to be written before them. Zeros up to a
    /// multiple of 4 come behind them.
    pub fn before(&mut self, name: &str, size: u64) -> Result<Vec<u8>> {
        self.head(name, FILE, (0, 0), size)?;
        Ok(std::mem::take(&mut self.out))
    }

    /// The archive, or what is left of it.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        Ok(self.out)
    }

    fn head(&mut self, name: &str, mode: u32, device: (u32, u32), size: u64) -> Result<()> {
        let size = u32::try_from(size).map_err(|_| Error::user(format!("`{name}` has 4 GiB or more")))?;
        self.number += 1;
        let trailer = mode == 0;
        let (links, time) = match mode & 0o170000 {
            0o040000 => (2, self.epoch.0),
            _ if trailer => (1, 0),
            _ => (1, self.epoch.0),
        };
        let number = if trailer { 0 } else { self.number };
        let fields = [number, mode, 0, 0, links, time, size, 0, 0, device.0, device.1, name.len() as u32 + 1, 0];
        self.out.extend(b"070701");
        for field in fields {
            self.out.extend(format!("{field:08x}").bytes());
        }
        self.out.extend(name.bytes());
        self.out.push(0);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.out.resize(self.out.len().next_multiple_of(4), 0);
    }
}
