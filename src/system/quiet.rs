//! What a sealed image does not start: boot-time work that was done when the image was made, prompts,
//! and ways to run what was not sealed.

use super::scripts::Account;
use super::{Inputs, units};
use crate::error::Result;
use crate::path::RootPath;
use crate::tree::{NodeRef, Tree};

/// When a row applies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    /// No message bus is in the image.
    NoBus,
    /// No `agetty` is in the image, or the profile's posture forbids it.
    NoGetty,
    /// No shell is in the image, or the profile's posture forbids it.
    NoShell,
}

/// Units whose links are taken away, when, and why.
const UNITS: [(&str, When, &str); 19] = [
    ("ldconfig.service", When::Always, "the linker cache is part of the image"),
    ("systemd-hwdb-update.service", When::Always, "the root cannot be written"),
    ("systemd-journal-catalog-update.service", When::Always, "explanations of messages, seconds at each first boot"),
    ("systemd-sysusers.service", When::Always, "accounts are part of the image"),
    ("systemd-firstboot.service", When::Always, "it asks questions"),
    ("systemd-update-done.service", When::Always, "nothing is left that waits for it"),
    ("systemd-hibernate-clear.service", When::Always, "a node does not hibernate"),
    ("systemd-binfmt.service", When::Always, "no foreign binary formats"),
    ("proc-sys-fs-binfmt_misc.automount", When::Always, "no foreign binary formats"),
    ("systemd-ask-password-console.path", When::Always, "nobody is there to answer"),
    ("systemd-ask-password-wall.path", When::Always, "nobody is there to answer"),
    ("systemd-boot-update.service", When::Always, "the loader is changed by updates of the image alone"),
    ("systemd-logind.service", When::NoBus, "it needs the message bus"),
    ("systemd-user-sessions.service", When::NoBus, "there are no sessions without logind"),
    ("getty.target", When::NoGetty, "there is no login prompt"),
    ("getty-static.service", When::NoGetty, "there is no login prompt"),
    ("e2scrub_all.timer", When::NoShell, "it runs a shell script"),
    ("e2scrub_reap.service", When::NoShell, "it runs a shell script"),
    ("getty@tty1.service", When::NoGetty, "there is no login prompt"),
];

/// Generators that are taken away, and why.
const GENERATORS: [(&str, &str); 12] = [
    ("systemd-debug-generator", "runs units that credentials or the command line bring"),
    ("systemd-run-generator", "runs commands of the command line"),
    ("systemd-ssh-generator", "there is no secure shell"),
    ("systemd-gpt-auto-generator", "mounts by partition type what no unit names"),
    ("systemd-cryptsetup-generator", "no crypttab"),
    ("systemd-integritysetup-generator", "no integritytab"),
    ("systemd-veritysetup-generator", "the initrd has set verity up"),
    ("systemd-hibernate-resume-generator", "a node does not hibernate"),
    ("systemd-rc-local-generator", "no rc.local"),
    ("systemd-sysv-generator", "no init scripts"),
    ("systemd-system-update-generator", "updates are whole images"),
    ("systemd-getty-generator", "there is no login prompt"),
];

/// Takes links and generators away that only make sense on a system that is installed or administered.
pub fn quiet(tree: &mut Tree, inputs: &Inputs<'_>, _: &Account) -> Result<()> {
    let there = |tree: &Tree, path: &str| -> Result<bool> {
        Ok(matches!(tree.get(&RootPath::new(path)?), Some(NodeRef::Leaf(..))))
    };
    let bus = there(tree, "/usr/bin/dbus-broker-launch")? || there(tree, "/usr/bin/dbus-daemon")?;
    let forbids = |rule: &str| inputs.profile.forbids(rule, inputs.epoch);
    let getty = there(tree, "/usr/sbin/agetty")? && !forbids("getty");
    let shell = there(tree, "/usr/bin/sh")? && !forbids("shell");
    for (unit, when, _) in UNITS {
        let applies = match when {
            When::Always => true,
            When::NoBus => !bus,
            When::NoGetty => !getty,
            When::NoShell => !shell,
        };
        if applies {
            units::disable(tree, unit)?;
        }
    }
    for (name, _) in GENERATORS {
        if name == "systemd-getty-generator" && getty {
            continue;
        }
        tree.remove(&RootPath::new(format!("/usr/lib/systemd/system-generators/{name}"))?);
    }
    Ok(())
}
