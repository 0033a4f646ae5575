//! What is picked out of a container image: an OCI image layout in one tar archive, its layers laid over each other.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use serde_json::Value;

use super::pick::{self, Interest, Picked};
use crate::bytes::{Bytes, Whole};
use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::output::packed;
use crate::path::RootPath;
use crate::source::codec::Codec;
use crate::source::tarball::{self, Kind};

/// Members of the archive, layers of an image.
const MAX_MEMBERS: usize = 1 << 16;
const MAX_LAYERS: usize = 1024;
/// An index, a manifest, a configuration.
const MAX_JSON: u64 = 4 << 20;
/// All layers of an image, unpacked.
const MAX_UNPACKED: u64 = 64 << 30;
/// Manifests in an index in an index.
const DEPTH: u32 = 4;
/// Names that say that something of a lower layer is gone.
const GONE: &str = ".wh.";
const ALL_GONE: &str = ".wh..wh..opq";

/// A container image.
#[derive(Debug, Clone, Default)]
pub struct Container {
    /// The reference that it is known by; empty where its index has none.
    pub name: String,
    /// Digest of its manifest.
    pub digest: String,
    /// What its layers hold.
    pub picked: Picked,
}

/// Reads the first image of an archive.
pub fn read(archive: &dyn Bytes, left: &mut u64) -> Result<Container> {
    let members = members(archive)?;
    let index = json(archive, members.get("index.json").ok_or_else(|| Error::source("it has no `index.json`"))?)?;
    let (name, digest, manifest) = manifest(archive, &members, &index, DEPTH)?;
    let layers = manifest["layers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if layers.len() > MAX_LAYERS {
        return Err(Error::source(format!("it has more than {MAX_LAYERS} layers")));
    }
    let mut container = Container { name, digest, picked: Picked::default() };
    let mut unpacked = MAX_UNPACKED;
    for layer in layers {
        let (_, place) = blob(&members, layer)?;
        let found = Layer::read(archive, *place, &mut unpacked, left).context(|| "reading a layer".to_owned())?;
        found.over(&mut container.picked)?;
    }
    Ok(container)
}

type Place = (u64, u64);

/// Where each regular file of the archive lies.
fn members(archive: &dyn Bytes) -> Result<BTreeMap<String, Place>> {
    let mut out = BTreeMap::new();
    let mut tar = tar::Archive::new(BufReader::with_capacity(1 << 17, Seeker::whole(archive)));
    tarball::walk(tar.entries_with_seek()?, |record, _| {
        if out.len() >= MAX_MEMBERS {
            return Err(Error::source(format!("it has more than {MAX_MEMBERS} members")));
        }
        let name = String::from_utf8_lossy(&record.path).trim_start_matches("./").to_owned();
        if record.kind == Kind::File {
            out.insert(name, (record.offset, record.size));
        }
        Ok(())
    })?;
    Ok(out)
}

/// Name, digest and text of the first manifest.
fn manifest(
    archive: &dyn Bytes,
    members: &BTreeMap<String, Place>,
    index: &Value,
    depth: u32,
) -> Result<(String, String, Value)> {
    let none = || Error::source("its index names no image");
    let entry = index["manifests"].as_array().and_then(|all| all.first()).ok_or_else(none)?;
    let (digest, place) = blob(members, entry)?;
    let inner = json(archive, place)?;
    let named = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
    let name = named.iter().find_map(|key| entry["annotations"][key].as_str()).unwrap_or_default().to_owned();
    if inner["manifests"].is_array() {
        if depth == 0 {
            return Err(Error::source("too many indexes, one in the other"));
        }
        let (within, digest, inner) = manifest(archive, members, &inner, depth - 1)?;
        return Ok((if name.is_empty() { within } else { name }, digest, inner));
    }
    Ok((name, digest, inner))
}

/// Digest and place of what a descriptor names.
fn blob<'m>(members: &'m BTreeMap<String, Place>, descriptor: &Value) -> Result<(String, &'m Place)> {
    let digest = descriptor["digest"].as_str().unwrap_or_default();
    let hex = digest.strip_prefix("sha256:").filter(|hex| hex.parse::<Digest>().is_ok());
    let place = hex.and_then(|hex| members.get(&format!("blobs/sha256/{hex}")));
    let place = place.ok_or_else(|| Error::source(format!("the blob `{}` is not in it", digest.escape_debug())))?;
    Ok((digest.to_owned(), place))
}

fn json(archive: &dyn Bytes, &(at, size): &Place) -> Result<Value> {
    if size > MAX_JSON {
        return Err(Error::source(format!("a description of {size} bytes")));
    }
    let mut bytes = vec![0; size as usize];
    archive.read_at(&mut bytes, at)?;
    serde_json::from_slice(&bytes).map_err(|error| Error::source(format!("a description that is no JSON: {error}")))
}

/// What one layer adds and takes away.
#[derive(Default)]
struct Layer {
    picked: Picked,
    /// Paths, and folders of which all is gone, of the layers below.
    gone: Vec<String>,
}

impl Layer {
    fn read(archive: &dyn Bytes, place: Place, unpacked: &mut u64, left: &mut u64) -> Result<Self> {
        let mut head = [0; 6];
        let count = head.len().min(place.1 as usize);
        archive.read_at(head.get_mut(..count).unwrap_or_default(), place.0)?;
        let codec = packed::codec(&head).unwrap_or(Codec::None);
        let reader = codec.decode(Seeker { file: archive, place, at: 0 }, *unpacked)?;
        let mut reader = Counted { reader, count: 0 };
        let mut layer = Layer::default();
        tarball::walk(tar::Archive::new(&mut reader).entries()?, |record, bytes| {
            let Ok(path) = RootPath::from_member(&record.path) else { return Ok(()) };
            let Ok(path) = std::str::from_utf8(path.as_bytes()) else { return Ok(()) };
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            if name == ALL_GONE {
                layer.gone.push(folder.to_owned());
            } else if let Some(name) = name.strip_prefix(GONE) {
                layer.gone.push(format!("{folder}/{name}"));
            } else if record.kind == Kind::Symlink && pick::link_interest(path) {
                layer.picked.links.insert(path.to_owned(), String::from_utf8_lossy(&record.link).into_owned());
            } else if record.kind == Kind::File {
                layer.file(path, record.mode, record.size, bytes, left)?;
            }
            Ok(())
        })?;
        *unpacked = unpacked.saturating_sub(reader.count);
        Ok(layer)
    }

    fn file(&mut self, path: &str, mode: u16, size: u64, bytes: &mut dyn Read, left: &mut u64) -> Result<()> {
        match pick::interest(path, mode, size) {
            Some(Interest::Text(limit)) => {
                let mut text = Vec::new();
                bytes.take(limit).read_to_end(&mut text)?;
                match self.picked.text(path.to_owned(), text) {
                    true => Ok(()),
                    false => Err(Error::source("it holds more package data than is read")),
                }
            }
            Some(Interest::Program) if size <= pick::MAX_PROGRAM => {
                let mut magic = [0; 4];
                bytes.read_exact(&mut magic)?;
                if magic != *b"\x7fELF" {
                    return Ok(());
                }
                // A layer goes by once, front to back; a program is read here and there.
                let mut file = tempfile::tempfile().context(|| "making a temporary file".to_owned())?;
                file.write_all(&magic)?;
                io::copy(bytes, &mut file)?;
                if let Some(program) = pick::program(&Whole::of(file)?, left)? {
                    self.picked.programs.insert(path.to_owned(), program);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Lays it over what is below.
    fn over(self, below: &mut Picked) -> Result<()> {
        let covered = |path: &str| {
            let under = |gone: &String| {
                path.strip_prefix(gone.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            self.gone.iter().any(under)
        };
        below.texts.retain(|path, _| !covered(path));
        below.links.retain(|path, _| !covered(path));
        below.programs.retain(|path, _| !covered(path));
        below.links.extend(self.picked.links);
        below.programs.extend(self.picked.programs);
        for (path, bytes) in self.picked.texts {
            if !below.text(path, bytes) {
                return Err(Error::source("it holds more package data than is read"));
            }
        }
        Ok(())
    }
}

struct Counted<R> {
    reader: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

/// A part of a file, read from front to back and by leaps.
struct Seeker<'a> {
    file: &'a dyn Bytes,
    place: Place,
    at: u64,
}

impl<'a> Seeker<'a> {
    fn whole(file: &'a dyn Bytes) -> Self {
        Seeker { file, place: (0, file.length()), at: 0 }
    }
}

impl Read for Seeker<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.place.1.saturating_sub(self.at).min(buffer.len() as u64) as usize;
        let (now, _) = buffer.split_at_mut(count);
        self.file.read_at(now, self.place.0.saturating_add(self.at))?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Seeker<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.place.1.checked_add_signed(by),
        };
        self.at = place.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a place before the start"))?;
        Ok(self.at)
    }
}
