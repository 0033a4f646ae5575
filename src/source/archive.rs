//! Programs that come as one file or as an archive of several: what they bring to the root.
//!
//! Of an archive (tar; plain, gzip, xz or zstd, told by its first bytes) only what a glob of the
//! profile names is taken, by its last name, into the folder that the glob is mapped to. Modes
//! are 0755 for what anyone may execute and 0644 for the rest; owners, times and attributes are
//! left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};

use crate::error::{Context, Error, Result};
use crate::path::RootPath;
use crate::profile::Program;
use crate::source::codec::Codec;
use crate::source::tarball::{self, Kind, Record};
use crate::source::{Member, MemberKind};
use crate::store::{Blob, Key, Store};
use crate::tree::{Content, Meta};

/// Changes when the derived value does.
const VERSION: u32 = 1;
/// An archive of programs may be this many times its packed size ...
const MAX_RATIO: u64 = 200;
/// ... and this much besides.
const MAX_SMALL: u64 = 64 << 20;
/// Members that an error names.
const SHOWN: usize = 8;

/// What the program `name`, whose file is `blob`, brings to the root.
pub fn program(name: &str, program: &Program, blob: &Blob, store: &Store) -> Result<Vec<Member>> {
    let origin: Arc<str> = name.into();
    if program.unpack.is_empty() {
        return Ok(vec![member(program.path.clone(), 0o755, &origin, MemberKind::File(blob.content()))]);
    }
    members(&program.unpack, blob, store, &origin).context(|| format!("unpacking the program `{name}`"))
}

fn member(path: RootPath, mode: u16, origin: &Arc<str>, kind: MemberKind) -> Member {
    Member { path, meta: Meta::new(mode, 0).from(origin), owner: (None, None), kind }
}

fn members(unpack: &BTreeMap<String, RootPath>, blob: &Blob, store: &Store, origin: &Arc<str>) -> Result<Vec<Member>> {
    let rules = unpack.iter().map(|(glob, folder)| Ok((matcher(glob)?, glob, folder)));
    let rules: Vec<(GlobMatcher, &String, &RootPath)> = rules.collect::<Result<_>>()?;
    let tar = plain(origin, blob, store)?;
    let (mut found, mut seen) = (BTreeMap::new(), Vec::new());
    let mut used = BTreeSet::new();
    // What each name of the archive holds, for hard links to it.
    let mut contents: BTreeMap<RootPath, (u16, Content)> = BTreeMap::new();
    let mut archive = tar::Archive::new(tar.open()?);
    tarball::walk(archive.entries_with_seek()?, |record, _| {
        let path = RootPath::from_member(&record.path)?;
        let Some((mode, kind)) = kind(&record, &path, &tar, &mut contents)? else { return Ok(()) };
        let relative = String::from_utf8_lossy(path.as_bytes()).trim_start_matches('/').to_owned();
        let name = path.name().unwrap_or_default();
        for (glob, text, folder) in rules.iter().filter(|(glob, ..)| glob.is_match(&relative)) {
            used.insert(text.as_str());
            let target = folder.join(name)?;
            let taken = member(target.clone(), mode, origin, kind.clone());
            if found.insert(target.clone(), taken).is_some() {
                return Err(Error::user(format!("two members come to `{target}`, one by the glob `{}`", glob.glob()))
                    .hint("narrow the globs of `unpack`"));
            }
        }
        seen.push(relative);
        Ok(())
    })?;
    if let Some(idle) = unpack.keys().find(|glob| !used.contains(glob.as_str())) {
        seen.truncate(SHOWN);
        return Err(Error::user(format!("nothing in the archive matches `{idle}`"))
            .hint(format!("it holds {}", seen.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))));
    }
    Ok(found.into_values().collect())
}

fn matcher(glob: &str) -> Result<GlobMatcher> {
    let trimmed = glob.trim_start_matches("./");
    let built = GlobBuilder::new(trimmed).literal_separator(true).build();
    Ok(built.map_err(|error| Error::user(format!("`{glob}` is no glob: {}", error.kind())))?.compile_matcher())
}

/// What a member is in the root, where it is something that a program may bring.
fn kind(
    record: &Record,
    path: &RootPath,
    tar: &Blob,
    contents: &mut BTreeMap<RootPath, (u16, Content)>,
) -> Result<Option<(u16, MemberKind)>> {
    Ok(match record.kind {
        Kind::File => {
            let mode = if record.mode & 0o001 != 0 { 0o755 } else { 0o644 };
            let content = tar.range(record.offset, record.size, None)?;
            contents.insert(path.clone(), (mode, content.clone()));
            Some((mode, MemberKind::File(content)))
        }
        Kind::HardLink => {
            let target = RootPath::from_member(&record.link)?;
            let (mode, content) = contents
                .get(&target)
                .cloned()
                .ok_or_else(|| Error::source(format!("is a hard link to `{target}`, which is no file before it")))?;
            contents.insert(path.clone(), (mode, content.clone()));
            Some((mode, MemberKind::File(content)))
        }
        Kind::Symlink => Some((0o777, MemberKind::Symlink(record.link.as_slice().into()))),
        // Folders are the root's own affair; devices and pipes no program brings.
        Kind::Directory | Kind::Device(..) | Kind::Fifo => None,
    })
}

/// The archive without its compression: itself, or a derived value.
fn plain(name: &str, blob: &Blob, store: &Store) -> Result<Blob> {
    let mut head = Vec::new();
    blob.open()?.take(6).read_to_end(&mut head)?;
    // RFC 1952; the .xz format, 2.1.1.1; RFC 8878, 3.1.1.
    let codec = match head.as_slice() {
        [0x1f, 0x8b, ..] => Codec::Gzip,
        b"\xfd7zXZ\0" => Codec::Xz,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Codec::Zstd,
        _ => return Ok(blob.clone()),
    };
    let digest = blob.digest().ok_or_else(|| Error::bug("an archive without a digest"))?;
    let limit = blob.length().saturating_mul(MAX_RATIO).saturating_add(MAX_SMALL);
    let unfold = |file: File, out: &mut dyn Write| -> Result<()> {
        io::copy(&mut codec.decode(file, limit)?, out)?;
        Ok(())
    };
    let (tar, _) =
        store.derived(Key::new("archive", VERSION).of(name).part("file", &digest), |out| unfold(blob.open()?, out))?;
    Ok(tar)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Origin;

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, mode, text) in [("./bin/a", 0o4755, "A"), ("./bin/b", 0o640, "B"), ("./doc/README", 0o644, "R")] {
            let mut header = tar::Header::new_gnu();
            header.set_uid(1000);
            header.set_gid(1000);
            header.set_mtime(0);
            header.set_size(text.len() as u64);
            header.set_mode(mode);
            builder.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        for (kind, name, target) in [(tar::EntryType::Link, "bin/h", "bin/a"), (tar::EntryType::Symlink, "bin/s", "a")]
        {
            let mut header = tar::Header::new_gnu();
            header.set_uid(1000);
            header.set_gid(1000);
            header.set_mtime(0);
            header.set_entry_type(kind);
            header.set_size(0);
            header.set_mode(0o777);
            builder.append_link(&mut header, name, target).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn take(bytes: &[u8], unpack: &[(&str, &str)]) -> Result<Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let blob = store.insert_new(1 << 20, bytes).unwrap();
        let unpack = unpack.iter().map(|(glob, folder)| (glob.to_string(), RootPath::new(folder).unwrap())).collect();
        let path = RootPath::new("/usr/bin/x").unwrap();
        let wanted = Program { origin: Origin::File("x".into()), version: None, path, unpack };
        let describe = |member: &Member| match &member.kind {
            MemberKind::File(content) => {
                let text = String::from_utf8_lossy(&content.read(1 << 20).unwrap()).into_owned();
                format!("{} {:o} {text}", member.path, member.meta.mode)
            }
            MemberKind::Symlink(target) => format!("{} -> {}", member.path, target.escape_ascii()),
            other => format!("{} {other:?}", member.path),
        };
        Ok(program("x", &wanted, &blob, &store)?.iter().map(describe).collect())
    }

    #[test]
    fn a_single_file_is_a_program() {
        assert_eq!(take(b"elf", &[]).unwrap(), ["/usr/bin/x 755 elf"]);
    }

    #[test]
    fn globs_choose_and_modes_are_two() {
        let all = ["/usr/bin/a 755 A", "/usr/bin/b 644 B", "/usr/bin/h 755 A", "/usr/bin/s -> a"];
        assert_eq!(take(&archive(), &[("bin/*", "/usr/bin")]).unwrap(), all);
        let packed = zstd::bulk::compress(&archive(), 1).unwrap();
        assert_eq!(take(&packed, &[("./bin/*", "/usr/bin")]).unwrap(), all);
        let some = take(&archive(), &[("bin/a", "/opt"), ("**/README", "/usr/share")]).unwrap();
        assert_eq!(some, ["/opt/a 755 A", "/usr/share/README 644 R"]);
    }

    #[test]
    fn what_a_profile_gets_wrong_is_said() {
        let error = take(&archive(), &[("sbin/*", "/usr/bin")]).unwrap_err();
        assert!(error.message().contains("`sbin/*`") && error.hints()[0].contains("`bin/a`"));
        let twice = take(&archive(), &[("bin/a", "/usr/bin"), ("bin/*", "/usr/bin")]).unwrap_err();
        assert!(twice.to_string().contains("two members"), "{twice}");
        assert!(take(&archive(), &[("bin/[", "/usr/bin")]).is_err());
    }

    #[test]
    fn what_is_broken_or_hostile_is_refused() {
        let packed = zstd::bulk::compress(&archive(), 1).unwrap();
        assert!(take(&packed[..packed.len() - 9], &[("bin/*", "/b")]).is_err());
        assert!(take(b"no archive", &[("bin/*", "/b")]).is_err());
        let bomb = zstd::bulk::compress(&vec![0; 100 << 20], 1).unwrap();
        assert!(take(&bomb, &[("bin/*", "/b")]).is_err());
        let mut tree = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_uid(1000);
        header.set_gid(1000);
        header.set_mtime(0);
        header.set_size(0);
        header.set_mode(0o755);
        header.as_old_mut().name[..10].copy_from_slice(b"../../etc/");
        header.set_cksum();
        tree.append(&header, &b""[..]).unwrap();
        assert!(take(&tree.into_inner().unwrap(), &[("**", "/b")]).is_err());
    }
}
