//! A treemap, drawn: a rectangle for each of the largest things, with what it is where there is room.

use std::cmp::Reverse;
use std::fmt::Write;

use super::escape;
use super::treemap::{Rect, lay};
use crate::size::human;

/// Width and height, in units of the drawing.
const ROOM: Rect = Rect { x: 0, y: 0, width: 1200, height: 420 };
/// Things that are drawn by themselves.
const DRAWN: usize = 120;
/// A label needs so much room.
const LABEL: (u64, u64) = (70, 22);

/// Something of a size.
#[derive(Debug, Clone)]
pub struct Tile {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Its class in the style sheet.
    pub class: &'static str,
    /// What is told of it.
    pub title: String,
}

/// Draws `tiles`, given in any order; the drawing is as wide as their sum is to `most`.
pub fn map(caption: &str, mut tiles: Vec<Tile>, most: u128, out: &mut String) {
    tiles.retain(|tile| tile.size > 0);
    tiles.sort_by(|a, b| (Reverse(a.size), &a.name).cmp(&(Reverse(b.size), &b.name)));
    let all: u128 = tiles.iter().map(|tile| u128::from(tile.size)).sum();
    let rest = tiles.iter().skip(DRAWN).map(|tile| tile.size).fold(0, u64::saturating_add);
    tiles.truncate(DRAWN);
    if rest > 0 {
        let title = format!("smaller packages: {}", human(rest));
        tiles.push(Tile { name: "others".to_owned(), size: rest, class: "same", title });
    }
    let sizes: Vec<u64> = tiles.iter().map(|tile| tile.size).collect();
    let width = u128::from(ROOM.width) * all / most.max(all).max(1);
    let room = Rect { width: u64::try_from(width).unwrap_or(ROOM.width), ..ROOM };
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<figure>\n<figcaption>{} · {}</figcaption>\n<svg viewBox=\"0 0 {} {}\" role=\"img\">",
        escape(caption),
        human(u64::try_from(all).unwrap_or(u64::MAX)),
        ROOM.width,
        ROOM.height
    );
    for (tile, rect) in tiles.iter().zip(lay(&sizes, room)) {
        let Rect { x, y, width, height } = rect;
        if width == 0 || height == 0 {
            continue;
        }
        let _ = write!(
            out,
            "<g class=\"{}\"><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>",
            tile.class,
            escape(&tile.title)
        );
        if width >= LABEL.0 && height >= LABEL.1 {
            // A letter takes some 7 units.
            let text: String = tile.name.chars().take((width as usize - 8) / 7).collect();
            let _ = write!(out, "<text x=\"{}\" y=\"{}\">{}</text>", x + 5, y + 15, escape(&text));
        }
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n</figure>\n");
}
