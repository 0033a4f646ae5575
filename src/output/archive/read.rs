//! The disk in a tar archive.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::{BLOCK, ENTRY, FURTHER_ENTRIES, FURTHER_MORE, MAP, MAP_ENTRIES, MORE, REAL_SIZE};
use crate::bytes::{Bytes, Part};
use crate::error::{Error, Result};
use crate::output::mapped::bad;

/// Members that are looked at, and runs of a sparse one.
const MOST_MEMBERS: usize = 1000;
const MOST_RUNS: usize = 1 << 20;
/// Bytes of a name that has a member of its own.
const MOST_NAME: u64 = 64 << 10;
/// Magic and version of GNU's old format; POSIX has a NUL and two digits.
const GNU: &[u8; 8] = b"ustar  \0";
/// What an OVA's disks end with.
const DISKS: [&str; 6] = [".vmdk", ".vhd", ".vhdx", ".img", ".raw", ".qcow2"];

/// What kind of archive it is, and the file of its first disk.
pub enum Found {
    /// The first member describes a machine.
    Ova(Arc<dyn Bytes>),
    /// The member is `disk.raw`.
    Gce(Arc<dyn Bytes>),
}

/// Whether these bytes, the first 512 of a file, are a header of tar.
pub fn is_archive(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar") && sound(head)
}

/// The first disk of an archive.
pub fn find(file: &Arc<dyn Bytes>) -> Result<Found> {
    let refused = |why: io::Error| Error::source(format!("an archive that cannot be read: {why}"));
    let mut described = false;
    let (mut at, mut long_name) = (0, None);
    for _ in 0..MOST_MEMBERS {
        let Some(member) = Member::read(&**file, at).map_err(refused)? else { break };
        at = member.end;
        match member.kind {
            b'L' => long_name = Some(text(&**file, &member).map_err(refused)?),
            b'x' => long_name = path(&text(&**file, &member).map_err(refused)?).or(long_name),
            b'0' | 0 | b'S' => {
                let name = long_name.take().unwrap_or(member.name.clone());
                let name = name.trim_start_matches("./").to_ascii_lowercase();
                if name == "disk.raw" {
                    return Ok(Found::Gce(member.content(file)?));
                }
                described |= name.ends_with(".ovf");
                if described && DISKS.iter().any(|end| name.ends_with(end)) {
                    return Ok(Found::Ova(member.content(file)?));
                }
            }
            _ => long_name = None,
        }
    }
    Err(Error::source("an archive without a disk").hint("read are an OVA and an archive that holds `disk.raw`"))
}

/// The members of an archive, at most `most` of them, by their own headers alone.
///
/// # Errors
/// Where a header is damaged, or a member reaches past the end.
pub fn members(file: &dyn Bytes, most: usize) -> io::Result<Vec<Member>> {
    let (mut at, mut out) = (0, Vec::new());
    while out.len() < most
        && let Some(member) = Member::read(file, at)?
    {
        if member.at.checked_add(member.stored).is_none_or(|end| end > file.length()) {
            return Err(bad("it is cut"));
        }
        at = member.end;
        out.push(member);
    }
    Ok(out)
}

/// A member of an archive.
pub struct Member {
    /// As it stands in the header: a longer one is in a member before it.
    pub name: String,
    /// What it is: `0` or NUL a file, `S` one with holes, others no file.
    pub kind: u8,
    /// Whether the header is of GNU's old format.
    pub gnu: bool,
    /// The first byte of its contents.
    pub at: u64,
    /// Bytes of them, without holes.
    pub stored: u64,
    /// Where the next one is.
    end: u64,
    /// Of a sparse one: its length, and first byte and length of what is stored.
    sparse: Option<(u64, Vec<(u64, u64)>)>,
}

impl Member {
    /// Bytes of the file, with its holes.
    pub fn size(&self) -> u64 {
        self.sparse.as_ref().map_or(self.stored, |(size, _)| *size)
    }

    /// The member whose header is at `at`; none at the end.
    fn read(file: &dyn Bytes, at: u64) -> io::Result<Option<Self>> {
        let mut head = [0; BLOCK as usize];
        if at >= file.length() {
            return Ok(None);
        }
        file.read_at(&mut head, at).map_err(|_| bad("it is cut"))?;
        if head == [0; BLOCK as usize] {
            return Ok(None);
        }
        if !sound(&head) {
            return Err(bad("a header is damaged"));
        }
        let kind = head[156];
        let stored = number(&head[124..136])?;
        let mut at = at + BLOCK;
        let sparse = match kind {
            b'S' => {
                let mut runs = entries(&head[MAP..], MAP_ENTRIES)?;
                let mut more = head[MORE] != 0;
                while more {
                    let mut block = [0; BLOCK as usize];
                    file.read_at(&mut block, at).map_err(|_| bad("it is cut"))?;
                    at += BLOCK;
                    runs.extend(entries(&block, FURTHER_ENTRIES)?);
                    more = block[FURTHER_MORE] != 0;
                    if runs.len() > MOST_RUNS {
                        return Err(bad("a file with too many holes"));
                    }
                }
                Some((number(&head[REAL_SIZE..REAL_SIZE + 12])?, runs))
            }
            _ => None,
        };
        let end = stored.checked_next_multiple_of(BLOCK).and_then(|length| at.checked_add(length));
        let end = end.ok_or_else(|| bad("a member reaches past its end"))?;
        let name = head[..100].split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        Ok(Some(Member { name, kind, gnu: head[257..265] == *GNU, at, stored, end, sparse }))
    }

    fn content(self, file: &Arc<dyn Bytes>) -> Result<Arc<dyn Bytes>> {
        let stored = Part::new(file.clone(), self.at, self.stored)?;
        Ok(match self.sparse {
            None => Arc::new(stored),
            Some((size, runs)) => {
                let sparse = Sparse::new(stored, size, &runs);
                Arc::new(sparse.map_err(|why| Error::source(format!("an archive that cannot be read: {why}")))?)
            }
        })
    }
}

/// A file with holes, of which only runs are stored, one behind the other.
#[derive(Debug)]
struct Sparse {
    stored: Part,
    size: u64,
    /// Where a run is in the file and among what is stored, and how long; sorted, none empty.
    runs: Vec<(u64, u64, u64)>,
}

impl Sparse {
    fn new(stored: Part, size: u64, entries: &[(u64, u64)]) -> io::Result<Self> {
        let (mut end, mut host) = (0, 0);
        let mut runs = Vec::new();
        for (at, length) in entries.iter().copied().filter(|(_, length)| *length > 0) {
            if at < end || at.checked_add(length).is_none_or(|end| end > size) || length > stored.length() - host {
                return Err(bad("a sparse file whose parts do not fit"));
            }
            runs.push((at, host, length));
            (end, host) = (at + length, host + length);
        }
        Ok(Sparse { stored, size, runs })
    }

    /// The runs that end behind `offset`.
    fn from(&self, offset: u64) -> &[(u64, u64, u64)] {
        &self.runs[self.runs.partition_point(|(at, _, length)| at + length <= offset)..]
    }
}

impl Bytes for Sparse {
    fn length(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.size);
        let end =
            end.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "reading past the end of the file"))?;
        buffer.fill(0);
        for (at, host, length) in self.from(offset).iter().take_while(|(at, ..)| *at < end) {
            let (from, upto) = ((*at).max(offset), (at + length).min(end));
            let piece = &mut buffer[(from - offset) as usize..(upto - offset) as usize];
            self.stored.read_at(piece, host + (from - at))?;
        }
        Ok(())
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        Ok(self.from(offset).first().map(|(at, _, length)| (*at).max(offset)..at + length))
    }
}

/// Whether a header's checksum is right: the sum of all bytes, itself as spaces.
fn sound(head: &[u8]) -> bool {
    let blank = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { 0x20 } else { u64::from(*byte) };
    let sum: u64 = head.iter().enumerate().map(blank).sum();
    number(&head[148..156]).is_ok_and(|told| told == sum)
}

/// Octal digits between spaces and NULs, or the bytes themselves behind a set bit.
fn number(bytes: &[u8]) -> io::Result<u64> {
    let bad = || bad("a header is damaged");
    if bytes[0] & 0x80 != 0 {
        let (high, low) = bytes.split_at(bytes.len() - 8);
        // A field of 8 bytes has no room for both.
        let marked = high.split_first().is_some_and(|(mark, rest)| *mark == 0x80 && rest.iter().all(|byte| *byte == 0));
        if !marked {
            return Err(bad());
        }
        return Ok(low.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| bad())?;
    let digits = text.trim_matches([' ', '\0']);
    if digits.is_empty() { Ok(0) } else { u64::from_str_radix(digits, 8).map_err(|_| bad()) }
}

/// The entries of a part of a sparse map, up to the first that is blank.
fn entries(bytes: &[u8], most: usize) -> io::Result<Vec<(u64, u64)>> {
    let entries = bytes.as_chunks::<ENTRY>().0.iter().take(most).take_while(|entry| entry[0] != 0);
    entries.map(|entry| Ok((number(&entry[..12])?, number(&entry[12..])?))).collect()
}

/// The text that a member is.
fn text(file: &dyn Bytes, member: &Member) -> io::Result<String> {
    if member.stored > MOST_NAME {
        return Err(bad("a name that is too long"));
    }
    let mut bytes = vec![0; member.stored as usize];
    file.read_at(&mut bytes, member.at).map_err(|_| bad("it is cut"))?;
    Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned())
}

/// The path among the records of POSIX's extended header: `LENGTH path=NAME`.
fn path(records: &str) -> Option<String> {
    records.lines().find_map(|line| line.split_once(" path=")).map(|(_, path)| path.to_owned())
}
