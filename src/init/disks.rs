//! The disks of the machine, and the one among them that the firmware booted.

use super::bootpath::{BootPath, Place, ata_port, pci_root};
use super::cmdline::{self, RootHash};
use super::efi;
use super::gpt::{self, Partition};
use super::guid::Guid;
use super::optical;
use super::pick::{Name, Round, Verdict};
use super::say;
use super::sys::{self, File, open};
use super::text::{Fault, Text};

/// Seconds until a disk that is not there is missing.
const PATIENCE: u64 = 30;

/// Milliseconds between two looks.
const PAUSE: u64 = 50;

/// Milliseconds until a disk is taken although the boot option points elsewhere, or nowhere
/// that Linux shows: its original would have turned up by then.
const DOUBT: (u64, u64) = (3000, 1000);

/// Block devices that are no disk of the machine, or too slow to ask (floppies).
pub const OTHERS: [&str; 8] = ["loop", "ram", "zram", "dm-", "md", "nbd", "fd", "mtd"];

/// Where an ISO 9660 says that it is one: behind the type of its first descriptor (ECMA-119, 8.1).
const ISO: (u64, &[u8]) = (16 * 2048 + 1, b"CD001");

/// A path, or a file's name in sysfs.
pub type Path = Text<256>;

/// What the firmware and the loader say of this boot.
pub struct Firmware {
    esp: Option<Guid>,
    path: Option<BootPath>,
    /// What the medium alone has that the kernel's command line makes an installer of.
    medium: Option<Guid>,
    /// Whether the stub measured the kernel into the PCR of the phases.
    pub measured: bool,
}

impl Firmware {
    /// Asks the EFI variables, where there are any.
    pub fn ask() -> Self {
        let directory = c"/sys/firmware/efi/efivars";
        let flags = sys::mount::NO_SUID | sys::mount::NO_EXEC | sys::mount::NO_DEV;
        let _ = sys::mount(c"efivarfs", directory, c"efivarfs", flags, c"");
        let mut buffer = [0u8; 4096];
        let esp = variable("LoaderDevicePartUUID", efi::LOADER, &mut buffer)
            .and_then(efi::volatile)
            .and_then(efi::partition_id);
        let measured = variable("StubPcrKernelImage", efi::LOADER, &mut buffer)
            .and_then(efi::volatile)
            .is_some_and(|value| efi::measured(value, super::phase::PCR));
        let current =
            variable("BootCurrent", efi::GLOBAL, &mut buffer).and_then(efi::volatile).and_then(efi::boot_current);
        let path = current.and_then(|number| {
            let name = Text::<16>::of(format_args!("Boot{number:04X}"));
            variable(name.str(), efi::GLOBAL, &mut buffer).and_then(efi::any).and_then(BootPath::parse)
        });
        let mut line = [0u8; 16 << 10];
        let medium = say::read(c"/proc/cmdline", &mut line)
            .and_then(|line| cmdline::installer(line).ok().flatten())
            .map(|hash| hash.partitions().0);
        Firmware { esp, path, medium, measured }
    }

    /// The partition beside the root's two that only the disk has that was booted, where that is known.
    fn mark(&self) -> Option<Guid> {
        self.esp.or(self.medium)
    }
}

fn variable<'a>(name: &str, vendor: &str, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    say::read(Path::of(format_args!("/sys/firmware/efi/efivars/{name}-{vendor}")).c(), buffer)
}

/// A partition as the kernel shows it.
pub struct Node {
    /// Open for reading.
    pub file: File,
    /// Its major and minor number.
    pub number: (u32, u32),
    /// Its bytes.
    pub size: u64,
}

/// The root's partitions on the disk that was booted.
pub struct Found {
    /// The disk's name.
    pub disk: Name,
    /// The partition of the file system.
    pub data: Node,
    /// The partition of the verity tree.
    pub hash: Node,
}

/// Waits for the booted disk and opens the partitions that the root hash names.
pub fn find(root: &RootHash, firmware: &Firmware) -> Result<Found, Fault> {
    let (data, hash) = root.partitions();
    if data == hash {
        return Err(Fault::of(format_args!("the two halves of the root hash are equal")));
    }
    match &firmware.esp {
        Some(esp) => say::line(format_args!("booted from the ESP {esp}")),
        // A BIOS, a CD, a network.
        None => say::line(format_args!("the loader did not name its ESP")),
    }
    // Where nothing marks the disk, NIL stands for it, which no partition has.
    let wanted = [data, hash, firmware.mark().unwrap_or(Guid::NIL)];
    let doubt = if firmware.path.is_some() { DOUBT.0 } else { DOUBT.1 };
    let began = sys::uptime();
    loop {
        let waited = sys::uptime().saturating_sub(began) / 1000;
        let round = look(&wanted, firmware);
        let chosen = match round.verdict() {
            Verdict::Take => round.best(),
            Verdict::Doubt if waited >= doubt => round.best(),
            Verdict::Refuse => return Err(round.fault(&data, PATIENCE)),
            Verdict::Doubt | Verdict::Wait => None,
        };
        if let Some((disk, (data, hash))) = chosen {
            if let Some(found) = open_both(disk, "root", data, hash)? {
                return Ok(found);
            }
        }
        if waited >= PATIENCE * 1000 {
            return Err(match chosen {
                Some((disk, _)) => Fault::of(format_args!(
                    "the kernel does not show the partitions of disk {disk} as its table has them"
                )),
                None => round.fault(&data, PATIENCE),
            });
        }
        sys::sleep(PAUSE);
    }
}

/// The partitions that another root hash names, on the disk that was booted; `name` is for devices that are cut out.
pub fn beside(disk: &Name, root: &RootHash, name: &str) -> Result<Found, Fault> {
    let (data, hash) = root.partitions();
    let missing = || Fault::of(format_args!("missing partition: disk {disk} lacks {data} or {hash}"));
    let [data_part, hash_part, _] = table(disk, &[data, hash, Guid::NIL]).ok_or_else(missing)?;
    let (Some(data_part), Some(hash_part)) = (data_part, hash_part) else { return Err(missing()) };
    open_both(disk, name, &data_part, &hash_part)?.ok_or_else(missing)
}

/// Opens both partitions; none where the kernel does not show them (yet).
fn open_both(disk: &Name, name: &str, data: &Partition, hash: &Partition) -> Result<Option<Found>, Fault> {
    if !optical::is_optical(disk) {
        let both = (node(disk, data), node(disk, hash));
        let (Some(data), Some(hash)) = both else { return Ok(None) };
        return Ok(Some(Found { disk: *disk, data, hash }));
    }
    let cut = |what: &str, partition: &Partition| {
        let cut = optical::cut(disk, Name::of(format_args!("{name}-{what}")).str(), partition)?;
        Ok(Node { file: cut.file, number: cut.number, size: partition.size })
    };
    Ok(Some(Found { disk: *disk, data: cut("data", data)?, hash: cut("hash", hash)? }))
}

/// Looks at every disk once.
fn look(wanted: &[Guid; 3], firmware: &Firmware) -> Round<(Partition, Partition)> {
    let mut round = Round::new(firmware.mark().is_some(), firmware.path.is_some());
    let Ok(blocks) = File::open(c"/sys/block", open::READ | open::DIRECTORY) else { return round };
    let _ = blocks.names(|name| {
        let name = name.to_bytes();
        if OTHERS.iter().any(|other| name.starts_with(other.as_bytes())) {
            return true;
        }
        let mut disk = Name::new();
        disk.push(name);
        let [data, hash, mark] = table(&disk, wanted).unwrap_or([None; 3]);
        let here = firmware.path.as_ref().is_some_and(|path| is_at(&disk, path));
        let claim = round.claim(data.is_some(), hash.is_some(), mark.is_some(), here);
        let nothing = Partition { number: 0, start: 0, size: 0 };
        round.see(disk, claim, (data.unwrap_or(nothing), hash.unwrap_or(nothing)));
        true
    });
    round
}

/// The wanted partitions of a disk; none where it has no good table.
fn table(disk: &Name, wanted: &[Guid; 3]) -> Option<[Option<Partition>; 3]> {
    read_table(disk, |read, sector, sectors| gpt::find(read, sector, sectors, wanted))
}

/// What a reader of partition tables finds on a disk, which it gets with the size and the number of its sectors.
pub fn read_table<T>(
    disk: &Name,
    reader: impl FnOnce(&mut dyn gpt::Disk, u32, u64) -> Result<T, gpt::Error>,
) -> Option<T> {
    // The table of a CD counts as that of a USB stick with the same bytes: one image is for both.
    let sector = match optical::is_optical(disk) {
        true => 512,
        false => u32::try_from(attribute(disk, "queue/logical_block_size")?).ok()?,
    };
    let bytes = attribute(disk, "size").filter(|size| *size > 0)?.checked_mul(512)?;
    let file = device(disk.bytes(), open::NON_BLOCKING)?;
    let mut read = |offset: u64, buffer: &mut [u8]| file.read_at(offset, buffer).is_ok();
    reader(&mut read, sector, bytes.checked_div(u64::from(sector))?).ok()
}

/// Whether a disk begins with an ISO 9660: it is a CD, or a stick that one was written to.
pub fn is_iso(disk: &Name) -> bool {
    let mut buffer = [0u8; ISO.1.len()];
    device(disk.bytes(), open::NON_BLOCKING)
        .is_some_and(|file| file.read_at(ISO.0, &mut buffer).is_ok() && buffer == *ISO.1)
}

/// Whether a disk is where the firmware's boot option points.
fn is_at(disk: &Name, path: &BootPath) -> bool {
    let mut buffer = [0u8; 512];
    let Ok(link) = sys::read_link(Path::of(format_args!("/sys/block/{disk}")).c(), &mut buffer) else {
        return false;
    };
    let narrow = |number: u64| u32::try_from(number).ok();
    let text = |part: Option<&'_ [u8]>| {
        Name::of(format_args!("{}", part.map_or("", |part| core::str::from_utf8(part).unwrap_or(""))))
    };
    let (root, port) = (text(pci_root(link)), text(ata_port(link)));
    let root = say::number(Path::of(format_args!("/sys/devices/{root}/firmware_node/uid")).c()).and_then(narrow);
    let port = say::number(Path::of(format_args!("/sys/class/ata_port/{port}/port_no")).c()).and_then(narrow);
    let namespace = attribute(disk, "nsid").and_then(narrow);
    path.fits(&Place { link, root, namespace, port })
}

/// Opens a partition, where the kernel shows it exactly as the table has it.
pub fn node(disk: &Name, partition: &Partition) -> Option<Node> {
    let infix = if disk.bytes().last()?.is_ascii_digit() { "p" } else { "" };
    let name = Name::of(format_args!("{disk}{infix}{}", partition.number));
    let of_part = |what: &str| attribute(disk, Path::of(format_args!("{name}/{what}")).str());
    let start = of_part("start")?.checked_mul(512)?;
    let size = of_part("size")?.checked_mul(512)?;
    if !name.whole() || (start, size) != (partition.start, partition.size) {
        return None;
    }
    let mut buffer = [0u8; 32];
    let dev = say::read(Path::of(format_args!("/sys/block/{disk}/{name}/dev")).c(), &mut buffer)?;
    let (major, minor) = core::str::from_utf8(dev).ok()?.trim().split_once(':')?;
    let number = (major.parse().ok()?, minor.parse().ok()?);
    Some(Node { file: device(name.bytes(), 0)?, number, size })
}

fn device(name: &[u8], flags: usize) -> Option<File> {
    File::open(path(name).c(), open::READ | flags).ok()
}

/// The device of a name in sysfs, which has `!` for the `/` of some drivers.
pub fn path(name: &[u8]) -> Path {
    let mut path = Path::of(format_args!("/dev/"));
    name.iter().for_each(|byte| path.push(&[if *byte == b'!' { b'/' } else { *byte }]));
    path
}

/// A number that sysfs tells of a disk.
pub fn attribute(disk: &Name, what: &str) -> Option<u64> {
    say::number(Path::of(format_args!("/sys/block/{disk}/{what}")).c())
}
