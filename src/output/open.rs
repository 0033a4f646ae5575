//! Any image file as a disk: what it is shows in its first or last bytes, never in its name.

use std::path::Path;
use std::sync::Arc;

use super::qcow2;
use crate::bytes::{Bytes, Whole};
use crate::error::{Context, Result};

/// What a file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The disk itself.
    Raw,
    /// QEMU's.
    Qcow2,
}

impl Kind {
    /// Its name, as profiles and QEMU's options (but for VHD) have it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Raw => "raw",
            Kind::Qcow2 => "qcow2",
        }
    }
}

/// A file and the disk in it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// What the file is.
    pub kind: Kind,
    /// The disk.
    pub disk: Arc<dyn Bytes>,
}

/// Opens the image file at `path`. Whatever is none of the formats is a raw disk.
pub fn open(path: &Path) -> Result<Opened> {
    let file: Arc<dyn Bytes> = Arc::new(Whole::open(path)?);
    of(file).context(|| format!("opening `{}`", path.display()))
}

/// The disk in the bytes of a file.
pub fn of(file: Arc<dyn Bytes>) -> Result<Opened> {
    let mut head = [0; 8];
    let length = file.length().min(head.len() as u64) as usize;
    file.read_at(&mut head[..length], 0)?;
    if head.starts_with(&qcow2::MAGIC) {
        return Ok(Opened { kind: Kind::Qcow2, disk: Arc::new(qcow2::Qcow2Disk::new(file)?) });
    }
    Ok(Opened { kind: Kind::Raw, disk: file })
}
