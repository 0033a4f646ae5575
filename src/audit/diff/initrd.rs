//! The initrd: what is in it, file by file.

use std::collections::BTreeMap;

use super::change::{Change, Kind, Topic, Weight};
use super::side::Side;
use super::{Found, text};
use crate::audit::inventory::Inventory;
use crate::boot::archives;
use crate::digest::{Digest, Hashed};
use crate::error::{Error, Result};
use crate::path::RootPath;
use crate::squashfs::Scratch;

/// More than this of one is not unpacked.
const LIMIT: u64 = 1 << 30;
/// As many members are compared, and as many bytes of their names.
const MAX_MEMBERS: usize = 100_000;
const MAX_NAMES: usize = 16 << 20;
/// As long is a text that is compared by lines, and as much of all texts is kept.
const TEXT: u64 = 64 << 10;
const MAX_TEXT: usize = 16 << 20;
/// Where modules lie, and the list of those that are loaded.
const MODULES: &str = "lib/modules/";
const LIST: &str = "modules";
/// How packed modules end.
const PACKED: [&str; 3] = [".xz", ".zst", ".gz"];

/// A member; the last of its name counts, as the kernel has it.
struct Member {
    said: String,
    size: u64,
    mtime: u32,
    digest: Digest,
    /// Its bytes, where they are text and not long.
    text: Option<String>,
}

type Members = BTreeMap<String, Member>;

/// Compares the initrds of two images.
pub fn compare(a: &Side, b: &Side, found: &mut Found) {
    let (Some((size, old)), Some((new_size, new))) = (section(a), section(b)) else { return };
    let text = |size: u64, digest: &Digest| Some(format!("{size} bytes, sha256 {digest}"));
    let Some(whole) = Change::of("initrd", text(size, &old), text(new_size, &new)) else { return };
    let mut whole = whole.grown(size, new_size);
    let other_kernel = release(a) != release(b);
    match members(a).and_then(|mine| Ok((mine, members(b)?))) {
        Err(error) => {
            found.notes.push(format!("the initrds are compared as a whole: {}", error.message()));
            if other_kernel {
                whole = whole.weigh(Weight::Follows).because("another kernel, so other modules");
            }
        }
        Ok((mine, theirs)) => {
            let weight = inside(a, b, &mine, &theirs, found);
            whole = match weight {
                None => whole.note("the same files, packed otherwise"),
                Some(Weight::Cosmetic) => whole.weigh(Weight::Cosmetic),
                Some(_) => whole.weigh(Weight::Follows).because("what is in it"),
            };
        }
    }
    found.add(Topic::Initrd, whole);
}

fn section(side: &Side) -> Option<(u64, Digest)> {
    let sections = &side.disk.as_ref()?.uki()?.sections;
    sections.iter().find(|section| section.0 == ".initrd").map(|section| (section.1, section.2))
}

fn release(side: &Side) -> Option<&str> {
    Some(side.disk.as_ref()?.uki()?.release.as_str())
}

fn members(side: &Side) -> Result<Members> {
    let disk = side.disk.as_ref().ok_or_else(|| Error::bug("a side without a disk"))?;
    let uki = disk.uki().ok_or_else(|| Error::bug("an image without a UKI"))?;
    let bytes = disk.image.section(uki, ".initrd")?;
    let (mut out, mut names, mut texts) = (Members::new(), 0, 0);
    let whole = archives::read(&bytes, LIMIT, &mut |member, content| {
        names += member.path.len();
        if out.len() >= MAX_MEMBERS || names > MAX_NAMES {
            return Err(Error::source(format!("one has more than {MAX_MEMBERS} files")));
        }
        let path = String::from_utf8_lossy(&member.path);
        let path = path.trim_start_matches("./").trim_start_matches('/');
        let mut read = Vec::new();
        let mut hashed = Hashed::new(std::io::sink());
        let kept = member.size <= TEXT && texts < MAX_TEXT;
        if kept {
            content.read_to_end(&mut read)?;
            std::io::copy(&mut read.as_slice(), &mut hashed)?;
        } else {
            std::io::copy(content, &mut hashed)?;
        }
        let text = text::of(&read).filter(|_| kept).map(str::to_owned);
        texts += text.as_ref().map_or(0, String::len);
        let digest = hashed.running();
        out.insert(
            path.to_owned(),
            Member { said: said(member), size: member.size, mtime: member.mtime, digest, text },
        );
        Ok(())
    })?;
    if whole { Ok(out) } else { Err(Error::source("one is packed in a way that is not read")) }
}

/// `file of 12 bytes, 0644 0:0`.
fn said(member: &archives::Member) -> String {
    let kind = match member.mode & 0o170000 {
        0o040000 => "folder".to_owned(),
        0o120000 => "link".to_owned(),
        0o060000 => format!("block device {}:{}", member.device.0, member.device.1),
        0o020000 => format!("character device {}:{}", member.device.0, member.device.1),
        0o010000 => "pipe".to_owned(),
        0o140000 => "socket".to_owned(),
        _ => format!("file of {} bytes", member.size),
    };
    format!("{kind}, {:04o} {}:{}", member.mode & 0o7777, member.owner.0, member.owner.1)
}

/// Tells the members that differ; gives the greatest weight among them.
fn inside(a: &Side, b: &Side, mine: &Members, theirs: &Members, found: &mut Found) -> Option<Weight> {
    let (before, after) = (release(a), release(b));
    // Modules of two kernels are the same modules.
    let names = |members: &'_ Members, release: Option<&str>| -> BTreeMap<String, String> {
        let of_kernel = release.filter(|_| before != after).map(|release| format!("{MODULES}{release}"));
        let common = |path: &String| match of_kernel.as_ref().and_then(|folder| path.strip_prefix(folder.as_str())) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                // However each of them is packed.
                let plain =
                    PACKED.iter().find_map(|ending| rest.strip_suffix(ending).filter(|rest| rest.ends_with(".ko")));
                format!("{MODULES}*{}", plain.unwrap_or(rest))
            }
            _ => path.clone(),
        };
        members.keys().map(|path| (common(path), path.clone())).collect()
    };
    let mut least: Option<Weight> = None;
    let mut times = 0;
    super::pairs(&names(mine, before), &names(theirs, after), |name, old, new| {
        let (old, new) = (old.and_then(|path| mine.get(&path)), new.and_then(|path| theirs.get(&path)));
        if let (Some(old), Some(new)) = (old, new)
            && old.said == new.said
            && old.digest == new.digest
        {
            times += usize::from(old.mtime != new.mtime);
            return;
        }
        let said = |member: Option<&Member>| member.map(|member| member.said.clone());
        let other = matches!((old, new), (Some(old), Some(new)) if old.said == new.said);
        let what = name.escape_debug().to_string();
        let change = match other {
            true => Some(Change::new(Kind::Changed, what, said(old), said(new))),
            false => Change::of(what, said(old), said(new)),
        };
        let Some(mut change) = change else { return };
        if let (Some(old), Some(new)) = (old, new)
            && old.digest != new.digest
        {
            match (&old.text, &new.text) {
                (Some(old), Some(new)) => change.detail = text::unified(old, new),
                _ if other => change.notes.push("other bytes".to_owned()),
                _ => {}
            }
        }
        let size = |member: Option<&Member>| member.map_or(0, |member| member.size);
        let change = cause(a, b, name, change.grown(size(old), size(new)));
        least = Some(least.map_or(change.weight, |least| least.min(change.weight)));
        found.add(Topic::Initrd, change);
    });
    if times > 0 {
        let what = format!("times of {times} files of the initrd");
        found.add(Topic::Initrd, Change::new(Kind::Changed, what, None, None).weigh(Weight::Cosmetic));
        least = least.or(Some(Weight::Cosmetic));
    }
    least
}

/// What accounts for a member: another kernel, the file of the root that it is a copy of, another version of the tool.
fn cause(a: &Side, b: &Side, name: &str, change: Change) -> Change {
    let module = name.starts_with(MODULES) || name == LIST;
    if module && release(a) != release(b) {
        let mut change = change.because("another kernel");
        change.group = Some("modules of the initrd".to_owned());
        return if change.kind == Kind::Changed { change.weigh(Weight::Follows) } else { change };
    }
    if let (Some(before), Some(after)) = (a.root(), b.root())
        && module
        && copied(before, after, name)
    {
        return change.weigh(Weight::Follows).because("the same file of the root");
    }
    match (&a.manifest, &b.manifest) {
        (Some(old), Some(new)) if name == "init" && old.imagebuild != new.imagebuild => {
            change.because(format!("imagebuild {} -> {}", old.imagebuild, new.imagebuild))
        }
        _ => change,
    }
}

/// Whether the root's file at the member's place differs, too.
fn copied(before: &Inventory, after: &Inventory, name: &str) -> bool {
    let Ok(path) = RootPath::new(format!("/usr/{name}")) else { return false };
    match (before.nodes.get(&path), after.nodes.get(&path)) {
        // What cannot be read is told where files are compared.
        (Some(old), Some(new)) => {
            before.pair(after).same_file(old, new, &mut Scratch::default()).is_ok_and(|same| !same)
        }
        (None, None) => false,
        _ => true,
    }
}
