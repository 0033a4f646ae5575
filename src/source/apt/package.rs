//! The record of a package made from its members and control files, each checked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::deb822;
use crate::error::{Error, Result};
use crate::path::RootPath;
use crate::source::tarball::{self, Kind, Record};
use crate::source::{Member, MemberKind, Package, ScriptKind};
use crate::tree::{Content, Meta};

/// The largest control file that is read.
const MAX_CONTROL_FILE: u64 = 16 << 20;

/// What a package must say of itself, and what it is to the profile.
pub struct Identity {
    /// Name.
    pub name: String,
    /// Version, where it is known.
    pub version: Option<String>,
    /// Key of the profile's source.
    pub from: String,
    /// Whether the profile asked for it.
    pub requested: bool,
}

/// The payload's members so far; each name once, each below folders only.
#[derive(Default)]
pub struct Members {
    members: Vec<Member>,
    /// Whether a path is a folder or a regular file.
    kinds: HashMap<RootPath, Kind>,
}

impl Members {
    /// Takes the next member.
    pub fn take(&mut self, record: Record, content: Option<Content>) -> Result<()> {
        if record.path.starts_with(b"/") {
            return Err(Error::source("its path is absolute").hint("expected a path that begins with `./`"));
        }
        let path = RootPath::from_member(&record.path).map_err(from_archive)?;
        let mut parent = path.parent();
        while let Some(above) = parent {
            if self.kinds.get(&above).is_some_and(|kind| *kind != Kind::Directory) {
                return Err(Error::source(format!("lies below `{above}`, which is no directory")));
            }
            parent = above.parent();
        }
        if path.is_root() && record.kind != Kind::Directory {
            return Err(Error::source("puts something that is no directory in the place of `/`"));
        }
        let kind = match (record.kind, content) {
            (Kind::Directory, _) => MemberKind::Directory,
            (Kind::File, Some(content)) => MemberKind::File(content),
            (Kind::File, None) => return Err(Error::bug("a file without content")),
            (Kind::Symlink, _) if record.link.is_empty() || record.link.contains(&0) || record.link.len() > 4095 => {
                return Err(Error::source("is a link to nothing that a link can point to"));
            }
            (Kind::Symlink, _) => MemberKind::Symlink(record.link.into()),
            (Kind::HardLink, _) => {
                let target = RootPath::from_member(&record.link).map_err(from_archive)?;
                if self.kinds.get(&target) != Some(&Kind::File) {
                    return Err(Error::source(format!("is a hard link to `{target}`, which is no file before it")));
                }
                MemberKind::HardLink(target)
            }
            (Kind::Device(block, major, minor), _) => MemberKind::Device(block, major, minor),
            (Kind::Fifo, _) => MemberKind::Fifo,
        };
        // A hard link to a hard link is one to the file.
        let seen = if record.kind == Kind::HardLink { Kind::File } else { record.kind };
        if self.kinds.insert(path.clone(), seen).is_some() {
            return Err(Error::source("is there twice"));
        }
        let mut meta = Meta::new(record.mode, record.mtime).owned(record.uid, record.gid);
        if !record.xattrs.is_empty() {
            meta.xattrs = Some(Arc::new(record.xattrs));
        }
        self.members.push(Member { path, meta, owner: (record.user, record.group), kind });
        Ok(())
    }
}

/// A path that an archive holds is the archive's fault, not the user's.
fn from_archive(error: Error) -> Error {
    Error::source(error.message())
}

/// The control files by name, as text; bytes that are no UTF-8 are escaped.
pub fn control_files(tar: &[u8]) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(tar);
    tarball::walk(archive.entries()?, |record, bytes| {
        let name = String::from_utf8_lossy(&record.path).trim_start_matches("./").to_owned();
        if record.kind != Kind::File {
            return Ok(());
        }
        if name.contains('/') || record.size > MAX_CONTROL_FILE {
            return Err(Error::source("is no control file"));
        }
        let mut content = Vec::new();
        bytes.read_to_end(&mut content)?;
        let text = String::from_utf8(content).unwrap_or_else(|error| error.as_bytes().escape_ascii().to_string());
        match files.insert(name, text) {
            Some(_) => Err(Error::source("is there twice")),
            None => Ok(()),
        }
    })?;
    Ok(files)
}

/// Puts the record together; a package that says it is another one is refused.
pub fn assemble(identity: Identity, members: Members, mut files: BTreeMap<String, String>) -> Result<Package> {
    let text = files.remove("control").ok_or_else(|| Error::source("has no control file"))?;
    let control = deb822::fields(&text);
    let field = |name: &str| {
        let found = control.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).ok_or_else(|| Error::source(format!("its control file has no `{name}`")))
    };
    let (name, version, arch) = (field("Package")?, field("Version")?, field("Architecture")?);
    for (is, must) in [(&name, Some(&identity.name)), (&version, identity.version.as_ref())] {
        if must.is_some_and(|must| must != is) {
            return Err(Error::source(format!("it says of itself that it is `{name}` {version}")));
        }
    }
    let mut scripts = BTreeMap::new();
    let kinds = [ScriptKind::Preinst, ScriptKind::Postinst, ScriptKind::Prerm, ScriptKind::Postrm, ScriptKind::Config];
    for kind in kinds {
        if let Some(text) = files.remove(kind.name()) {
            scripts.insert(kind, text);
        }
    }
    let conffiles = conffiles(&files.remove("conffiles").unwrap_or_default())?;
    Ok(Package {
        name,
        version,
        arch,
        from: identity.from,
        requested: identity.requested,
        control,
        members: members.members,
        scripts,
        triggers: files.remove("triggers").unwrap_or_default(),
        conffiles,
        md5sums: files.remove("md5sums").unwrap_or_default(),
    })
}

/// One path a line, `remove-on-upgrade` before it where flagged (`deb-conffiles(5)`).
fn conffiles(text: &str) -> Result<Vec<(RootPath, bool)>> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let flagged = line.strip_prefix("remove-on-upgrade").filter(|rest| rest.starts_with([' ', '\t']));
        let path = RootPath::new(flagged.unwrap_or(line).trim()).map_err(from_archive)?;
        if seen.insert(path.clone()) {
            found.push((path, flagged.is_some()));
        }
    }
    Ok(found)
}
