//! The program that is PID 1 of the initrd: finds the sealed root, verifies it, runs it.
//!
//! Static, without a libc and without an allocator; compiled by rustc alone (README.md
//! beside this file). It has no options, no shell and no way back: what goes wrong ends in
//! one line on the console and a restart.
#![no_std]
#![no_main]
#![no_builtins]
// Rust 1.85 has no chains of `let`, and without an allocator there is no box for an error.
#![allow(clippy::collapsible_if, clippy::result_large_err)]

mod bootpath;
mod carried;
mod cmdline;
mod crc32;
mod disks;
mod dm;
mod efi;
mod extra;
mod files;
mod gpt;
mod guid;
mod install;
mod links;
mod live;
mod mapper;
mod measure;
mod mem;
mod modules;
mod names;
mod optical;
mod order;
#[allow(dead_code, reason = "the later phases are measured by the root")]
mod phase;
mod pick;
mod root;
mod say;
mod sha256;
mod switch;
mod sys;
mod text;
mod tpm;
mod var;
mod verity;

use text::Fault;

#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {start}",
    "ud2",
    start = sym start
);

#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, #0",
    "mov x30, #0",
    "mov x0, sp",
    "bl {start}",
    "brk #1",
    start = sym start
);

/// How long a line that says why is shown before the machine restarts.
const SHOWN: u64 = 10;

/// `stack` is what the kernel left: the count of arguments, the arguments, a null pointer,
/// the environment, a null pointer.
extern "C" fn start(stack: *mut usize) -> ! {
    give_up(boot(stack))
}

/// The whole way, from nothing mounted to the root's own PID 1.
fn boot(stack: *mut usize) -> Fault {
    match prepare() {
        Ok(()) => switch::run(stack),
        Err(fault) => fault,
    }
}

fn prepare() -> Result<(), Fault> {
    root::mount_kernel_file_systems()?;
    say::line(format_args!("started"));
    let hash = root::hash()?;
    root::load_modules(root::MODULES);
    let firmware = disks::Firmware::ask();
    let measured = measure::enter(&firmware);
    match carried::find()? {
        Some(carried) => {
            root::attach(&hash, &carried, &root::ROOT)?;
            live::prepare(None)?;
        }
        None => {
            let disk = disks::find(&hash, &firmware)?;
            root::attach(&hash, &disk, &root::ROOT)?;
            if disks::is_iso(&disk.disk) {
                live::prepare(Some(&disk.disk))?;
                install::prepare(&disk.disk)?;
            } else {
                links::write(Some(&disk.disk), None)?;
            }
        }
    }
    extra::hand_on();
    if measured { measure::leave() } else { Ok(()) }
}

/// Says why, waits, restarts.
fn give_up(fault: Fault) -> ! {
    say::line(format_args!("FATAL: {fault}; rebooting in {SHOWN} s"));
    sys::sleep(SHOWN * 1000);
    loop {
        sys::restart();
        sys::sleep(1000);
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    give_up(Fault::of(format_args!("{info}")))
}
