//! The files that came out.

use std::fmt::Write;

use super::{Build, Part, code};
use crate::audit::page::escape;
use crate::size::human;

/// Rows that are shown unfolded.
const OPEN: usize = 24;

/// The part; none where there is no manifest.
pub fn part(build: &Build) -> Option<Part> {
    let manifest = build.side.manifest.as_ref().filter(|manifest| !manifest.artifacts.is_empty())?;
    let open = if manifest.artifacts.len() <= OPEN { " open" } else { "" };
    let number = manifest.artifacts.len();
    let files = if number == 1 { "file" } else { "files" };
    let mut body = format!("<details{open}>\n<summary>{number} {files}</summary>\n<table class=\"list outputs\">\n");
    for artifact in &manifest.artifacts {
        let cloud = artifact.cloud.as_ref().map(|cloud| format!(" for {}", escape(cloud))).unwrap_or_default();
        let words = match artifact.cmdline.as_slice() {
            [] => String::new(),
            words => format!("<small>on its command line besides: {}</small>", code(words.join(" "))),
        };
        let _ = writeln!(
            body,
            "<tr><td>{}<small class=\"hash\">{}</small>{words}</td><td>{}{cloud}</td><td class=\"bytes\">{}</td></tr>",
            code(&artifact.path),
            artifact.sha256,
            escape(&artifact.format),
            human(artifact.size),
        );
    }
    body.push_str("</table>\n</details>\n");
    Some(Part { id: "came-out", title: "Files that came out", body })
}
