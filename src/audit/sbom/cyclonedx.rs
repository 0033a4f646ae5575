//! CycloneDX 1.6 as JSON (ECMA-424; `bom-1.6.schema.json`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Bom, Component, Kind, person};

/// The image itself.
const IMAGE: &str = "image";

/// The whole document.
pub fn document(bom: &Bom) -> Value {
    let mut held: BTreeMap<Option<&str>, Vec<(&String, &Component)>> = BTreeMap::new();
    for (reference, component) in &bom.components {
        // What is held by nothing that is there is the image's.
        let within = component.within.as_deref().filter(|within| bom.components.contains_key(*within));
        held.entry(within).or_default().push((reference, component));
    }
    let mut components: Vec<Value> = distribution(bom).into_iter().collect();
    components.extend(below(None, &held, DEPTH));
    let mut needs = vec![json!({ "ref": IMAGE, "dependsOn": top(&held) })];
    for (reference, component) in &bom.components {
        let there = component.needs.iter().filter(|other| bom.components.contains_key(*other));
        let there: Vec<&String> = there.collect();
        needs.push(match there.is_empty() {
            true => json!({ "ref": reference }),
            false => json!({ "ref": reference, "dependsOn": there }),
        });
    }
    let tool = json!({ "type": "application", "name": "imagebuild", "version": env!("CARGO_PKG_VERSION") });
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", bom.id("cyclonedx")),
        "version": 1,
        "metadata": {
            "timestamp": bom.moment(),
            "tools": { "components": [tool] },
            "component": image(bom),
        },
        "components": components,
        "dependencies": needs,
    })
}

/// Nothing is held by more than a package in a container.
const DEPTH: u32 = 8;

fn top<'a>(held: &BTreeMap<Option<&'a str>, Vec<(&'a String, &'a Component)>>) -> Vec<&'a String> {
    let top = held.get(&None).into_iter().flatten();
    top.filter(|(_, component)| component.kind != Kind::Module).map(|(reference, _)| *reference).collect()
}

fn below<'a>(
    holder: Option<&'a str>,
    held: &BTreeMap<Option<&'a str>, Vec<(&'a String, &'a Component)>>,
    depth: u32,
) -> Vec<Value> {
    let all = held.get(&holder).into_iter().flatten();
    let one = |(reference, of): &(&'a String, &'a Component)| {
        let inner = if depth == 0 { Vec::new() } else { below(Some(reference.as_str()), held, depth - 1) };
        component(reference, of, inner)
    };
    all.map(one).collect()
}

fn image(bom: &Bom) -> Value {
    // Scanners take whatever is an operating system for the distribution, so that there can only be one: below.
    let mut out = json!({ "type": "platform", "bom-ref": IMAGE, "name": bom.name });
    if !bom.version.is_empty() {
        out["version"] = json!(bom.version);
    }
    let hash = bom.root_hash.iter().map(|hash| json!({ "name": "imagebuild:root-hash", "value": hash }));
    let waivers = bom.waivers.iter();
    let waivers = waivers.map(|(id, why)| json!({ "name": format!("imagebuild:waiver:{id}"), "value": why }));
    let facts: Vec<Value> = hash.chain(waivers).collect();
    if !facts.is_empty() {
        out["properties"] = json!(facts);
    }
    out
}

/// What tells scanners whose advisories count.
fn distribution(bom: &Bom) -> Option<Value> {
    let (id, version, pretty) = &bom.distribution;
    if id.is_empty() {
        return None;
    }
    let mut out = json!({ "type": "operating-system", "bom-ref": "distribution", "name": id });
    for (key, value) in [("version", version), ("description", pretty)] {
        if !value.is_empty() {
            out[key] = json!(value);
        }
    }
    Some(out)
}

/// Advisories are of source packages. grype finds those in the package URL (`upstream`); trivy takes the binary's name for
/// its source's unless it is told otherwise by properties of its own.
fn origin(name: &str, version: &str) -> Vec<Value> {
    let (epoch, rest) = version.split_once(':').unwrap_or(("", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    [("SrcName", name), ("SrcVersion", upstream), ("SrcRelease", revision), ("SrcEpoch", epoch)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| json!({ "name": format!("aquasecurity:trivy:{key}"), "value": value }))
        .collect()
}

fn component(reference: &str, component: &Component, inner: Vec<Value>) -> Value {
    let kind = match component.kind {
        Kind::Package | Kind::Module => "library",
        Kind::Program | Kind::Kernel => "application",
        Kind::Initrd => "file",
        Kind::Container => "container",
    };
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| drop(out.insert(key.to_owned(), value));
    put("type", json!(kind));
    put("bom-ref", json!(reference));
    if let Some(text) = &component.supplier {
        let (name, address) = person(text);
        put(
            "supplier",
            match address {
                Some(address) => json!({ "name": name, "contact": [{ "name": name, "email": address }] }),
                None => json!({ "name": name }),
            },
        );
    }
    put("name", json!(component.name));
    if !component.version.is_empty() {
        put("version", json!(component.version));
    }
    if let Some(sha256) = &component.sha256 {
        put("hashes", json!([{ "alg": "SHA-256", "content": sha256 }]));
    }
    if let Some(licence) = &component.licence {
        put("licenses", json!([{ "expression": licence.expression, "acknowledgement": "declared" }]));
    }
    if let Some(cpe) = &component.cpe {
        put("cpe", json!(cpe));
    }
    if let Some(purl) = &component.purl {
        put("purl", json!(purl));
    }
    if let Some((name, version, purl)) = &component.source {
        let source = json!({ "type": "library", "name": name, "version": version, "purl": purl });
        put("pedigree", json!({ "ancestors": [source] }));
    }
    if let Some(page) = &component.homepage {
        put("externalReferences", json!([{ "type": "website", "url": page }]));
    }
    let path = component.path.iter().map(|path| ("path", path));
    let facts = path.chain(component.facts.iter().map(|(key, value)| (*key, value)));
    let mut facts: Vec<Value> =
        facts.map(|(key, value)| json!({ "name": format!("imagebuild:{key}"), "value": value })).collect();
    facts.extend(component.source.iter().flat_map(|(name, version, _)| origin(name, version)));
    if !facts.is_empty() {
        put("properties", facts.into());
    }
    if !inner.is_empty() {
        put("components", inner.into());
    }
    Value::Object(out)
}
