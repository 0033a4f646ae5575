//! A partition that is there already and becomes /var of a root without a disk of its own: only where the command line
//! asks for it, `imagebuild.var=LABEL`, or `=auto` for the label of a /var that an image of ours made.
//!
//! Any disk may have it but a CD. There must be exactly one: which of two was meant nobody can say. It is never made,
//! never formatted; what is in it has to be what the root's own `var.mount` takes.

use super::cmdline;
use super::disks::{self, Node, OTHERS};
use super::gpt;
use super::optical;
use super::pick::Name;
use super::say;
use super::sys::{self, File, open};
use super::text::{Fault, Text};

/// Seconds until a partition that is not there is missing.
const PATIENCE: u64 = 30;

/// Seconds without a new disk until all are there: a second partition of that label may be on one that is slow.
const QUIET: u64 = 3;

/// The partition that is asked for; none where none is.
pub fn find() -> Result<Option<Node>, Fault> {
    let mut buffer = [0u8; 16 << 10];
    let line = say::read(c"/proc/cmdline", &mut buffer).unwrap_or(&[]);
    let label = cmdline::var(line).map_err(|error| Fault::of(format_args!("/var: {error}")))?;
    label.map(wait).transpose()
}

fn wait(label: &[u8]) -> Result<Node, Fault> {
    let shown = core::str::from_utf8(label).unwrap_or("?");
    let began = sys::uptime();
    let (mut disks, mut since) = (0, began);
    loop {
        let found = look(label);
        let now = sys::uptime();
        if found.disks != disks {
            (disks, since) = (found.disks, now);
        }
        let over = |from: u64, seconds: u64| now.saturating_sub(from) >= seconds * 1_000_000;
        match (found.count, found.partition) {
            (1, Some(node)) if over(since, QUIET) => {
                say::line(format_args!("/var is the partition `{shown}` of disk {}", found.on));
                return Ok(node);
            }
            (2.., _) => {
                return Err(Fault::of(format_args!("/var: several partitions have the label `{shown}`: {}", found.on)));
            }
            _ if over(began, PATIENCE) => {
                let why = if found.count == 0 { "no partition has" } else { "the kernel does not show the one with" };
                return Err(Fault::of(format_args!("/var: {why} the label `{shown}`, after {PATIENCE} s")));
            }
            _ => sys::sleep(100),
        }
    }
}

/// All disks, looked at once.
struct Look {
    disks: u32,
    /// Partitions with the label.
    count: u32,
    /// One of them.
    partition: Option<Node>,
    /// The disks that have them, for people.
    on: Text<128>,
}

fn look(label: &[u8]) -> Look {
    let mut look = Look { disks: 0, count: 0, partition: None, on: Text::new() };
    let Ok(blocks) = File::open(c"/sys/block", open::READ | open::DIRECTORY) else { return look };
    let _ = blocks.names(|name| {
        let name = name.to_bytes();
        let mut disk = Name::new();
        disk.push(name);
        if OTHERS.iter().any(|other| name.starts_with(other.as_bytes())) || optical::is_optical(&disk) {
            return true;
        }
        look.disks += 1;
        let found = disks::read_table(&disk, |read, sector, sectors| gpt::labelled(read, sector, sectors, label));
        let Some((Some(partition), count)) = found else { return true };
        look.on.put(format_args!("{}{disk}", if look.count > 0 { ", " } else { "" }));
        look.count = look.count.saturating_add(count);
        look.partition = disks::node(&disk, &partition);
        true
    });
    look
}
