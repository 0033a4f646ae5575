//! Archives that an import takes: VMware's OVA, Google's `disk.raw`.

use std::sync::Arc;

use super::finding::{Finding, Rule};
use crate::bytes::{Bytes, Front, Part};
use crate::digest::Digest;
use crate::error::Result;
use crate::output::archive::{Member, members};
use crate::size::Size;

/// Rules of this subject.
pub const RULES: [&Rule; 4] = [&ORDER, &DIGESTS, &GOOGLE, &GIB];

static ORDER: Rule = Rule {
    id: "ova-order",
    required: "in an OVA the description (.ovf) first, then the files in the order in which it refers to them; manifest (.mf) and certificate (.cert) together before or behind all of these files",
    why: "DMTF DSP0243 (OVF 1.1), 5.3: importers read the archive as a stream, and need the machine before its disks",
    mend: "pack it anew in that order: tar -cf x.ova x.ovf x.mf x.vmdk, or format.ova",
};
static DIGESTS: Rule = Rule {
    id: "ova-digests",
    required: "in an OVA with a manifest the true digest of every other file",
    why: "DMTF DSP0243 (OVF 1.1), 5.1: importers refuse an archive whose digests do not hold",
    mend: "make the manifest anew: `SHA256(NAME)= HEX`, a line a file, no space before the bracket",
};
static GOOGLE: Rule = Rule {
    id: "gce-archive",
    required: "a gzip'd archive that holds exactly `disk.raw`, in GNU's old form of tar",
    why: "Compute Engine, manual import: other names, further files, PAX headers and what is not gzip'd are refused",
    mend: "pack it anew: tar --format=oldgnu -Sczf disk.tar.gz disk.raw, or format.gce",
};
static GIB: Rule = Rule {
    id: "gce-gib",
    required: "a `disk.raw` of whole GiB",
    why: "Compute Engine, manual import: disks are whole GiB",
    mend: "enlarge it (truncate -s %1G disk.raw) and move the table's copy to its end, or format.gce",
};

/// An archive of more files is none of these.
const MOST: usize = 64;
/// A description or a manifest has some kB.
const MAX_TEXT: u64 = 1 << 20;

/// Checks an archive, unpacked if it was compressed (`packed`).
pub fn check(file: &Arc<dyn Bytes>, packed: bool, out: &mut Vec<Finding>) -> Result<()> {
    // What is wrong with headers is told where the disk is opened.
    let Ok(members) = members(&**file, MOST) else { return Ok(()) };
    if members.iter().any(|member| member.name.ends_with(".ovf")) {
        return ova(file, &members, out);
    }
    let named = |member: &&Member| member.name.trim_start_matches("./") == "disk.raw";
    let Some(disk) = members.iter().find(named) else { return Ok(()) };
    let sound = members.len() == 1 && disk.name == "disk.raw" && disk.gnu && matches!(disk.kind, b'0' | b'S');
    if !sound || !packed {
        let form = if disk.gnu { "GNU's old form" } else { "another form" };
        let gzip = if packed { "" } else { ", not gzip'd" };
        out.push(GOOGLE.broken(format!("{} in {form}{gzip}", listed(&members))));
    } else if !disk.size().is_multiple_of(Size::GIB) {
        out.push(GIB.broken(format!("{} bytes", disk.size())));
    }
    Ok(())
}

fn ova(file: &Arc<dyn Bytes>, members: &[Member], out: &mut Vec<Finding>) -> Result<()> {
    let Some((described, rest)) = members.split_first().filter(|(first, _)| first.name.ends_with(".ovf")) else {
        out.push(ORDER.broken(listed(members)));
        return Ok(());
    };
    let Some(text_of) = text(&**file, described)? else {
        out.push(ORDER.broken(format!("a description of {} bytes", described.stored)));
        return Ok(());
    };
    let referred = references(&text_of);
    let (seals, files): (Vec<&Member>, Vec<&Member>) = rest.iter().partition(|member| is_seal(member));
    let before = rest.iter().take_while(|member| is_seal(member)).count();
    let behind = rest.iter().rev().take_while(|member| is_seal(member)).count();
    let together = [before, behind].contains(&seals.len());
    let manifest = seals.first().filter(|seal| seal.name.ends_with(".mf"));
    if !files.iter().map(|member| &member.name).eq(&referred) || !together || manifest.is_some() == seals.is_empty() {
        let wanted = referred.join(", ");
        out.push(ORDER.broken(format!("{} (refers to {})", listed(members), wanted.escape_debug())));
    }
    let Some(manifest) = manifest else { return Ok(()) };
    let Some(told) = text(&**file, manifest)? else {
        out.push(DIGESTS.broken(format!("a manifest of {} bytes", manifest.stored)));
        return Ok(());
    };
    for member in files.into_iter().chain([described]) {
        let name = member.name.escape_debug();
        let digest = |kind: &str| {
            let mark = format!("{kind}({})=", member.name);
            told.lines().find_map(|line| line.strip_prefix(&mark).map(str::trim))
        };
        match digest("SHA256") {
            Some(told) => {
                let part: Arc<dyn Bytes> = Arc::new(Part::new(file.clone(), member.at, member.stored)?);
                if !told.eq_ignore_ascii_case(&Digest::of_reader(Front::new(part))?.0.to_string()) {
                    out.push(DIGESTS.broken(format!("that of `{name}` does not hold")));
                }
            }
            // Older digests are read by importers, and not judged here.
            None if digest("SHA1").is_some() => {}
            None => out.push(DIGESTS.broken(format!("none of `{name}`"))),
        }
    }
    Ok(())
}

/// Whether a member tells of others: manifest and certificate.
fn is_seal(member: &Member) -> bool {
    member.name.ends_with(".mf") || member.name.ends_with(".cert")
}

/// Names of members, for people.
fn listed(members: &[Member]) -> String {
    let names: Vec<_> = members.iter().map(|member| member.name.escape_debug().to_string()).collect();
    names.join(", ")
}

/// The text that a member is; none where it is longer than any.
fn text(file: &dyn Bytes, member: &Member) -> Result<Option<String>> {
    if member.stored > MAX_TEXT {
        return Ok(None);
    }
    let mut bytes = vec![0; member.stored as usize];
    file.read_at(&mut bytes, member.at)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The files in the archive that a description refers to: `ovf:href` of each, whatever the prefix is.
fn references(described: &str) -> Vec<String> {
    let value = |rest: &str| {
        let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        rest[1..].split_once(quote).map(|(name, _)| name.to_owned())
    };
    let names = described.split(":href=").skip(1).filter_map(value);
    // Others are fetched from where they are.
    let inside = names.filter(|name| !name.contains("://"));
    let marks = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    inside.map(|name| marks.iter().fold(name, |name, (mark, letter)| name.replace(mark, letter))).collect()
}
