//! One page of a build, or of what changed between two: what it is, what is in it, how it was made, how to verify it.
//!
//! A part is a file, which takes what is known of the build and writes nothing where that is not known. No clock, no
//! path of the host: the page of a folder is the same wherever the folder lies.

mod build;
mod disk;
mod identity;
mod outputs;
mod packages;
mod posture;
mod sizes;
mod stages;
mod verify;

pub use build::Build;

use std::fmt::Write;

use super::diff::render::html;
use super::diff::{self, Diff};
use super::page::{self, escape};
use crate::error::Result;

/// A part of the page: its id, its heading, what is in it.
struct Part {
    id: &'static str,
    title: &'static str,
    body: String,
}

/// The page of a build, or with `before` of what changed since, compared by so many threads.
pub fn page(before: Option<&Build>, build: &Build, jobs: usize) -> Result<String> {
    let diff = before.map(|before| diff::compare(&before.side, &build.side, jobs)).transpose()?;
    let title = match before {
        None => build.name(),
        Some(before) => format!("{} → {}", before.side.label, build.side.label),
    };
    let mut out = page::head(&title);
    let _ = write!(
        out,
        "<header>\n<h1>{}</h1>\n<p class=\"verdict\">{}</p>\n</header>\n<main>\n",
        escape(&title),
        escape(&subtitle(build, diff.as_ref()))
    );
    if let Some(diff) = &diff {
        html::flags(diff, &mut out);
    }
    let image = identity::part(before, build);
    let sizes = if diff.is_none() { sizes::part(build) } else { None };
    let parts = [
        posture::part(before, build),
        sizes,
        disk::part(before, build),
        outputs::part(build),
        verify::part(build),
        packages::part(build),
        stages::part(build),
    ];
    let link = |part: &Part| format!("<a href=\"#{}\">{}</a>\n", part.id, part.title);
    out.push_str("<nav>\n");
    out.extend(image.iter().map(link));
    if let Some(diff) = &diff {
        html::contents(diff, &mut out);
    }
    out.extend(parts.iter().flatten().map(link));
    out.push_str("</nav>\n");
    let section =
        |Part { id, title, body }: &Part| format!("<section id=\"{id}\">\n<h2>{title}</h2>\n{body}</section>\n");
    out.extend(image.iter().map(section));
    if let Some(diff) = &diff {
        html::changes(diff, &mut out);
    }
    out.extend(parts.iter().flatten().map(section));
    for note in build.side.notes.iter().filter(|_| diff.is_none()) {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escape(note));
    }
    out.push_str("</main>\n");
    out.push_str(page::END);
    Ok(out)
}

fn subtitle(build: &Build, diff: Option<&Diff>) -> String {
    match diff {
        Some(diff) => diff::render::verdict(diff),
        None => build.facts(),
    }
}

/// A table of names and values; values are HTML already.
fn facts(rows: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let mut out = String::from("<table class=\"facts\">\n");
    for (name, value) in rows {
        let _ = writeln!(out, "<tr><th>{name}</th><td>{value}</td></tr>");
    }
    out.push_str("</table>\n");
    out
}

/// Text whose names in backticks are in the type of code.
fn ticked(text: &str) -> String {
    let mut out = String::new();
    for (number, piece) in text.split('`').enumerate() {
        match number % 2 {
            0 => out += &escape(piece),
            _ => out += &code(piece),
        }
    }
    out
}

/// Text in the type of code.
fn code(text: impl std::fmt::Display) -> String {
    format!("<code>{}</code>", escape(&text.to_string()))
}
