//! The kernel's command line: what seals the root, then what the profile asks for.

use crate::arch::Arch;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::init;

/// Longer ones are cut by the kernel (COMMAND_LINE_SIZE, the NUL included).
const MAX: usize = 2047;
/// Options that decide what runs as the system; only this tool sets them.
const RESERVED: [&str; 12] = [
    "roothash",
    "usrhash",
    "root",
    "rootfstype",
    "rootflags",
    "rootwait",
    "init",
    "rdinit",
    "systemd.verity",
    "systemd.verity_root_data",
    "systemd.verity_root_hash",
    "systemd.verity_root_options",
];

/// The command line for the root with the hash `root`; `own` are the words of the profile.
///
/// A word of the profile that names the root or the init, or that would run into its neighbours, is an
/// error. `console=`, `panic=` and `systemd.machine_id=` have defaults that a word of the profile replaces.
pub fn build(arch: Arch, own: &[String], root: &Digest) -> Result<String> {
    own.iter().try_for_each(|word| check(word))?;
    let has = |name: &str| own.iter().any(|word| name_of(word) == name);
    let mut words = vec![format!("roothash={root}"), "rootfstype=squashfs".to_owned(), "ro".to_owned()];
    if !has("console") {
        // The last one is /dev/console.
        words.push("console=tty0".to_owned());
        words.push(format!("console={},115200n8", arch.console()));
    }
    if !has("panic") {
        // A node that cannot go on starts again; seconds.
        words.push("panic=10".to_owned());
    }
    if !has("systemd.machine_id") {
        words.push(crate::node::MACHINE_ID_CMDLINE.to_owned());
    }
    words.extend(own.iter().cloned());
    let line = words.join(" ");
    fits(line.len(), "kernel.cmdline")?;
    Ok(line)
}

/// The line of an addon with these words, which systemd-stub puts behind `base`.
///
/// They are checked as those of [`build`] are: an addon may not name the root either.
pub fn addon(base: &str, words: &[String]) -> Result<String> {
    words.iter().try_for_each(|word| check(word))?;
    let line = words.join(" ");
    fits(base.len() + 1 + line.len(), "cmdline")?;
    Ok(line)
}

/// A command line with further words.
pub fn with(base: &str, words: &[String]) -> String {
    std::iter::once(base).chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
}

fn fits(length: usize, key: &str) -> Result<()> {
    if length > MAX {
        return Err(Error::user(format!("a kernel command line of {length} bytes"))
            .hint(format!("expected at most {MAX}; leave words of `{key}` out")));
    }
    Ok(())
}

/// The option that a word sets, as the kernel compares: quotes do not count, `-` is `_`.
fn name_of(word: &str) -> String {
    let plain = word.replace('"', "");
    plain.split('=').next().unwrap_or_default().replace('-', "_")
}

fn check(word: &str) -> Result<()> {
    let bad =
        |why: &str| Err(Error::user(format!("the word `{}` of the kernel's command line {why}", word.escape_debug())));
    if word.is_empty() || !word.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return bad("is empty or not printable ASCII");
    }
    if !word.matches('"').count().is_multiple_of(2) {
        return bad("has a quote that does not end");
    }
    let mut quoted = false;
    let gap = word.bytes().any(|byte| {
        quoted ^= byte == b'"';
        byte == b' ' && !quoted
    });
    if gap {
        return bad("holds a space outside of quotes").map_err(|error| error.hint("expected one word an entry"));
    }
    let name = name_of(word);
    if name == "__" {
        return bad("ends the kernel's options");
    }
    if let Err(why) = init::cmdline::var(word.as_bytes()) {
        return bad("asks for no partition").map_err(|error| error.hint(why));
    }
    let reserved = RESERVED.iter().any(|reserved| name == reserved.replace('-', "_"));
    if reserved {
        return bad("decides what is booted").map_err(|error| error.hint("the tool sets it; leave the word out"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_break_out_are_refused() {
        for word in [
            "",
            "a b",
            "x=\"a",
            "roothash=00",
            "root\"hash\"=00",
            "\"roothash=00\"",
            "init=/bin/sh",
            "rdinit=/x",
            "--",
            "a\nb",
            "ü",
            "imagebuild.var=",
            "imagebuild.var=/dev/sda1",
        ] {
            assert!(check(word).is_err(), "{word}");
        }
        for word in
            ["quiet", "console=ttyS0,115200n8", "dyndbg=\"file a.c +p\"", "imagebuild.var=auto", "net.ifnames=0"]
        {
            assert!(check(word).is_ok(), "{word}");
        }
    }

    #[test]
    fn an_addon_may_not_name_the_root_and_has_to_fit() {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(addon("a", &words(&["console=ttyS1", "quiet"])).unwrap(), "console=ttyS1 quiet");
        for word in ["roothash=00", "root=/dev/vda", "init=/bin/sh", "systemd.verity=0", "a b"] {
            assert!(addon("a", &words(&["quiet", word])).is_err(), "{word}");
        }
        let long = "x".repeat(MAX - 2);
        assert!(addon("a", std::slice::from_ref(&long)).is_ok());
        assert!(addon("ab", &[long]).is_err());
    }
}
