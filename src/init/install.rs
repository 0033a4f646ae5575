//! Makes a medium that was told so an installer: the root's systemd copies the node to a disk, and runs nothing else.
//!
//! What is copied and how lies in a second sealed file system of the medium, whose root hash is on the command line
//! beside the root's: `imagebuild.installer=`. It is mounted at `/run/imagebuild/install`.
//!
//! | file there | what |
//! |---|---|
//! | `esp.img`, `root.verity`, `repart.d/` | for systemd-repart |
//! | `minimum-disk` | bytes that the disk must have |
//! | `default.target`, `reboot.service`, `poweroff.service`, `failed.service` | units |
//!
//! The order (`order.rs`) is `imagebuild.install=`; where the command line has none, a credential file of the medium's
//! ESP, `loader/credentials/imagebuild.install.cred`; without either the medium starts as it always does.
//!
//! A disk holds no data if its first and last 2 MiB are zeros: tables, file systems, RAID, LVM and LUKS all have their
//! marks there. Any other disk is refused, or its marks are overwritten where the order says `erase`.

use core::ffi::CStr;

use super::cmdline;
use super::disks::{self, OTHERS, Path};
use super::files::copy;
use super::optical;
use super::order::{self, Facts, Order};
use super::pick::Name;
use super::root::{self, Place};
use super::say;
use super::sys::{self, File, open};
use super::text::Fault;

/// Where the sealed file system goes.
const PLACE: Place = Place { name: "installer", at: c"/run/imagebuild/install" };

/// The least size of the disk.
const LEAST: &CStr = c"/run/imagebuild/install/minimum-disk";

/// Files of the ESP, as systemd-stub hands them on.
const ORDERS: [&CStr; 2] =
    [c"/.extra/credentials/imagebuild.install.cred", c"/.extra/global_credentials/imagebuild.install.cred"];

/// The link to the disk, for the unit.
const DISK: &CStr = c"/run/imagebuild/disk";

/// Bytes of a unit at most.
const UNIT: u64 = 8192;

/// Bytes at either end of a disk that tell whether it holds data.
const MARKS: u64 = 2 << 20;

/// Seconds until a disk that is not there is missing.
const PATIENCE: u64 = 30;

/// Seconds without a new disk until all are there.
const QUIET: u64 = 5;

/// BLKRRPART (uapi/linux/fs.h): forget the partitions.
const FORGET: usize = 0x125f;

/// Where the command line or the medium says so, makes all ready for the installation.
pub fn prepare(medium: &Name) -> Result<(), Fault> {
    let mut buffer = [0u8; 16 << 10];
    let line = say::read(c"/proc/cmdline", &mut buffer).unwrap_or(&[]);
    let fault = |text: &str| Fault::of(format_args!("installer: {text}"));
    let Some(hash) = cmdline::installer(line).map_err(fault)? else { return Ok(()) };
    let mut file = [0u8; 128];
    let text = match cmdline::install(line).map_err(fault)? {
        Some(text) => text,
        None => match ORDERS.into_iter().find(|path| File::open(path, open::READ | open::NO_FOLLOW).is_ok()) {
            Some(path) => say::read(path, &mut file).ok_or_else(|| fault("the file with the order cannot be read"))?,
            None => return Ok(()),
        },
    };
    let order = order::parse(text.trim_ascii()).map_err(fault)?;
    let _ = sys::make_directory(PLACE.at, 0o755);
    root::attach(&hash, &disks::beside(medium, &hash, PLACE.name)?, &PLACE)?;
    let least = say::number(LEAST).ok_or_else(|| fault("it does not say how large the disk must be"))?;
    let disk = choose(medium, &order, least)?;
    empty(&disk, order.erase)?;
    hand_over(&disk, &order).map_err(|errno| Fault::of(format_args!("installer: telling systemd: errno {errno}")))?;
    say::line(format_args!("installs onto disk {disk}"));
    Ok(())
}

/// The disk to install onto.
fn choose(medium: &Name, order: &Order<'_>, least: u64) -> Result<Name, Fault> {
    let began = sys::uptime();
    let (mut count, mut since) = (0, began);
    loop {
        let found = look(medium, order, least);
        let now = sys::uptime();
        if found.seen != count {
            (count, since) = (found.seen, now);
        }
        let over = |from: u64, seconds: u64| now.saturating_sub(from) >= seconds * 1_000_000;
        // One that is named is there or not; of one that is not, there may be another yet.
        let settled = order.disk.is_some() || over(since, QUIET);
        match (found.fit, found.disk) {
            (1, Some(disk)) if settled => return Ok(disk),
            (0, _) if over(began, PATIENCE) => {
                return Err(Fault::of(format_args!(
                    "installer: no disk of {least} bytes or more to install onto, only: {}",
                    found.list
                )));
            }
            (2.., _) if settled => {
                return Err(Fault::of(format_args!(
                    "installer: several disks to install onto, name one: {}",
                    found.list
                )));
            }
            _ => sys::sleep(100),
        }
    }
}

/// All disks, looked at once.
struct Look {
    seen: u32,
    fit: u32,
    disk: Option<Name>,
    list: Path,
}

fn look(medium: &Name, order: &Order<'_>, least: u64) -> Look {
    let mut look = Look { seen: 0, fit: 0, disk: None, list: Path::new() };
    let Ok(blocks) = File::open(c"/sys/block", open::READ | open::DIRECTORY) else { return look };
    let _ = blocks.names(|name| {
        let bytes = name.to_bytes();
        let mut disk = Name::new();
        disk.push(bytes);
        let other = OTHERS.iter().any(|other| bytes.starts_with(other.as_bytes()));
        let meant = order.disk.is_none_or(|wanted| wanted == bytes);
        if other || !meant || optical::is_optical(&disk) {
            return true;
        }
        look.seen += 1;
        let number = |what: &str| disks::attribute(&disk, what).unwrap_or(0);
        let facts = Facts {
            medium: disk.bytes() == medium.bytes(),
            removable: number("removable") != 0,
            read_only: number("ro") != 0,
            sector: number("queue/logical_block_size"),
            size: number("size").saturating_mul(512),
        };
        let why = facts.unfit(least, order.disk.is_some());
        let gap = if look.seen > 1 { "; " } else { "" };
        look.list.put(format_args!("{gap}{disk}, {} bytes", facts.size));
        match why {
            Some(why) => look.list.put(format_args!(" ({why})")),
            None => {
                look.fit += 1;
                look.disk = Some(disk);
            }
        }
        true
    });
    look
}

/// Makes sure that a disk holds no data.
fn empty(disk: &Name, erase: bool) -> Result<(), Fault> {
    let failed = |what: &str, errno: i32| Fault::of(format_args!("installer: disk {disk}: {what}: errno {errno}"));
    let mut path = disks::path(disk.bytes());
    let size = disks::attribute(disk, "size").unwrap_or(0).saturating_mul(512);
    let ends = [(0, MARKS.min(size)), (size.saturating_sub(MARKS), size)];
    // Exclusive: nothing of it is in use.
    let file = File::open(path.c(), open::READ_WRITE | open::EXCLUSIVE).map_err(|errno| failed("opening it", errno))?;
    let mut block = [0u8; 4096];
    for (start, end) in ends {
        let mut at = start;
        while at < end {
            let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(block.len());
            let Some(part) = block.get_mut(..length) else { break };
            if erase {
                file.write_at(at, part).map_err(|errno| failed("erasing it", errno))?;
            } else {
                file.read_at(at, part).map_err(|errno| failed("reading it", errno))?;
                if part.iter().any(|byte| *byte != 0) {
                    return Err(Fault::of(format_args!(
                        "installer: disk {disk} holds data and is left as it is; the order to lose them is `erase`"
                    )));
                }
            }
            at += length as u64;
        }
    }
    if erase {
        // Those that the old table had; the kernel may have found none.
        let _ = file.ioctl(FORGET, &mut []);
    }
    Ok(())
}

/// Tells the root's systemd what to do instead of its own target.
fn hand_over(disk: &Name, order: &Order<'_>) -> sys::Result<()> {
    sys::link(disks::path(disk.bytes()).c(), DISK)?;
    let folder = File::open(PLACE.at, open::READ | open::DIRECTORY)?;
    let work = if order.power_off { c"poweroff.service" } else { c"reboot.service" };
    for (from, to) in [
        (c"default.target", c"/run/systemd/system/default.target"),
        (work, c"/run/systemd/system/imagebuild-install.service"),
        (c"failed.service", c"/run/systemd/system/imagebuild-install-failed.service"),
    ] {
        copy(&folder, from, to, 0o644, UNIT)?;
    }
    Ok(())
}
