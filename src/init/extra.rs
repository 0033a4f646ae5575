//! Hands on what systemd-stub left in `/.extra`, before the initrd is emptied.
//!
//! The files may come from the ESP and are hostile: regular files only, sizes and numbers
//! bounded, names checked. They go where systemd of the root looks for them:
//!
//! | from | to | mode |
//! |---|---|---|
//! | `credentials/NAME.cred`, `global_credentials/NAME.cred` | `/run/credstore.encrypted/NAME` | 0400 |
//! | `tpm2-pcr-signature.json`, `tpm2-pcr-public-key.pem` | `/run/systemd/` | 0444 |
//! | `profile`, `os-release` | `/run/systemd/stub/` | 0444 |
//!
//! Credentials of the ESP are such as must be decrypted or authenticated before use. Why not
//! `/run/credentials/@encrypted`: systemd looks there only when told so by its environment,
//! and then takes it that all credentials were imported by the initrd, those of SMBIOS too.

use core::ffi::CStr;

use super::files::copy;
use super::names;
use super::say;
use super::sys::{self, File, open};
use super::text::Text;

/// Bytes of a signature, a key, a profile or an os-release.
const MOST_META: u64 = 1 << 20;

/// Hands everything on; what cannot be is left behind, with a word.
pub fn hand_on() {
    let Ok(extra) = directory(c"/.extra") else { return };
    let _ = sys::make_directory(c"/run/systemd", 0o755);
    let _ = sys::make_directory(c"/run/systemd/stub", 0o755);
    for (name, target) in [
        (c"tpm2-pcr-signature.json", c"/run/systemd/tpm2-pcr-signature.json"),
        (c"tpm2-pcr-public-key.pem", c"/run/systemd/tpm2-pcr-public-key.pem"),
        (c"profile", c"/run/systemd/stub/profile"),
        (c"os-release", c"/run/systemd/stub/os-release"),
    ] {
        if extra.stat_in(name).is_ok() && copy(&extra, name, target, 0o444, MOST_META).is_err() {
            say::line(format_args!("warning: {} of the stub is not handed on", name.to_str().unwrap_or("?")));
        }
    }
    let mut room = names::MOST_BYTES;
    // What belongs to this boot entry goes before what belongs to the whole ESP.
    for name in [c"credentials", c"global_credentials"] {
        if let Ok(folder) = extra.directory(name) {
            credentials(&folder, &mut room);
        }
    }
}

fn credentials(folder: &File, room: &mut u64) {
    let mut seen = 0usize;
    let _ = folder.names(|file| {
        seen += 1;
        let Some(name) = names::credential(file.to_bytes()) else { return true };
        let _ = sys::make_directory(c"/run/credstore.encrypted", 0o700);
        let mut target = Text::<256>::of(format_args!("/run/credstore.encrypted/"));
        target.push(name);
        match copy(folder, file, target.c(), 0o400, *room) {
            Ok(size) => *room = room.saturating_sub(size),
            // The first of that name is there.
            Err(17) => {}
            Err(_) => say::line(format_args!("warning: a credential of the ESP is not handed on: {target}")),
        }
        seen < names::MOST_FILES
    });
}

fn directory(path: &CStr) -> sys::Result<File> {
    File::open(path, open::READ | open::DIRECTORY | open::NO_FOLLOW)
}
