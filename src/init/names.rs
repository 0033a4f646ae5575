//! Names of files that come from the ESP, which anybody may have written.

/// Bytes that one credential, and all of them together, may have: as systemd bounds them.
pub const MOST_BYTES: u64 = 1 << 20;

/// Entries of a directory that are looked at.
pub const MOST_FILES: usize = 256;

/// The credential that a file of `/.extra/credentials` holds, where its name is one:
/// `NAME.cred`, of printable ASCII, fit as a file name and as a name of a descriptor.
pub fn credential(file: &[u8]) -> Option<&[u8]> {
    let name = file.strip_suffix(b".cred")?;
    let fits = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'/' | b':');
    // A leading dot is skipped too, as systemd skips hidden files: `.` and `..` are among them.
    let good = !name.is_empty() && name.len() <= 200 && !name.starts_with(b".") && name.iter().all(fits);
    good.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_credentials_only() {
        assert_eq!(credential(b"kubelet.bootstrap.cred"), Some(&b"kubelet.bootstrap"[..]));
        assert_eq!(credential(b"a.cred.cred"), Some(&b"a.cred"[..]));
        for bad in ["", ".cred", "..cred", "...cred", "a", "a.CRED", "a/b.cred", "../x.cred", "a:b.cred", "a\n.cred"] {
            assert_eq!(credential(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(credential("ü.cred".as_bytes()), None);
        assert_eq!(credential(b"a\0b.cred"), None);
        assert_eq!(credential(format!("{}.cred", "a".repeat(201)).as_bytes()), None);
        assert!(credential(format!("{}.cred", "a".repeat(200)).as_bytes()).is_some());
    }
}
