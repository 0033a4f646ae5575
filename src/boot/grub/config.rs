//! The commands that GRUB runs, one a line, by its simplest parser: no menu, no variables of the disk.

use crate::error::{Error, Result};

/// Where GRUB finds kernel and initrd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the partition of that number, of the very disk that the BIOS booted.
    Partition(u32),
    /// In the ISO 9660 of the very medium that the BIOS booted, be it a CD or a USB stick.
    Medium,
}

impl Place {
    /// The modules that reach it.
    pub fn modules(self) -> Vec<&'static str> {
        let reach: &[&str] = match self {
            Place::Partition(_) => &["biosdisk", "part_gpt", "fat"],
            Place::Medium => &["biosdisk", "iso9660"],
        };
        let rest = ["linux", "boot", "serial", "terminal", "echo", "sleep", "reboot"];
        reach.iter().copied().chain(rest).collect()
    }
}

/// Seconds that a message stands before the machine starts again.
const SHOWN: u32 = 10;

/// The configuration that boots `kernel` and `initrd` (paths without the slash in front) with the words of
/// `cmdline`, as `name`.
///
/// # Errors
/// A word that GRUB would not hand on as it is: see [`check_words`].
pub fn text(place: Place, name: &str, kernel: &str, initrd: &str, cmdline: &str) -> Result<String> {
    let words: Vec<&str> = cmdline.split(' ').collect();
    check_words(words.iter().copied())?;
    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    // `$root` is the disk that the BIOS booted. A copy of the kernel on another disk is never looked for.
    let folder = match place {
        Place::Partition(number) => format!("($root,gpt{number})"),
        Place::Medium => "($root)".to_owned(),
    };
    Ok(format!(
        "serial --unit=0 --speed=115200\n\
         terminal_output console serial\n\
         echo 'Loading {name}'\n\
         linux {folder}/{kernel} {}\n\
         initrd {folder}/{initrd}\n\
         boot\n\
         echo '{name} did not start; the machine starts again'\n\
         sleep {SHOWN}\n\
         reboot\n",
        words.join(" ")
    ))
}

/// Refuses words of a command line that GRUB changes on the way to the kernel: it puts a backslash before
/// quotes and backslashes, and its own quotes round spaces (`grub-core/lib/cmdline.c`).
pub fn check_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<()> {
    for word in words {
        if word.contains(['"', '\'', '\\', ' ']) {
            return Err(Error::user(format!("GRUB cannot hand the word `{}` on to the kernel", word.escape_debug()))
                .hint("expected words without quotes, spaces and backslashes where `boot.firmware` holds `bios`"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_gets_the_same_words() {
        let text = text(Place::Partition(2), "x_1", "boot/vmlinuz", "boot/initrd", "roothash=00 a=$b").unwrap();
        assert!(text.contains("\nlinux ($root,gpt2)/boot/vmlinuz 'roothash=00' 'a=$b'\n"), "{text}");
        assert!(text.contains("\ninitrd ($root,gpt2)/boot/initrd\nboot\n"), "{text}");
        assert!(text.ends_with("\nsleep 10\nreboot\n"), "{text}");
    }

    #[test]
    fn words_that_would_change_are_refused() {
        for word in ["a=\"b", "a='b'", "a=\\b"] {
            assert!(check_words([word]).is_err(), "{word}");
        }
    }
}
