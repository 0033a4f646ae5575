//! Which image it is: names, digests, what it was made by.

use std::fmt::Write;

use super::{Build, Part, code, facts, ticked};
use crate::audit::page::escape;
use crate::profile::posture::rule;
use crate::size::human;

/// The part; of two builds, both values where they differ.
pub fn part(before: Option<&Build>, build: &Build) -> Option<Part> {
    let after = rows(build);
    let body = match before.map(rows) {
        None => tiles(build) + &facts(after),
        Some(before) => {
            let both = after.into_iter().map(|(name, value)| {
                let old = before.iter().find(|(other, _)| *other == name).map(|(_, old)| old.clone());
                match old {
                    Some(old) if old != value => (name, format!("<del>{old}</del> <ins>{value}</ins>")),
                    _ => (name, value),
                }
            });
            facts(both)
        }
    };
    Some(Part { id: "image", title: "Image", body })
}

/// The numbers that a reader looks for first.
fn tiles(build: &Build) -> String {
    let root = build.side.root();
    let tile = |value: String, what: &str| format!("<div><b>{}</b><span>{what}</span></div>\n", escape(&value));
    let mut out = String::from("<div class=\"tiles\">\n");
    if let Some(root) = root {
        out += &tile(root.packages.len().to_string(), "packages");
        out += &tile(root.nodes.len().to_string(), "files, links and folders");
        out += &tile(human(root.by_package().values().fold(0, |sum, size| sum.saturating_add(*size))), "in the root");
    }
    if let Some(packed) = build.packed {
        out += &tile(human(packed), "packed");
    }
    if let Some(uki) = build.side.disk.as_ref().and_then(|disk| disk.uki()) {
        out += &tile(human(uki.size), "kernel and initrd");
    }
    if let Some(manifest) = &build.side.manifest {
        out += &tile(human(manifest.minimum_disk), "disk that it needs");
    }
    out + "</div>\n"
}

fn rows(build: &Build) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    let mut add = |name: &'static str, value: Option<String>| {
        rows.extend(value.map(|value| (name, value)));
    };
    let manifest = build.side.manifest.as_ref();
    let uki = build.side.disk.as_ref().and_then(|disk| disk.uki());
    add("Image", Some(code(build.name())));
    add("Architecture", manifest.map(|manifest| code(manifest.image.arch)));
    add("Distribution", build.bom.as_ref().map(|bom| escape(&bom.distribution.2)).filter(|name| !name.is_empty()));
    add("Moment", build.moment().map(code));
    let fast = |fast| if fast { ", packed in a hurry (<code>--fast</code>): not a release" } else { "" };
    add(
        "Made by",
        manifest.map(|manifest| format!("imagebuild {}{}", escape(&manifest.imagebuild), fast(manifest.fast))),
    );
    add("Kernel", build.kernel().map(code));
    let hash = uki.and_then(|uki| uki.root_hash().ok());
    add("Root hash", manifest.map(|manifest| manifest.root.root_hash).or(hash).map(code));
    let digest = manifest.map(|manifest| manifest.boot.uki).or_else(|| uki.map(|uki| uki.sha256));
    add("UKI, sha256", digest.map(code));
    let cmdline = manifest.map(|manifest| &manifest.boot.cmdline).or_else(|| uki.map(|uki| &uki.cmdline));
    add("Command line", cmdline.map(code));
    if let Some(manifest) = manifest {
        let root = &manifest.root;
        let text = format!("{}, {} inodes, hash tree {}", root.codec, root.inodes, human(root.verity_size));
        add("Root", Some(format!("{}: {}", human(root.size), escape(&text))));
        add("Profile, sha256", Some(code(manifest.inputs.profile)));
        add("Lock, sha256", Some(code(manifest.inputs.lock)));
        add("Tree, sha256", Some(code(manifest.inputs.tree)));
        add("Checks given up", waivers(&manifest.waivers));
        add("Warned of", list(&manifest.warnings));
    }
    rows
}

fn waivers(waivers: &std::collections::BTreeMap<String, String>) -> Option<String> {
    let mut out = String::new();
    // Rules of the posture have a part of their own.
    for (id, reason) in waivers.iter().filter(|(id, _)| rule(id).is_none()) {
        let _ = write!(out, "<p>{} {}</p>", code(id), ticked(reason));
    }
    (!out.is_empty()).then_some(out)
}

fn list(texts: &[String]) -> Option<String> {
    let out: String = texts.iter().map(|text| format!("<p>{}</p>", ticked(text))).collect();
    (!out.is_empty()).then_some(out)
}
