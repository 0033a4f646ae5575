//! Archives that an import takes: VMware's OVA, Google's `disk.raw`.

use std::sync::Arc;

use super::finding::{Finding, Rule};
use crate::bytes::{Bytes, Front, Part};
use crate::digest::Digest;
use crate::error::Result;
use crate::output::archive::{Member, members};
use crate::size::Size;

/// Rules of this subject.
pub const RULES: [&Rule; 5] = [&ORDER, &SIZES, &DIGESTS, &GOOGLE, &GIB];

static ORDER: Rule = Rule {
    id: "ova-order",
    required: "in an OVA the description (.ovf) first, then the files in the order in which it refers to them; manifest (.mf) and certificate (.cert) together before or behind all of these files",
    why: "DMTF DSP0243 (OVF 1.1), 5.3: importers read the archive as a stream, and need the machine before its disks",
    mend: "pack it anew in that order: tar -cf x.ova x.ovf x.mf x.vmdk, or format.ova",
};
static SIZES: Rule = Rule {
    id: "ova-sizes",
    required: "in an OVA every file of the size that the description gives (ovf:size), and one that is cut up (ovf:chunkSize) in pieces NAME.000000000, NAME.000000001, ... of that size, the last one with what is left",
    why: "DMTF DSP0243 (OVF 1.1), 7.1: importers count what they read, and ask for pieces by their number",
    mend: "describe the file anew, with its size and without ovf:chunkSize: an OVA needs no pieces",
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

/// Checks an archive, unpacked if it was compressed (`packed`); whether what is in it is cut up into pieces.
pub fn check(file: &Arc<dyn Bytes>, packed: bool, out: &mut Vec<Finding>) -> Result<bool> {
    // What is wrong with headers is told where the disk is opened.
    let Ok(members) = members(&**file, MOST) else { return Ok(false) };
    if members.iter().any(|member| member.name.ends_with(".ovf")) {
        return ova(file, &members, out);
    }
    let named = |member: &&Member| member.name.trim_start_matches("./") == "disk.raw";
    let Some(disk) = members.iter().find(named) else { return Ok(false) };
    let sound = members.len() == 1 && disk.name == "disk.raw" && disk.gnu && matches!(disk.kind, b'0' | b'S');
    if !sound || !packed {
        let form = if disk.gnu { "GNU's old form" } else { "another form" };
        let gzip = if packed { "" } else { ", not gzip'd" };
        out.push(GOOGLE.broken(format!("{} in {form}{gzip}", listed(&members))));
    } else if !disk.size().is_multiple_of(Size::GIB) {
        out.push(GIB.broken(format!("{} bytes", disk.size())));
    }
    Ok(false)
}

fn ova(file: &Arc<dyn Bytes>, members: &[Member], out: &mut Vec<Finding>) -> Result<bool> {
    let Some((described, rest)) = members.split_first().filter(|(first, _)| first.name.ends_with(".ovf")) else {
        out.push(ORDER.broken(listed(members)));
        return Ok(false);
    };
    let Some(text_of) = text(&**file, described)? else {
        out.push(ORDER.broken(format!("a description of {} bytes", described.stored)));
        return Ok(false);
    };
    let referred = references(&text_of);
    let cut_up = referred.iter().any(|reference| reference.chunk.is_some());
    let (wanted, amiss) = pieces(&referred);
    out.extend(amiss.map(|why| SIZES.broken(why)));
    let (seals, files): (Vec<&Member>, Vec<&Member>) = rest.iter().partition(|member| is_seal(member));
    let before = rest.iter().take_while(|member| is_seal(member)).count();
    let behind = rest.iter().rev().take_while(|member| is_seal(member)).count();
    let together = [before, behind].contains(&seals.len());
    let manifest = seals.first().filter(|seal| seal.name.ends_with(".mf"));
    let in_order = files.iter().map(|member| &member.name).eq(wanted.iter().map(|(name, _)| name));
    if !in_order || !together || manifest.is_some() == seals.is_empty() {
        let names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
        out.push(ORDER.broken(format!("{} (refers to {})", listed(members), names.join(", ").escape_debug())));
    } else if let Some((member, (_, Some(size)))) =
        files.iter().zip(&wanted).find(|(member, (_, size))| size.is_some_and(|size| size != member.stored))
    {
        let (name, stored) = (member.name.escape_debug(), member.stored);
        out.push(SIZES.broken(format!("`{name}` of {stored} bytes where {size} are described")));
    }
    let Some(manifest) = manifest else { return Ok(cut_up) };
    let Some(told) = text(&**file, manifest)? else {
        out.push(DIGESTS.broken(format!("a manifest of {} bytes", manifest.stored)));
        return Ok(cut_up);
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
    Ok(cut_up)
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

/// A file that a description refers to.
struct Reference {
    name: String,
    /// As it is described; bytes of the whole file, and of a piece of it.
    size: Option<String>,
    chunk: Option<String>,
}

/// The files in the archive that a description refers to: `ovf:href` of each, whatever the prefix is.
fn references(described: &str) -> Vec<Reference> {
    let file = |text: &str| {
        let element = element(text);
        let name = attribute(element, "href")?;
        Some(Reference { name, size: attribute(element, "size"), chunk: attribute(element, "chunkSize") })
    };
    // Others are fetched from where they are.
    described.split('<').skip(1).filter_map(file).filter(|file| !file.name.contains("://")).collect()
}

/// What is behind `<`, up to the `>` that is in no quotes.
fn element(text: &str) -> &str {
    let mut within = None;
    let end = text.find(|letter| {
        match (within, letter) {
            (None, '"' | '\'') => within = Some(letter),
            (Some(quote), letter) if quote == letter => within = None,
            _ => {}
        }
        within.is_none() && letter == '>'
    });
    &text[..end.unwrap_or(text.len())]
}

/// The value of an attribute of an element, whatever its prefix is.
fn attribute(element: &str, name: &str) -> Option<String> {
    let (_, rest) = element.split_once(&format!(":{name}="))?;
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (value, _) = rest[1..].split_once(quote)?;
    let marks = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    Some(marks.iter().fold(value.to_owned(), |value, (mark, letter)| value.replace(mark, letter)))
}

/// The members that these files must be, with their bytes where they are described, and what is wrong with a description.
fn pieces(referred: &[Reference]) -> (Vec<(String, Option<u64>)>, Option<String>) {
    let (mut out, mut amiss) = (Vec::new(), None);
    for Reference { name, size, chunk } in referred {
        // One more than an archive may have shows that it has too few.
        if out.len() > MOST {
            break;
        }
        let mut number = |text: &Option<String>| {
            let number = text.as_ref().map(|text| text.trim().parse::<u64>().ok().filter(|number| *number > 0));
            if number == Some(None) {
                amiss = Some(format!(
                    "`{}` as a size of `{}`",
                    text.as_deref().unwrap_or_default().escape_debug(),
                    name.escape_debug()
                ));
            }
            number.flatten()
        };
        match (number(size), number(chunk)) {
            (Some(size), Some(chunk)) => {
                for at in (0..size.div_ceil(chunk)).take(MOST + 1) {
                    out.push((format!("{name}.{at:09}"), Some(chunk.min(size - at * chunk))));
                }
            }
            (None, Some(_)) => {
                amiss = Some(format!("pieces of `{}`, whose size is not described", name.escape_debug()));
                out.push((name.clone(), None));
            }
            (size, None) => out.push((name.clone(), size)),
        }
    }
    (out, amiss)
}
