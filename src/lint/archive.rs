//! Archives that an import takes: VMware's OVA, Google's `disk.raw`.

use std::sync::Arc;

use super::finding::{Finding, Rule};
use crate::bytes::{Bytes, Front, Part};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::size::Size;

/// Rules of this subject.
pub const RULES: [&Rule; 4] = [&ORDER, &DIGESTS, &GOOGLE, &GIB];

static ORDER: Rule = Rule {
    id: "ova-order",
    required: "in an OVA the description (.ovf) first, then the manifest (.mf), then the files in the order in which the description refers to them",
    why: "DMTF DSP0243, 5.3: importers read the archive as a stream, and need the machine before its disks",
    mend: "pack it anew in that order: tar -cf x.ova x.ovf x.mf x.vmdk, or format.ova",
};
static DIGESTS: Rule = Rule {
    id: "ova-digests",
    required: "in an OVA with a manifest the true digest of every other file",
    why: "DMTF DSP0243, 5.1: importers refuse an archive whose digests do not hold",
    mend: "make the manifest anew: `SHA256(NAME)= HEX`, a line a file, no space before the bracket",
};
static GOOGLE: Rule = Rule {
    id: "gce-archive",
    required: "an archive that holds exactly `disk.raw`, in GNU's old form of tar",
    why: "Compute Engine, manual import: other names, further files and PAX headers are refused",
    mend: "pack it anew: tar --format=oldgnu -Sczf disk.tar.gz disk.raw, or format.gce",
};
static GIB: Rule = Rule {
    id: "gce-gib",
    required: "a `disk.raw` of whole GiB",
    why: "Compute Engine, manual import: disks are whole GiB",
    mend: "enlarge it (truncate -s %1G disk.raw) and move the table's copy to its end, or format.gce",
};

const BLOCK: u64 = 512;
/// An archive of more files is none of these.
const MOST: usize = 64;
/// A description or a manifest has some kB.
const MAX_TEXT: u64 = 1 << 20;

/// A file of an archive.
struct Member {
    name: String,
    kind: u8,
    /// Whether the header is of GNU's old form.
    gnu: bool,
    at: u64,
    stored: u64,
    /// Bytes with the holes of a sparse one.
    size: u64,
}

/// Whether a file that begins with these bytes is a tar archive.
pub fn is_archive(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

/// Checks an archive, unpacked if it was compressed.
pub fn check(file: &Arc<dyn Bytes>, out: &mut Vec<Finding>) -> Result<()> {
    // What is wrong with headers is told where the disk is opened.
    let Ok(members) = members(&**file) else { return Ok(()) };
    let google = members.iter().find(|member| member.name.trim_start_matches("./") == "disk.raw");
    if members.iter().any(|member| member.name.ends_with(".ovf")) {
        return ova(file, &members, out);
    }
    let Some(disk) = google else { return Ok(()) };
    if members.len() != 1 || disk.name != "disk.raw" || !disk.gnu || !matches!(disk.kind, b'0' | b'S') {
        let form = if disk.gnu { "GNU's old form" } else { "another form" };
        let names: Vec<_> = members.iter().map(|member| member.name.escape_debug().to_string()).collect();
        out.push(GOOGLE.broken(format!("{} in {form}", names.join(", "))));
    } else if !disk.size.is_multiple_of(Size::GIB) {
        out.push(GIB.broken(format!("{} bytes", disk.size)));
    }
    Ok(())
}

fn ova(file: &Arc<dyn Bytes>, members: &[Member], out: &mut Vec<Finding>) -> Result<()> {
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let Some(described) = members.first().filter(|member| member.name.ends_with(".ovf")) else {
        out.push(ORDER.broken(names.join(", ").escape_debug().to_string()));
        return Ok(());
    };
    let text = |member: &Member| -> Result<String> {
        if member.stored > MAX_TEXT {
            return Err(Error::user(format!("`{}` has {} bytes", member.name, member.stored)));
        }
        let mut bytes = vec![0; member.stored as usize];
        file.read_at(&mut bytes, member.at)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let described = text(described)?;
    let referred: Vec<&str> =
        described.split("ovf:href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let manifest = members.iter().position(|member| member.name.ends_with(".mf"));
    // A signature's certificate may follow the manifest.
    let rest: Vec<&str> =
        names[1..].iter().copied().filter(|name| !name.ends_with(".mf") && !name.ends_with(".cert")).collect();
    if rest != referred || manifest.is_some_and(|at| at != 1) {
        let (found, wanted) = (names.join(", "), referred.join(", "));
        out.push(ORDER.broken(format!("{} (refers to {})", found.escape_debug(), wanted.escape_debug())));
    }
    let Some(manifest) = manifest else { return Ok(()) };
    let told = text(&members[manifest])?;
    for member in members.iter().filter(|member| !member.name.ends_with(".mf") && !member.name.ends_with(".cert")) {
        let mark = format!("SHA256({})=", member.name);
        let line = told.lines().find_map(|line| line.strip_prefix(&mark));
        let part: Arc<dyn Bytes> = Arc::new(Part::new(file.clone(), member.at, member.stored)?);
        let true_one = Digest::of_reader(Front::new(part))?.0.to_string();
        match line.map(str::trim) {
            Some(digest) if digest.eq_ignore_ascii_case(&true_one) => {}
            // Older digests are read by importers, and not judged here.
            None if told.contains(&format!("SHA1({})=", member.name)) => {}
            Some(_) => out.push(DIGESTS.broken(format!("that of `{}` does not hold", member.name.escape_debug()))),
            None => out.push(DIGESTS.broken(format!("none of `{}`", member.name.escape_debug()))),
        }
    }
    Ok(())
}

fn members(file: &dyn Bytes) -> Result<Vec<Member>> {
    let mut out = Vec::new();
    let mut at = 0;
    while at + BLOCK <= file.length() && out.len() < MOST {
        let mut head = [0; BLOCK as usize];
        file.read_at(&mut head, at)?;
        if head == [0; BLOCK as usize] {
            break;
        }
        if !is_archive(&head) {
            return Err(Error::user("no header"));
        }
        at += BLOCK;
        let stored = number(&head[124..136])?;
        let kind = if head[156] == 0 { b'0' } else { head[156] };
        let mut size = stored;
        if kind == b'S' {
            size = number(&head[483..495])?;
            let mut more = head[482] != 0;
            while more {
                let mut map = [0; BLOCK as usize];
                file.read_at(&mut map, at)?;
                at += BLOCK;
                more = map[504] != 0;
            }
        }
        let name = head[..100].split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        out.push(Member { name, kind, gnu: &head[257..265] == b"ustar  \0", at, stored, size });
        let next = stored.checked_next_multiple_of(BLOCK).and_then(|length| at.checked_add(length));
        at = next.ok_or_else(|| Error::user("no size"))?;
    }
    Ok(out)
}

/// Octal digits, or the number itself behind a set bit.
fn number(bytes: &[u8]) -> Result<u64> {
    if bytes[0] & 0x80 != 0 {
        let low = bytes.last_chunk::<8>().ok_or_else(|| Error::user("no number"))?;
        return Ok(u64::from_be_bytes(*low));
    }
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim_matches([' ', '\0']);
    u64::from_str_radix(if text.is_empty() { "0" } else { text }, 8).map_err(|_| Error::user("no number"))
}
