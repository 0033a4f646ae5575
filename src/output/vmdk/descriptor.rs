//! The text in a VMDK that says what it is.

use super::{DESCRIPTOR_SECTORS, SECTOR};
use crate::error::{Error, Result};
use crate::guid::Guid;
use crate::profile::{DiskAdapter, Vmdk, VmdkKind};

/// What the name of a stream's only file is; nothing looks for it under a name.
const STREAM_NAME: &str = "disk.vmdk";
/// The oldest virtual hardware that knows the format: every host takes it.
const HARDWARE: u32 = 4;
/// What VMware writes where it does not know the guest's tools.
const NO_TOOLS: u32 = 0x7fff_ffff;

/// The descriptor of a disk of `size` bytes, with zeros up to its last sector; a sparse file knows its own name.
pub fn descriptor(format: Vmdk, size: u64, seed: Guid, name: &str) -> Result<Vec<u8>> {
    let (kind, access, name) = match format.kind {
        VmdkKind::Stream => ("streamOptimized", "RDONLY", STREAM_NAME.to_owned()),
        VmdkKind::Sparse => ("monolithicSparse", "RW", format!("{name}.vmdk")),
    };
    let (adapter, heads, most) = match format.adapter {
        DiskAdapter::Ide => ("ide", 16, 16_383),
        // Of paravirtual controllers a descriptor knows nothing: the machine's hardware has them.
        DiskAdapter::Lsilogic | DiskAdapter::Pvscsi => ("lsilogic", 255, u64::MAX),
    };
    let sectors = size / SECTOR;
    let cylinders = (sectors / (heads * 63)).clamp(1, most);
    let content = hex::encode(seed.derive("vmdk-content").0);
    let name = name.replace(['"', '\n', '\r'], "_");
    let mut text = format!(
        "# Disk DescriptorFile\nversion=1\nCID={}\nparentCID=ffffffff\ncreateType=\"{kind}\"\n\n\
        # Extent description\n{access} {sectors} SPARSE \"{name}\"\n\n# The Disk Data Base\n#DDB\n\n",
        &content[24..],
    );
    for (key, value) in [
        ("adapterType", adapter.to_owned()),
        ("geometry.cylinders", cylinders.to_string()),
        ("geometry.heads", heads.to_string()),
        ("geometry.sectors", "63".to_owned()),
        ("longContentID", content.clone()),
        ("toolsVersion", NO_TOOLS.to_string()),
        ("uuid", uuid(seed)),
        ("virtualHWVersion", HARDWARE.to_string()),
    ] {
        text += &format!("ddb.{key} = \"{value}\"\n");
    }
    let mut bytes = text.into_bytes();
    let room = (DESCRIPTOR_SECTORS * SECTOR) as usize;
    if bytes.len() >= room {
        return Err(Error::user("the image's name is too long for the descriptor of a VMDK"));
    }
    bytes.resize(room, 0);
    Ok(bytes)
}

/// A disk's id in VMware's own range and form: `60 00 C2 9... - ...`.
fn uuid(seed: Guid) -> String {
    let mut id = seed.derive("vmdk").0;
    [id[0], id[1], id[2], id[3]] = [0x60, 0x00, 0xc2, 0x90 | id[3] & 0x0f];
    let half = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    format!("{}-{}", half(&id[..8]), half(&id[8..]))
}
