//! One HTML file with nothing beside it: text that folds without a script, and a treemap of sizes.

use std::fmt::Write;

use super::super::Diff;
use super::line::{rest, value};
use super::treemap::{Rect, lay};
use super::{Change, Kind, Show, Told, grown, heading, verdict};
use crate::report::clean;
use crate::size::human;

/// Width and height of a treemap, in units of the drawing.
const ROOM: Rect = Rect { x: 0, y: 0, width: 1200, height: 420 };
/// Packages that are drawn by themselves.
const DRAWN: usize = 120;
/// A label needs so much room.
const LABEL: (u64, u64) = (70, 22);

const STYLE: &str = include_str!("style.css");

/// The page.
pub fn html(diff: &Diff) -> String {
    let (before, after) = (escape(&diff.before), escape(&diff.after));
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{before} → {after}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1><span>{before}</span> → <span>{after}</span></h1>\n<p class=\"verdict\">{}</p>\n</header>\n<main>\n",
        escape(&verdict(diff))
    );
    flags(diff, &mut out);
    contents(diff, &mut out);
    if !diff.sizes.is_empty() {
        maps(diff, &mut out);
    }
    for (topic, changes) in &diff.topics {
        section(*topic, changes, &mut out);
    }
    for note in &diff.notes {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escape(note));
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// Everything that is flagged, at the top.
fn flags(diff: &Diff, out: &mut String) {
    let flagged: Vec<_> = diff.changes().filter(|(_, change)| !change.flags.is_empty()).collect();
    if flagged.is_empty() {
        return;
    }
    out.push_str("<section id=\"look\">\n<h2>To look at</h2>\n<ul>\n");
    for (topic, change) in flagged {
        let names: Vec<&str> = change.flags.iter().map(|flag| flag.name()).collect();
        let _ = writeln!(
            out,
            "<li><b>{}</b> <code>{}</code> {} <a href=\"#{}\">{}</a></li>",
            names.join(", "),
            escape(&change.what),
            escape(&value(change)),
            id(topic),
            escape(topic.title()),
        );
    }
    out.push_str("</ul>\n</section>\n");
}

fn contents(diff: &Diff, out: &mut String) {
    out.push_str("<nav>\n");
    if !diff.sizes.is_empty() {
        out.push_str("<a href=\"#sizes\">Sizes</a>\n");
    }
    for (topic, changes) in &diff.topics {
        let own = changes.iter().filter(|change| change.weight == super::Weight::Own).count();
        let _ = writeln!(out, "<a href=\"#{}\">{} <small>{own}</small></a>", id(*topic), escape(topic.title()));
    }
    out.push_str("</nav>\n");
}

fn id(topic: super::Topic) -> String {
    format!("{topic:?}").to_lowercase()
}

fn section(topic: super::Topic, changes: &[Change], out: &mut String) {
    let told = Told::of(changes, Show::default());
    let _ = writeln!(out, "<section id=\"{}\">\n<h2>{}</h2>", id(topic), escape(&heading(topic, changes)));
    if !told.single.is_empty() {
        table(told.single.iter().copied(), out);
    }
    for group in &told.groups {
        let _ = writeln!(out, "<details>\n<summary>{}</summary>", escape(&group.summary()));
        table(group.changes.iter().copied(), out);
        out.push_str("</details>\n");
    }
    let quiet: Vec<&Change> =
        changes.iter().filter(|change| change.weight != super::Weight::Own && change.flags.is_empty()).collect();
    if !quiet.is_empty() {
        let _ = writeln!(out, "<details>\n<summary>{} that follow, or are ids and times</summary>", quiet.len());
        table(quiet.into_iter(), out);
        out.push_str("</details>\n");
    }
    out.push_str("</section>\n");
}

fn table<'a>(changes: impl Iterator<Item = &'a Change>, out: &mut String) {
    out.push_str("<table>\n");
    for change in changes {
        let (class, sign) = match change.kind {
            Kind::Added => ("added", "+"),
            Kind::Removed => ("removed", "−"),
            Kind::Changed => ("changed", "~"),
        };
        let flags: String = change.flags.iter().map(|flag| format!("<b>{}</b> ", flag.name())).collect();
        let _ = write!(
            out,
            "<tr class=\"{class}\"><td>{sign}</td><td><code>{}</code></td><td>{flags}{}<small>{}</small>",
            escape(&change.what),
            escape(&value(change)),
            escape(&rest(change)),
        );
        if !change.detail.is_empty() {
            let lines: String = change.detail.lines().map(|line| format!("{}\n", escape(line))).collect();
            let _ = write!(out, "<details><summary>detail</summary><pre>{lines}</pre></details>");
        }
        let bytes = if change.bytes == 0 { String::new() } else { grown(change.bytes.into()) };
        let _ = writeln!(out, "</td><td class=\"bytes\">{bytes}</td></tr>");
    }
    out.push_str("</table>\n");
}

/// Two maps of one scale: what shrank and what grew shows by itself.
fn maps(diff: &Diff, out: &mut String) {
    let total = |side: fn(&(u64, u64)) -> u64| diff.sizes.values().map(|sizes| u128::from(side(sizes))).sum::<u128>();
    let (before, after) = (total(|sizes| sizes.0), total(|sizes| sizes.1));
    out.push_str("<section id=\"sizes\">\n<h2>Sizes by package</h2>\n");
    for (name, all, side) in [
        (&diff.before, before, (|sizes: &(u64, u64)| sizes.0) as fn(&(u64, u64)) -> u64),
        (&diff.after, after, |sizes| sizes.1),
    ] {
        let mut packages: Vec<(&String, &(u64, u64))> =
            diff.sizes.iter().filter(|(_, sizes)| side(sizes) > 0).collect();
        packages.sort_by_key(|(name, sizes)| (std::cmp::Reverse(side(sizes)), *name));
        let rest: u64 = packages.iter().skip(DRAWN).map(|(_, sizes)| side(sizes)).fold(0, u64::saturating_add);
        packages.truncate(DRAWN);
        let mut sizes: Vec<u64> = packages.iter().map(|(_, sizes)| side(sizes)).collect();
        sizes.push(rest);
        // The smaller side gets the smaller map.
        let most = before.max(after).max(1);
        let width = u64::try_from(u128::from(ROOM.width) * all / most).unwrap_or(ROOM.width);
        let room = Rect { width, ..ROOM };
        let _ = writeln!(
            out,
            "<figure>\n<figcaption>{} · {}</figcaption>\n<svg viewBox=\"0 0 {} {}\" role=\"img\">",
            escape(name),
            human(u64::try_from(all).unwrap_or(u64::MAX)),
            ROOM.width,
            ROOM.height
        );
        for (number, rect) in lay(&sizes, room).into_iter().enumerate() {
            if rect.width == 0 || rect.height == 0 {
                continue;
            }
            let (label, class, title) = match packages.get(number) {
                Some((name, both)) => {
                    let class = match both.0.cmp(&both.1) {
                        _ if both.0 == 0 => "added",
                        _ if both.1 == 0 => "removed",
                        std::cmp::Ordering::Less => "grown",
                        std::cmp::Ordering::Greater => "shrunk",
                        std::cmp::Ordering::Equal => "same",
                    };
                    ((*name).clone(), class, format!("{name}: {} -> {}", human(both.0), human(both.1)))
                }
                None => ("others".to_owned(), "same", format!("smaller packages: {}", human(rest))),
            };
            let Rect { x, y, width, height } = rect;
            let _ = write!(
                out,
                "<g class=\"{class}\"><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>",
                escape(&title)
            );
            if width >= LABEL.0 && height >= LABEL.1 {
                // A letter takes some 7 units.
                let text: String = label.chars().take((width as usize - 8) / 7).collect();
                let _ = write!(out, "<text x=\"{}\" y=\"{}\">{}</text>", x + 5, y + 15, escape(&text));
            }
            out.push_str("</g>\n");
        }
        out.push_str("</svg>\n</figure>\n");
    }
    out.push_str(
        "<p class=\"legend\"><i class=\"added\"></i>new <i class=\"grown\"></i>grown <i class=\"shrunk\"></i>shrunk \
         <i class=\"removed\"></i>gone <i class=\"same\"></i>the same</p>\n</section>\n",
    );
}

/// Text for HTML, without what would move a terminal either.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' => out.push('\t'),
            character => out.push_str(&clean(character.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}
