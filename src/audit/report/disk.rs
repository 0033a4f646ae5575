//! The partitions, drawn to scale.

use std::fmt::Write;

use super::{Build, Part, code};
use crate::arch::Arch;
use crate::audit::page::escape;
use crate::disk::{BIOS_TYPE, ESP_TYPE};
use crate::guid::Guid;
use crate::size::human;

/// Width and height of the drawing, in its units.
const ROOM: (u64, u64) = (1200, 64);
/// A partition is drawn at least so wide.
const LEAST: u64 = 3;
/// A letter takes so much room.
const LETTER: u64 = 7;

/// Something on the disk.
struct Piece {
    label: String,
    what: &'static str,
    class: &'static str,
    at: u64,
    size: u64,
    /// Bytes that are taken, where that is known.
    used: Option<u64>,
}

/// The part; of two builds both disks, at one scale.
pub fn part(before: Option<&Build>, build: &Build) -> Option<Part> {
    let after = pieces(build)?;
    let mut sides: Vec<(String, Vec<Piece>)> = Vec::new();
    if let Some(before) = before
        && let Some(pieces) = pieces(before)
    {
        sides.push((before.side.label.clone(), pieces));
    }
    sides.push((if before.is_some() { build.side.label.clone() } else { "the disk".to_owned() }, after));
    let most = sides.iter().map(|(_, pieces)| end(pieces)).max().unwrap_or(0);
    let mut body = String::new();
    for (label, pieces) in &sides {
        draw(label, pieces, most, &mut body);
    }
    if let Some((_, pieces)) = sides.last() {
        table(pieces, &mut body);
    }
    Some(Part { id: "disk", title: "Partitions", body })
}

fn end(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| piece.at.saturating_add(piece.size)).max().unwrap_or(0)
}

fn pieces(build: &Build) -> Option<Vec<Piece>> {
    let manifest = build.side.manifest.as_ref();
    let disk = build.side.disk.as_ref();
    // The manifest's, else those of the table that was read.
    let found: Vec<(String, Guid, u64, u64)> = match (manifest, disk) {
        (Some(manifest), _) => {
            manifest.partitions.iter().map(|part| (part.label.clone(), part.kind, part.start, part.size)).collect()
        }
        (None, Some(disk)) => {
            let entries = disk.image.table.entries.iter();
            entries
                .map(|entry| {
                    let (at, size) = disk.image.place(entry);
                    (entry.label.clone(), entry.kind, at, size)
                })
                .collect()
        }
        (None, None) => return None,
    };
    let mut roots = 0;
    let piece = |(label, kind, at, size): (String, Guid, u64, u64)| {
        let (what, class) = named(kind);
        let used = match class {
            "esp" => disk.map(|disk| disk.esp.files.iter().fold(0, |sum: u64, (_, size)| sum.saturating_add(*size))),
            // Of several slots the first is the image's.
            "root" if roots == 0 => {
                roots += 1;
                build.packed.or(manifest.map(|manifest| manifest.root.size))
            }
            "verity" if roots <= 1 => manifest.map(|manifest| manifest.root.verity_size),
            _ => None,
        };
        Piece { label, what, class, at, size, used: used.filter(|used| *used <= size) }
    };
    let mut pieces: Vec<Piece> = found.into_iter().map(piece).collect();
    pieces.sort_by_key(|piece| piece.at);
    let end = end(&pieces);
    if let Some(manifest) = manifest.filter(|manifest| manifest.minimum_disk > end) {
        let what = "made at the first boot: a second slot, /var";
        let size = manifest.minimum_disk - end;
        pieces.push(Piece { label: String::new(), what, class: "later", at: end, size, used: None });
    }
    Some(pieces)
}

/// What a type is in words, and its class.
fn named(kind: Guid) -> (&'static str, &'static str) {
    let types = Arch::ALL.map(Arch::root_types);
    if kind == ESP_TYPE {
        ("EFI system partition", "esp")
    } else if kind == BIOS_TYPE {
        ("boot code for a BIOS", "esp")
    } else if types.iter().any(|types| types.root == kind) {
        ("root: the squashfs", "root")
    } else if types.iter().any(|types| types.verity == kind) {
        ("hash tree of the root", "verity")
    } else if types.iter().any(|types| types.signature == kind) {
        ("signature of the root hash", "other")
    } else {
        ("another type", "other")
    }
}

/// `most` bytes are as wide as the drawing.
fn draw(caption: &str, pieces: &[Piece], most: u64, out: &mut String) {
    let place = |byte: u64| {
        u64::try_from(u128::from(byte) * u128::from(ROOM.0) / u128::from(most.max(1))).unwrap_or(ROOM.0).min(ROOM.0)
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<figure class=\"disk\">\n<figcaption>{} · {}</figcaption>\n<svg viewBox=\"0 0 {} {}\" role=\"img\">\n\
         <rect class=\"whole\" x=\"0\" y=\"0\" width=\"{}\" height=\"{}\"/>",
        escape(caption),
        human(end(pieces)),
        ROOM.0,
        ROOM.1,
        place(end(pieces)),
        ROOM.1
    );
    for piece in pieces {
        let x = place(piece.at).min(ROOM.0 - LEAST);
        let width = place(piece.at.saturating_add(piece.size)).saturating_sub(x).max(LEAST);
        let used = piece.used.map_or_else(String::new, |used| format!(", {} taken", human(used)));
        let title = format!("{} {}: {}{used}", piece.label, piece.what, human(piece.size));
        let _ = write!(
            out,
            "<g class=\"{}\"><title>{}</title><rect x=\"{x}\" y=\"0\" width=\"{width}\" height=\"{}\"/>",
            piece.class,
            escape(title.trim()),
            ROOM.1
        );
        if let Some(used) = piece.used {
            let part = u128::from(width) * u128::from(used) / u128::from(piece.size.max(1));
            let _ = write!(out, "<rect class=\"taken\" x=\"{x}\" y=\"0\" width=\"{part}\" height=\"{}\"/>", ROOM.1);
        }
        let name = if piece.label.is_empty() { piece.what } else { &piece.label };
        for (text, y) in [(name, 26), (&*human(piece.size), 44)] {
            if (text.chars().count() as u64 + 2) * LETTER <= width {
                let _ = write!(out, "<text x=\"{}\" y=\"{y}\">{}</text>", x + 8, escape(text));
            }
        }
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n</figure>\n");
}

fn table(pieces: &[Piece], out: &mut String) {
    out.push_str(
        "<table class=\"list\">\n<tr><th>Partition</th><th></th><th class=\"bytes\">from</th><th class=\"bytes\">bytes</th><th class=\"bytes\">taken</th></tr>\n",
    );
    for piece in pieces {
        let used = piece.used.map_or_else(String::new, |used| {
            let share = u128::from(used) * 100 / u128::from(piece.size.max(1));
            format!("{} <small>{share} %</small>", human(used))
        });
        let label = if piece.label.is_empty() { "—".to_owned() } else { code(&piece.label) };
        let _ = writeln!(
            out,
            "<tr><td><i class=\"{}\"></i>{label}</td><td>{}</td><td class=\"bytes\">{}</td><td class=\"bytes\">{}</td>\
             <td class=\"bytes\">{used}</td></tr>",
            piece.class,
            escape(piece.what),
            piece.at,
            piece.size
        );
    }
    out.push_str("</table>\n");
}
