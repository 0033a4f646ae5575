//! Pages of HTML that need nothing beside them: no script, no other file, the same bytes for the same data.

mod map;
mod treemap;

pub use map::{Tile, map};

use crate::report::clean;

const STYLE: &str = include_str!("style.css");

/// A page up to its body, in which `title` is text.
pub fn head(title: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escape(title)
    )
}

/// What ends it.
pub const END: &str = "</body>\n</html>\n";

/// Text for HTML, without what would move a terminal either.
pub fn escape(text: &str) -> String {
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
