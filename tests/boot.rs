//! What must boot boots, what must not does not: QEMU is the judge, one machine at a time.
//!
//! A new test goes into a file of `boot/` if it needs a running node; keep each to one or two boots, since
//! each takes a minute or two under software emulation. One that goes another's way with other devices is
//! `#[ignore = "wide"]`: `tests/run --wide` runs it (tests/README.md).

#[path = "boot/bios.rs"]
mod bios;
#[path = "boot/cluster.rs"]
mod cluster;
#[path = "boot/credential.rs"]
mod credential;
#[path = "boot/disk.rs"]
mod disk;
#[path = "boot/disks.rs"]
mod disks;
#[path = "boot/installer.rs"]
mod installer;
#[path = "boot/join.rs"]
mod join;
#[path = "boot/kept.rs"]
mod kept;
#[path = "common/node.rs"]
mod node;
#[path = "common/places.rs"]
mod places;
#[path = "boot/release.rs"]
mod release;
#[path = "boot/seal.rs"]
mod seal;
#[path = "boot/templates.rs"]
mod templates;
#[path = "boot/written.rs"]
mod written;

/// Seconds; generous, since machines are slow and shared.
const TIMEOUT: u32 = 900;
/// What the pod of the example says.
const HELLO: &str = "hello from a pod";
