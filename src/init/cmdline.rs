//! The words of the kernel's command line that the initrd obeys: `roothash=`, those of a medium that installs,
//! `imagebuild.installer=` and `imagebuild.install=`, and that of a root without a disk of its own, `imagebuild.var=`.
//!
//! Words are split as the kernel splits them (white space outside double quotes). A second one
//! of a name is refused wherever it stands: a part of the line that is not sealed must
//! not be able to choose another root than the part that is.

use super::guid::Guid;
use super::text::nibble;

/// The root hash of a verity tree of SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RootHash(pub [u8; 32]);

impl RootHash {
    /// The ids of the data and of the hash partition: the first and the last 128 bits
    /// (Discoverable Partitions Specification).
    pub fn partitions(&self) -> (Guid, Guid) {
        let (mut data, mut hash) = ([0; 16], [0; 16]);
        let (first, last) = self.0.split_at(16);
        data.copy_from_slice(first);
        hash.copy_from_slice(last);
        (Guid(data), Guid(hash))
    }
}

/// The root hash of a command line, or what is wrong with the line.
pub fn root_hash(line: &[u8]) -> Result<RootHash, &'static str> {
    let value = only(line, b"roothash=").map_err(|Twice| "the kernel command line has more than one roothash=")?;
    let value = value.ok_or("the kernel command line has no roothash=")?;
    digest(value).map(RootHash).ok_or("roothash= is not 64 hexadecimal digits")
}

/// The root hash of what a medium installs, where it can.
pub fn installer(line: &[u8]) -> Result<Option<RootHash>, &'static str> {
    let value = only(line, b"imagebuild.installer=")
        .map_err(|Twice| "the kernel command line has more than one imagebuild.installer=")?;
    let digits = "imagebuild.installer= is not 64 hexadecimal digits";
    value.map(|value| digest(value).map(RootHash).ok_or(digits)).transpose()
}

/// The order to install, where there is one.
pub fn install(line: &[u8]) -> Result<Option<&[u8]>, &'static str> {
    only(line, b"imagebuild.install=").map_err(|Twice| "the kernel command line has more than one imagebuild.install=")
}

/// The label that `imagebuild.var=auto` means: what systemd-repart calls the /var that it makes.
const VAR: &[u8] = b"var";

/// The label of the partition that is to be /var, where one is asked for: 1 to 36 letters, digits, `.`, `_` and `-`.
pub fn var(line: &[u8]) -> Result<Option<&[u8]>, &'static str> {
    let value =
        only(line, b"imagebuild.var=").map_err(|Twice| "the kernel command line has more than one imagebuild.var=")?;
    let sound = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match value {
        Some(b"auto") => Ok(Some(VAR)),
        Some(label) if (1..=36).contains(&label.len()) && label.iter().all(sound) => Ok(Some(label)),
        Some(_) => Err("imagebuild.var= is neither `auto` nor a label of 1 to 36 letters, digits, `.`, `_` and `-`"),
        None => Ok(None),
    }
}

/// A name that is there more than once.
struct Twice;

/// What stands behind the only word of a name.
fn only<'a>(line: &'a [u8], name: &[u8]) -> Result<Option<&'a [u8]>, Twice> {
    let mut found = None;
    let mut quoted = false;
    let is_gap = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0 || *byte == 0x0b;
    let words = line.split(|byte| {
        quoted ^= *byte == b'"';
        !quoted && is_gap(byte)
    });
    for word in words {
        let Some(value) = strip(word, name) else { continue };
        if found.is_some() {
            return Err(Twice);
        }
        found = Some(value);
    }
    Ok(found)
}

/// What follows `name` in a word, were it not for quotes, which may stand anywhere.
fn strip<'a>(word: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = word;
    for wanted in name {
        while let Some((b'"', after)) = rest.split_first() {
            rest = after;
        }
        let (byte, after) = rest.split_first()?;
        if byte != wanted {
            return None;
        }
        rest = after;
    }
    Some(rest)
}

fn digest(value: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0u8; 32];
    let mut digits = 0usize;
    for &character in value.iter().filter(|byte| **byte != b'"') {
        let slot = bytes.get_mut(digits / 2)?;
        *slot = (*slot << 4) | nibble(character)?;
        digits += 1;
    }
    (digits == 64).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "00112233445566778899aabbccddeeff0102030405060708090a0b0c0d0e0f10";

    fn parse(line: String) -> Result<RootHash, &'static str> {
        root_hash(line.as_bytes())
    }

    #[test]
    fn finds_the_hash_and_its_partitions() {
        let hash = parse(format!("console=ttyS0 roothash={HASH} quiet\n")).unwrap();
        let (data, tree) = hash.partitions();
        assert_eq!(data.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(tree.to_string(), "01020304-0506-0708-090a-0b0c0d0e0f10");
        assert_eq!(parse(format!("roothash={}", HASH.to_uppercase())), Ok(hash));
        assert_eq!(parse(format!("a=\"b roothash=1\" roothash=\"{HASH}\"")), Ok(hash));
    }

    #[test]
    fn refuses_what_is_not_one_hash() {
        for line in [
            String::new(),
            "root=/dev/sda".into(),
            "xroothash=00".into(),
            "roothash".into(),
            "roothash=".into(),
            format!("roothash={}", &HASH[1..]),
            format!("roothash={HASH}0"),
            format!("roothash=g{}", &HASH[1..]),
            format!("roothash={HASH} roothash={HASH}"),
            format!("roothash=1 roothash={HASH}"),
            format!("roothash={HASH} -- roothash={HASH}"),
            format!("roothash={HASH} \"roothash={HASH}\""),
            format!("roothash={HASH}\troo\"thash\"={HASH}"),
            format!("\"x\" roothash={HASH} roothash=junk"),
        ] {
            assert!(parse(line.clone()).is_err(), "{line}");
        }
    }

    #[test]
    fn a_medium_installs_what_its_line_says() {
        let line = format!("roothash={HASH} imagebuild.installer={HASH} imagebuild.install=auto,erase");
        let hash = parse(format!("roothash={HASH}")).unwrap();
        assert_eq!(installer(line.as_bytes()), Ok(Some(hash)));
        assert_eq!(install(line.as_bytes()), Ok(Some(&b"auto,erase"[..])));
        assert_eq!((installer(b"roothash=1"), install(b"imagebuild.installer=1")), (Ok(None), Ok(None)));
        assert!(installer(b"imagebuild.installer=1").is_err());
        assert!(install(b"imagebuild.install=auto imagebuild.install=/dev/sda").is_err());
    }

    #[test]
    fn a_label_is_asked_for_or_is_not() {
        for (line, label) in [
            ("quiet imagebuild.var=node-1.var", Some("node-1.var")),
            ("imagebuild.var=auto ro", Some("var")),
            ("imagebuild.variable=x imagebuild.va=y", None),
        ] {
            assert_eq!(var(line.as_bytes()), Ok(label.map(str::as_bytes)), "{line}");
        }
        let long = format!("imagebuild.var={}", "x".repeat(37));
        for line in ["imagebuild.var=", "imagebuild.var=a/b", "imagebuild.var=\"a b\"", &long] {
            assert!(var(line.as_bytes()).is_err(), "{line}");
        }
        assert!(var(b"imagebuild.var=a imagebuild.var=a").is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_follows_never_changes_the_root(rest in "[ -~\\t\\n]{0,80}") {
            let hash = parse(format!("roothash={HASH}")).unwrap();
            if let Ok(found) = parse(format!("roothash={HASH} {rest}")) {
                assert_eq!(found, hash);
            }
        }
    }
}
