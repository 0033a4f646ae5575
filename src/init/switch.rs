//! Leaves the initrd: moves the mounts, empties it, makes the root `/`, runs its PID 1.

use core::ffi::CStr;

use super::files::{DEPTH, empty};
use super::say;
use super::sys::{self, File, mount, open};
use super::text::Fault;

/// The root's PID 1, and the same as seen from the initrd.
const PROGRAM: (&CStr, &CStr) = (c"/usr/lib/systemd/systemd", c"/sysroot/usr/lib/systemd/systemd");

/// Runs the root's PID 1 with the arguments and the environment that the kernel gave us;
/// returns only what went wrong. `stack` is what the kernel left at the start.
pub fn run(stack: *mut usize) -> Fault {
    match leave() {
        Ok(()) => execute(stack),
        Err(fault) => fault,
    }
}

fn leave() -> Result<(), Fault> {
    if File::open(PROGRAM.1, open::READ).is_err() {
        return Err(Fault::of(format_args!("the root has no /usr/lib/systemd/systemd")));
    }
    for (from, to) in [
        (c"/dev", c"/sysroot/dev"),
        (c"/proc", c"/sysroot/proc"),
        (c"/sys", c"/sysroot/sys"),
        (c"/run", c"/sysroot/run"),
    ] {
        sys::mount(from, to, c"", mount::MOVE, c"").map_err(|errno| {
            let from = from.to_str().unwrap_or("?");
            Fault::of(format_args!("moving {from} into the root: errno {errno}"))
        })?;
    }
    // The initrd is memory that would never be freed. What is mounted has another device.
    if let Ok(top) = File::open(c"/", open::READ | open::DIRECTORY) {
        if let Ok(stat) = top.stat() {
            empty(&top, stat.device, DEPTH);
        }
    }
    let moved = sys::chdir(c"/sysroot")
        .and_then(|()| sys::mount(c".", c"/", c"", mount::MOVE, c""))
        .and_then(|()| sys::chroot(c"."))
        .and_then(|()| sys::chdir(c"/"));
    moved.map_err(|errno| Fault::of(format_args!("making the root `/`: errno {errno}")))
}

fn execute(stack: *mut usize) -> Fault {
    say::line(format_args!("starting the root's own PID 1"));
    // SAFETY: the kernel left a count, so many arguments, a null pointer, and the environment
    // with a null pointer. There is at least one argument, our own name, in whose place
    // systemd's goes.
    let errno = unsafe {
        let count = *stack;
        let arguments = stack.add(1);
        if count == 0 {
            return Fault::of(format_args!("the kernel gave no arguments"));
        }
        *arguments = PROGRAM.0.as_ptr() as usize;
        let environment = arguments.add(count).add(1);
        sys::execute(PROGRAM.0, arguments.cast(), environment.cast())
    };
    Fault::of(format_args!("running /usr/lib/systemd/systemd: errno {errno}"))
}
