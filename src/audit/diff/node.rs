//! What the node runs: configuration by its keys, pods, container images.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, Topic};
use super::leaves::Leaves;
use super::side::Side;
use super::{Found, keys, pairs};
use crate::audit::inventory::Inventory;
use crate::node::paths;

/// Compares two roots; files whose difference is told by their meaning are noted in `found`.
pub fn compare(a: &Side, b: &Side, found: &mut Found) -> crate::Result<()> {
    let (Some(before), Some(after)) = (a.root(), b.root()) else { return Ok(()) };
    configuration(before, after, found)?;
    pods(before, after, found)?;
    images(before, after, found)?;
    Ok(())
}

/// Where this tool and others keep what the kubelet and containerd are told.
const CONFIGURATION: [(&str, &str); 4] = [
    (paths::KUBELET_CONFIG, "kubelet.config"),
    ("/var/lib/kubelet/config.yaml", "kubelet.config"),
    ("/etc/kubernetes/kubelet.yaml", "kubelet.config"),
    (paths::CONTAINERD_CONFIG, "containerd.config"),
];
/// Where containerd is told more, in files of its own.
const IMPORTS: &str = "/etc/containerd/conf.d";

/// Keys of the kubelet's and containerd's configuration.
fn configuration(before: &Inventory, after: &Inventory, found: &mut Found) -> crate::Result<()> {
    let mut files: Vec<(String, String)> =
        CONFIGURATION.iter().map(|(path, name)| ((*path).to_owned(), (*name).to_owned())).collect();
    let imports = before.files(IMPORTS)?.into_keys().chain(after.files(IMPORTS)?.into_keys()).collect::<BTreeSet<_>>();
    files.extend(imports.into_iter().map(|name| (format!("{IMPORTS}/{name}"), format!("containerd.[{name}]"))));
    for (path, name) in files {
        let (Some(old), Some(new)) = (leaves(before, &path)?, leaves(after, &path)?) else { continue };
        for mut change in old.changes(&new) {
            found.explained(&path, &name);
            change.what = format!("{name}.{}", change.what);
            found.add(Topic::Node, change);
        }
    }
    Ok(())
}

/// The leaves of a file of JSON, TOML or YAML; none where it is none of them.
fn leaves(root: &Inventory, path: &str) -> crate::Result<Option<Leaves>> {
    let text = root.text(path)?;
    Ok(text.and_then(|text| Some(Leaves::of(&keys::of(path, &text)?))))
}

fn pods(before: &Inventory, after: &Inventory, found: &mut Found) -> crate::Result<()> {
    let (old, new) = (before.files(paths::MANIFESTS)?, after.files(paths::MANIFESTS)?);
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let path = format!("{}/{name}", paths::MANIFESTS);
        let pod = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        let subject = format!("pod {pod}");
        let there = |there: bool| there.then(|| "there".to_owned());
        let (is, was) = (new.contains_key(name), old.contains_key(name));
        if is != was {
            found.explained(&path, &subject);
            found.extend(Topic::Preload, Change::of(subject, there(was), there(is)));
            continue;
        }
        let (Some(old), Some(new)) = (leaves(before, &path)?, leaves(after, &path)?) else { continue };
        for mut change in old.changes(&new) {
            found.explained(&path, &subject);
            change.what = format!("{subject}: {}", change.what);
            found.add(Topic::Preload, change);
        }
    }
    Ok(())
}

/// Preloaded container images: the archive's name is its digest, the unit that imports it has its name.
fn images(before: &Inventory, after: &Inventory, found: &mut Found) -> crate::Result<()> {
    let (old, new) = (named_images(before)?, named_images(after)?);
    pairs(&old, &new, |name, old, new| {
        for digest in [&old, &new].into_iter().flatten().filter(|_| old != new) {
            let short: String = digest.chars().take(12).collect();
            for path in [
                format!("{}/{digest}.tar", paths::IMAGES),
                format!("{}/image-{digest}.conf", paths::TMPFILES),
                format!("/usr/lib/systemd/system/imagebuild-image-{short}.service"),
                format!("/etc/systemd/system/imagebuild-image-{short}.service"),
                format!("/etc/systemd/system/imagebuild-images.service.wants/imagebuild-image-{short}.service"),
            ] {
                found.explained(&path, &format!("container image {name}"));
            }
        }
        let text = |digest: Option<String>| digest.map(|digest| format!("sha256 {digest}"));
        found.extend(Topic::Preload, Change::of(format!("container image {name}"), text(old), text(new)));
    });
    Ok(())
}

fn named_images(root: &Inventory) -> crate::Result<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    for (file, _) in root.files(paths::IMAGES)? {
        let Some(digest) = file.strip_suffix(".tar") else { continue };
        let short: String = digest.chars().take(12).collect();
        let mut name = short.clone();
        for folder in ["/usr/lib/systemd/system", "/etc/systemd/system"] {
            let unit = root.text(&format!("{folder}/imagebuild-image-{short}.service"))?.unwrap_or_default();
            let said = unit.lines().find_map(|line| line.strip_prefix("Description=Import the container image "));
            name = said.map_or(name, |said| said.replace("%%", "%"));
        }
        out.insert(name, digest.to_owned());
    }
    Ok(out)
}
