//! Measuring a process, and printing what came out.

use std::io::{Read, Seek, SeekFrom};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Whatever goes wrong in a bench ends it with a message.
pub type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// What a process took.
#[derive(Clone, Copy)]
pub struct Cost {
    /// Seconds from start to end.
    pub seconds: f64,
    /// The most memory that it held, in bytes.
    pub memory: u64,
}

impl Cost {
    /// The lesser time, the greater memory.
    pub fn with(self, other: Cost) -> Cost {
        Cost { seconds: self.seconds.min(other.seconds), memory: self.memory.max(other.memory) }
    }
}

/// Runs a command to its end; the kernel tells what it took.
pub fn measured(command: &mut Command) -> Fallible<Cost> {
    // In a file, so that warnings do not come between the rows.
    let mut words = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(words.try_clone()?);
    let start = Instant::now();
    let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let (status, memory) = waited(child.id())?;
    let seconds = start.elapsed().as_secs_f64();
    // It was waited for already; this only forgets it.
    drop(child.try_wait());
    match status {
        0 => Ok(Cost { seconds, memory }),
        status => {
            let mut said = String::new();
            words.seek(SeekFrom::Start(0))?;
            words.read_to_string(&mut said)?;
            Err(format!("{command:?} ended with {status}\n{said}").into())
        }
    }
}

/// The status of a child that has ended, and the most bytes that it held.
fn waited(process: u32) -> Fallible<(i32, u64)> {
    let mut status = 0;
    // SAFETY: `wait4` writes to the two places that it is given, which live and are of its types;
    // a `rusage` of zeros is a valid one.
    let (found, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(process as i32, &mut status, 0, &mut usage), usage)
    };
    match found == process as i32 {
        // Linux counts it in KiB.
        true => Ok((status, usage.ru_maxrss as u64 * 1024)),
        false => Err("waiting for a process failed".into()),
    }
}

/// Alternates between ours and theirs.
pub fn compared(
    rounds: usize,
    mut ours: impl FnMut() -> Fallible<Cost>,
    mut theirs: impl FnMut() -> Fallible<Cost>,
) -> Fallible<[Cost; 2]> {
    let mut best = [ours()?, theirs()?];
    for _ in 1..rounds {
        best = [best[0].with(ours()?), best[1].with(theirs()?)];
    }
    Ok(best)
}

/// A command that must succeed; what it says on standard error is in the error.
pub fn succeed(command: &mut Command) -> Fallible<()> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// A row of two figures; `must` is what their ratio may be at most.
pub fn ratio(name: &str, unit: &str, (ours, theirs): (f64, f64), must: f64) {
    let ratio = ours / theirs;
    let figures = format!("{ours:10.2} {theirs:10.2} {unit:4}");
    println!("  {name:44} {figures} ratio {ratio:7.4}  must <= {must:<6} {}", verdict(ratio <= must));
}

/// A row of one figure.
pub fn figure(name: &str, unit: &str, found: f64, must: f64) {
    println!("  {name:44} {found:10.2} {:10} {unit:4} {:13}  must <= {must:<6.1} {}", "", "", verdict(found <= must));
}

fn verdict(reached: bool) -> &'static str {
    if reached { "ok" } else { "missed" }
}
