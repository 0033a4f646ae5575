//! A release file: what a suite holds, by path, size and sha256, and for how long that is true.

use std::collections::HashMap;

use super::deb822;
use super::signature::MAX_SKEW;
use crate::digest::Digest;
use crate::error::{Error, Result};

/// A verified release file.
#[derive(Debug, Clone)]
pub struct Release {
    /// Who publishes it.
    pub origin: String,
    /// `Codename`, else `Suite`.
    pub codename: String,
    /// Seconds since 1970.
    pub date: u64,
    /// Architectures that it has.
    pub architectures: Vec<String>,
    /// Components, without the folder that the security archive puts before them.
    pub components: Vec<String>,
    /// Whether files are also found by their digest.
    pub by_hash: bool,
    /// Whether the indexes of an architecture leave out packages of all architectures.
    pub apart: bool,
    files: HashMap<String, (Digest, u64)>,
}

impl Release {
    /// Reads the signed text of the release file of `suite` at the moment `now`.
    ///
    /// Refused: a text of another suite, one whose `Valid-Until` is over or whose `Date` is to come.
    pub fn parse(text: &str, suite: &str, now: u64) -> Result<Self> {
        let text = deb822::paragraphs(text).next().unwrap_or_default();
        let field = |name: &str| deb822::field(text, name).unwrap_or_default();
        let words = |name: &str| field(name).split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let (named, codename) = (field("Suite"), field("Codename"));
        if suite != named && suite != codename {
            return Err(Error::source(format!("it is the release file of `{codename}` (`{named}`)"))
                .hint("a mirror that serves one suite in the place of another is not to be used"));
        }
        let moment = |name: &str| {
            let value = field(name);
            seconds(value).ok_or_else(|| Error::source(format!("its `{name}` is `{value}`")))
        };
        let date = moment("Date")?;
        if date > now.saturating_add(MAX_SKEW) {
            return Err(Error::source(format!("its date lies in the future: {}", field("Date")))
                .hint("set this machine's clock"));
        }
        if !field("Valid-Until").is_empty() && moment("Valid-Until")? <= now {
            return Err(Error::source(format!("it was valid until {}", field("Valid-Until")))
                .hint("the mirror is out of date, or this machine's clock is wrong"));
        }
        Ok(Release {
            origin: field("Origin").to_owned(),
            codename: if codename.is_empty() { named } else { codename }.to_owned(),
            date,
            architectures: words("Architectures"),
            components: words("Components").iter().map(|name| name.trim_start_matches("updates/").to_owned()).collect(),
            by_hash: field("Acquire-By-Hash") == "yes",
            apart: field("Architectures").split_ascii_whitespace().any(|arch| arch == "all")
                && !words("No-Support-for-Architecture-all").iter().any(|index| index == "Packages"),
            files: files(field("SHA256")),
        })
    }

    /// Digest and size of a file below the suite's folder.
    pub fn file(&self, path: &str) -> Option<(Digest, u64)> {
        self.files.get(path).copied()
    }
}

/// Lines of `digest size path`; what is no such line is passed over.
fn files(text: &str) -> HashMap<String, (Digest, u64)> {
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (digest, size, path) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?);
        Some((path.to_owned(), (digest, size)))
    };
    text.lines().filter_map(line).collect()
}

/// Seconds since 1970 of a date as release files write it: `Sat, 21 Nov 2026 09:15:44 UTC`.
pub fn seconds(text: &str) -> Option<u64> {
    let mut words = text.split_ascii_whitespace().skip_while(|word| word.ends_with(','));
    let day = words.next()?.parse().ok()?;
    let month = words.next()?;
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = i8::try_from(months.iter().position(|name| *name == month)?).ok()? + 1;
    let year = words.next()?.parse().ok()?;
    let mut clock = words.next()?.splitn(3, ':').map(|part| part.parse::<i8>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if !matches!(words.next(), Some("UTC" | "GMT" | "Z" | "+0000")) {
        return None;
    }
    let moment = jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    u64::try_from(jiff::tz::TimeZone::UTC.to_timestamp(moment).ok()?.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(date: &str, until: &str) -> String {
        let sum = Digest::of(b"");
        format!("Origin: O\nSuite: stable\nCodename: trixie\nDate: {date}\n{until}SHA256:\n {sum} 12 main/x\n junk\n")
    }

    const DATE: &str = "Sat, 21 Nov 2026 09:15:44 UTC";
    const NOW: u64 = 1_795_252_544;

    #[test]
    fn dates() {
        assert_eq!(seconds(DATE), Some(NOW));
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 UTC"), Some(0));
        for bad in ["", "Sat, 31 Feb 2026 09:15:44 UTC", "Sat, 21 Nov 2026 09:15 UTC", "21 Nov 2026 09:15:44 CET"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn validity_is_judged_at_a_moment() {
        let release = Release::parse(&text(DATE, ""), "trixie", NOW).unwrap();
        assert_eq!(release.file("main/x"), Some((Digest::of(b""), 12)));
        assert!(Release::parse(&text(DATE, ""), "stable", NOW).is_ok());
        let other = Release::parse(&text(DATE, ""), "bookworm", NOW).unwrap_err();
        assert!(other.message().contains("trixie"), "{other}");
        let early = Release::parse(&text(DATE, ""), "trixie", NOW - MAX_SKEW - 1).unwrap_err();
        assert!(early.message().contains("future"), "{early}");
        let until = "Valid-Until: Sat, 28 Nov 2026 09:15:44 UTC\n";
        assert!(Release::parse(&text(DATE, until), "trixie", NOW + 7 * 86400 - 1).is_ok());
        let late = Release::parse(&text(DATE, until), "trixie", NOW + 7 * 86400).unwrap_err();
        assert!(late.message().contains("valid until"), "{late}");
        assert!(Release::parse(&text(DATE, "Valid-Until: soon\n"), "trixie", NOW).is_err());
        assert!(Release::parse("Suite: trixie\n", "trixie", NOW).is_err());
    }
}
