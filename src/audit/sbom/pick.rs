//! What of a file system a bill of materials is drawn from, be it the root's or a container image's.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::buildinfo::{self, BuildInfo};
use super::copyright;
use super::licence::Licence;
use crate::audit::dpkg;
use crate::bytes::Bytes;
use crate::digest::Digest;
use crate::error::{Error, Result};

/// A copyright file is not larger; those of a whole distribution's worth of files within one are.
pub const MAX_TEXT: u64 = 4 << 20;
/// All of them together.
const MAX_TEXTS: u64 = 512 << 20;
/// A program that is smaller was not linked by Go.
pub const LEAST_PROGRAM: u64 = 64 << 10;
/// Nor is one larger than this that is looked into, ...
pub const MAX_PROGRAM: u64 = 4 << 30;
/// ... and so much of all of them.
pub const MAX_PROGRAMS: u64 = 64 << 30;

/// Read at once.
const CHUNK: usize = 1 << 17;

const RELEASES: [&str; 2] = ["/usr/lib/os-release", "/etc/os-release"];
const DOC: &str = "/usr/share/doc/";

/// What a file is looked at for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Its text, up to so many bytes.
    Text(u64),
    /// What it says of how it was linked, if it is a program of Go's.
    Program,
}

/// Whether a regular file is of interest.
pub fn interest(path: &str, mode: u16, size: u64) -> Option<Interest> {
    let list = dpkg::list_of(path).is_some();
    let single = path.starts_with(dpkg::SINGLES) && !path.ends_with(".md5sums");
    let copyright = path.strip_prefix(DOC).is_some_and(|rest| rest.split('/').nth(1) == Some("copyright"));
    if dpkg::is_status(path) {
        Some(Interest::Text(dpkg::MAX))
    } else if list || single || copyright || RELEASES.contains(&path) {
        Some(Interest::Text(MAX_TEXT))
    } else if mode & 0o111 != 0 && size >= LEAST_PROGRAM {
        Some(Interest::Program)
    } else {
        None
    }
}

/// Whether a link is: documentation that is another package's.
pub fn link_interest(path: &str) -> bool {
    path.strip_prefix(DOC).is_some_and(|rest| !rest.contains('/'))
}

/// A program that Go linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What it says of itself.
    pub info: BuildInfo,
    /// Of the whole file.
    pub sha256: Digest,
    /// Bytes.
    pub size: u64,
}

/// What was picked.
#[derive(Debug, Clone, Default)]
pub struct Picked {
    /// Texts by path.
    pub texts: BTreeMap<String, Vec<u8>>,
    /// Links by path.
    pub links: BTreeMap<String, String>,
    /// Programs by path.
    pub programs: BTreeMap<String, Program>,
    held: u64,
}

impl Picked {
    /// Keeps a text; false where there are too many already.
    pub fn text(&mut self, path: String, bytes: Vec<u8>) -> bool {
        self.held = self.held.saturating_add(bytes.len() as u64);
        let room = self.held <= MAX_TEXTS;
        if room {
            self.texts.insert(path, bytes);
        }
        room
    }

    /// The database, as one text.
    pub fn status(&self) -> String {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        if let Some(bytes) = dpkg::FOLDERS.iter().find_map(|folder| self.texts.get(&format!("{folder}/status"))) {
            return text(bytes);
        }
        let singles = self.texts.iter().filter(|(path, _)| path.starts_with(dpkg::SINGLES));
        singles.map(|(_, bytes)| text(bytes) + "\n\n").collect()
    }

    /// Fields of os-release.
    pub fn release(&self) -> BTreeMap<String, String> {
        let bytes = RELEASES.iter().find_map(|path| self.texts.get(*path));
        let text = String::from_utf8_lossy(bytes.map(Vec::as_slice).unwrap_or_default()).into_owned();
        let field = |line: &str| {
            let (key, value) = line.split_once('=')?;
            Some((key.trim().to_owned(), value.trim().trim_matches(['"', '\'']).to_owned()))
        };
        text.lines().filter_map(field).collect()
    }

    /// The licence of a package; its documentation may be a link to another's.
    pub fn licence(&self, package: &str) -> Option<Licence> {
        let mut folder = package.to_owned();
        // dpkg allows one link; a few more do no harm, a circle would.
        for _ in 0..4 {
            if let Some(bytes) = self.texts.get(&format!("{DOC}{folder}/copyright")) {
                return copyright::licence(bytes);
            }
            let target = self.links.get(&format!("{DOC}{folder}"))?;
            folder = target.trim_end_matches('/').rsplit('/').next()?.to_owned();
        }
        None
    }

    /// The package that a file belongs to, by the lists that dpkg keeps.
    pub fn owners(&self) -> BTreeMap<&str, &str> {
        let mut owners = BTreeMap::new();
        for (path, bytes) in &self.texts {
            let Some(name) = dpkg::list_of(path) else { continue };
            for line in std::str::from_utf8(bytes).unwrap_or_default().lines() {
                if self.programs.contains_key(line) {
                    owners.entry(line).or_insert(name);
                }
            }
        }
        owners
    }
}

/// A program that Go linked, and its digest; `left` is how much may still be read for digests.
pub fn program(file: &dyn Bytes, left: &mut u64) -> Result<Option<Program>> {
    let size = file.length();
    if size > MAX_PROGRAM {
        return Ok(None);
    }
    let Some(info) = buildinfo::read(file) else { return Ok(None) };
    *left = left.checked_sub(size).ok_or_else(|| Error::source("more bytes of programs than are read"))?;
    let (sha256, _) = Digest::of_reader(io::BufReader::with_capacity(CHUNK, Reader { file, at: 0 }))?;
    Ok(Some(Program { info, sha256, size }))
}

/// Front to back.
struct Reader<'a> {
    file: &'a dyn Bytes,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.length().saturating_sub(self.at).min(buffer.len() as u64) as usize;
        let (now, _) = buffer.split_at_mut(count);
        self.file.read_at(now, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
