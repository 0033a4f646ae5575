//! `[cloud.NAME]`: rows, and the outputs that name them.

use std::collections::BTreeMap;

use super::{Resolver, name};
use crate::profile::cloud::{PLACEHOLDERS, placeholders};
use crate::profile::fault::list;
use crate::profile::mistake::similar;
use crate::profile::place::At;
use crate::profile::{Cloud, Drivers, SizeRule, Starts, raw};
use crate::size::Size;

impl Resolver<'_> {
    /// The rows of a profile, or those that are built in.
    pub(in crate::profile) fn clouds(&mut self, raw: raw::Map<String, raw::Cloud>) -> BTreeMap<String, Cloud> {
        let mut out = BTreeMap::new();
        for (key, row) in raw.map(|map| map.value).unwrap_or_default() {
            // It becomes a part of files' names.
            if !super::output::file_part(&key) {
                let message = format!("`{}` cannot be the name of a cloud", key.value);
                self.wrong(key.place, message, "up to 32 small letters, digits and `-`");
            }
            if let Some(row) = self.row(row) {
                out.insert(key.value, row);
            }
        }
        out
    }

    fn row(&mut self, raw: At<raw::Cloud>) -> Option<Cloud> {
        let place = raw.place;
        let raw = raw.value;
        let title = self.text(raw.title, place, "cloud.title");
        let format = self.needed(raw.format, place, "cloud.format").and_then(|format| self.format(format));
        if let Some(sector) = raw.sector.as_ref().filter(|sector| !matches!(sector.value, 512 | 4096)) {
            self.wrong(sector.place, format!("disks have no sectors of {} bytes", sector.value), "`512` or `4096`");
        }
        let drivers = raw.drivers.map(|drivers| drivers.value).unwrap_or_default();
        let drivers = Drivers { disk: self.modules(drivers.disk), network: self.modules(drivers.network) };
        let metadata = raw.metadata.map(|map| map.value).unwrap_or_default();
        let metadata: BTreeMap<String, String> =
            metadata.into_iter().map(|(key, value)| (key.value, value.value)).collect();
        let import = raw.import.map(|list| list.value).unwrap_or_default();
        for command in &import {
            self.placeholders(command, &metadata);
        }
        let compress = self.compressor(raw.compress, format.as_ref());
        Some(Cloud {
            title: title?.value,
            format: format?,
            compress,
            accepts: self.unique(raw.accepts, "format"),
            size: self.size_rule(raw.size),
            sector: raw.sector.map_or(512, |sector| sector.value),
            firmware: raw.firmware.map_or(Starts::Uefi, |firmware| firmware.value),
            cmdline: self.cmdline(raw.cmdline),
            drivers,
            features: self.unique(raw.features, "feature"),
            metadata,
            import: import.into_iter().map(|command| command.value).collect(),
            source: raw.source.map(|source| source.value).unwrap_or_default(),
        })
    }

    fn placeholders(&mut self, command: &At<String>, metadata: &BTreeMap<String, String>) {
        if command.value.trim().is_empty() || command.value.contains(['\n', '\0']) {
            self.wrong(command.place, "this is not one command", "one line");
        }
        let known: Vec<&str> = PLACEHOLDERS.into_iter().chain(metadata.keys().map(String::as_str)).collect();
        for word in placeholders(command).into_iter().filter(|word| !known.contains(word)) {
            let help = similar(word, known.iter().copied()).map(|word| format!("did you mean `{{{word}}}`?"));
            self.wrong_help(command.place, format!("nothing is known of `{{{word}}}`"), &list(&known), help);
        }
    }

    fn modules(&mut self, names: raw::List<String>) -> Vec<String> {
        for module in names.iter().flat_map(|names| &names.value).filter(|module| !name::module(module)) {
            let message = format!("`{}` cannot be the name of a module", module.value);
            self.wrong(module.place, message, "letters, digits, `-` and `_`");
        }
        self.unique(names, "module").into_iter().map(|name| name.replace('-', "_")).collect()
    }

    fn size_rule(&mut self, raw: raw::Opt<raw::SizeRule>) -> SizeRule {
        let Some(raw) = raw else { return SizeRule::default() };
        let mut whole = |size: raw::Opt<raw::Parsed<Size>>| {
            let size = size?;
            let bytes = size.value.0.bytes();
            if bytes == 0 || !bytes.is_multiple_of(Size::MIB) {
                self.wrong(size.place, format!("a disk of `{}` is not possible", size.value.0), "whole `M`");
            }
            Some(size.value.0)
        };
        let raw = raw.value;
        SizeRule { multiple: whole(raw.multiple), exact: whole(raw.exact), most: whole(raw.most) }
    }

    /// The row that an output names; `own` are those of the profile.
    pub(super) fn cloud(&mut self, name: &At<String>, own: &BTreeMap<String, Cloud>) -> Option<Cloud> {
        let found = own.get(&name.value).or_else(|| self.rows.get(&name.value)).cloned();
        if found.is_none() && !self.cut_cloud(&name.value) {
            let names: Vec<&str> = own.keys().chain(self.rows.keys()).map(String::as_str).collect();
            let help = similar(&name.value, names.iter().copied()).map(|name| format!("did you mean `{name}`?"));
            let message = format!("there is no cloud `{}`", name.value);
            self.wrong_help(name.place, message, "one of `imagebuild clouds`, or a table `[cloud.NAME]`", help);
        }
        found
    }

    /// Whether the profile has a row of that name that could not be read, which was told.
    fn cut_cloud(&self, name: &str) -> bool {
        self.broken || self.cut.iter().any(|(_, key)| key == name)
    }
}
