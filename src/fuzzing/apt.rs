//! What an archive of packages sends, and what names one: keys, release files, indexes, versions, relations.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::{NOW, text};
use crate::profile::{Keyring, Package};
use crate::source::apt::deb822 as reader;
use crate::source::apt::index::Universe;
use crate::source::apt::keys::Keys;
use crate::source::apt::solve::{Ask, solve as solved};
use crate::source::apt::version::compare;
use crate::source::apt::{mirror, proxy, relation as relations, release as releases, signature};

/// Paragraphs and fields: what one way of reading finds, the other finds too.
pub fn deb822(bytes: &[u8]) {
    let text = text(bytes);
    let mut total = 0;
    for paragraph in reader::paragraphs(&text) {
        total += paragraph.len();
        for (name, _) in reader::fields(paragraph).iter().take(50) {
            let plain = name.bytes().all(|byte| byte.is_ascii_graphic());
            assert!(
                !plain || name.is_empty() || reader::field(paragraph, name).is_some(),
                "the field `{name}` is lost"
            );
        }
    }
    assert!(total <= text.len(), "the paragraphs are longer than their text");
}

/// The signed text of a release file; what it says of files is looked up.
pub fn release(bytes: &[u8]) {
    let text = text(bytes);
    for suite in ["trixie", "stable"] {
        if let Ok(release) = releases::Release::parse(&text, suite, NOW) {
            assert!(release.date <= NOW + signature::MAX_SKEW, "a date in the future is let in");
            let _ = release.file("main/binary-amd64/Packages.xz");
        }
    }
    let _ = releases::seconds(&text);
}

/// A clearsigned message, judged by Debian's keys: none of the fuzzer's making is good.
pub fn inrelease(bytes: &[u8]) {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    let keys = KEYS.get_or_init(|| Keys::load(&Keyring::Debian).expect("the built-in keys"));
    let Ok(message) = std::str::from_utf8(bytes) else { return };
    // Real messages are among the seeds of long runs: they may be good.
    if let Ok(signed) = signature::verify(message, keys, NOW) {
        assert!(!signed.by.is_empty(), "good, but by nobody");
        assert!(!signed.text.contains("\r\n"), "line ends are not plain");
    }
}

/// OpenPGP certificates, armored or binary.
pub fn keyring(bytes: &[u8]) {
    if let Ok(keys) = Keys::parse(bytes) {
        keys.may_sign(NOW);
    }
}

/// Three versions, one a line: their order is total.
pub fn version(bytes: &[u8]) {
    let text = text(bytes);
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (a, b, c) = (next(), next(), next());
    for one in [a, b, c] {
        assert_eq!(compare(one, one), Ordering::Equal, "`{one}` is not itself");
    }
    for (one, other) in [(a, b), (b, c), (a, c)] {
        assert_eq!(compare(one, other), compare(other, one).reverse(), "`{one}` and `{other}` have two orders");
    }
    let mut sorted = [a, b, c];
    sorted.sort_by(|one, other| compare(one, other));
    assert_ne!(compare(sorted[0], sorted[2]), Ordering::Greater, "`{a}`, `{b}`, `{c}` go in a circle");
    if compare(a, b) == Ordering::Equal {
        assert_eq!(compare(a, c), compare(b, c), "`{a}` and `{b}` are equal, but not before `{c}`");
    }
}

/// A relation field; a bound holds for its own version as its operator says.
pub fn relation(bytes: &[u8]) {
    let Ok(groups) = relations::parse(&text(bytes)) else { return };
    for relation in groups.iter().flatten() {
        assert!(!relation.name.is_empty(), "a relation to nothing");
        if let Some(bound) = &relation.bound {
            let equal = !matches!(bound.operator, relations::Operator::Earlier | relations::Operator::Later);
            assert_eq!(bound.holds(&bound.version), equal, "{bound}");
        }
    }
}

/// An index of packages, as the solver and the lock read it.
pub fn index(bytes: &[u8]) {
    let text = text(bytes);
    let mut universe = Universe::new("amd64");
    for suite in ["trixie", "trixie-security"] {
        if universe.add("debian", suite, text.clone().into_owned()).is_err() {
            return;
        }
    }
    for paragraph in reader::paragraphs(&text).take(50) {
        let name = reader::field(paragraph, "Package").unwrap_or_default();
        for id in universe.named(name) {
            let stanza = universe.stanza(*id);
            let _ = (stanza.relations("Depends"), stanza.relations("Pre-Depends"), stanza.priority());
            if let Ok(locked) = stanza.locked(true) {
                assert!(!locked.path.split('/').any(|part| part == ".."), "`{}` leads out", locked.path);
            }
        }
        universe.providers(name).for_each(drop);
    }
    let _ = universe.nearest("hello");
}

/// An index, and the package of its first paragraph asked for.
pub fn solve(bytes: &[u8]) {
    let text = text(bytes);
    let Some(first) = reader::paragraphs(&text).next() else { return };
    let name = reader::field(first, "Package").unwrap_or_default().to_owned();
    let mut universe = Universe::new("amd64");
    if universe.add("debian", "trixie", text.into_owned()).is_err() {
        return;
    }
    let packages = BTreeSet::from([Package { name: name.clone(), from: "debian".to_owned() }]);
    let none = BTreeMap::new();
    let ask = Ask { packages: &packages, without: &BTreeMap::new(), keep: &none };
    if let Ok(chosen) = solved(&universe, &ask) {
        assert!(chosen.packages.iter().any(|id| universe.stanza(*id).name() == name), "what was asked for is missing");
    }
}

/// The host's own list of archives, in both of its forms, and its configuration.
pub fn sources(bytes: &[u8]) {
    let text = text(bytes);
    let lines = text.lines().flat_map(mirror::line_entries);
    for entry in lines.chain(mirror::deb822_entries(&text)) {
        assert!(!entry.suite.is_empty() && entry.uri.contains(':'), "an entry without an address");
        let _ = mirror::address(&entry.uri, &entry.suite);
    }
    for (name, _) in proxy::parse(&text) {
        assert_eq!(name, name.to_lowercase(), "a name that is not found again");
    }
}
