//! From what is written to what is meant: needed keys, defaults, references, ranges.
//!
//! Every function takes a part of the raw profile and gives the resolved part, or notes a
//! mistake and gives what stands in for it; nothing stops at the first one.

mod boot;
mod cloud;
mod content;
mod cross;
mod image;
mod name;
mod output;
mod pod;
mod program;
mod system;

pub use name::reference as is_reference;
pub use system::writable_defaults;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::mistake::{Mistake, note, similar};
use super::place::{At, Files, Place};
use super::{Cloud, Profile, Url, raw};
use crate::arch::Arch;

/// What resolving knows and collects.
pub struct Resolver<'a> {
    /// For mistakes and relative paths.
    pub files: &'a Files,
    /// All mistakes so far.
    pub mistakes: Vec<Mistake>,
    /// Table and key of what was taken out because it could not be read.
    pub cut: BTreeSet<(usize, String)>,
    /// Whether a file was not TOML, so that what is missing may only be unreadable.
    broken: bool,
    /// The target.
    pub arch: Arch,
    /// Places of the sources' names, for references to them.
    sources: Vec<String>,
    /// The source of packages that name none.
    from: Option<String>,
    /// Whether it was told that there is no source.
    sourceless: bool,
    /// Rows that are built in, where any is asked for.
    pub rows: BTreeMap<String, Cloud>,
    /// Whether files beside the profile need not be there.
    pub absent: bool,
}

impl<'a> Resolver<'a> {
    /// Resolves for `arch`; earlier mistakes go in, all come out.
    pub fn new(
        files: &'a Files,
        mistakes: Vec<Mistake>,
        cut: BTreeSet<(usize, String)>,
        broken: bool,
        arch: Arch,
    ) -> Self {
        Resolver {
            files,
            mistakes,
            cut,
            broken,
            arch,
            sources: Vec::new(),
            from: None,
            sourceless: false,
            rows: BTreeMap::new(),
            absent: false,
        }
    }

    /// The resolved profile; whole only where no mistake was made.
    pub fn profile(&mut self, raw: At<raw::Profile>, path: PathBuf) -> Option<Profile> {
        let root = raw.place;
        let raw = raw.value;
        if let Some(schema) = self.needed(raw.schema.clone(), root, "schema").filter(|schema| schema.value != 1) {
            self.wrong(schema.place, format!("unknown schema `{}`", schema.value), "`1`");
        }
        self.sources = raw.source.iter().flat_map(|map| map.value.keys()).map(|name| name.value.clone()).collect();
        self.from = self.default_source(&raw);
        cross::check(self, &raw);
        let image = self.needed(raw.image, root, "image").and_then(|image| self.image(image));
        let words = raw.kernel.as_ref().and_then(|kernel| kernel.value.cmdline.clone());
        let kernel = self.needed(raw.kernel, root, "kernel").and_then(|kernel| self.kernel(kernel));
        let sources = self.sources(raw.source);
        let userland = self.needed(raw.userland, root, "userland").map(|userland| self.userland(userland));
        let containerd = self.needed(raw.containerd, root, "containerd");
        let containerd = containerd.and_then(|raw| self.component(raw, "containerd"));
        let runc = raw.runc.and_then(|raw| self.program(raw, "runc"));
        let cni = raw.cni.and_then(|raw| self.program(raw, "cni"));
        let kubelet = self.needed(raw.kubelet, root, "kubelet").and_then(|raw| self.component(raw, "kubelet"));
        let programs = self.programs(raw.program);
        let preload = self.preloads(raw.preload);
        let pods = self.pods(raw.pod);
        let users = self.users(raw.user);
        let units = self.units(raw.unit);
        let mut edits = self.laid(raw.directory, raw.file, raw.link);
        edits.extend(self.changed(raw.mode, raw.remove));
        let mut clouds = self.clouds(raw.cloud);
        let outputs = self.outputs(raw.output, root, &mut clouds);
        let network = self.network(raw.network);
        let journal = self.journal(raw.journal);
        let var = self.var(raw.var);
        let writable = self.writable(raw.writable);
        let slots = raw.layout.as_ref().and_then(|layout| layout.value.slots.clone());
        let layout = self.layout(raw.layout);
        let boot = self.boot(raw.boot, &layout, slots, &words);
        let pack = self.pack(raw.pack);
        let posture = self.posture(raw.posture);
        let waivers = self.waivers(raw.waive);
        // Only now may a part that is missing end it: every part has told its mistakes.
        Some(Profile {
            path,
            image: image?,
            sources,
            kernel: kernel?,
            boot,
            userland: userland?,
            containerd: containerd?,
            runc,
            cni,
            kubelet: kubelet?,
            cluster: system::cluster(raw.cluster),
            programs,
            preload,
            pods,
            users,
            units,
            edits,
            network,
            journal,
            var,
            writable,
            layout,
            pack,
            outputs,
            clouds,
            posture,
            waivers,
        })
    }

    /// Notes a mistake.
    fn wrong(&mut self, place: Place, message: impl Into<String>, expected: impl Into<String>) {
        note(&mut self.mistakes, || Mistake::new(self.files, place, message).expected(expected));
    }

    /// Notes a mistake with something that helps.
    fn wrong_help(&mut self, place: Place, message: String, expected: &str, help: Option<String>) {
        note(&mut self.mistakes, || {
            let mut mistake = Mistake::new(self.files, place, message).expected(expected);
            mistake.help.extend(help);
            mistake
        });
    }

    /// The value of a key that must be there; `name` is its whole name, for people.
    fn needed<T>(&mut self, value: Option<At<T>>, table: Place, name: &str) -> Option<At<T>> {
        let key = name.rsplit('.').next().unwrap_or(name);
        // What could not be read has been told already.
        if value.is_none() && !self.broken && !self.cut.contains(&(table.id, key.to_owned())) {
            self.wrong(table, format!("`{name}` is missing"), format!("the key `{key}` in this table"));
        }
        value
    }

    /// A text that must be there and not be empty.
    fn text(&mut self, value: Option<At<String>>, table: Place, name: &str) -> Option<At<String>> {
        let value = self.needed(value, table, name)?;
        if value.value.trim().is_empty() {
            self.wrong(value.place, format!("`{name}` is empty"), "some text");
        }
        Some(value)
    }

    /// Texts that must not be empty, none of them twice.
    fn unique(&mut self, list: raw::List<String>, what: &str) -> Vec<String> {
        let mut seen = BTreeMap::new();
        let mut out = Vec::new();
        for item in list.map(|list| list.value).unwrap_or_default() {
            if item.value.is_empty() {
                self.wrong(item.place, format!("this {what} is empty"), "some text");
            }
            match self.again(&mut seen, &item, what) {
                true => {}
                false => out.push(item.value),
            }
        }
        out
    }

    /// Whether `item` was seen before; a repetition is a mistake.
    fn again(&mut self, seen: &mut BTreeMap<String, Place>, item: &At<String>, what: &str) -> bool {
        match seen.insert(item.value.clone(), item.place) {
            None => false,
            Some(first) => {
                let (line, _) = self.files.position(first);
                let file = self.files.get(first.file).map_or("", |file| &file.name);
                let message = format!("the {what} `{}` is there twice", item.value);
                let help = format!("the first one is at {file}:{line}");
                self.wrong_help(item.place, message, "each once", Some(help));
                true
            }
        }
    }

    /// A file beside the file that names it; it must be there.
    fn local(&mut self, name: At<String>) -> Option<PathBuf> {
        let Some(base) = self.files.base(name.place) else {
            let message = format!("a template names the file `{}`", name.value);
            self.wrong(name.place, message, "`text`, since a template brings no files");
            return None;
        };
        let path = base.join(&name.value);
        if name.value.is_empty() || !(self.absent || path.is_file()) {
            let message = format!("there is no file `{}`", name.value);
            let expected = format!(
                "a path from `{}`",
                if base.as_os_str().is_empty() { ".".into() } else { base.display().to_string() }
            );
            self.wrong(name.place, message, expected);
            return None;
        }
        Some(path)
    }

    /// A file from the network, by digest.
    fn url(&mut self, raw: At<raw::Url>, name: &str) -> Option<Url> {
        let url = self.text(raw.value.url, raw.place, &format!("{name}.url"));
        let sha256 = self.needed(raw.value.sha256, raw.place, &format!("{name}.sha256"));
        let url = url?;
        self.web(&url);
        Some(Url { url: url.value, sha256: sha256?.value.0 })
    }

    /// Whether a text can be the address of a file.
    fn web(&mut self, url: &At<String>) {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let sound =
            |rest: &str| !rest.is_empty() && !rest.starts_with('/') && rest.chars().all(|c| c.is_ascii_graphic());
        if !rest.is_some_and(sound) {
            self.wrong(url.place, format!("`{}` is not a URL", url.value), "`https://host/path` or `http://host/path`");
        }
    }

    /// A reference to a source.
    fn source_name(&mut self, name: &At<String>) {
        if self.sources.contains(&name.value) {
            return;
        }
        let names: Vec<&str> = self.sources.iter().map(String::as_str).collect();
        let help = similar(&name.value, names.iter().copied()).map(|name| format!("did you mean `{name}`?"));
        let expected = match names.is_empty() {
            true => "a source, declared as `[source.NAME.apt]`".to_owned(),
            false => super::fault::list(&names),
        };
        self.wrong_help(name.place, format!("there is no source `{}`", name.value), &expected, help);
    }
}
