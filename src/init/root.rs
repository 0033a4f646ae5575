//! What must be there before the root, and the root itself: kernel file systems, modules,
//! the verity device, its mount.

use core::ffi::CStr;

use super::cmdline::{self, RootHash};
use super::disks::Found;
use super::dm::{self, Command, Target};
use super::mapper;
use super::modules;
use super::say;
use super::sys::{self, File, mount, open};
use super::text::{Fault, Hex, Text};
use super::verity::{Corrupt, Superblock};

/// What a sealed file system is called, and where it is mounted.
pub struct Place {
    /// The verity device: `/dev/mapper/NAME`.
    pub name: &'static str,
    /// An empty directory.
    pub at: &'static CStr,
}

/// The root's; systemd looks for `/dev/mapper/root`.
pub const ROOT: Place = Place { name: "root", at: c"/sysroot" };

/// Where the list of the initrd's own modules is.
pub const MODULES: &CStr = c"/modules";

/// Bytes of a list of modules that are read.
const LIST: usize = 16 << 10;

/// Mounts devtmpfs, proc, sysfs and the tmpfs of /run, with systemd's options.
pub fn mount_kernel_file_systems() -> Result<(), Fault> {
    let strict = mount::NO_SUID | mount::NO_EXEC | mount::NO_DEV;
    let run = mount::NO_SUID | mount::NO_DEV | mount::STRICT_ATIME;
    let all = [
        (c"/dev", c"devtmpfs", mount::NO_SUID | mount::STRICT_ATIME, c"mode=0755"),
        (c"/proc", c"proc", strict, c""),
        (c"/sys", c"sysfs", strict, c""),
        (c"/run", c"tmpfs", run, c"mode=0755,size=20%,nr_inodes=800k"),
    ];
    for (target, kind, flags, options) in all {
        let made = sys::make_directory(target, 0o755);
        if let Err(errno) = made.and_then(|()| sys::mount(kind, target, kind, flags, options)) {
            // EBUSY: the kernel has mounted it already.
            if errno != 16 {
                let target = target.to_str().unwrap_or("?");
                return Err(Fault::of(format_args!("mounting {target}: errno {errno}")));
            }
        }
    }
    Ok(())
}

/// The root hash that the kernel's command line names.
pub fn hash() -> Result<RootHash, Fault> {
    let mut buffer = [0u8; 16 << 10];
    let line = say::read(c"/proc/cmdline", &mut buffer);
    let line = line.ok_or(Fault::of(format_args!("the kernel command line cannot be read")))?;
    cmdline::root_hash(line).map_err(|error| Fault::of(format_args!("{error}")))
}

/// Loads the modules of a list. One that does not load is no end: the disk may need it not.
pub fn load_modules(list: &CStr) {
    let mut buffer = [0u8; LIST];
    let Some(list) = say::read(list, &mut buffer) else {
        say::line(format_args!("warning: the list of modules is not there, or too long"));
        return;
    };
    for path in modules::paths(list) {
        let mut name = Text::<256>::new();
        name.push(path);
        let result = match File::open(name.c(), open::READ) {
            Ok(file) => file
                .load(modules::flags(path))
                .or_else(|errno| if modules::expected(errno) { Ok(()) } else { Err(errno) }),
            Err(errno) => Err(errno),
        };
        if let Err(errno) = result {
            say::line(format_args!("warning: module {name} did not load: errno {errno}"));
        }
    }
}

/// Verifies the top of the tree, makes the verity device and mounts it at its place.
pub fn attach(root: &RootHash, found: &Found, place: &Place) -> Result<(), Fault> {
    let (disk, name) = (&found.disk, place.name);
    let refused = |what: &str| Fault::of(format_args!("verity: disk {disk}: {what}"));
    let mut block = [0u8; 512];
    found.hash.file.read_at(0, &mut block).map_err(|_| refused("its hash partition cannot be read"))?;
    let superblock = Superblock::parse(&block, found.data.size, found.hash.size).map_err(refused)?;

    let mut data = |offset: u64, buffer: &mut [u8]| found.data.file.read_at(offset, buffer).is_ok();
    let mut hash = |offset: u64, buffer: &mut [u8]| found.hash.file.read_at(offset, buffer).is_ok();
    superblock.check(root, &mut data, &mut hash).map_err(|corrupt| match corrupt {
        Corrupt::Unreadable => refused("a block cannot be read"),
        Corrupt::Root => refused("the tree does not have the root hash of the command line"),
        Corrupt::Hash(at) => Fault::of(format_args!("verity: disk {disk}: corrupt block {at} in the hash partition")),
        Corrupt::Data => refused("corrupt block 0 in the root partition"),
    })?;

    let table = superblock.table(found.data.number, found.hash.number, root);
    if !table.whole() {
        return Err(refused("its table is too long"));
    }
    // Without hyphens, as cryptsetup has it; the prefix tells systemd what the device is.
    let id = Text::<128>::of(format_args!("CRYPT-VERITY-{}-{name}", Hex(&superblock.id.0)));
    let sectors = superblock.blocks * 8;
    let target = Target { kind: "verity", sectors, parameters: table.bytes() };
    let control = mapper::open()?;
    let call = |command: Command, bytes: &mut [u8]| control.ioctl(command.request(), bytes);
    let minor = dm::make(name, id.str(), &target, call).map_err(|error| Fault::of(format_args!("{error}")))?;

    let mut device = Text::<64>::of(format_args!("/dev/mapper/{name}"));
    let _ = sys::link(Text::<32>::of(format_args!("../dm-{minor}")).c(), device.c());
    let _ = sys::make_directory(place.at, 0o755);
    let flags = mount::READ_ONLY | mount::NO_DEV;
    sys::mount(device.c(), place.at, c"squashfs", flags, c"")
        .map_err(|errno| refused(Text::<64>::of(format_args!("mounting the {name}: errno {errno}")).str()))?;
    say::line(format_args!("verified and mounted the {name} of disk {disk}"));
    Ok(())
}
