//! `[containerd]`, `[runc]`, `[cni]`, `[kubelet]`, `[program]`, `[[preload]]`.

use std::collections::BTreeMap;

use super::{Resolver, name};
use crate::path::RootPath;
use crate::profile::place::{At, Place};
use crate::profile::{Component, Go, Origin, Preload, PreloadImage, Program, raw};

impl Resolver<'_> {
    /// `[program]`
    pub(super) fn programs(&mut self, raw: raw::Map<String, raw::Program>) -> BTreeMap<String, Program> {
        let mut programs = BTreeMap::new();
        for (key, program) in raw.map(|map| map.value).unwrap_or_default() {
            self.key(&key, "program");
            if let Some(program) = self.program(program, &key.value) {
                programs.insert(key.value, program);
            }
        }
        programs
    }

    /// `[containerd]`, `[kubelet]`
    pub(super) fn component(&mut self, raw: At<raw::Component>, name: &str) -> Option<Component> {
        let place = raw.place;
        let raw::Component { apt, url, file, go, version, path, unpack, config, args } = raw.value;
        let fetched = url.is_some() || file.is_some();
        if fetched && version.is_none() && !self.cut.contains(&(place.id, "version".to_owned())) {
            let message = format!("`{name}.version` is missing");
            self.wrong(place, message, "the program's version, since its configuration depends on it");
        }
        let program = raw::Program { apt, url, file, go, version, path, unpack };
        let program = self.program(At { value: program, place }, name);
        let config = config.map(|config| config.value.plain()).unwrap_or_default();
        let args = args.map(|args| args.value).unwrap_or_default().into_iter().map(|arg| arg.value).collect();
        Some(Component { program: program?, config, args })
    }

    /// A program by its name.
    pub(super) fn program(&mut self, raw: At<raw::Program>, name: &str) -> Option<Program> {
        let place = raw.place;
        let raw = raw.value;
        if let Some(version) = raw.version.as_ref().filter(|version| !name::image_version(version)) {
            let message = format!("`{}` cannot be a version", version.value);
            self.wrong(version.place, message, "letters, digits, `.`, `-`, `~`, `^` and `+`");
        }
        let archive = self.archive_place(&raw, name);
        let mut unpack = BTreeMap::new();
        let members = raw.unpack.map(|map| map.value).unwrap_or_default();
        if let (false, Some(member), false) = (archive, members.keys().next(), members.is_empty()) {
            self.wrong(
                member.place,
                "there is no archive to unpack",
                "`unpack` with a `.tar` or compressed `.tar` only",
            );
        }
        for (glob, folder) in members {
            if globset::GlobBuilder::new(&glob.value).literal_separator(true).build().is_err() {
                self.wrong(glob.place, format!("`{}` is not a glob", glob.value), "a glob of members, as `bin/*`");
            }
            unpack.insert(glob.value, folder.value.0);
        }
        let from_package = raw.apt.is_some();
        let origin = self.origin(raw.apt, raw.url, raw.file, raw.go, place, name);
        let path = match raw.path {
            Some(path) => path.value.0,
            None => default_path(name, from_package)?,
        };
        Some(Program { origin: origin?, version: raw.version.map(|version| version.value), path, unpack })
    }

    /// Whether the origin is an archive; one that says nothing of its members is a mistake.
    fn archive_place(&mut self, raw: &raw::Program, name: &str) -> bool {
        let url = raw.url.as_ref().and_then(|url| url.value.url.as_ref());
        let Some(file) = url.or(raw.file.as_ref()) else { return false };
        let archive = name::archive(&file.value);
        if archive && raw.unpack.as_ref().is_none_or(|map| map.value.is_empty()) {
            let help = format!("`{name}.unpack = {{ \"bin/*\" = \"/usr/bin\" }}`");
            self.wrong_help(
                file.place,
                "it is open which members of this archive go where".to_owned(),
                &format!("`{name}.unpack`"),
                Some(help),
            );
        }
        archive
    }

    fn origin(
        &mut self,
        apt: Option<At<raw::OneOrMany<raw::PackageRef>>>,
        url: Option<At<raw::Url>>,
        file: Option<At<String>>,
        go: Option<At<raw::Go>>,
        table: Place,
        name: &str,
    ) -> Option<Origin> {
        let keys = ["apt", "url", "file", "go"];
        let places = [
            apt.as_ref().map(|at| at.place),
            url.as_ref().map(|at| at.place),
            file.as_ref().map(|at| at.place),
            go.as_ref().map(|at| at.place),
        ];
        self.one_of(&keys, &places, table, name, "where it comes from")?;
        if let Some(At { value: raw::OneOrMany(packages), place }) = apt {
            let packages =
                packages.into_iter().map(|at| if at.place.id == 0 { At { place, ..at } } else { at }).collect();
            return Some(Origin::Apt(self.packages(packages)));
        }
        if let Some(url) = url {
            return self.url(url, &format!("{name}.url")).map(Origin::Url);
        }
        if let Some(file) = file {
            return self.local(file).map(Origin::File);
        }
        self.go(go?, name).map(Origin::Go)
    }

    /// Whether exactly one of several keys is there.
    pub(super) fn one_of(
        &mut self,
        keys: &[&str],
        places: &[Option<Place>],
        table: Place,
        name: &str,
        what: &str,
    ) -> Option<()> {
        let there: Vec<(&str, Place)> =
            keys.iter().zip(places).filter_map(|(key, place)| Some((*key, (*place)?))).collect();
        let expected = format!("exactly one of {}", crate::profile::fault::list(keys).replace(" or ", " and "));
        match there.as_slice() {
            [_] => Some(()),
            [] => {
                let told = self.broken || keys.iter().any(|key| self.cut.contains(&(table.id, (*key).to_owned())));
                if !told {
                    self.wrong(table, format!("`{name}` does not say {what}"), expected);
                }
                None
            }
            [(one, _), (other, place), ..] => {
                self.wrong(*place, format!("`{one}` and `{other}` exclude each other"), expected);
                None
            }
        }
    }

    fn go(&mut self, raw: At<raw::Go>, name: &str) -> Option<Go> {
        let place = raw.place;
        let raw = raw.value;
        let from = raw.from;
        let source = self.needed(raw.source, place, &format!("{name}.go.source"));
        let source = source.and_then(|source| self.package(source, from.as_ref()));
        let toolchain = self.needed(raw.toolchain, place, &format!("{name}.go.toolchain"));
        let toolchain = toolchain.and_then(|toolchain| self.package(toolchain, from.as_ref()));
        let package = self.text(raw.package, place, &format!("{name}.go.package"));
        let version = self.text(raw.version, place, &format!("{name}.go.version"));
        for path in [&package, &raw.root].into_iter().flatten() {
            let sound = |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(|c| c.is_ascii_graphic());
            if !path.split('/').all(sound) {
                self.wrong(path.place, format!("`{}` is not an import path", path.value), "`host/path/of/package`");
            }
        }
        let mut define = BTreeMap::new();
        for (key, value) in raw.define.map(|map| map.value).unwrap_or_default() {
            let words = |text: &str| text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '\'' | '"'));
            if key.value.is_empty() || key.value.contains('=') || !words(&key.value) || !words(&value.value) {
                let expected = "`\"path/of/package.variable\" = \"value\"` without blanks and quotes";
                self.wrong(key.place, "this cannot be handed to the linker", expected);
            }
            define.insert(key.value, value.value);
        }
        let package = package?;
        let root = match (raw.root, package.value.split_once("/cmd/")) {
            (Some(root), _) => root.value,
            (None, Some((root, _))) => root.to_owned(),
            (None, None) => {
                self.wrong(
                    place,
                    format!("`{name}.go.root` is missing"),
                    "the import path at which the source tree lies",
                );
                return None;
            }
        };
        Some(Go {
            source: source?,
            toolchain: toolchain?,
            package: package.value,
            root,
            version: version?.value,
            define,
        })
    }

    /// `[[preload]]`
    pub(super) fn preloads(&mut self, raw: raw::List<raw::Preload>) -> Vec<Preload> {
        let mut seen = BTreeMap::new();
        let mut preloads = Vec::new();
        for raw in raw.map(|list| list.value).unwrap_or_default() {
            if let Some(name) = &raw.value.name {
                self.again(&mut seen, name, "image");
            }
            preloads.extend(self.preload(raw));
        }
        preloads
    }

    fn preload(&mut self, raw: At<raw::Preload>) -> Option<Preload> {
        let place = raw.place;
        let raw = raw.value;
        let name = self.needed(raw.name, place, "preload.name");
        if let Some(name) = name.as_ref().filter(|name| !name::reference(name)) {
            let message = format!("`{}` cannot be the name of a container image", name.value);
            self.wrong(name.place, message, "`registry/name:tag` or `registry/name@sha256:...`");
        }
        if let Some(archive) = raw.archive {
            let others = [
                ("packages", raw.packages.as_ref().map(|at| at.place)),
                ("include", raw.include.as_ref().map(|at| at.place)),
                ("file", raw.file.as_ref().map(|at| at.place)),
                ("entrypoint", raw.entrypoint.as_ref().map(|at| at.place)),
                ("cmd", raw.cmd.as_ref().map(|at| at.place)),
                ("env", raw.env.as_ref().map(|at| at.place)),
                ("user", raw.user.as_ref().map(|at| at.place)),
            ];
            for (key, place) in others.into_iter().filter_map(|(key, place)| Some((key, place?))) {
                self.wrong(
                    place,
                    format!("`archive` and `{key}` exclude each other"),
                    "an image that is whole, or one to assemble",
                );
            }
            let image = match archive.value {
                raw::Archive::File(file) => self.local(file).map(PreloadImage::File),
                raw::Archive::Url(url) => {
                    self.url(At { value: url, place: archive.place }, "preload.archive.url").map(PreloadImage::Url)
                }
            };
            return Some(Preload { name: name?.value, image: image? });
        }
        if raw.packages.is_none() && raw.file.is_none() && !self.cut.contains(&(place.id, "packages".to_owned())) {
            self.wrong(place, "this image holds nothing", "`archive`, `packages` or `[[preload.file]]`");
        }
        let packages = self.packages(raw.packages.map(|list| list.value).unwrap_or_default());
        for pair in raw.env.iter().flat_map(|list| &list.value) {
            if pair.split_once('=').is_none_or(|(name, _)| name.is_empty()) {
                self.wrong(pair.place, format!("`{}` sets no variable", pair.value), "`NAME=value`");
            }
        }
        if let Some(user) = raw.user.as_ref().filter(|user| user.split(':').count() > 2 || !user.split(':').all(number))
        {
            self.wrong(user.place, format!("`{}` is no user", user.value), "`uid` or `uid:gid`, as numbers");
        }
        let plain = |list: raw::List<String>| {
            list.map(|at| at.value).unwrap_or_default().into_iter().map(|at| at.value).collect()
        };
        let image = PreloadImage::Assemble {
            packages,
            include: self.globs(raw.include, "/"),
            edits: self.laid(raw.directory, raw.file, raw.link),
            entrypoint: plain(raw.entrypoint),
            cmd: plain(raw.cmd),
            env: plain(raw.env),
            user: raw.user.map(|user| user.value),
        };
        Some(Preload { name: name?.value, image })
    }
}

fn number(text: &str) -> bool {
    text.parse::<u32>().is_ok()
}

/// Where a program lies when the profile does not say.
fn default_path(name: &str, from_package: bool) -> Option<RootPath> {
    match name {
        "cni" => RootPath::new("/usr/lib/cni"),
        "runc" if from_package => RootPath::new("/usr/sbin/runc"),
        name => RootPath::new(format!("/usr/bin/{name}")),
    }
    .ok()
}
