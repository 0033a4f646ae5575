//! The boot phases that end up in PCR 11, in order.
//!
//! A prediction of PCR 11 goes through the same list. The first two are measured here, as
//! systemd's own initrd would; the others by `systemd-pcrphase-sysinit.service` and
//! `systemd-pcrphase.service` of the root.

/// The PCR that the stub measures the kernel image into, and the phases after it.
pub const PCR: u8 = 11;

/// Measured before anything from outside the initrd is looked at.
pub const ENTER: &str = "enter-initrd";

/// Measured right before the root's own PID 1 runs.
pub const LEAVE: &str = "leave-initrd";

/// Every phase, in the order of measurement.
pub const WORDS: [&str; 4] = [ENTER, LEAVE, "sysinit", "ready"];
