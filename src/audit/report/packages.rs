//! What is in the image and under which licences, out of its bill of materials.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::{Build, Part, code};
use crate::audit::page::escape;
use crate::audit::sbom::{Component, Kind};
use crate::size::human;

/// Packages that are shown unfolded.
const OPEN: usize = 30;
/// Licences that are shown unfolded.
const CHIPS: usize = 20;
/// A longer licence is folded.
const FOLDED: usize = 90;

/// The part; none of what is no image.
pub fn part(build: &Build) -> Option<Part> {
    let bom = build.bom.as_ref()?;
    let sizes = build.side.root().map(|root| root.by_package()).unwrap_or_default();
    let asked = build.side.asked();
    let of = |kind: Kind| bom.components.values().filter(move |component| component.kind == kind);
    let mut body = licences(bom.components.values());
    let packages: Vec<&Component> = of(Kind::Package).collect();
    let open = if packages.len() <= OPEN { " open" } else { "" };
    let _ = writeln!(body, "<details{open}>\n<summary>{}</summary>", count(packages.len(), "package", "packages"));
    body.push_str(
        "<table class=\"list packages\">\n<tr><th>Package</th><th>Version</th><th>Licence</th><th>Source</th><th class=\"bytes\">bytes</th></tr>\n",
    );
    for package in packages {
        let outer = package.within.is_none();
        let requested = outer && asked.as_ref().is_some_and(|asked| asked.contains(package.name.as_str()));
        let mark = if requested { " <small>asked for</small>" } else { "" };
        let within = package.within.as_ref().and_then(|within| bom.components.get(within));
        let within = within.map(|within| format!(" <small>in {}</small>", escape(&within.name))).unwrap_or_default();
        let source = package.source.as_ref().map(|(name, _, _)| escape(name)).unwrap_or_default();
        let size = sizes.get(&package.name).filter(|_| outer).map(|size| human(*size)).unwrap_or_default();
        let _ = writeln!(
            body,
            "<tr><td>{}{mark}{within}</td><td>{}</td><td>{}</td><td>{source}</td><td class=\"bytes\">{size}</td></tr>",
            code(&package.name),
            escape(&package.version),
            expression(package),
        );
    }
    body.push_str("</table>\n</details>\n");
    others(&mut body, "container image", "container images", of(Kind::Container));
    others(&mut body, "Go program", "Go programs", of(Kind::Program));
    others(&mut body, "Go module", "Go modules", of(Kind::Module));
    Some(Part { id: "licences", title: "Packages and licences", body })
}

fn count(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// The licence, folded where it is long.
fn expression(component: &Component) -> String {
    let Some(licence) = &component.licence else { return "<small>not told</small>".to_owned() };
    let words = licence.expression.split(' ').map(|word| {
        let (open, rest) = word.split_at(word.len() - word.trim_start_matches('(').len());
        let (name, close) = rest.split_at(rest.trim_end_matches(')').len());
        format!("{open}{}{close}", short(name))
    });
    let text = words.collect::<Vec<_>>().join(" ");
    let mut head = String::new();
    for word in text.split(' ') {
        if head.len() + word.len() > FOLDED {
            let head = head.trim_end().trim_end_matches(" AND").trim_end_matches(" OR");
            return format!("<details><summary>{} …</summary>{}</details>", escape(head), escape(&text));
        }
        head += word;
        head.push(' ');
    }
    escape(&text)
}

/// How many components each licence is told of, the most first.
fn licences<'a>(components: impl Iterator<Item = &'a Component>) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    let mut untold = 0;
    for component in components.filter(|component| component.kind == Kind::Package) {
        let Some(licence) = &component.licence else {
            untold += 1;
            continue;
        };
        let words = licence.expression.split([' ', '(', ')']);
        let mut names = BTreeSet::new();
        let mut exception = false;
        for word in words.filter(|word| !word.is_empty()) {
            match word {
                "AND" | "OR" => {}
                "WITH" => exception = true,
                _ if exception => exception = false,
                name => drop(names.insert(short(name))),
            }
        }
        names.into_iter().for_each(|name| *counts.entry(name).or_default() += 1);
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by(|a, b| (std::cmp::Reverse(a.1), &a.0).cmp(&(std::cmp::Reverse(b.1), &b.0)));
    let chip = |(name, count): &(String, usize)| format!("<span>{} <small>{count}</small></span>\n", escape(name));
    let (first, rest) = counts.split_at(counts.len().min(CHIPS));
    let mut out = format!("<p class=\"chips\">\n{}", first.iter().map(chip).collect::<String>());
    if untold > 0 {
        let _ = writeln!(out, "<span class=\"none\">no copyright file <small>{untold}</small></span>");
    }
    out += "</p>\n";
    if !rest.is_empty() {
        let chips: String = rest.iter().map(chip).collect();
        let summary = count(rest.len(), "more licence", "more licences");
        let _ = writeln!(out, "<details>\n<summary>{summary}</summary>\n<p class=\"chips\">\n{chips}</p>\n</details>");
    }
    out
}

/// A licence that SPDX has no name for is called as its packages call it: `LicenseRef-public-domain-09515ebca439`
/// without the digest of its text.
fn short(name: &str) -> String {
    let Some(rest) = name.strip_prefix("LicenseRef-") else { return name.to_owned() };
    let digest = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match rest.rsplit_once('-') {
        Some((name, end)) if digest(end) => name.to_owned(),
        _ => rest.to_owned(),
    }
}

fn others<'a>(out: &mut String, one: &str, several: &str, components: impl Iterator<Item = &'a Component>) {
    let components: Vec<&Component> = components.collect();
    if components.is_empty() {
        return;
    }
    let _ = writeln!(out, "<details>\n<summary>{}</summary>", count(components.len(), one, several));
    out.push_str("<table class=\"list\">\n");
    for component in components {
        let path = component.path.as_deref().map(code).unwrap_or_default();
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{path}</td></tr>",
            code(&component.name),
            escape(&component.version)
        );
    }
    out.push_str("</table>\n</details>\n");
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_licence_of_no_name_is_called_as_its_package_does() {
        assert_eq!(short("LicenseRef-public-domain-09515ebca439"), "public-domain");
        assert_eq!(short("LicenseRef-x-y"), "x-y");
        assert_eq!(short("GPL-2.0-only"), "GPL-2.0-only");
    }
}
