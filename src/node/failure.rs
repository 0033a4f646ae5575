//! Failures end in a reboot, never in a prompt or a hang.
//!
//! The emergency and rescue targets say so on the console and start again after ten seconds; PID 1
//! reboots when it crashes and feeds a watchdog where the machine has one. There is no shell to
//! print with: systemd-tmpfiles hands the line to the kernel, which prints it.

use super::put::{Put, UNITS};
use crate::error::Result;
use crate::system::Inputs;
use crate::tree::Tree;

/// Lays the units of both targets and PID 1's settings into the tree.
pub(super) fn step(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<()> {
    let mut put = Put::new(tree, inputs, "failure");
    put.text("/etc/systemd/system.conf.d/50-imagebuild.conf", 0o644, MANAGER)?;
    for (name, what) in [("emergency", "the node cannot start"), ("rescue", "the node was asked for a rescue shell")] {
        let text = say(what, "it starts again in 10 seconds", REBOOT_HEAD);
        put.text(&format!("{UNITS}/{name}.service"), 0o644, text)?;
        put.pull("imagebuild-reboot.timer", &format!("{name}.target"))?;
    }
    put.unit("imagebuild-reboot.timer", TIMER, &[])?;
    put.unit("imagebuild-reboot.service", REBOOT, &[])
}

/// What a unit says that is there to restart the machine, or on the way to it.
pub const REBOOT_HEAD: &str = "DefaultDependencies=no\nConflicts=shutdown.target\nBefore=shutdown.target\n";

/// A unit that writes `imagebuild: WHAT: WHY`, as an error of the kernel's log, to every console of the kernel.
pub(super) fn say(what: &str, why: &str, head: &str) -> String {
    format!(
        "[Unit]\nDescription={what}: {why}\n{head}\n\
         [Service]\nType=oneshot\nRemainAfterExit=yes\n\
         {}\
         ExecStart=-systemd-tmpfiles --create -\n",
        line(3, &format!("{what}: {why}"))
    )
}

/// The input of a service whose `systemd-tmpfiles --create -` writes `imagebuild: TEXT` to the kernel's log, at a
/// level of syslog's (3 is an error, 5 a notice), and so to every console of the kernel.
///
/// Not to /dev/console itself: systemd-tmpfiles does not wait until a terminal has room, and a failure, about which
/// much is printed, is just when it has none. The line ends in a newline: the kernel shows one that does not only when
/// the next one comes.
pub fn line(level: u8, text: &str) -> String {
    format!("StandardInput=data\nStandardInputText=w /dev/kmsg - - - - <{level}>imagebuild: {text}\\\\n\n")
}

const MANAGER: &str = "\
[Manager]
# PID 1 that fails starts the machine again instead of freezing it.
CrashReboot=yes
RuntimeWatchdogSec=60s
RebootWatchdogSec=5min
# Where nobody can look at a console, what starts says so there.
ShowStatus=yes
DefaultTimeoutStopSec=90s
";

const TIMER: &str = "\
[Unit]
Description=Reboot after a failure
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target

[Timer]
OnActiveSec=10s
AccuracySec=100ms
Unit=imagebuild-reboot.service
";

const REBOOT: &str = "\
[Unit]
Description=Reboot
DefaultDependencies=no
SuccessAction=reboot-force
";
