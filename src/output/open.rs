//! Any image file as a disk: what it is shows in its first or last bytes, never in its name.

use std::path::Path;
use std::sync::Arc;

use super::packed::{self, Unpack};
use super::{archive, qcow2, vhd, vhdx, vmdk};
use crate::bytes::{Bytes, Whole, head};
use crate::error::{Context, Error, Result};
use crate::size::Size;
use crate::source::codec::Codec;
use crate::temp::beside;

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
    /// A machine with its disk.
    Ova,
    /// What Google imports.
    Gce,
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
            Kind::Ova => "ova",
            Kind::Gce => "gce",
        }
    }
}

/// A file and the disk in it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// What the file is, once it is unpacked.
    pub kind: Kind,
    /// Whether the whole file is compressed.
    pub packed: bool,
    /// The disk.
    pub disk: Arc<dyn Bytes>,
}

impl Opened {
    /// QEMU's name of the file's format, where QEMU attaches such a file.
    pub fn qemu(&self) -> Option<&'static str> {
        match self.kind {
            _ if self.packed => None,
            Kind::Raw => Some("raw"),
            Kind::Qcow2 => Some("qcow2"),
            Kind::Vhd => Some("vpc"),
            Kind::Vhdx => Some("vhdx"),
            Kind::Vmdk => Some("vmdk"),
            Kind::Ova | Kind::Gce => None,
        }
    }
}

/// Bytes that a compressed image is unpacked to at most, where nobody asks for more.
pub const LIMIT: Size = Size(64 * Size::GIB);
/// Files within files that are opened: a disk in an archive in a compressed file.
const DEPTH: u32 = 3;

/// Opens the image file at `path`. Whatever is none of the formats is a raw disk.
pub fn open(path: &Path) -> Result<Opened> {
    open_within(path, LIMIT)
}

/// [`open`], where a compressed image is unpacked to `limit` bytes at most: beside it, in a file without a name.
pub fn open_within(path: &Path, limit: Size) -> Result<Opened> {
    let file: Arc<dyn Bytes> = Arc::new(Whole::open(path)?);
    of(file, Unpack { limit, folder: beside(path) }).context(|| format!("opening `{}`", path.display()))
}

/// The disk in the bytes of a file; a compressed one is unpacked.
pub fn of(file: Arc<dyn Bytes>, unpack: Unpack<'_>) -> Result<Opened> {
    Plain::of(file, unpack)?.disk(unpack)
}

/// The bytes of a file, unpacked where the whole file is compressed.
#[derive(Debug, Clone)]
pub struct Plain {
    /// The bytes.
    pub bytes: Arc<dyn Bytes>,
    /// What they were compressed with.
    pub codec: Option<Codec>,
}

impl Plain {
    /// Unpacks `file` if it is compressed.
    pub fn of(file: Arc<dyn Bytes>, unpack: Unpack<'_>) -> Result<Self> {
        let codec = packed::codec(&head::<6>(&*file)?);
        let bytes = codec.map_or(Ok(file.clone()), |codec| packed::unpack(file, codec, unpack))?;
        Ok(Plain { bytes, codec })
    }

    /// The disk in the bytes.
    pub fn disk(&self, unpack: Unpack<'_>) -> Result<Opened> {
        let packed = self.codec.is_some();
        let opened = within(self.bytes.clone(), unpack, DEPTH - u32::from(packed))?;
        Ok(Opened { packed: packed || opened.packed, ..opened })
    }
}

fn within(file: Arc<dyn Bytes>, unpack: Unpack<'_>, depth: u32) -> Result<Opened> {
    let head: [u8; 512] = head(&*file)?;
    let codec = packed::codec(&head);
    let archive = codec.is_none() && archive::is_archive(&head);
    if depth == 0 && (codec.is_some() || archive) {
        return Err(Error::source(format!("an image in more than {DEPTH} files, one in the other")));
    }
    if head.starts_with(b"BZh") && head[4..10] == *b"1AY&SY" {
        return Err(Error::source("an image that bzip2 compressed").hint("unpack it first: bzip2 -d"));
    }
    if let Some(codec) = codec {
        let opened = within(packed::unpack(file, codec, unpack)?, unpack, depth - 1)?;
        return Ok(Opened { packed: true, ..opened });
    }
    if archive {
        let (kind, member) = match archive::find(&file)? {
            archive::Found::Ova(member) => (Kind::Ova, member),
            archive::Found::Gce(member) => (Kind::Gce, member),
        };
        return Ok(Opened { kind, packed: false, disk: within(member, unpack, depth - 1)?.disk });
    }
    let (kind, disk) = if head.starts_with(&qcow2::MAGIC) {
        (Kind::Qcow2, qcow2::open(file)?)
    } else if head.starts_with(&vmdk::MAGIC) || head.starts_with(vmdk::DESCRIPTOR) {
        (Kind::Vmdk, vmdk::open(file)?)
    } else if head.starts_with(&vhdx::MAGIC) {
        (Kind::Vhdx, vhdx::open(file)?)
    } else if vhd::is_footer(&head) || vhd::is_footer(&tail(&*file)?) {
        (Kind::Vhd, vhd::open(file)?)
    } else {
        (Kind::Raw, file)
    };
    Ok(Opened { kind, packed: false, disk })
}

/// The last sector; zeros where the file is shorter.
fn tail(file: &dyn Bytes) -> Result<[u8; 512]> {
    let mut tail = [0; 512];
    if let Some(at) = file.length().checked_sub(tail.len() as u64) {
        file.read_at(&mut tail, at)?;
    }
    Ok(tail)
}
