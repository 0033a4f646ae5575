//! `[image]`, `[source]`, `[kernel]`, `[userland]`, `[layout]`, `[pack]`, `[[output]]`, `[posture]`, `[waive]`.

use std::collections::BTreeMap;

use super::{Resolver, name};
use crate::arch::Arch;
use crate::path::RootPath;
use crate::profile::mistake::similar;
use crate::profile::place::{At, Place};
use crate::profile::posture::Set;
use crate::profile::{
    Acknowledgement, Apt, Codec, Glob, Image, Kernel, Keyring, Layout, Pack, Package, Posture, Source, Userland,
    Waiver, checks, posture, raw,
};
use crate::size::Size;

/// What every partition may not exceed, in bytes: an exbibyte cannot be a typing error's victim.
const LARGEST: u64 = 1 << 44;
/// Characters of a partition's name (UEFI specification, 5.3.3: 36 UTF-16 units), one left for NUL.
const LABEL: usize = 35;
/// The smallest FAT32 with clusters of 4 KiB, with room to spare.
const ESP: u64 = 260 * Size::MIB;

impl Resolver<'_> {
    /// `[image]`
    pub(super) fn image(&mut self, raw: At<raw::Image>) -> Option<Image> {
        let id = self.needed(raw.value.id, raw.place, "image.id");
        let version = self.needed(raw.value.version, raw.place, "image.version");
        if let Some(id) = id.as_ref().filter(|id| !name::image_id(id)) {
            let message = format!("`{}` cannot be an image's id", id.value);
            self.wrong(id.place, message, "letters, digits, `-` and `.`, beginning with a letter or a digit");
        }
        if let Some(version) = version.as_ref().filter(|version| !name::image_version(version)) {
            let message = format!("`{}` cannot be an image's version", version.value);
            let expected = "letters, digits, `.`, `-`, `~` and `^`, beginning with a letter or a digit";
            let counter = "the boot manager takes what follows a `+` for a counter of tries".to_owned();
            self.wrong_help(version.place, message, expected, version.contains('+').then_some(counter));
        }
        let (id, version) = (id?, version?);
        let label = format!("{}_{}", id.value, version.value);
        if label.chars().count() > LABEL {
            let message = format!("`{label}` is too long for the label of a partition");
            self.wrong(version.place, message, format!("id and version of {LABEL} characters together, with `_`"));
        }
        Some(Image { id: id.value, version: version.value, arch: self.arch })
    }

    /// The source of packages that name none.
    pub(super) fn default_source(&mut self, raw: &raw::Profile) -> Option<String> {
        match raw.userland.as_ref().and_then(|userland| userland.value.from.as_ref()) {
            Some(from) => {
                self.source_name(from);
                Some(from.value.clone())
            }
            None => match self.sources.as_slice() {
                [only] => Some(only.clone()),
                several => several.iter().find(|name| *name == "debian").cloned(),
            },
        }
    }

    /// `[source]`
    pub(super) fn sources(&mut self, raw: raw::Map<String, raw::Source>) -> BTreeMap<String, Source> {
        let mut sources = BTreeMap::new();
        for (key, source) in raw.map(|map| map.value).unwrap_or_default() {
            self.key(&key, "source");
            let raw::Source::Apt(apt) = source.value;
            let place = source.place;
            let apt = self.apt(apt, place, &key.value);
            sources.insert(key.value, Source::Apt(apt));
        }
        sources
    }

    fn apt(&mut self, raw: raw::SourceApt, place: Place, source: &str) -> Apt {
        let suites = match self.needed(raw.suites, place, &format!("source.{source}.apt.suites")) {
            Some(suites) if suites.value.is_empty() => {
                self.wrong(suites.place, "there is no suite", "one suite at least, as `\"trixie\"`");
                None
            }
            suites => suites,
        };
        for suite in suites.iter().chain(&raw.components).flat_map(|list| &list.value) {
            if !name::suite(&suite.value) {
                let message = format!("`{}` cannot be a suite or a component", suite.value);
                self.wrong(suite.place, message, "letters, digits, `-`, `_`, `.` and `/`");
            }
        }
        let components = raw.components.unwrap_or_else(|| {
            let main = At { value: "main".to_owned(), place };
            At { value: vec![main], place }
        });
        let keyring = match raw.keyring {
            None => Keyring::Debian,
            Some(name) if name.value == "debian" => Keyring::Debian,
            Some(name) => self.local(name).map_or(Keyring::Debian, Keyring::File),
        };
        if let Some(mirror) = &raw.mirror {
            self.web(mirror);
        }
        Apt {
            suites: self.unique(suites, "suite"),
            components: self.unique(Some(components), "component"),
            keyring,
            mirror: raw.mirror.map(|mirror| mirror.value),
        }
    }

    /// A package as `"name"` or `{ name, from }`; `from` is where it comes from without the latter.
    pub(super) fn package(&mut self, raw: At<raw::PackageRef>, from: Option<&At<String>>) -> Option<Package> {
        let place = raw.place;
        let at = |name: At<String>| if name.place.id == 0 { At { place, ..name } } else { name };
        let name = self.needed(raw.value.name, place, "name").map(at);
        if let Some(name) = name.as_ref().filter(|name| !name::package(name)) {
            let message = format!("`{}` cannot be the name of a package", name.value);
            self.wrong(name.place, message, "lower-case letters, digits, `+`, `-` and `.`");
        }
        let from = match raw.value.from.as_ref().or(from) {
            Some(from) => {
                self.source_name(from);
                Some(from.value.clone())
            }
            None => self.from.clone(),
        };
        let told = self.sources.is_empty() && std::mem::replace(&mut self.sourceless, true);
        if from.is_none() && name.is_some() && !told {
            let (message, expected) = match self.sources.is_empty() {
                true => ("there is no source of packages", "a source, declared as `[source.NAME.apt]`"),
                false => ("it is open which source this package comes from", "`{ name, from }`, or `[userland] from`"),
            };
            self.wrong(place, message, expected);
        }
        Some(Package { name: name?.value, from: from? })
    }

    /// Packages, none of them twice.
    pub(super) fn packages(&mut self, raw: Vec<At<raw::PackageRef>>) -> Vec<Package> {
        let mut seen = BTreeMap::new();
        let mut packages = Vec::new();
        for raw in raw {
            let place = raw.place;
            if let Some(package) = self.package(raw, None) {
                let name = At { value: package.name.clone(), place };
                if !self.again(&mut seen, &name, "package") {
                    packages.push(package);
                }
            }
        }
        packages
    }

    /// `[kernel]`
    pub(super) fn kernel(&mut self, raw: At<raw::Kernel>) -> Option<Kernel> {
        let place = raw.place;
        let raw = raw.value;
        let package = self.needed(raw.apt, place, "kernel.apt").and_then(|package| self.package(package, None));
        let mut cmdline = self.cmdline(raw.cmdline);
        if !cmdline.iter().any(|word| word.starts_with("console=")) {
            cmdline.extend(["console=tty0".to_owned(), console(self.arch)]);
        }
        for module in raw.modules.iter().flat_map(|modules| &modules.value) {
            if !name::module(module) {
                let message = format!("`{}` cannot be the name of a module", module.value);
                self.wrong(module.place, message, "letters, digits, `-` and `_`");
            }
        }
        let mut sysctl = BTreeMap::new();
        for (key, value) in raw.sysctl.map(|map| map.value).unwrap_or_default() {
            if !name::sysctl(&key.value) {
                self.wrong(key.place, format!("`{}` cannot be a kernel setting", key.value), "words joined by `.`");
            }
            if value.value.0.contains(['\n', '\0']) {
                self.wrong(value.place, "this setting has several lines", "one line");
            }
            sysctl.insert(key.value, value.value.0);
        }
        let exclude = self.globs(raw.exclude, "");
        Some(Kernel { package: package?, cmdline, modules: self.unique(raw.modules, "module"), sysctl, exclude })
    }

    /// Words of the kernel's command line; one may well be there twice: the kernel takes several `console=`.
    pub(super) fn cmdline(&mut self, words: raw::List<String>) -> Vec<String> {
        let words = words.map(|words| words.value).unwrap_or_default();
        words.iter().for_each(|word| self.cmdline_word(word));
        words.into_iter().map(|word| word.value).collect()
    }

    fn cmdline_word(&mut self, word: &At<String>) {
        /// Words that the tool itself sets.
        const OURS: [&str; 3] = ["roothash", "systemd.verity_root_data", "systemd.verity_root_hash"];
        let key = word.split('=').next().unwrap_or_default();
        if word.value.is_empty() || !word.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
            self.wrong(word.place, "this cannot be a word of a command line", "printable ASCII characters");
        } else if OURS.contains(&key) {
            self.wrong(word.place, format!("the tool itself sets `{key}`"), "another word");
        } else if word.contains(' ') && !word.contains('"') {
            self.wrong(word.place, format!("`{}` is more than one word", word.value), "one word an element");
        }
    }

    /// `[userland]`
    pub(super) fn userland(&mut self, raw: At<raw::Userland>) -> Userland {
        let place = raw.place;
        let raw = raw.value;
        let packages = self.needed(raw.packages, place, "userland.packages");
        let packages = self.packages(packages.map(|list| list.value).unwrap_or_default());
        let mut without = BTreeMap::new();
        for (key, reason) in raw.without.map(|map| map.value).unwrap_or_default() {
            let parts: Vec<&str> = key.value.split('<').map(str::trim).collect();
            if parts.len() > 2 || !parts.iter().all(|part| name::package(part)) {
                self.wrong(key.place, format!("`{}` is not a dependency", key.value), "`name` or `name < dependant`");
            }
            let normal = parts.join(" < ");
            if let Some(reason) = self.text(Some(reason), key.place, "reason") {
                without.insert(normal, reason.value);
            }
        }
        let scripts = raw.script.map(|list| list.value).unwrap_or_default();
        let scripts = scripts.into_iter().filter_map(|script| self.acknowledgement(script)).collect();
        let places: BTreeMap<String, String> = raw
            .exclude
            .iter()
            .flat_map(|list| &list.value)
            .map(|glob| {
                let file = self.files.get(glob.place.file).map_or("", |file| &file.name);
                (glob.value.clone(), format!("{file}:{}", self.files.position(glob.place).0))
            })
            .collect();
        let exclude = self
            .globs(raw.exclude, "/")
            .into_iter()
            .map(|glob| {
                let origin = places.get(&glob).cloned().unwrap_or_default();
                Glob::new(glob, origin)
            })
            .collect();
        Userland { packages, exclude, without, scripts }
    }

    fn acknowledgement(&mut self, raw: At<raw::Acknowledgement>) -> Option<Acknowledgement> {
        let place = raw.place;
        let raw = raw.value;
        let package = self.text(raw.package, place, "userland.script.package");
        let script = self.needed(raw.script, place, "userland.script.script");
        if let Some(script) =
            script.as_ref().filter(|name| !["preinst", "postinst", "triggers"].contains(&name.as_str()))
        {
            let message = format!("unknown script `{}`", script.value);
            self.wrong(script.place, message, "`preinst`, `postinst` or `triggers`");
        }
        let sha256 = self.needed(raw.sha256, place, "userland.script.sha256");
        let reason = self.text(raw.reason, place, "userland.script.reason");
        Some(Acknowledgement {
            package: package?.value,
            script: script?.value,
            sha256: sha256?.value.0,
            reason: reason?.value,
        })
    }

    /// Globs, none of them twice; `start` is what each begins with.
    pub(super) fn globs(&mut self, list: raw::List<String>, start: &str) -> Vec<String> {
        for glob in list.iter().flat_map(|list| &list.value) {
            if !glob.starts_with(start) {
                self.wrong(
                    glob.place,
                    format!("the glob `{}` is not absolute", glob.value),
                    "a glob that begins with `/`",
                );
            } else if let Err(error) = globset::GlobBuilder::new(glob).literal_separator(true).build() {
                self.wrong(
                    glob.place,
                    format!("`{}` is not a glob: {}", glob.value, error.kind()),
                    "a glob, as `/usr/**/*.txt`",
                );
            }
        }
        self.unique(list, "glob")
    }

    /// `[layout]`
    pub(super) fn layout(&mut self, raw: Option<At<raw::Layout>>) -> Layout {
        let raw = raw.map(|raw| raw.value).unwrap_or_default();
        let slot = self.size(raw.slot, 512 * Size::MIB, "slot", Size::MIB);
        let esp = self.size(raw.esp, 512 * Size::MIB, "esp", ESP);
        if let Some(slots) = raw.slots.as_ref().filter(|slots| !matches!(slots.value, 1 | 2)) {
            self.wrong(slots.place, format!("`{}` slots are not possible", slots.value), "`1` or `2`");
        }
        Layout { slot, slots: raw.slots.map_or(2, |slots| slots.value), esp }
    }

    /// The size of a partition: whole MiB, `least` bytes at least.
    pub(super) fn size(&mut self, raw: raw::Opt<raw::Parsed<Size>>, default: u64, what: &str, least: u64) -> Size {
        let Some(raw) = raw else { return Size(default) };
        let size = raw.value.0;
        if size.bytes() < least {
            self.wrong(
                raw.place,
                format!("the {what} of `{size}` is too small"),
                format!("`{}` at least", Size(least)),
            );
        } else if size.bytes() > LARGEST {
            self.wrong(
                raw.place,
                format!("the {what} of `{size}` is too large"),
                format!("`{}` at most", Size(LARGEST)),
            );
        } else if size.bytes() % Size::MIB != 0 {
            self.wrong(raw.place, format!("the {what} of `{size}` is not aligned"), "a multiple of `1M`");
        }
        size
    }

    /// `[pack]`
    pub(super) fn pack(&mut self, raw: Option<At<raw::Pack>>) -> Pack {
        let raw = raw.map(|raw| raw.value).unwrap_or_default();
        let codec = raw.codec.map_or(Codec::Zstd, |codec| codec.value);
        let (word, range, default) = match codec {
            Codec::Zstd => ("zstd", 1..=22, 15),
            Codec::Xz => ("xz", 0..=9, 6),
            Codec::Gzip => ("gzip", 1..=9, 9),
            Codec::Lz4 => ("lz4", 0..=0, 0),
            Codec::None => ("none", 0..=0, 0),
        };
        if let Some(level) = raw.level.as_ref().filter(|level| !range.contains(&level.value)) {
            let message = format!("`{word}` has no level `{}`", level.value);
            let expected = match codec {
                Codec::Lz4 | Codec::None => "no `level`".to_owned(),
                _ => format!("{} to {}", range.start(), range.end()),
            };
            self.wrong(level.place, message, expected);
        }
        if let Some(block) = &raw.block {
            let bytes = block.value.0.bytes();
            if !bytes.is_power_of_two() || !(4 * Size::KIB..=Size::MIB).contains(&bytes) {
                let message = format!("a block of `{}` is not possible", block.value.0);
                self.wrong(block.place, message, "a power of two from `4K` to `1M`");
            }
        }
        Pack {
            codec,
            level: raw.level.map_or(default, |level| level.value),
            block: raw.block.map_or(Size(128 * Size::KIB), |block| block.value.0),
        }
    }

    /// `[posture]`
    pub(super) fn posture(&mut self, raw: Option<At<raw::Posture>>) -> Posture {
        let raw = raw.map(|raw| raw.value).unwrap_or_default();
        let mut rules = Posture::default().rules;
        if let Some(list) = raw.rules {
            if let Some(none) = list.value.iter().find(|set| set.value == Set::None && list.value.len() > 1) {
                self.wrong(none.place, "`none` beside other sets", "`none` alone, or sets without it");
            }
            rules = list.value.into_iter().map(|set| set.value).collect();
        }
        let mut also = Vec::new();
        for id in raw.also.map(|list| list.value).unwrap_or_default() {
            let ids = posture::rules().iter().map(|rule| rule.id.as_str());
            if posture::rule(&id.value).is_none() {
                let help = similar(&id, ids).map(|name| format!("did you mean `{name}`?"));
                let message = format!("there is no rule `{}`", id.value);
                self.wrong_help(id.place, message, "an id of `imagebuild posture --list`", help);
            }
            also.push(id.value);
        }
        let files = raw.capabilities.map(|list| list.value).unwrap_or_default();
        let mut capabilities: Vec<RootPath> = files.into_iter().map(|path| path.value.0).collect();
        rules.sort();
        rules.dedup();
        also.sort();
        also.dedup();
        capabilities.sort();
        capabilities.dedup();
        Posture { rules, also, capabilities }
    }

    /// `[waive]`
    pub(super) fn waivers(&mut self, raw: raw::Map<String, raw::Waiver>) -> BTreeMap<String, Waiver> {
        let mut waivers = BTreeMap::new();
        for (id, waiver) in raw.map(|map| map.value).unwrap_or_default() {
            if !checks::all().any(|known| known == id.value) {
                let help = similar(&id, checks::all()).map(|name| format!("did you mean `{name}`?"));
                self.wrong_help(
                    id.place,
                    format!("there is no check `{}`", id.value),
                    "the id that a build tells",
                    help,
                );
            }
            let reason = self.text(waiver.value.reason, waiver.place, &format!("waive.{}.reason", id.value));
            if let Some(until) = waiver.value.until.as_ref().filter(|until| !name::date(until)) {
                self.wrong(until.place, format!("`{}` is not a day", until.value), "`YYYY-MM-DD`");
            }
            let until = waiver.value.until.map(|until| until.value);
            if let Some(reason) = reason {
                waivers.insert(id.value, Waiver { reason: reason.value, until });
            }
        }
        waivers
    }

    /// A name of one of our own tables.
    pub(super) fn key(&mut self, key: &At<String>, what: &str) {
        if !name::key(&key.value) {
            let message = format!("`{}` cannot be the name of a {what}", key.value);
            self.wrong(key.place, message, "up to 64 letters, digits, `-`, `_` and `.`");
        }
    }
}

/// The word for the serial console.
fn console(arch: Arch) -> String {
    format!("console={},115200n8", arch.console())
}
