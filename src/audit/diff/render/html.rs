//! One HTML file with nothing beside it: text that folds without a script, and a treemap of sizes.

use std::fmt::Write;

use super::super::Diff;
use super::line::{rest, value};
use super::{Change, Kind, Show, Told, grown, heading, verdict};
use crate::audit::page::{self, Tile, escape, map};
use crate::size::human;

/// The page.
pub fn html(diff: &Diff) -> String {
    let (before, after) = (escape(&diff.before), escape(&diff.after));
    let mut out = page::head(&format!("{} → {}", diff.before, diff.after));
    let _ = write!(
        out,
        "<header>\n<h1><span>{before}</span> → <span>{after}</span></h1>\n<p class=\"verdict\">{}</p>\n</header>\n<main>\n",
        escape(&verdict(diff))
    );
    flags(diff, &mut out);
    out.push_str("<nav>\n");
    contents(diff, &mut out);
    out.push_str("</nav>\n");
    changes(diff, &mut out);
    out.push_str("</main>\n");
    out.push_str(page::END);
    out
}

/// Maps of sizes, every topic, and what was not compared: the parts that [`contents`] points at.
pub fn changes(diff: &Diff, out: &mut String) {
    if !diff.sizes.is_empty() {
        maps(diff, out);
    }
    for (topic, changes) in &diff.topics {
        section(*topic, changes, out);
    }
    for note in &diff.notes {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escape(note));
    }
}

/// Everything that is flagged, at the top.
pub fn flags(diff: &Diff, out: &mut String) {
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

/// Where the parts are, as links.
pub fn contents(diff: &Diff, out: &mut String) {
    if !diff.sizes.is_empty() {
        out.push_str("<a href=\"#sizes\">Sizes</a>\n");
    }
    for (topic, changes) in &diff.topics {
        let own = changes.iter().filter(|change| change.weight == super::Weight::Own).count();
        let _ = writeln!(out, "<a href=\"#{}\">{} <small>{own}</small></a>", id(*topic), escape(topic.title()));
    }
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
    let most = total(|sizes| sizes.0).max(total(|sizes| sizes.1));
    out.push_str("<section id=\"sizes\">\n<h2>Sizes by package</h2>\n");
    let tile = |name: &String, both: &(u64, u64), size: u64| {
        let class = match both.0.cmp(&both.1) {
            _ if both.0 == 0 => "added",
            _ if both.1 == 0 => "removed",
            std::cmp::Ordering::Less => "grown",
            std::cmp::Ordering::Greater => "shrunk",
            std::cmp::Ordering::Equal => "same",
        };
        let title = format!("{name}: {} -> {}", human(both.0), human(both.1));
        Tile { name: name.clone(), size, class, title }
    };
    map(&diff.before, diff.sizes.iter().map(|(name, both)| tile(name, both, both.0)).collect(), most, out);
    map(&diff.after, diff.sizes.iter().map(|(name, both)| tile(name, both, both.1)).collect(), most, out);
    out.push_str(
        "<p class=\"legend\"><i class=\"added\"></i>new <i class=\"grown\"></i>grown <i class=\"shrunk\"></i>shrunk \
         <i class=\"removed\"></i>gone <i class=\"same\"></i>the same</p>\n</section>\n",
    );
}
