//! Every reader of foreign bytes, fed with any bytes: an answer or an error, never a panic, never without bounds.
//!
//! A target is one function. The programs in `fuzz/` hand it what libFuzzer thinks of, the test
//! below what a generator makes of the seeds in `fuzz/seeds/`; both run the same code. The
//! module is compiled for these two alone.

mod apt;
mod archive;
mod bill;
mod boot;
mod disk;
mod format;
mod posture;
mod record;
mod system;

#[cfg(test)]
mod tests;

pub use apt::{deb822, index, inrelease, keyring, relation, release, solve, sources, version};
pub use archive::{codec, control, deb, patch, program, squashfs, tarball};
pub use bill::{buildinfo, copyright, oci};
pub use boot::{cmdline, efi, pe, tpm};
pub use disk::{fat, gpt, image, verity};
pub use format::format;
pub use posture::posture;
pub use record::{lock, manifest, memory, packs, profile};
pub use system::{elf, module, pam, script, sysusers, tmpfiles, unit};

/// A target's name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, by name.
pub const TARGETS: &[Target] = &[
    ("buildinfo", buildinfo),
    ("cmdline", cmdline),
    ("codec", codec),
    ("control", control),
    ("copyright", copyright),
    ("deb", deb),
    ("deb822", deb822),
    ("efi", efi),
    ("elf", elf),
    ("fat", fat),
    ("format", format),
    ("gpt", gpt),
    ("image", image),
    ("index", index),
    ("inrelease", inrelease),
    ("keyring", keyring),
    ("lock", lock),
    ("manifest", manifest),
    ("memory", memory),
    ("module", module),
    ("oci", oci),
    ("packs", packs),
    ("pam", pam),
    ("patch", patch),
    ("pe", pe),
    ("posture", posture),
    ("profile", profile),
    ("program", program),
    ("relation", relation),
    ("release", release),
    ("script", script),
    ("solve", solve),
    ("sources", sources),
    ("squashfs", squashfs),
    ("sysusers", sysusers),
    ("tarball", tarball),
    ("tmpfiles", tmpfiles),
    ("tpm", tpm),
    ("unit", unit),
    ("verity", verity),
    ("version", version),
];

/// The moment that targets take for now: in 2026, when the seeds were made.
const NOW: u64 = 1_795_500_000;

/// A folder of its own, gone when dropped; in memory where the host has such a place.
fn folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder")
}

/// The bytes as text, what is no UTF-8 replaced.
fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
