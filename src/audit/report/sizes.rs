//! Sizes by package, drawn.

use std::collections::BTreeMap;

use super::{Build, Part};
use crate::audit::inventory::NOBODY;
use crate::audit::page::{Tile, map};
use crate::record;
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
    // What no package brought is told by who did; where nobody says, a large file is a thing by itself.
    let origins = root.carried(record::ORIGINS).ok()?.map(|text| record::origins(&text)).unwrap_or_default();
    let mut others = BTreeMap::<String, u64>::new();
    let files = root.nodes.iter().filter(|(path, node)| node.links <= 1 && root.owner(path).is_none());
    for (path, node) in files {
        let NodeKind::File(size) = node.kind else { continue };
        let name = match origins.get(path) {
            Some(origin) => origin.to_string(),
            None if size >= LARGE => String::from_utf8_lossy(path.name().unwrap_or_default()).into_owned(),
            None => continue,
        };
        let sum = others.entry(name).or_default();
        *sum = sum.saturating_add(size);
        sizes.entry(NOBODY.to_owned()).and_modify(|rest| *rest = rest.saturating_sub(size));
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
    let other = |(name, size): (String, u64)| {
        let title = format!("{name}: {}, of no package", human(size));
        Tile { name, size, class: "grown", title }
    };
    let tiles = others.into_iter().map(other).chain(sizes.into_iter().map(tile)).collect();
    map("files of the root", tiles, 0, &mut body);
    body.push_str(
        "<p class=\"legend\"><i class=\"shrunk\"></i>asked for <i class=\"same\"></i>brought in by others \
         <i class=\"grown\"></i>of no package: programs, settings and what the build adds</p>\n",
    );
    Some(Part { id: "sizes", title: "Sizes by package", body })
}
