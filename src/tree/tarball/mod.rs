//! A tar archive as a tree, its members being ranges of the archive's file.
//!
//! Plain, or compressed by gzip, xz or zstd: then it is unpacked into a temporary file first.
//! Members stay below the root whatever they are called, nothing is followed; a later member
//! replaces an earlier one of the same name.

mod header;
mod pax;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::{Content, Kind, Leaf, Meta, Node, Tree, Xattrs};
use crate::error::{Context, Error, Result};
use crate::path::RootPath;
use crate::report::Report;
use crate::temp::Temp;
use header::{BLOCK, Header};
use pax::Extended;

/// As large as an archive may become when it is unpacked.
const MAX_UNPACKED: u64 = 256 << 30;
/// As long as an extended header may be.
const MAX_EXTENDED: u64 = 1 << 20;
/// As much memory as an unpacker may take for its window.
const MAX_WINDOW_LOG: u32 = 27;
const MAX_XZ_MEMORY: u64 = 160 << 20;

/// A tree and the file that its contents lie in.
pub struct Archive {
    /// The tree; of use as long as this value lives.
    pub tree: Tree,
    _spool: Option<Temp>,
}

/// Reads the archive `path` (`-` is standard input); what must be unpacked goes to a temporary file in `folder`.
pub fn read(path: &Path, folder: &Path, report: &Report) -> Result<Archive> {
    if path == Path::new("-") {
        let spool = unpack(io::stdin().lock(), folder)?;
        return from_spool(spool, report);
    }
    let mut file = File::open(path).context(|| format!("opening `{}`", path.display()))?;
    let mut magic = [0; 6];
    let count = file.read_at(&mut magic, 0).context(|| format!("reading `{}`", path.display()))?;
    match Packing::of(&magic[..count]) {
        Packing::None if file.metadata().is_ok_and(|metadata| metadata.is_file()) => {
            let tree = Reader::new(path, report)?.read()?;
            Ok(Archive { tree, _spool: None })
        }
        _ => from_spool(unpack(&mut file, folder)?, report),
    }
}

fn from_spool(spool: Temp, report: &Report) -> Result<Archive> {
    let tree = Reader::new(spool.path(), report)?.read()?;
    Ok(Archive { tree, _spool: Some(spool) })
}

/// How an archive is compressed.
enum Packing {
    None,
    Gzip,
    Xz,
    Zstd,
}

impl Packing {
    fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Packing::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
            _ => Packing::None,
        }
    }
}

/// Unpacks `input` into a temporary file in `folder`.
fn unpack(mut input: impl Read, folder: &Path) -> Result<Temp> {
    let unpacking = || "unpacking the archive".to_owned();
    let mut magic = Vec::new();
    input.by_ref().take(6).read_to_end(&mut magic).context(unpacking)?;
    let packing = Packing::of(&magic);
    let whole = io::BufReader::with_capacity(1 << 16, io::Cursor::new(magic).chain(input));
    let mut plain: Box<dyn Read> = match packing {
        Packing::None => Box::new(whole),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
        Packing::Xz => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(MAX_XZ_MEMORY, flags);
            let stream = stream.map_err(|error| Error::system(format!("xz cannot unpack: {error}")))?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(whole, stream))
        }
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(whole).context(unpacking)?;
            decoder.window_log_max(MAX_WINDOW_LOG).context(unpacking)?;
            Box::new(decoder)
        }
    };
    let mut spool = Temp::new_in(folder)?;
    let copied = io::copy(&mut plain.by_ref().take(MAX_UNPACKED + 1), &mut spool).context(unpacking)?;
    if copied > MAX_UNPACKED {
        return Err(Error::source(format!("the archive unpacks to more than {MAX_UNPACKED} bytes")));
    }
    spool.flush().context(unpacking)?;
    Ok(spool)
}

/// Reads a plain archive front to back.
struct Reader<'r> {
    file: File,
    path: Arc<Path>,
    report: &'r Report,
    length: u64,
    at: u64,
    tree: Tree,
}

impl<'r> Reader<'r> {
    fn new(path: &Path, report: &'r Report) -> Result<Self> {
        let file = File::open(path).context(|| format!("opening `{}`", path.display()))?;
        let length = file.metadata().context(|| format!("measuring `{}`", path.display()))?.len();
        Ok(Reader { file, path: path.into(), report, length, at: 0, tree: Tree::default() })
    }

    fn read(mut self) -> Result<Tree> {
        let mut extended = Extended::default();
        let mut members = 0;
        // An archive may end without its two blocks of zeros, but not inside a block.
        while self.at < self.length {
            let mut block = [0; BLOCK];
            let bytes = self.bytes(BLOCK as u64)?;
            block.copy_from_slice(&bytes);
            let Some(header) = Header::parse(&block)? else { break };
            members += 1;
            match header.kind {
                b'x' => extended.records(&self.payload(&header)?)?,
                b'L' => extended.path = Some(trimmed(self.payload(&header)?)),
                b'K' => extended.link = Some(trimmed(self.payload(&header)?)),
                b'g' => self.global(&header)?,
                b'V' => drop(self.payload(&header)?),
                _ => self.member(header, std::mem::take(&mut extended))?,
            }
        }
        if members == 0 {
            return Err(Error::source("the archive holds nothing").hint("it may be cut, or be no tar archive"));
        }
        Ok(self.tree)
    }

    /// Some bytes from here on.
    fn bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.length);
        let end = end.ok_or_else(|| Error::source("the archive is cut"))?;
        let mut bytes = vec![0; length as usize];
        self.file.read_exact_at(&mut bytes, self.at).context(|| format!("reading `{}`", self.path.display()))?;
        self.at = end;
        Ok(bytes)
    }

    /// The content of an extended header.
    fn payload(&mut self, header: &Header) -> Result<Vec<u8>> {
        if header.size > MAX_EXTENDED {
            return Err(Error::source(format!("an extended header of `{}` bytes", header.size)));
        }
        let bytes = self.bytes(header.size)?;
        self.skip_to_block();
        Ok(bytes)
    }

    fn skip_to_block(&mut self) {
        self.at = self.at.next_multiple_of(BLOCK as u64).min(self.length);
    }

    /// A header for all members to come: comments only, as nothing else has a use in a tree.
    fn global(&mut self, header: &Header) -> Result<()> {
        let mut all = Extended::default();
        all.records(&self.payload(header)?)?;
        let Extended { path, link, size, uid, gid, mtime, xattrs } = &all;
        let none = path.is_none() && link.is_none() && xattrs.is_empty();
        if none && [size, uid, gid, mtime].iter().all(|value| value.is_none()) {
            return Ok(());
        }
        Err(Error::source("it holds an extended header for all members that is more than a comment"))
    }

    fn member(&mut self, header: Header, extended: Extended) -> Result<()> {
        let name = extended.path.unwrap_or(header.name);
        let path = RootPath::from_member(&name).map_err(|error| Error::source(error.message()))?;
        let context = |error: Error| error.context(format!("reading the member `{path}`"));
        let narrow = |value: u64, what| {
            u32::try_from(value).map_err(|_| context(Error::source(format!("the {what} `{value}` is above 2^32"))))
        };
        let uid = narrow(extended.uid.unwrap_or(header.uid), "owner")?;
        let gid = narrow(extended.gid.unwrap_or(header.gid), "group")?;
        let mtime = u32::try_from(extended.mtime.unwrap_or(header.mtime)).unwrap_or(u32::MAX);
        let mut meta = Meta::new(header.mode, mtime).owned(uid, gid);
        meta.xattrs = self.known(&path, extended.xattrs);
        let link = extended.link.unwrap_or(header.link);
        let (major, minor) = header.device;
        let size = extended.size.unwrap_or(header.size);
        let kind = match header.kind {
            b'5' => {
                self.tree.put_directory(&path, meta).map_err(context)?;
                return Ok(());
            }
            // Before there were types, a slash at the end made a folder.
            b'0' | 0 | b'7' if name.ends_with(b"/") && size == 0 => {
                return self.tree.put_directory(&path, meta).map_err(context);
            }
            b'0' | 0 | b'7' => Kind::File(self.content(size).map_err(context)?),
            b'1' => {
                let existing = RootPath::from_member(&link).map_err(|error| context(Error::source(error.message())))?;
                return self.tree.hard_link(&path, &existing).map_err(context);
            }
            b'2' => return self.tree.put_link(&path, meta, &link).map_err(context),
            b'3' => Kind::CharDevice { major, minor },
            b'4' => Kind::BlockDevice { major, minor },
            b'6' => Kind::Fifo,
            b'S' => return Err(context(pax::sparse())),
            other => return Err(context(Error::source(format!("its type is `{}`", other.escape_ascii())))),
        };
        self.tree.insert(&path, Node::Leaf(Leaf { meta, kind })).map_err(context)
    }

    fn content(&mut self, size: u64) -> Result<Content> {
        let end = self.at.checked_add(size).filter(|end| *end <= self.length);
        let end = end.ok_or_else(|| Error::source("the archive is cut"))?;
        let content = Content::range(self.path.clone(), self.at, size, None);
        self.at = end;
        self.skip_to_block();
        Ok(content)
    }

    /// The attributes that a squashfs can hold; of others it is told that they are lost.
    fn known(&self, path: &RootPath, mut xattrs: Xattrs) -> Option<Arc<Xattrs>> {
        xattrs.retain(|name, _| {
            let known = ["user.", "trusted.", "security."].iter().any(|space| name.starts_with(space.as_bytes()));
            if !known {
                let name = name.escape_ascii();
                self.report.warn(format!("`{path}` loses its attribute `{name}`: squashfs has no place for it"));
            }
            known
        });
        (!xattrs.is_empty()).then(|| Arc::new(xattrs))
    }
}

/// Without the NUL that ends a long name.
fn trimmed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::listing;
    use super::*;

    /// A member as a tar archive has it.
    fn member(name: &str, kind: tar::EntryType, link: &str, bytes: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        // As bytes, since the library refuses names that a test of ours needs.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o4755);
        header.set_uid(7);
        header.set_gid(8);
        header.set_mtime(9);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        let mut out = header.as_bytes().to_vec();
        out.extend_from_slice(bytes);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
        out
    }

    fn parsed(bytes: &[u8]) -> Result<Archive> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tar");
        std::fs::write(&path, bytes).unwrap();
        read(&path, folder.path(), &Report::silent())
    }

    use tar::EntryType;

    #[test]
    fn members_become_nodes_in_every_packing() {
        let folder = tempfile::tempdir().unwrap();
        let mut plain = member("./", EntryType::Directory, "", b"");
        plain.extend(member("a", EntryType::Regular, "", b"hello"));
        plain.extend(member("d/h", EntryType::Link, "./a", b""));
        plain.extend(member("d/l", EntryType::Symlink, "../../x", b""));
        plain.extend(member("././@LongLink", EntryType::GNULongName, "", &[&[b'n'; 120][..], b"\0"].concat()));
        plain.extend(member("n", EntryType::Fifo, "", b""));
        plain.extend(member("p", EntryType::XHeader, "", b"18 uid=4000000000\n25 SCHILY.xattr.user.a=b\n"));
        plain.extend(member("x", EntryType::Regular, "", b""));
        plain.extend([0; 1024]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let xz = liblzma::encode_all(&plain[..], 1).unwrap();
        let forms = [plain.clone(), gzip.finish().unwrap(), xz, zstd::encode_all(&plain[..], 1).unwrap()];
        for form in forms {
            let path = folder.path().join("x.tar");
            std::fs::write(&path, form).unwrap();
            let archive = read(&path, folder.path(), &Report::silent()).unwrap();
            let long = "n".repeat(120);
            let expected = format!(
                "-4755 7:8 5 /a\nd0755 0:0 0 /d\n-4755 7:8 5 /d/h\nl0777 7:8 0 /d/l -> ../../x\n\
                 p4755 7:8 0 /{long}\n-4755 4000000000:8 0 /x user.a=62\n"
            );
            assert_eq!(listing(&archive.tree), expected);
            let (_, content) = archive.tree.file(&RootPath::new("/d/h").unwrap()).unwrap();
            assert_eq!(content.read(5).unwrap(), b"hello");
            assert_eq!(archive.tree.root.meta.mode, 0o4755);
        }
    }

    #[test]
    fn what_is_made_to_harm_is_refused() {
        let regular = |name| member(name, EntryType::Regular, "", b"x");
        let bad = [
            regular("../x"),
            regular("a/../../x"),
            [member("l", EntryType::Symlink, "/etc", b""), regular("l/x")].concat(),
            member("h", EntryType::Link, "../../etc/passwd", b""),
            member("h", EntryType::Link, "nothing", b""),
            member("s", EntryType::GNUSparse, "", b""),
            member("p", EntryType::XHeader, "", b"22 GNU.sparse.major=1\n"),
            member("g", EntryType::XGlobalHeader, "", b"11 path=xx\n"),
            [regular("d/x"), regular("d")].concat(),
            regular("a")[..512].to_vec(),
            regular("a")[..511].to_vec(),
            vec![1; 1024],
            vec![0; 1024],
            Vec::new(),
        ];
        for (number, bytes) in bad.iter().enumerate() {
            assert!(parsed(bytes).is_err(), "{number}");
        }
        let mut huge = regular("a");
        huge[124..136].copy_from_slice(b"77777777777\0");
        assert!(parsed(&huge).is_err());
    }
}
