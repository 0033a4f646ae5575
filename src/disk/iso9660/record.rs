//! Numbers, names, times and directory records (ECMA-119), with Rock Ridge's names and modes (IEEE P1282).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::epoch::Epoch;
use crate::error::{Error, Result};

/// Characters of a name; Rock Ridge's and ECMA-119's must fit one record together.
pub const MAX_NAME: usize = 64;
/// Bytes of a record before its name.
const HEAD: usize = 33;
/// Characters of an identifier of ECMA-119 (7.5.1), with dot and extension, without the version.
const MAX_IDENTIFIER: usize = 30;

/// What a record is of.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// The folder itself, in itself; of the root, with what announces Rock Ridge.
    Own {
        /// Whether it is the root.
        root: bool,
    },
    /// The folder above.
    Parent,
    /// A folder below.
    Folder,
    /// A file.
    File,
}

impl Kind {
    fn is_folder(self) -> bool {
        !matches!(self, Kind::File)
    }
}

/// Both byte orders, one after the other.
pub fn both32(value: u32) -> [u8; 8] {
    let (little, big) = (value.to_le_bytes(), value.to_be_bytes());
    [little[0], little[1], little[2], little[3], big[0], big[1], big[2], big[3]]
}

/// The same of 16 bits.
pub fn both16(value: u16) -> [u8; 4] {
    let (little, big) = (value.to_le_bytes(), value.to_be_bytes());
    [little[0], little[1], big[0], big[1]]
}

/// A moment in UTC.
pub fn civil(epoch: Epoch) -> Result<DateTime> {
    let moment = Timestamp::from_second(i64::from(epoch.0)).map_err(|error| Error::bug(error.to_string()))?;
    Ok(TimeZone::UTC.to_datetime(moment))
}

/// The seven bytes of a record (9.1.5); the last is the zone.
fn short(time: &DateTime) -> [u8; 7] {
    let year = (time.year() - 1900).clamp(0, 255) as u8;
    [year, time.month() as u8, time.day() as u8, time.hour() as u8, time.minute() as u8, time.second() as u8, 0]
}

/// The identifier that a name has for readers without Rock Ridge: capitals, one dot, a version.
pub fn identifier(name: &str, folder: bool) -> Result<Vec<u8>> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+' | b'~' | b'^');
    if name.is_empty() || name == "." || name == ".." || name.len() > MAX_NAME || !name.bytes().all(sound) {
        return Err(Error::user(format!("the name `{}` does not fit an ISO 9660", name.escape_debug())));
    }
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
    };
    let cut = |mut text: String, most: usize| {
        text.truncate(most);
        text
    };
    if folder {
        return Ok(cut(plain(name), MAX_IDENTIFIER).into_bytes());
    }
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let extension = cut(plain(extension), 8);
    let stem = cut(plain(stem), MAX_IDENTIFIER - 1 - extension.len());
    Ok(format!("{stem}.{extension};1").into_bytes())
}

/// A directory record: `name` is what Rock Ridge calls it, `links` its number of links.
pub fn record(
    kind: Kind,
    identifier: &[u8],
    name: &str,
    place: (u32, u32),
    links: u32,
    time: &DateTime,
) -> Result<Vec<u8>> {
    let (block, length) = place;
    let mut out = vec![0; HEAD];
    out[2..10].copy_from_slice(&both32(block));
    out[10..18].copy_from_slice(&both32(length));
    out[18..25].copy_from_slice(&short(time));
    out[25] = if kind.is_folder() { 2 } else { 0 };
    out[28..32].copy_from_slice(&both16(1));
    out[32] = identifier.len() as u8;
    out.extend(identifier);
    if out.len() % 2 == 1 {
        out.push(0);
    }
    if let Kind::Own { root: true } = kind {
        out.extend(b"SP\x07\x01\xbe\xef\0");
    }
    let mode: u32 = if kind.is_folder() { 0o040_555 } else { 0o100_444 };
    out.extend(b"PX\x24\x01");
    for number in [mode, links, 0, 0] {
        out.extend(both32(number));
    }
    // Of modification.
    out.extend(b"TF\x0c\x01\x02");
    out.extend(short(time));
    match kind {
        Kind::Own { root: true } => out.extend(b"ER\x12\x01\x0a\0\0\x01RRIP_1991A"),
        Kind::Own { root: false } | Kind::Parent => {}
        Kind::Folder | Kind::File => {
            out.extend([b'N', b'M', 5 + name.len() as u8, 1, 0]);
            out.extend(name.as_bytes());
        }
    }
    if out.len() % 2 == 1 {
        out.push(0);
    }
    out[0] = u8::try_from(out.len()).map_err(|_| Error::bug(format!("a directory record of {} bytes", out.len())))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_identifiers() {
        let text = |name: &str, folder| String::from_utf8(identifier(name, folder).unwrap()).unwrap();
        assert_eq!(text("vmlinuz", false), "VMLINUZ.;1");
        assert_eq!(text("a.b-c.img", false), "A_B_C.IMG;1");
        assert_eq!(text("boot.d", true), "BOOT_D");
        assert_eq!(text(&"x".repeat(64), false).len(), 32);
        assert!(identifier("a b", false).is_err());
    }

    #[test]
    fn records_are_even_and_counted() {
        let time = civil(Epoch(1_700_000_000)).unwrap();
        let name = "n".repeat(MAX_NAME);
        let identifier = identifier(&name, false).unwrap();
        let record = record(Kind::File, &identifier, &name, (7, 9), 1, &time).unwrap();
        assert_eq!((usize::from(record[0]), record.len() % 2), (record.len(), 0));
        assert_eq!(record[18..25], [123, 11, 14, 22, 13, 20, 0]);
        assert_eq!(record[2..10], [7, 0, 0, 0, 0, 0, 0, 7]);
    }
}
