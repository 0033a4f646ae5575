//! Directory entries: short names, long names, times.

use std::collections::BTreeSet;

use super::{ENTRY, LONG, checksum};
use crate::epoch::Epoch;
use crate::error::{Error, Result};

/// A long name is cut into pieces of this many UTF-16 units.
const PIECE: usize = 13;
/// 1980-01-01, the first day of FAT, in days since 1970.
const FIRST_DAY: u64 = 3652;
/// 2107-12-31T23:59:58Z, the last moment.
const LAST_MOMENT: u64 = 4_354_819_198;

/// Date and time words of a moment, in UTC.
pub fn timestamp(epoch: Epoch) -> (u16, u16) {
    let seconds = u64::from(epoch.0).clamp(FIRST_DAY * 86_400, LAST_MOMENT);
    let (mut days, second) = (seconds / 86_400 - FIRST_DAY, seconds % 86_400);
    let mut year = 0u64;
    let leap = |year: u64| year.is_multiple_of(4) && year != 120;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let date = year << 9 | (month as u64 + 1) << 5 | (days + 1);
    let time = (second / 3600) << 11 | (second / 60 % 60) << 5 | (second % 60 / 2);
    (date as u16, time as u16)
}

/// One entry with a short name.
pub fn entry(short: &[u8; 11], attributes: u8, epoch: Epoch, cluster: u32, size: u32) -> [u8; ENTRY] {
    let (date, time) = timestamp(epoch);
    let mut out = [0; ENTRY];
    out[..11].copy_from_slice(short);
    out[11] = attributes;
    // Creation, access, write.
    out[14..16].copy_from_slice(&time.to_le_bytes());
    out[16..18].copy_from_slice(&date.to_le_bytes());
    out[18..20].copy_from_slice(&date.to_le_bytes());
    out[20..22].copy_from_slice(&((cluster >> 16) as u16).to_le_bytes());
    out[22..24].copy_from_slice(&time.to_le_bytes());
    out[24..26].copy_from_slice(&date.to_le_bytes());
    out[26..28].copy_from_slice(&(cluster as u16).to_le_bytes());
    out[28..32].copy_from_slice(&size.to_le_bytes());
    out
}

/// The short name of `name`, new in `used`, and the entries of its long name where it needs one.
pub fn name(name: &str, used: &mut BTreeSet<[u8; 11]>) -> Result<([u8; 11], Vec<[u8; ENTRY]>)> {
    let bad = |why: &str| Err(Error::user(format!("the name `{name}` {why}")));
    let units: Vec<u16> = name.encode_utf16().collect();
    if units.is_empty() || units.len() > 255 {
        return bad("is empty or too long for a FAT");
    }
    if name.chars().any(|c| c < ' ' || "\"*/:<>?\\|\u{7f}".contains(c)) || name.ends_with([' ', '.']) {
        return bad("holds what a FAT does not take");
    }
    if let Some(short) = exact(name) {
        return if used.insert(short) { Ok((short, Vec::new())) } else { bad("is there twice but for its case") };
    }
    let short = alias(name, used)?;
    Ok((short, long(&units, checksum(&short))))
}

fn is_short(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit() || "!#$%&'()-@^_`{}~".contains(c)
}

/// The short form of a name that needs no long one.
fn exact(name: &str) -> Option<[u8; 11]> {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let fits = (1..=8).contains(&stem.len())
        && extension.len() <= 3
        && extension.is_empty() != name.contains('.')
        && stem.chars().chain(extension.chars()).all(is_short);
    fits.then(|| padded(stem, extension))
}

/// `STEM~N.EXT` with the first number that is free.
fn alias(name: &str, used: &mut BTreeSet<[u8; 11]>) -> Result<[u8; 11]> {
    let clean = |text: &str, most: usize| -> String {
        text.chars().map(|c| c.to_ascii_uppercase()).filter(|c| is_short(*c)).take(most).collect()
    };
    let (stem, extension) = match name.trim_start_matches('.').rsplit_once('.') {
        Some((stem, extension)) => (clean(stem, 8), clean(extension, 3)),
        None => (clean(name, 8), String::new()),
    };
    for number in 1..1_000_000u32 {
        let tail = format!("~{number}");
        let stem = format!("{}{tail}", &stem[..stem.len().min(8 - tail.len())]);
        let short = padded(&stem, &extension);
        if used.insert(short) {
            return Ok(short);
        }
    }
    Err(Error::user(format!("too many names like `{name}` in one folder of a FAT")))
}

fn padded(stem: &str, extension: &str) -> [u8; 11] {
    let mut out = [b' '; 11];
    for (to, from) in out.iter_mut().zip(stem.bytes().take(8)) {
        *to = from;
    }
    for (to, from) in out[8..].iter_mut().zip(extension.bytes()) {
        *to = from;
    }
    out
}

/// Entries of a long name: the last piece comes first.
fn long(units: &[u16], sum: u8) -> Vec<[u8; ENTRY]> {
    let count = units.len().div_ceil(PIECE);
    let mut out = Vec::with_capacity(count);
    for (index, piece) in units.chunks(PIECE).enumerate().rev() {
        let mut padded = [0xffff; PIECE];
        padded[..piece.len()].copy_from_slice(piece);
        if let Some(end) = padded.get_mut(piece.len()) {
            *end = 0;
        }
        let last = if index + 1 == count { 0x40 } else { 0 };
        let mut entry = [0; ENTRY];
        entry[0] = (index as u8 + 1) | last;
        entry[11] = LONG;
        entry[13] = sum;
        for (at, unit) in UNITS.into_iter().zip(padded) {
            entry[at..at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        out.push(entry);
    }
    out
}

/// Where the units of a piece lie in its entry.
pub const UNITS: [usize; PIECE] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_in_utc() {
        let fields = |seconds| {
            let (date, time) = timestamp(Epoch(seconds));
            (1980 + (date >> 9), date >> 5 & 15, date & 31, time >> 11, time >> 5 & 63, (time & 31) * 2)
        };
        assert_eq!(fields(0), (1980, 1, 1, 0, 0, 0));
        assert_eq!(fields(1_700_000_000), (2023, 11, 14, 22, 13, 20));
        assert_eq!(fields(951_782_400), (2000, 2, 29, 0, 0, 0));
        assert_eq!(fields(4_107_542_400), (2100, 3, 1, 0, 0, 0));
        assert_eq!(fields(u32::MAX), (2106, 2, 7, 6, 28, 14));
    }

    #[test]
    fn aliases_are_numbered() {
        let mut used = BTreeSet::new();
        let mut short = |text: &str| String::from_utf8(name(text, &mut used).unwrap().0.to_vec()).unwrap();
        assert_eq!(short("BOOTX64.EFI"), "BOOTX64 EFI");
        assert_eq!(short("hello-pod_1.0.0.efi"), "HELLO-~1EFI");
        assert_eq!(short("hello-pod_1.0.1.efi"), "HELLO-~2EFI");
        assert_eq!(short("loader"), "LOADER~1   ");
        assert_eq!(short("ümlaut"), "MLAUT~1    ");
        assert_eq!(short(".hidden"), "HIDDEN~1   ");
    }
}
