//! A root that came with the initrd itself, as files of a further archive: what a machine without a disk boots.
//!
//! | file | what |
//! |---|---|
//! | `/carried/root.squashfs` | the root |
//! | `/carried/root.verity` | its hash tree |
//! | `/carried/modules` | modules that loop devices need, one path a line |
//!
//! Whoever serves the files over a network can change them, so they are verified like any
//! other root: by the root hash of the command line.

use core::ffi::CStr;

use super::disks::{Found, Node};
use super::pick::Name;
use super::root::load_modules;
use super::say;
use super::sys::{File, open};
use super::text::{Fault, Text};

/// The list of modules.
const MODULES: &CStr = c"/carried/modules";

/// Root and hash tree.
const FILES: [&CStr; 2] = [c"/carried/root.squashfs", c"/carried/root.verity"];

/// LOOP_CONFIGURE (uapi/linux/loop.h).
const CONFIGURE: usize = 0x4c0a;

/// Bytes of `struct loop_config`, the same on every architecture.
const CONFIG: usize = 304;

/// Where its flags lie: behind descriptor and block size, 52 bytes into `struct loop_info64`.
const FLAGS: usize = 8 + 52;

/// LO_FLAGS_READ_ONLY.
const READ_ONLY: u32 = 1;

/// The devices of the root that was carried; none where there is no such root.
pub fn find() -> Result<Option<Found>, Fault> {
    let open = |path: &CStr| File::open(path, open::READ | open::NO_FOLLOW);
    let [Ok(data), Ok(hash)] = FILES.map(open) else { return Ok(None) };
    say::line(format_args!("the root came with the initrd"));
    load_modules(MODULES);
    Ok(Some(Found { disk: Name::of(format_args!("loop0")), data: device(0, &data)?, hash: device(1, &hash)? }))
}

/// Makes the loop device of a number for a file.
fn device(number: u32, file: &File) -> Result<Node, Fault> {
    let name = Name::of(format_args!("loop{number}"));
    let failed = |what: &str, errno: i32| Fault::of(format_args!("{name}: {what}: errno {errno}"));
    let mut path = Text::<32>::of(format_args!("/dev/{name}"));
    let device = File::open(path.c(), open::READ).map_err(|errno| failed("not there; is loop loaded?", errno))?;
    let mut config = [0u8; CONFIG];
    let descriptor = u32::try_from(file.descriptor()).unwrap_or(u32::MAX);
    for (at, value) in [(0, descriptor), (FLAGS, READ_ONLY)] {
        if let Some(field) = config.get_mut(at..at + 4) {
            field.copy_from_slice(&value.to_ne_bytes());
        }
    }
    device.ioctl(CONFIGURE, &mut config).map_err(|errno| failed("taking the file", errno))?;
    let mut buffer = [0u8; 32];
    let mut attribute = Text::<64>::of(format_args!("/sys/block/{name}/dev"));
    let numbers = say::read(attribute.c(), &mut buffer)
        .and_then(|text| core::str::from_utf8(text).ok()?.trim().split_once(':'))
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    let number = numbers.ok_or_else(|| failed("its number cannot be read", 0))?;
    let size = file.stat().map_err(|errno| failed("measuring the file", errno))?.size;
    Ok(Node { file: device, number, size })
}
