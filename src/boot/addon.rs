//! The addon of a target: words of the command line that it alone needs, beside a UKI that serves all.
//!
//! systemd-stub reads `loader/addons/*.addon.efi` of the ESP that it came from, whichever UKI it is part
//! of, measures their words into PCR 12 and puts them behind its own (systemd-stub(7)). The file bears the target's
//! name, so that a disk says what it was made for, and an update, which leaves it alone, need not know.

use super::parts::Parts;
use super::{cmdline, uki};
use crate::error::{Context, Error, Result};
use crate::tree::Content;

/// Where that of `target` lies on the ESP. A target is a cloud or an output: small letters, digits and `-`.
pub fn path(target: &str) -> String {
    format!("loader/addons/{target}.addon.efi")
}

/// An EFI file with `words` as its command line; none where there are none. `base` is the UKI's own line.
///
/// # Errors
/// A word that decides what is booted, words that make the whole line too long, a tree without the stub.
pub fn make(parts: &Parts, base: &str, words: &[String]) -> Result<Option<Content>> {
    if words.is_empty() {
        return Ok(None);
    }
    let line = cmdline::addon(base, words)?;
    let stub = parts.addon_stub.as_ref().ok_or_else(|| {
        Error::user("the tree has no stub for addons of the command line")
            .hint("expected `/usr/lib/systemd/boot/efi/addon*.efi.stub`, from systemd-boot-efi")
            .hint("words that every target needs may stand in `kernel.cmdline` instead")
    })?;
    let stub = stub.read(uki::MAX_STUB).context(|| "reading systemd's stub for addons".to_owned())?;
    let addon = uki::append(&stub, &[(".cmdline", line.as_bytes())]).context(|| "making the addon".to_owned())?;
    Ok(Some(Content::bytes(addon)))
}
