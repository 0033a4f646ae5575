//! The initrd's PID 1: its programs, ready made, and its logic, tested on the host.
//!
//! `main.rs` in this folder is a program of its own, compiled by rustc alone (README.md there).
//! What is pure in it is included here as well, so that the library's tests cover it and a
//! prediction can go through the very same list of boot phases. Files that both sides
//! include name only `core::` and each other.
//!
//! Images must not depend on the compiler that built this tool, so the programs are
//! committed; `tests/init.rs` builds them again from this source and compares.

// Rust 1.85, to which the program keeps, has no chains of `let`.
#![allow(clippy::collapsible_if)]

use crate::arch::Arch;

pub mod text;
pub mod guid;
pub mod cmdline;
pub mod crc32;
pub mod gpt;
pub mod sha256;
pub mod verity;
pub mod dm;
pub mod efi;
pub mod bootpath;
pub mod pick;
pub mod tpm;
pub mod phase;
pub mod names;
pub mod order;
pub mod modules;
#[cfg(test)]
#[allow(dead_code, reason = "a host can try only a part of it")]
mod sys;
#[cfg(test)]
mod files;

/// The program that is `/init` of the initrd, for an architecture: a static ELF file.
pub fn binary(arch: Arch) -> &'static [u8] {
    match arch {
        Arch::Amd64 => include_bytes!("bin/init-amd64"),
        Arch::Arm64 => include_bytes!("bin/init-arm64"),
    }
}
