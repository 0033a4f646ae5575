//! Sizes by package, drawn.

use super::{Build, Part};
use crate::audit::inventory::NOBODY;
use crate::audit::page::{Tile, map};
use crate::size::human;
use crate::squashfs::NodeKind;

/// A file of so many bytes is drawn by itself.
const LARGE: u64 = 1 << 20;

/// The part; none of what is no image.
pub fn part(build: &Build) -> Option<Part> {
    let root = build.side.root()?;
    let asked = build.side.asked();
    let ways = asked.as_ref().map(|asked| root.why(asked)).unwrap_or_default();
    let mut sizes = root.by_package();
    // A large file of no package, such as a program of the profile, is a thing by itself.
    let mut tiles = Vec::new();
    let files = root.nodes.iter().filter(|(path, node)| node.links <= 1 && root.owner(path).is_none());
    for (path, node) in files {
        let NodeKind::File(size) = node.kind else { continue };
        if size >= LARGE {
            sizes.entry(NOBODY.to_owned()).and_modify(|rest| *rest = rest.saturating_sub(size));
            let name = String::from_utf8_lossy(path.name().unwrap_or_default()).into_owned();
            let title = format!("{path}: {}, of no package", human(size));
            tiles.push(Tile { name, size, class: "grown", title });
        }
    }
    let tile = |(name, size): (String, u64)| {
        let is_asked = asked.as_ref().is_some_and(|asked| asked.contains(name.as_str()));
        let (class, why) = match ways.get(&name) {
            _ if name == NOBODY => ("grown", "of no package".to_owned()),
            _ if is_asked => ("shrunk", "asked for".to_owned()),
            Some(way) => ("same", format!("brought in by {}", way.join(" > "))),
            None => ("same", "a dependency".to_owned()),
        };
        let title = format!("{name}: {}, {why}", human(size));
        Tile { name, size, class, title }
    };
    let mut body = String::new();
    tiles.extend(sizes.into_iter().map(tile));
    map("files of the root", tiles, 0, &mut body);
    body.push_str(
        "<p class=\"legend\"><i class=\"shrunk\"></i>asked for <i class=\"same\"></i>brought in by others \
         <i class=\"grown\"></i>of no package: programs, settings and what the build adds</p>\n",
    );
    Some(Part { id: "sizes", title: "Sizes by package", body })
}
