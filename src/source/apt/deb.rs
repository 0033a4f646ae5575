//! A `.deb` unpacked: its payload uncompressed in the store, its control files read.
//!
//! The first time, payload and control archive are decompressed into one derived value, with
//! the digest of every file behind them; from then on a package is read without
//! decompressing or hashing anything:
//!
//! ```text
//! data.tar | control.tar | 32 bytes for each regular file of data.tar, in order | trailer
//! trailer: magic 8, length of data.tar u64, of control.tar u64, of the digests u64, sha256 of all but data.tar
//! ```

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use super::ar;
use super::package::{self, Identity};
use crate::digest::{Digest, Hasher};
use crate::error::{Context, Error, Result};
use crate::lock;
use crate::source::Package;
use crate::source::codec::Codec;
use crate::source::tarball::{self, Kind};
use crate::store::{Blob, Key, Store};

/// Changes when the derived value's layout does.
const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"ibdeb\0\0\x01";
const TRAILER: u64 = 8 + 3 * 8 + 32;
/// The largest control archive, uncompressed.
const MAX_CONTROL: u64 = 32 << 20;
/// A payload may be this many times its package (zeros in xz reach some thousands) ...
const MAX_RATIO: u64 = 500;
/// ... and this much besides, so that small packages need not be dense,
const MAX_SMALL: u64 = 64 << 20;
/// but never more than this.
const MAX_PAYLOAD: u64 = 32 << 30;

/// The name of the derived value that a package with this digest is unpacked into.
pub fn derived(package: &Digest) -> Digest {
    key(package).digest()
}

/// The key of that value.
pub fn key(package: &Digest) -> Key {
    Key::new("deb", VERSION).part("file", package)
}

/// Unpacks a package of the root.
pub fn unpack(store: &Store, blob: &Blob, locked: &lock::Package) -> Result<Package> {
    let identity = Identity {
        name: locked.name.clone(),
        version: Some(locked.version.clone()),
        from: locked.from.clone(),
        requested: locked.requested,
    };
    unpack_as(store, blob, identity, &locked.name)
}

/// Unpacks a package that is another input; its name is the last part of the input's.
pub fn unpack_input(store: &Store, blob: &Blob, input: &lock::Input) -> Result<Package> {
    let name = input.name.rsplit('/').next().unwrap_or_default().to_owned();
    let (from, version) = match &input.location {
        lock::Location::Apt { from, version, .. } => (from.clone(), Some(version.clone())),
        lock::Location::Url(_) => (String::new(), None),
    };
    unpack_as(store, blob, Identity { name, version, from, requested: true }, &input.name)
}

/// Unpacks many packages, `jobs` at once; the order stays.
pub fn unpack_all(store: &Store, jobs: usize, packages: &[(&lock::Package, Blob)]) -> Result<Vec<Package>> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((locked, blob)) = packages.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            done.push((&locked.name, unpack(store, blob, locked)));
        }
        done
    };
    let threads = jobs.clamp(1, packages.len().max(1));
    let results: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().map(|handle| handle.join()).collect()
    });
    let mut unpacked = std::collections::BTreeMap::new();
    for result in results {
        for (name, package) in result.map_err(|_| Error::bug("a thread that unpacks packages died"))? {
            unpacked.insert(name, package);
        }
    }
    packages
        .iter()
        .map(|(locked, _)| unpacked.remove(&locked.name).unwrap_or_else(|| Err(Error::bug("a package is named twice"))))
        .collect()
}

/// `of` is the lock's name for it.
fn unpack_as(store: &Store, blob: &Blob, identity: Identity, of: &str) -> Result<Package> {
    let what = format!("unpacking package `{}`", identity.name);
    let digest = blob.digest().ok_or_else(|| Error::bug("a package without a digest")).context(|| what.clone())?;
    let (derived, _) = store.derived(key(&digest).of(of), |out| unfold(blob, out)).context(|| what.clone())?;
    read(&derived, identity).context(|| what)
}

/// The control paragraph of a package in the store.
pub fn control(store: &Store, blob: &Blob) -> Result<String> {
    let digest = blob.digest().ok_or_else(|| Error::bug("a package without a digest"))?;
    let (derived, _) = store.derived(key(&digest), |out| unfold(blob, out))?;
    let parts = Parts::open(&derived)?;
    package::control_files(&parts.control)?.remove("control").ok_or_else(|| Error::source("has no control file"))
}

/// Calls `each` with every member of the payload of the package `blob`; nothing is kept.
pub fn payload(blob: &Blob, each: impl FnMut(tarball::Record, &mut dyn Read) -> Result<()>) -> Result<()> {
    let file = blob.open()?;
    let (_, data) = layout(&file, blob.length())?;
    let part = Part { file: &file, at: data.offset, end: data.offset + data.size };
    let mut archive = tar::Archive::new(codec(&data)?.decode(part, limit(&data))?);
    tarball::walk(archive.entries()?, each)
}

/// The most that a payload may have, uncompressed.
fn limit(data: &ar::Member) -> u64 {
    data.size.saturating_mul(MAX_RATIO).saturating_add(MAX_SMALL).min(MAX_PAYLOAD)
}

/// The three members in their places (`deb(5)`): debian-binary, control archive, data archive.
fn layout(file: &File, length: u64) -> Result<(ar::Member, ar::Member)> {
    let members = ar::members(file, length)?;
    let mut members = members.into_iter().filter(|member| !member.name.starts_with('_'));
    let mut next = |name: &str| {
        let found =
            members.next().filter(|member| member.name.split('.').take(name.split('.').count()).eq(name.split('.')));
        found.ok_or_else(|| Error::source(format!("is not a package: `{name}` is not where it must be")))
    };
    let format = next("debian-binary")?;
    let mut version = vec![0u8; format.size.min(16) as usize];
    file.read_exact_at(&mut version, format.offset)?;
    if !version.starts_with(b"2.") {
        return Err(Error::source("is a package of another format than 2.x"));
    }
    let (control, data) = (next("control.tar")?, next("data.tar")?);
    match members.next() {
        Some(extra) => Err(Error::source(format!("has a member `{}` that no package has", extra.name))),
        None => Ok((control, data)),
    }
}

fn codec(member: &ar::Member) -> Result<Codec> {
    match member.name.split('.').nth(2) {
        None => Ok(Codec::None),
        Some("xz") => Ok(Codec::Xz),
        Some("gz") => Ok(Codec::Gzip),
        Some("zst") => Ok(Codec::Zstd),
        Some(other) => {
            Err(Error::source(format!("is compressed by `{other}`")).hint("expected xz, gz, zst or nothing"))
        }
    }
}

/// Writes the derived value of the package `blob`.
fn unfold(blob: &Blob, out: &mut dyn Write) -> Result<()> {
    let file = blob.open()?;
    let (control, data) = layout(&file, blob.length())?;
    let part = |member: &ar::Member| Part { file: &file, at: member.offset, end: member.offset + member.size };

    let mut tee = Tee { inner: codec(&data)?.decode(part(&data), limit(&data))?, out, length: 0 };
    let mut digests = Vec::new();
    let mut archive = tar::Archive::new(&mut tee);
    tarball::walk(archive.entries()?, |record, bytes| {
        if record.kind == Kind::File {
            let (digest, length) = Digest::of_reader(bytes)?;
            if length != record.size {
                return Err(Error::source("is cut"));
            }
            digests.extend_from_slice(&digest.0);
        }
        Ok(())
    })
    .context(|| format!("reading `{}`", data.name))?;
    // What follows the end of the archive (padding) is taken too, so that a broken stream shows.
    io::copy(&mut tee, &mut io::sink())?;
    let data_length = tee.length;

    let mut tar = Vec::new();
    codec(&control)?.decode(part(&control), MAX_CONTROL)?.read_to_end(&mut tar)?;
    let mut tail = tar.clone();
    tail.extend_from_slice(&digests);
    tail.extend_from_slice(MAGIC);
    for length in [data_length, tar.len() as u64, digests.len() as u64] {
        tail.extend_from_slice(&length.to_le_bytes());
    }
    let mut hasher = Hasher::default();
    hasher.update(&tail);
    tail.extend_from_slice(&hasher.finish().0);
    Ok(out.write_all(&tail)?)
}

/// A part of a file, as a reader.
struct Part<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = (buffer.len() as u64).min(self.end.saturating_sub(self.at)) as usize;
        let count = self.file.read_at(&mut buffer[..room], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// A reader that writes what passes.
struct Tee<'a, R> {
    inner: R,
    out: &'a mut dyn Write,
    length: u64,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.out.write_all(&buffer[..count])?;
        self.length += count as u64;
        Ok(count)
    }
}

/// The derived value, taken apart.
struct Parts {
    file: File,
    data: u64,
    control: Vec<u8>,
    digests: Vec<u8>,
}

impl Parts {
    fn open(derived: &Blob) -> Result<Self> {
        let broken = || {
            Error::system(format!("the derived value `{}` is broken", derived.path().display()))
                .hint("remove it, or run `store verify`")
        };
        let file = derived.open()?;
        let mut trailer = [0u8; TRAILER as usize];
        let at = derived.length().checked_sub(TRAILER).ok_or_else(broken)?;
        file.read_exact_at(&mut trailer, at)?;
        let number = |index: usize| {
            let bytes = trailer.get(8 + index * 8..16 + index * 8).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u64::from_le_bytes).unwrap_or(u64::MAX)
        };
        let (data, control, digests) = (number(0), number(1), number(2));
        let sum = data.checked_add(control).and_then(|sum| sum.checked_add(digests));
        if &trailer[..8] != MAGIC || sum != Some(at) || control > MAX_CONTROL || digests % 32 != 0 {
            return Err(broken());
        }
        let mut tail = vec![0u8; (control + digests) as usize];
        file.read_exact_at(&mut tail, data)?;
        let mut hasher = Hasher::default();
        hasher.update(&tail);
        hasher.update(&trailer[..32]);
        if hasher.finish().0 != trailer[32..] {
            return Err(broken());
        }
        let digests = tail.split_off(control as usize);
        Ok(Parts { file, data, control: tail, digests })
    }
}

/// Reads a package back from its derived value.
fn read(derived: &Blob, identity: Identity) -> Result<Package> {
    let parts = Parts::open(derived)?;
    let mut digests = parts.digests.chunks_exact(32).filter_map(|chunk| chunk.try_into().ok().map(Digest));
    let mut members = package::Members::default();
    let window = Window { file: &parts.file, length: parts.data, at: 0, buffer: Vec::new(), start: 0 };
    let mut archive = tar::Archive::new(window);
    tarball::walk(archive.entries_with_seek()?, |record, _| {
        let content = match record.kind {
            Kind::File => {
                let digest = digests.next().ok_or_else(|| Error::bug("fewer digests than files"))?;
                Some(derived.range(record.offset, record.size, Some(digest))?)
            }
            _ => None,
        };
        members.take(record, content)
    })?;
    package::assemble(identity, members, package::control_files(&parts.control)?)
}

/// The payload as a reader that skips cheaply: headers are read by the page, file bytes not at all.
struct Window<'a> {
    file: &'a File,
    length: u64,
    at: u64,
    buffer: Vec<u8>,
    start: u64,
}

impl Read for Window<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.at);
        let inside = self.at.checked_sub(self.start).filter(|inside| *inside < self.buffer.len() as u64);
        let inside = match inside {
            Some(inside) => inside as usize,
            None => {
                self.buffer.resize(left.min(4096) as usize, 0);
                self.file.read_exact_at(&mut self.buffer, self.at)?;
                self.start = self.at;
                0
            }
        };
        let have = &self.buffer[inside.min(self.buffer.len())..];
        let count = have.len().min(out.len()).min(left as usize);
        out[..count].copy_from_slice(&have[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl io::Seek for Window<'_> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let target = match to {
            io::SeekFrom::Start(at) => Some(at),
            io::SeekFrom::Current(by) => self.at.checked_add_signed(by),
            io::SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.at)
    }
}
