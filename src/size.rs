//! Sizes as people write them: `512M`, `4G`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

/// A number of bytes; text form is digits and an optional `K`, `M`, `G` or `T` (powers of 1024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

impl Size {
    /// One KiB.
    pub const KIB: u64 = 1 << 10;
    /// One MiB.
    pub const MIB: u64 = 1 << 20;
    /// One GiB.
    pub const GIB: u64 = 1 << 30;

    /// The number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

/// The largest unit that divides evenly, so that the text reads back as the same size.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("T", 1u64 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];
        match units.iter().find(|(_, unit)| self.0 != 0 && self.0.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for Size {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || {
            let error =
                Error::user(format!("unknown size `{text}`")).hint("expected digits and an optional K, M, G or T");
            match meant(text) {
                Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                None => error,
            }
        };
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(split);
        let shift = match unit {
            "" => 0,
            "K" => 10,
            "M" => 20,
            "G" => 30,
            "T" => 40,
            _ => return Err(bad()),
        };
        let value: u64 = digits.parse().map_err(|_| bad())?;
        value.checked_mul(1 << shift).map(Size).ok_or_else(bad)
    }
}

/// What a text that is no size probably meant: `12 GiB` is `12G`.
fn meant(text: &str) -> Option<String> {
    let text = text.trim();
    let digits: String = text.chars().take_while(char::is_ascii_digit).take(15).collect();
    let unit = text[digits.len()..].trim_start().chars().next()?.to_ascii_uppercase();
    let unit = if "KMGT".contains(unit) { unit } else { 'G' };
    let rest = &text[digits.len()..];
    (!digits.is_empty() && !rest.starts_with(['.', ','])).then(|| format!("{digits}{unit}"))
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| serde::de::Error::custom(error.message()))
    }
}

impl schemars::JsonSchema for Size {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]+[KMGT]?$" })
    }
}

/// A size for people: three digits and a unit, `104 MB` (powers of 1000, as disks are sold).
pub fn human(bytes: u64) -> String {
    let units = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    let value = bytes as f64;
    match units.iter().find(|(_, unit)| value >= *unit) {
        Some((name, unit)) if value / unit < 9.95 => format!("{:.1} {name}", value / unit),
        Some((name, unit)) => format!("{:.0} {name}", value / unit),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in ["0", "1", "1K", "260M", "4G", "2T", "1025"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        assert_eq!("1024K".parse::<Size>().unwrap().to_string(), "1M");
        for text in ["", "G", "12Q", "1.5G", "-1", "1 G", "99999999999T", "1g"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn people_read_three_digits() {
        assert_eq!(human(999), "999 B");
        assert_eq!(human(1_500), "1.5 kB");
        assert_eq!(human(104_600_000), "105 MB");
    }
}
