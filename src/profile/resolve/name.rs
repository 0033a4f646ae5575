//! Which texts may be the name of what.

use std::path::Path;

/// Whether every character is a letter, a digit or one of `more`, and there is one.
fn made_of(text: &str, more: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

/// IMAGE_ID (os-release(5): letters, digits, `.`, `_` and `-`), without `_`, which separates
/// it from the version in names.
pub fn image_id(text: &str) -> bool {
    made_of(text, "-.") && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// IMAGE_VERSION: what the version format specification of UAPI compares, but for `+`: in the name of a file
/// on the ESP the boot manager takes what follows one for a counter of tries.
pub fn image_version(text: &str) -> bool {
    made_of(text, ".-~^") && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// A name of our own tables: sources, programs, waivers.
pub fn key(text: &str) -> bool {
    made_of(text, "-_.") && text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// A package (Debian policy, 5.6.1: lower case, digits, `+`, `-`, `.`, two characters at least).
pub fn package(text: &str) -> bool {
    made_of(text, "+-.")
        && (2..=128).contains(&text.len())
        && !text.contains(|c: char| c.is_ascii_uppercase())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// A suite or component of an archive: a path without `..`.
pub fn suite(text: &str) -> bool {
    made_of(text, "-_./+~") && !text.starts_with('/') && !text.split('/').any(|part| matches!(part, "" | "." | ".."))
}

/// A user or group (useradd's rule, 31 characters at most).
pub fn account(text: &str) -> bool {
    text.len() <= 31
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c))
}

/// A user or group by name or number.
pub fn owner(text: &str) -> bool {
    account(text) || text.parse::<u32>().is_ok_and(|id| id != u32::MAX)
}

/// A unit of systemd (systemd.unit(5): 255 characters, a type that we know).
pub fn unit(text: &str) -> bool {
    const TYPES: [&str; 11] =
        ["service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope"];
    let Some((stem, kind)) = text.rsplit_once('.') else { return false };
    text.len() <= 255 && TYPES.contains(&kind) && made_of(stem, ":-_.\\@") && !stem.starts_with('@')
}

/// The file name of a drop-in.
pub fn dropin(text: &str) -> bool {
    text.len() <= 255 && text.len() > 5 && text.ends_with(".conf") && made_of(text, ":-_.@") && !text.starts_with('.')
}

/// A kernel setting: words joined by `.`, or by `/` where a word holds a dot.
pub fn sysctl(text: &str) -> bool {
    let words = |separator| text.split(separator).all(|word| !word.is_empty() && word != "." && word != "..");
    made_of(text, "-_./*") && text.contains(['.', '/']) && words('/') && words('.')
}

/// A folder that an overlay is mounted on: its options end at a comma, its layers at a colon, the lines of units and
/// of tmpfiles.d at a blank, and `%` begins a specifier there.
pub fn mounted(text: &str) -> bool {
    made_of(text, "/.-_@+")
}

/// A kernel module.
pub fn module(text: &str) -> bool {
    made_of(text, "-_") && text.len() <= 64
}

/// A host name (RFC 1123).
pub fn host(text: &str) -> bool {
    let label =
        |label: &str| made_of(label, "-") && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-');
    text.len() <= 64 && text.split('.').all(label)
}

/// A pod (RFC 1123 subdomain, lower case).
pub fn pod(text: &str) -> bool {
    host(text) && !text.contains(|c: char| c.is_ascii_uppercase())
}

/// A reference of a container image with a tag or a digest.
pub fn reference(text: &str) -> bool {
    let (name, tag) = match text.split_once('@') {
        Some((name, digest)) => (name, digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64)),
        None => match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (text, None),
        },
    };
    let sound = |part: &str| made_of(part, "-_.:") && part.starts_with(|c: char| c.is_ascii_alphanumeric());
    text.len() <= 255
        && !text.contains(|c: char| c.is_whitespace())
        && name.contains('/')
        && name.split('/').all(sound)
        && tag.is_some_and(|tag| made_of(tag, "-_."))
}

/// The name of an archive that can be unpacked.
pub fn archive(text: &str) -> bool {
    let name = Path::new(text).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    [".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.zst"].iter().any(|suffix| name.ends_with(suffix))
}

/// Octal digits with the permission bits, `7777` at most.
pub fn mode(text: &str) -> Option<u16> {
    let octal = (3..=5).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    octal.then(|| u16::from_str_radix(text, 8).ok()).flatten().filter(|mode| *mode <= 0o7777)
}

/// A day as `YYYY-MM-DD`.
pub fn date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sound_and_what_is_not() {
        type Case = (fn(&str) -> bool, &'static [&'static str], &'static [&'static str]);
        let cases: [Case; 13] = [
            (image_id, &["node", "hello-pod", "a.b"], &["", "a_b", "-a", "a b", "ä"]),
            (image_version, &["1.0.0", "1~rc1", "2^3"], &["", "1_0", "~1", "1 0", "1+b"]),
            (package, &["libc6", "g++", "linux-image-cloud-amd64"], &["", "a", "A1", "-ab", "a/b", "lib c"]),
            (suite, &["trixie", "trixie-security", "stable/updates"], &["", "/a", "a/../b", "a//b", "a b"]),
            (account, &["root", "_chrony", "systemd-network"], &["", "1a", "Root", "a:b"]),
            (owner, &["root", "0", "65534"], &["", "-1", "4294967295", "a b"]),
            (unit, &["a.service", "a@b.mount", "x-y.timer"], &["", "a", ".service", "a.conf", "a/b.service"]),
            (dropin, &["10-a.conf"], &["", ".conf", "a", "../a.conf", ".a.conf"]),
            (sysctl, &["vm.overcommit_memory", "net/ipv4/conf/eth0.1/x"], &["", "vm", "a..b", "a/../b", "a b"]),
            (host, &["node", "node.example"], &["", "-a", "a_b", "a..b"]),
            (
                reference,
                &["localhost/pause:1", "a.b:5000/c/d:e"],
                &["", "pause", "pause:1", "a/b", "a/b: c", "a b/c:1"],
            ),
            (archive, &["a.tar", "https://h/a-1.tgz"], &["", "a.zip", "tar"]),
            (date, &["2027-06-30"], &["", "2027-6-30", "2027-02-30", "20270630"]),
        ];
        for (check, good, bad) in cases {
            good.iter().for_each(|text| assert!(check(text), "{text}"));
            bad.iter().for_each(|text| assert!(!check(text), "{text:?}"));
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode("0644"), Some(0o644));
        assert_eq!(mode("4755"), Some(0o4755));
        for text in ["", "0", "8888", "0o644", "17777", "-644"] {
            assert_eq!(mode(text), None, "{text}");
        }
    }
}
