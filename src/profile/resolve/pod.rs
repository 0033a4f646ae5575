//! `[[pod]]`: what the kubelet would refuse at run time is refused here.

use std::collections::BTreeMap;

use super::{Resolver, name};
use crate::profile::Pod;
use crate::profile::place::{At, Place};
use crate::profile::raw::{self, Free, FreeData};

impl Resolver<'_> {
    /// `[[pod]]`
    pub(super) fn pods(&mut self, raw: raw::List<raw::Pod>) -> Vec<Pod> {
        let mut seen = BTreeMap::new();
        let mut pods = Vec::new();
        for At { value: raw, place } in raw.map(|list| list.value).unwrap_or_default() {
            let name = self.needed(raw.name, place, "pod.name");
            if let Some(name) = &name {
                self.again(&mut seen, name, "pod");
                if !name::pod(name) {
                    let message = format!("`{}` cannot be the name of a pod", name.value);
                    self.wrong(name.place, message, "lower-case letters, digits, `-` and `.`");
                }
            }
            let manifest = self.needed(raw.manifest, place, "pod.manifest");
            if let Some(manifest) = &manifest {
                self.manifest(manifest, name.as_ref());
            }
            if let (Some(name), Some(manifest)) = (name, manifest) {
                pods.push(Pod { name: name.value, manifest: manifest.value.plain() });
            }
        }
        pods
    }

    fn manifest(&mut self, manifest: &At<Free>, name: Option<&At<String>>) {
        let place = manifest.place;
        self.constant(manifest, place, "apiVersion", "v1");
        self.constant(manifest, place, "kind", "Pod");
        if let (Some((metadata, place)), Some(name)) = (self.table(manifest, place, "metadata"), name) {
            self.constant(metadata, place, "name", name);
        }
        let Some((spec, place)) = self.table(manifest, place, "spec") else { return };
        match spec.get("containers").map(|at| (&at.value, at.place)) {
            Some((FreeData::Array(containers), place)) => {
                if containers.is_empty() {
                    self.wrong(place, "this pod has no container", "one at least");
                }
                containers.iter().for_each(|container| self.container(container));
            }
            Some((_, place)) => self.wrong(place, "`spec.containers` is no array", "an array of tables"),
            None => self.wrong(place, "`spec.containers` is missing", "an array of tables"),
        }
        if let Some(FreeData::Array(containers)) = spec.get("initContainers").map(|at| &at.value) {
            containers.iter().for_each(|container| self.container(container));
        }
    }

    fn container(&mut self, container: &At<FreeData>) {
        let FreeData::Table(table) = &container.value else {
            return self.wrong(container.place, "this container is no table", "a table with `name` and `image`");
        };
        for key in ["name", "image"] {
            match table.get(key) {
                None => self.wrong(container.place, format!("`{key}` of a container is missing"), "some text"),
                Some(at) if at.value.text().is_none_or(str::is_empty) => {
                    self.wrong(at.place, format!("`{key}` of a container is no text"), "some text");
                }
                Some(_) => {}
            }
        }
    }

    fn table<'f>(&mut self, of: &'f Free, place: Place, key: &str) -> Option<(&'f Free, Place)> {
        match of.get(key).map(|at| (&at.value, at.place)) {
            Some((FreeData::Table(table), place)) => Some((table, place)),
            Some((_, place)) => {
                self.wrong(place, format!("`{key}` of a pod is no table"), "a table");
                None
            }
            None => {
                self.wrong(place, format!("`{key}` of the pod is missing"), "a table");
                None
            }
        }
    }

    fn constant(&mut self, of: &Free, place: Place, key: &str, want: &str) {
        match of.get(key) {
            Some(at) if at.value.text() == Some(want) => {}
            Some(at) => {
                let have = at.value.plain();
                self.wrong(
                    at.place,
                    format!("`{key}` of the pod is `{}`", have.to_string().trim_matches('"')),
                    format!("`\"{want}\"`"),
                );
            }
            None => self.wrong(place, format!("`{key}` of the pod is missing"), format!("`\"{want}\"`")),
        }
    }
}
