//! From the kernel's entry to the real root's PID 1: our initrd against one with systemd in it.
//!
//! Both boot the same disk with the same kernel and command line in the same machine; only the
//! initrd in the UKI differs. The kernel's own clock counts, so the firmware's time is left out.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use imagebuild::boot::uki::{self, Pe};

use crate::Bench;
use crate::hello::{Hello, scratch, tool};
use crate::initrd;
use crate::row::{Fallible, ratio, succeed};

/// What the section needs.
pub const NEEDS: &[(&str, &str)] = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("mcopy", "mtools"),
    ("mmdebstrap", "mmdebstrap"),
    ("cpio", "cpio"),
    ("zstd", "zstd"),
    ("tar", "tar"),
    ("unsquashfs", "squashfs-tools"),
];
/// The UKI on the ESP.
const UKI: &str = "::EFI/Linux/hello-pod_1.efi";
/// What PID 1 says first, in the initrd and in the root.
const BEGINS: &str = "running in system mode";
/// What only the root's PID 1 says, soon after.
const BEHIND: &str = "Reached target remote-fs.target";
/// Seconds; generous, since software emulation on a busy machine is slow.
const TIMEOUT: &str = "900";

/// Seconds of a boot.
#[derive(Clone, Copy)]
struct Boot {
    /// Of the kernel's clock, until the root's PID 1 began.
    kernel: f64,
    /// From power-on to the kernel's entry.
    firmware: f64,
}

/// Runs the section.
pub fn run(bench: &Bench) -> Fallible<()> {
    let hello = Hello::new(bench)?;
    let theirs = bench.folder.join("systemd-initrd.raw");
    succeed(Command::new("cp").arg("--sparse=always").arg(hello.raw()).arg(&theirs))?;
    let size = replace_initrd(bench, &hello, &theirs)?;
    let ours_size = hello.manifest()?["boot"]["initrd_size"].as_u64().unwrap_or_default() as f64 / 1e6;
    println!("  initrds: ours {ours_size:.1} MB, systemd's {size:.1} MB; QEMU's emulation, one processor");
    let mut best: [Option<Boot>; 2] = [None, None];
    for _ in 0..bench.rounds(2) {
        // systemd begins once where it is in the root alone, and twice where it is in the initrd too.
        for (best, (raw, name, begins)) in best.iter_mut().zip([(&hello.raw(), "ours", 1), (&theirs, "theirs", 2)]) {
            let boot = boot(bench, raw, name, begins)?;
            if best.is_none_or(|best| boot.kernel < best.kernel) {
                *best = Some(boot);
            }
        }
    }
    let [Some(ours), Some(theirs)] = best else { return Err("no boot was measured".into()) };
    ratio("kernel entry to the root's PID 1", "s", (ours.kernel, theirs.kernel), 0.5);
    println!("  {:44} {:10.2} {:10.2} s    not counted", "firmware and loader", ours.firmware, theirs.firmware);
    Ok(())
}

fn boot(bench: &Bench, raw: &Path, name: &str, begins: usize) -> Fallible<Boot> {
    let log = scratch().join("bench").join(format!("{name}.console"));
    let mut command = tool(bench);
    command.arg("boot").arg(raw).args(["--accel", "tcg", "--cpus", "1", "--disk-size", "4G"]);
    command.args(["--until", BEHIND, "--timeout", TIMEOUT]).arg("--log").arg(&log);
    let start = Instant::now();
    succeed(&mut command)?;
    let wall = start.elapsed().as_secs_f64();
    let console = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let times = |text: &str| console.lines().filter(|line| line.contains(text)).filter_map(clock).collect::<Vec<_>>();
    match (&times(BEGINS)[..], &times(BEHIND)[..]) {
        (begun, [end, ..]) if begun.len() == begins => Ok(Boot { kernel: begun[begins - 1], firmware: wall - end }),
        (begun, _) => Err(format!("`{}`: systemd began {} times, not {begins}", log.display(), begun.len()).into()),
    }
}

/// The kernel's clock in a line of the console: `[   12.345678] text`, perhaps behind terminal sequences.
fn clock(line: &str) -> Option<f64> {
    line.split('[').find_map(|rest| {
        let (seconds, _) = rest.split_once("] ")?;
        seconds.contains('.').then(|| seconds.trim().parse().ok())?
    })
}

/// Gives the disk a UKI with systemd's initrd in place of ours; the initrd's size in MB.
fn replace_initrd(bench: &Bench, hello: &Hello, raw: &Path) -> Fallible<f64> {
    let folder = bench.folder.join("initrd");
    fs::create_dir_all(&folder)?;
    let esp = format!("{}@@{}", raw.display(), hello.partition(0)?.0);
    let file = folder.join("uki.efi");
    succeed(Command::new("mcopy").args(["-n", "-i", &esp, UKI]).arg(&file))?;
    let bytes = fs::read(&file)?;
    let pe = Pe::parse(&bytes)?;
    let section = |name: &str| pe.named(name).ok_or_else(|| format!("the UKI has no section `{name}`"));
    let made = initrd::make(hello, &folder, section(".initrd")?)?;
    let sections = [
        (".osrel", section(".osrel")?),
        (".cmdline", section(".cmdline")?),
        (".uname", section(".uname")?),
        (".initrd", &made.initrd),
        (".linux", section(".linux")?),
    ];
    fs::write(&file, uki::append(&made.stub, &sections)?)?;
    succeed(Command::new("mcopy").args(["-D", "o", "-i", &esp]).arg(&file).arg(UKI))?;
    fs::remove_dir_all(folder)?;
    Ok(made.initrd.len() as f64 / 1e6)
}
