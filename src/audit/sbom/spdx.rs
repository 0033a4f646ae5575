//! SPDX 2.3 as JSON (ISO/IEC 5962 and its successor; `spdx-schema.json`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Bom, Component, Kind, Text, person};
use crate::digest::Digest;

/// What nobody vouches for.
const UNKNOWN: &str = "NOASSERTION";
/// The image itself.
const IMAGE: &str = "SPDXRef-Image";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
/// How trivy knows the distribution among packages: by the beginning of its id.
const DISTRIBUTION: &str = "SPDXRef-OperatingSystem";
/// And the source package in `sourceInfo`.
const BUILT_FROM: &str = "built package from";

/// The whole document.
pub fn document(bom: &Bom) -> Value {
    let ids: BTreeMap<&str, String> = bom.components.iter().map(|(key, of)| (key.as_str(), id(key, of))).collect();
    let mut packages = vec![image(bom)];
    packages.extend(distribution(bom));
    packages.extend(bom.components.iter().map(|(key, component)| package(component, ids.get(key.as_str()))));
    let texts: BTreeMap<&String, &Text> =
        bom.components.values().filter_map(|component| component.licence.as_ref()).flat_map(|of| &of.texts).collect();
    let texts: Vec<Value> = texts
        .into_iter()
        .map(|(id, text)| json!({ "licenseId": id, "name": text.name, "extractedText": text.text }))
        .collect();
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| drop(out.insert(key.to_owned(), value));
    put("spdxVersion", json!("SPDX-2.3"));
    put("dataLicense", json!("CC0-1.0"));
    put("SPDXID", json!(DOCUMENT));
    put("name", json!(named(bom)));
    put("documentNamespace", json!(format!("https://spdx.org/spdxdocs/{}-{}", named(bom), bom.id("spdx"))));
    let tool = format!("Tool: imagebuild-{}", env!("CARGO_PKG_VERSION"));
    put("creationInfo", json!({ "created": bom.moment(), "creators": [tool] }));
    if !texts.is_empty() {
        put("hasExtractedLicensingInfos", texts.into());
    }
    put("packages", packages.into());
    put("relationships", relationships(bom, &ids).into());
    Value::Object(out)
}

/// The name of the document, of what may stand in a URL.
fn named(bom: &Bom) -> String {
    plain(&format!("{}-{}", bom.name, bom.version)).trim_matches('-').to_owned()
}

/// Letters, digits, dots and dashes: what an id may hold.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).take(80).collect()
}

fn id(reference: &str, component: &Component) -> String {
    let kind = match component.kind {
        Kind::Package => "Package",
        Kind::Program => "Program",
        Kind::Module => "Module",
        Kind::Kernel => "Kernel",
        Kind::Initrd => "Initrd",
        Kind::Container => "Container",
    };
    // Two references may look alike once they are made plain.
    let digest = Digest::of(reference.as_bytes()).to_string();
    format!("SPDXRef-{kind}-{}-{}", plain(&component.name), digest.get(..12).unwrap_or_default())
}

fn image(bom: &Bom) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| drop(out.insert(key.to_owned(), value));
    put("SPDXID", json!(IMAGE));
    put("name", json!(bom.name));
    if !bom.version.is_empty() {
        put("versionInfo", json!(bom.version));
    }
    put("downloadLocation", json!(UNKNOWN));
    put("filesAnalyzed", json!(false));
    put("licenseConcluded", json!(UNKNOWN));
    put("licenseDeclared", json!(UNKNOWN));
    put("copyrightText", json!(UNKNOWN));
    put("primaryPackagePurpose", json!("OPERATING-SYSTEM"));
    let (id, version, pretty) = &bom.distribution;
    let facts = [
        (!id.is_empty()).then(|| format!("distribution: {id} {version} ({pretty})")),
        bom.root_hash.map(|hash| format!("dm-verity root hash: {hash}")),
    ];
    let waivers = bom.waivers.iter().map(|(id, why)| format!("waived: {id}: {why}"));
    let facts: Vec<String> = facts.into_iter().flatten().chain(waivers).collect();
    if !facts.is_empty() {
        put("comment", json!(facts.join("\n")));
    }
    Value::Object(out)
}

/// What tells scanners whose advisories count.
fn distribution(bom: &Bom) -> Option<Value> {
    let (id, version, pretty) = &bom.distribution;
    if id.is_empty() {
        return None;
    }
    let mut out = json!({ "SPDXID": DISTRIBUTION, "name": id });
    for (key, value) in [("versionInfo", version), ("description", pretty)] {
        if !value.is_empty() {
            out[key] = json!(value);
        }
    }
    for key in ["downloadLocation", "licenseConcluded", "licenseDeclared", "copyrightText"] {
        out[key] = json!(UNKNOWN);
    }
    out["filesAnalyzed"] = json!(false);
    out["primaryPackagePurpose"] = json!("OPERATING-SYSTEM");
    Some(out)
}

fn package(component: &Component, id: Option<&String>) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| drop(out.insert(key.to_owned(), value));
    put("SPDXID", json!(id));
    put("name", json!(component.name));
    if !component.version.is_empty() {
        put("versionInfo", json!(component.version));
    }
    if let Some(path) = &component.path {
        put("packageFileName", json!(path));
    }
    if let Some(text) = &component.supplier {
        put("supplier", json!(supplier(text)));
    }
    put("downloadLocation", json!(UNKNOWN));
    put("filesAnalyzed", json!(false));
    if let Some(sha256) = &component.sha256 {
        put("checksums", json!([{ "algorithm": "SHA256", "checksumValue": sha256 }]));
    }
    if let Some(page) = &component.homepage {
        put("homepage", json!(page));
    }
    if let Some((name, version, _)) = &component.source {
        put("sourceInfo", json!(format!("{BUILT_FROM}: {name} {version}")));
    }
    put("licenseConcluded", json!(UNKNOWN));
    put("licenseDeclared", json!(component.licence.as_ref().map_or(UNKNOWN, |licence| &licence.expression)));
    put("copyrightText", json!(UNKNOWN));
    if !component.facts.is_empty() {
        let lines: Vec<String> = component.facts.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        put("comment", json!(lines.join("\n")));
    }
    let reference = |category: &str, kind: &str, locator: &String| json!({ "referenceCategory": category, "referenceType": kind, "referenceLocator": locator });
    let cpe = component.cpe.iter().map(|cpe| reference("SECURITY", "cpe23Type", cpe));
    let purl = component.purl.iter().map(|purl| reference("PACKAGE-MANAGER", "purl", purl));
    let references: Vec<Value> = cpe.chain(purl).collect();
    if !references.is_empty() {
        put("externalRefs", references.into());
    }
    let purpose = match component.kind {
        Kind::Package | Kind::Module => None,
        Kind::Program => Some("APPLICATION"),
        Kind::Kernel => Some("OPERATING-SYSTEM"),
        Kind::Initrd => Some("ARCHIVE"),
        Kind::Container => Some("CONTAINER"),
    };
    if let Some(purpose) = purpose {
        put("primaryPackagePurpose", json!(purpose));
    }
    Value::Object(out)
}

/// `Organization: Name (address)`: packages of a distribution are a group's more often than not, and say so.
fn supplier(text: &str) -> String {
    const GROUPS: [&str; 9] =
        ["team", "maintainers", "developers", "group", "project", "packagers", "packaging", "list", "debian"];
    let (name, address) = person(text);
    let lower = name.to_lowercase();
    let group = GROUPS.iter().any(|word| lower.contains(word));
    // Brackets set the address apart.
    let name = name.replace(['(', ')', '\n'], " ");
    let kind = if group { "Organization" } else { "Person" };
    match address.filter(|address| !address.contains(['(', ')', ' ', '\n'])) {
        Some(address) => format!("{kind}: {} ({address})", name.trim()),
        None => format!("{kind}: {}", name.trim()),
    }
}

fn relationships(bom: &Bom, ids: &BTreeMap<&str, String>) -> Vec<Value> {
    let relate =
        |a: &str, kind: &str, b: &str| json!({ "spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b });
    let mut out = vec![relate(DOCUMENT, "DESCRIBES", IMAGE)];
    out.extend((!bom.distribution.0.is_empty()).then(|| relate(IMAGE, "CONTAINS", DISTRIBUTION)));
    for (reference, component) in &bom.components {
        let Some(id) = ids.get(reference.as_str()) else { continue };
        let holder = component.within.as_deref().and_then(|within| ids.get(within)).map_or(IMAGE, String::as_str);
        // A module is no part of the image but by the programs that need it.
        if component.kind != Kind::Module {
            out.push(relate(holder, "CONTAINS", id));
        }
        for other in component.needs.iter().filter_map(|other| ids.get(other.as_str())) {
            out.push(relate(id, "DEPENDS_ON", other));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suppliers_are_people_or_groups() {
        assert_eq!(
            supplier("Debian GCC Maintainers <gcc@example.org>"),
            "Organization: Debian GCC Maintainers (gcc@example.org)"
        );
        assert_eq!(supplier("Jane Doe <jane@example.org>"), "Person: Jane Doe (jane@example.org)");
        assert_eq!(supplier("A (B) C <none>"), "Person: A  B  C");
        assert_eq!(supplier(""), "Person: ");
    }
}
