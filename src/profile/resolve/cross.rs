//! What one part of a profile demands of another.

use std::collections::BTreeSet;

use super::{Resolver, writable_defaults};
use crate::path::RootPath;
use crate::profile::mistake::similar;
use crate::profile::place::At;
use crate::profile::raw::{self, FreeData};

/// Checks the raw profile across its parts.
pub(super) fn check(resolver: &mut Resolver, raw: &raw::Profile) {
    images_of_pods(resolver, raw);
    sealed(resolver, raw);
}

/// An image that may never be pulled must be there from the start.
fn images_of_pods(resolver: &mut Resolver, raw: &raw::Profile) {
    let preloads: Vec<&str> =
        list(&raw.preload).filter_map(|preload| preload.value.name.as_ref()).map(|name| name.value.as_str()).collect();
    for pod in list(&raw.pod) {
        let Some(manifest) = &pod.value.manifest else { continue };
        let Some(FreeData::Table(spec)) = manifest.value.get("spec").map(|at| &at.value) else { continue };
        for key in ["initContainers", "containers"] {
            let Some(FreeData::Array(containers)) = spec.get(key).map(|at| &at.value) else { continue };
            containers.iter().for_each(|container| image_of(resolver, container, &preloads));
        }
    }
}

fn image_of(resolver: &mut Resolver, container: &At<FreeData>, preloads: &[&str]) {
    let FreeData::Table(container) = &container.value else { return };
    let never = container.get("imagePullPolicy").and_then(|at| at.value.text()) == Some("Never");
    let Some(image) = container.get("image") else { return };
    let Some(name) = image.value.text() else { return };
    if never && !preloads.contains(&name) {
        let help = similar(name, preloads.iter().copied()).map(|name| format!("did you mean `{name}`?"));
        let message = format!("the image `{name}` is neither preloaded nor pulled");
        resolver.wrong_help(image.place, message, "the name of a `[[preload]]`, or another `imagePullPolicy`", help);
    }
}

/// Programs and static pods never lie where something on /var can take their place.
fn sealed(resolver: &mut Resolver, raw: &raw::Profile) {
    let mut writable: BTreeSet<RootPath> = writable_defaults().into_keys().collect();
    writable.extend(["/var", "/run", "/tmp"].iter().filter_map(|path| RootPath::new(path).ok()));
    for (path, kind) in raw.writable.iter().flat_map(|map| &map.value) {
        match kind.value {
            raw::Writable::Sealed => {
                writable.remove(&path.value.0);
            }
            raw::Writable::Persistent | raw::Writable::Volatile => {
                writable.insert(path.value.0.clone());
            }
        }
    }
    let over = |path: &RootPath| writable.iter().find(|over| path.starts_with(over)).cloned();

    let components = [raw.containerd.as_ref(), raw.kubelet.as_ref()];
    let mut paths: Vec<&At<raw::Parsed<RootPath>>> = Vec::new();
    for component in components.into_iter().flatten() {
        paths.extend(&component.value.path);
        paths.extend(component.value.unpack.iter().flat_map(|map| map.value.values()));
    }
    let programs = raw.program.iter().flat_map(|map| map.value.values());
    for program in programs.chain(&raw.runc) {
        paths.extend(&program.value.path);
        paths.extend(program.value.unpack.iter().flat_map(|map| map.value.values()));
    }
    for path in paths {
        if let Some(over) = over(&path.value.0) {
            let message = format!("a program at `{}` could be replaced, since `{over}` is writable", path.value.0);
            resolver.wrong(path.place, message, "a path of the sealed root, as `/usr/bin`");
        }
    }

    let config = raw.kubelet.as_ref().and_then(|kubelet| kubelet.value.config.as_ref());
    if let Some(at) = config.and_then(|config| config.value.get("staticPodPath"))
        && let Some(over) = at.value.text().and_then(|text| RootPath::new(text).ok()).and_then(|path| over(&path))
    {
        resolver.wrong(
            at.place,
            format!("static pods could be replaced, since `{over}` is writable"),
            "a path below `/usr/lib`, or none",
        );
    }
    for file in list(&raw.file) {
        let Some(path) = &file.value.path else { continue };
        let manifests = RootPath::new("/etc/kubernetes/manifests");
        let pod = manifests.is_ok_and(|manifests| path.value.0.starts_with(&manifests));
        if let Some(over) = over(&path.value.0).filter(|_| pod) {
            let message = format!("a static pod at `{}` could be replaced, since `{over}` is writable", path.value.0);
            resolver.wrong(path.place, message, "a `[[pod]]`, which lies in the sealed root");
        }
    }
}

fn list<T>(list: &raw::List<T>) -> impl Iterator<Item = &At<T>> {
    list.iter().flat_map(|list| &list.value)
}
