//! Partitions of a CD: the kernel reads no partition table there, so the device mapper cuts them out.

use super::dm::{self, Target};
use super::gpt::Partition;
use super::mapper;
use super::pick::Name;
use super::say;
use super::sys::{File, open};
use super::text::{Fault, Text};

/// Sectors of a CD, a power of two; a partition that does not keep to them cannot be cut out.
const SECTOR: u64 = 2048;

/// What a partition became.
pub struct Cut {
    /// Open for reading.
    pub file: File,
    /// Its major and minor number.
    pub number: (u32, u32),
}

/// Whether a disk, by its name, is a CD drive.
pub fn is_optical(disk: &Name) -> bool {
    disk.bytes().starts_with(b"sr")
}

/// Makes the device `imagebuild-NAME` of a partition.
pub fn cut(disk: &Name, name: &str, partition: &Partition) -> Result<Cut, Fault> {
    if (partition.start | partition.size) & (SECTOR - 1) != 0 {
        return Err(Fault::of(format_args!("disk {disk}: a partition does not keep to sectors of {SECTOR} bytes")));
    }
    let of = number(disk).ok_or(Fault::of(format_args!("the number of disk {disk} cannot be read")))?;
    let table = Text::<64>::of(format_args!("{}:{} {}", of.0, of.1, partition.start / 512));
    let target = Target { kind: "linear", sectors: partition.size / 512, parameters: table.bytes() };
    let label = Text::<32>::of(format_args!("imagebuild-{name}"));
    let control = mapper::open()?;
    let call = |command: dm::Command, bytes: &mut [u8]| control.ioctl(command.request(), bytes);
    let minor =
        dm::make(label.str(), label.str(), &target, call).map_err(|error| Fault::of(format_args!("{error}")))?;
    let device = Name::of(format_args!("dm-{minor}"));
    let file = File::open(Text::<64>::of(format_args!("/dev/{device}")).c(), open::READ)
        .map_err(|errno| Fault::of(format_args!("{device}: errno {errno}")))?;
    let number = number(&device).ok_or(Fault::of(format_args!("the number of {device} cannot be read")))?;
    Ok(Cut { file, number })
}

/// Major and minor number of a block device.
fn number(name: &Name) -> Option<(u32, u32)> {
    let mut buffer = [0u8; 32];
    let text = say::read(Text::<128>::of(format_args!("/sys/block/{name}/dev")).c(), &mut buffer)?;
    let (major, minor) = core::str::from_utf8(text).ok()?.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
