//! Any image file as a disk: what it is shows in its first or last bytes, never in its name.

use std::path::Path;
use std::sync::Arc;

use super::{qcow2, vhd, vhdx, vmdk};
use crate::bytes::{Bytes, Whole};
use crate::error::{Context, Result};

/// What a file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The disk itself.
    Raw,
    /// QEMU's.
    Qcow2,
    /// Virtual PC's and Azure's.
    Vhd,
    /// Hyper-V's.
    Vhdx,
    /// VMware's.
    Vmdk,
}

impl Kind {
    /// Its name, as profiles have it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Raw => "raw",
            Kind::Qcow2 => "qcow2",
            Kind::Vhd => "vhd",
            Kind::Vhdx => "vhdx",
            Kind::Vmdk => "vmdk",
        }
    }

    /// QEMU's name of it, where QEMU attaches such a file.
    pub fn qemu(self) -> Option<&'static str> {
        match self {
            Kind::Raw => Some("raw"),
            Kind::Qcow2 => Some("qcow2"),
            Kind::Vhd => Some("vpc"),
            Kind::Vhdx => Some("vhdx"),
            Kind::Vmdk => Some("vmdk"),
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

/// The program that unpacks a file which is compressed as a whole; none where it is not.
pub fn compressed(file: &dyn Bytes) -> Result<Option<&'static str>> {
    let mut head = [0; 6];
    let length = file.length().min(head.len() as u64) as usize;
    file.read_at(&mut head[..length], 0)?;
    Ok(match head {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Some("xz"),
        [b'B', b'Z', b'h', ..] => Some("bzip2"),
        _ => None,
    })
}

/// The disk in the bytes of a file.
pub fn of(file: Arc<dyn Bytes>) -> Result<Opened> {
    let mut head = [0; 512];
    let length = file.length().min(head.len() as u64) as usize;
    file.read_at(&mut head[..length], 0)?;
    if head.starts_with(&qcow2::MAGIC) {
        return Ok(Opened { kind: Kind::Qcow2, disk: Arc::new(qcow2::Qcow2Disk::new(file)?) });
    }
    if head.starts_with(&vmdk::MAGIC) || head.starts_with(vmdk::DESCRIPTOR) {
        return Ok(Opened { kind: Kind::Vmdk, disk: vmdk::open(file)? });
    }
    if head.starts_with(&vhdx::MAGIC) {
        return Ok(Opened { kind: Kind::Vhdx, disk: vhdx::open(file)? });
    }
    // A fixed one shows at its end alone.
    let mut tail = [0; 512];
    let end = file.length().checked_sub(tail.len() as u64);
    end.map_or(Ok(()), |end| file.read_at(&mut tail, end))?;
    if vhd::is_footer(&head) || vhd::is_footer(&tail) {
        return Ok(Opened { kind: Kind::Vhd, disk: vhd::open(file)? });
    }
    Ok(Opened { kind: Kind::Raw, disk: file })
}
