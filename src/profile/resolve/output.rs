//! `[[output]]`: formats with their options, and the names of the files.

use std::collections::BTreeMap;

use super::Resolver;
use crate::profile::fault::list;
use crate::profile::place::{At, Place};
use crate::profile::{
    Cloud, ClusterCodec, Compression, Format, Gce, Install, Iso, Netboot, Oci, OciKind, Output, Ova, Product, Qcow2,
    Raw, Split, Update, Vhd, Vhdx, Vmdk, raw,
};
use crate::size::Size;

impl Resolver<'_> {
    /// `[[output]]`; built-in rows that outputs name are added to `clouds`.
    pub(super) fn outputs(
        &mut self,
        raw: raw::List<raw::Output>,
        root: Place,
        clouds: &mut BTreeMap<String, Cloud>,
    ) -> Vec<Output> {
        let Some(raw) = self.needed(raw, root, "output") else { return Vec::new() };
        if raw.value.is_empty() {
            self.wrong(raw.place, "there is no output", "one at least, as `[[output]]` with `format.raw = {}`");
        }
        let mut outputs: Vec<Output> = Vec::new();
        for output in raw.value {
            let place = output.place;
            let Some(output) = self.output(output, clouds) else { continue };
            let same = |other: &Output| {
                (other.format.name(), other.compress, &other.name)
                    == (output.format.name(), output.compress, &output.name)
            };
            if outputs.iter().any(same) {
                self.wrong(place, "this output is there twice", "each once, or a `name` that tells them apart");
            } else {
                outputs.push(output);
            }
        }
        outputs
    }

    /// One of them; a built-in row that it names is added to `clouds`.
    pub(in crate::profile) fn output(
        &mut self,
        raw: At<raw::Output>,
        clouds: &mut BTreeMap<String, Cloud>,
    ) -> Option<Output> {
        let place = raw.place;
        let raw = raw.value;
        let row = raw.cloud.as_ref().map(|name| self.cloud(name, clouds));
        let format = match (raw.format, &row) {
            (Some(format), row) => {
                let place = format.place;
                let format = self.format(format);
                if let (Some(format), Some(Some(row))) = (&format, row) {
                    self.accepted(place, format, row);
                }
                format
            }
            (None, Some(row)) => row.as_ref().map(|row| row.format.clone()),
            (None, None) => self.needed(None, place, "output.format").and_then(|format| self.format(format)),
        };
        if let Some(name) = raw.name.as_ref().filter(|name| !file_part(name)) {
            let message = format!("`{}` cannot be a part of a file's name", name.value);
            self.wrong(name.place, message, "up to 32 small letters, digits and `-`");
        }
        let compress = self.compressor(raw.compress, format.as_ref());
        let cmdline = self.cmdline(raw.cmdline);
        let cloud = raw.cloud.map(|cloud| cloud.value);
        // Another format has a compressor of its own, or none.
        let compress =
            compress.or_else(|| row.iter().flatten().find(|row| Some(&row.format) == format.as_ref())?.compress);
        if let (Some(name), Some(Some(row))) = (&cloud, row) {
            clouds.entry(name.clone()).or_insert(row);
        }
        let name = raw.name.map(|name| name.value).or_else(|| cloud.clone());
        Some(Output { format: format?, cloud, compress, name, cmdline })
    }

    /// What compresses the file of a format, where that can be.
    pub(super) fn compressor(&mut self, raw: raw::Opt<Compression>, format: Option<&Format>) -> Option<Compression> {
        let compress = raw?;
        match format {
            Some(Format::Gce(_)) => {
                self.wrong(compress.place, "what `gce` writes is compressed already", "no `compress`");
            }
            Some(format) if format.is_folder() => {
                let message = format!("what `{}` writes is a folder of files, each found by its name", format.name());
                self.wrong(compress.place, message, "no `compress`");
            }
            _ => {}
        }
        Some(compress.value)
    }

    /// Whether the import of a cloud takes a format that stands in the place of its own.
    fn accepted(&mut self, place: Place, format: &Format, row: &Cloud) {
        let name = format.name();
        let known: Vec<&str> = [row.format.name()].into_iter().chain(row.accepts.iter().map(String::as_str)).collect();
        if !known.contains(&name) {
            self.wrong(place, format!("{} does not take {name}", row.title), list(&known));
        }
    }

    /// A format with its options.
    pub(super) fn format(&mut self, raw: At<raw::Format>) -> Option<Format> {
        Some(match raw.value {
            raw::Format::Raw {} => Format::Raw(Raw {}),
            raw::Format::Qcow2(raw) => Format::Qcow2(self.qcow2(raw)),
            raw::Format::Vhd(options) => Format::Vhd(self.vhd(options)),
            raw::Format::Vhdx(options) => Format::Vhdx(self.vhdx(options)),
            raw::Format::Vmdk(options) => Format::Vmdk(Vmdk {
                kind: options.kind.map_or_else(Default::default, |kind| kind.value),
                adapter: options.adapter.map_or_else(Default::default, |adapter| adapter.value),
            }),
            raw::Format::Ova(options) => Format::Ova(Box::new(self.ova(*options))),
            raw::Format::Gce {} => Format::Gce(Gce {}),
            raw::Format::Split {} => Format::Split(Split {}),
            raw::Format::Iso(options) => Format::Iso(self.iso(options)),
            raw::Format::Netboot {} => Format::Netboot(Netboot {}),
            raw::Format::Oci(options) => Format::Oci(self.oci(options)),
            raw::Format::Update(options) => Format::Update(self.update(options, raw.place)?),
        })
    }

    fn iso(&mut self, raw: raw::Iso) -> Iso {
        Iso { install: raw.install.map(|install| self.install(install.value)) }
    }

    fn install(&mut self, raw: raw::Install) -> Install {
        if let Some(disk) = raw.disk.as_ref().filter(|disk| !is_disk(&disk.value)) {
            let expected = "`auto`, or a disk by the kernel's name, as `/dev/nvme0n1`";
            self.wrong(disk.place, format!("`{}` names no disk to install onto", disk.value), expected);
        }
        let places = [raw.erase.as_ref().map(|erase| erase.place), raw.then.as_ref().map(|then| then.place)];
        if let (None, Some(place)) = (&raw.disk, places.into_iter().flatten().next()) {
            self.wrong(
                place,
                "this is said with the disk",
                "`disk`, or none of both, where a file on the stick says it",
            );
        }
        Install {
            disk: raw.disk.map(|disk| disk.value),
            erase: raw.erase.is_some_and(|erase| erase.value),
            then: raw.then.map_or_else(Default::default, |then| then.value),
        }
    }

    fn oci(&mut self, raw: raw::Oci) -> Oci {
        if let Some(name) = raw.reference.as_ref().filter(|name| !name.chars().all(|c| c.is_ascii_graphic())) {
            self.wrong(name.place, "this cannot be the name of an image", "printable ASCII, as `node:1.0.0`");
        }
        let kind = raw.kind.map_or(OciKind::Disk, |kind| kind.value);
        Oci { kind, reference: raw.reference.map(|name| name.value) }
    }

    fn update(&mut self, raw: raw::Update, place: Place) -> Option<Update> {
        let url = self.text(raw.url, place, "output.format.update.url")?;
        self.web(&url);
        Some(Update { url: url.value, verify: raw.verify.is_none_or(|verify| verify.value) })
    }

    fn qcow2(&mut self, raw: raw::Qcow2) -> Qcow2 {
        let default = Qcow2::default();
        if let Some(version) = raw.version.as_ref().filter(|version| !matches!(version.value, 2 | 3)) {
            self.wrong(version.place, format!("qcow2 has no version `{}`", version.value), "`3` or `2`");
        }
        if let Some(cluster) = &raw.cluster {
            self.power_of_two(cluster, "a cluster", Size(512), Size(2 * Size::MIB));
        }
        let version = raw.version.map_or(default.version, |version| version.value);
        let codec = raw.codec.as_ref();
        if let Some(codec) = codec.filter(|codec| codec.value == ClusterCodec::Zstd && version == 2) {
            self.wrong(codec.place, "version 2 of qcow2 knows no zstd", "`deflate`, or `version = 3`");
        }
        Qcow2 {
            version,
            cluster: raw.cluster.map_or(default.cluster, |cluster| cluster.value.0),
            codec: raw.codec.map_or(default.codec, |codec| codec.value),
        }
    }
}

impl Resolver<'_> {
    fn vhd(&mut self, raw: raw::Vhd) -> Vhd {
        let default = Vhd::default();
        if let Some(align) = &raw.align {
            self.power_of_two(align, "a multiple", Size(512), Size(Size::GIB));
        }
        Vhd {
            kind: raw.kind.map_or(default.kind, |kind| kind.value),
            align: raw.align.map_or(default.align, |align| align.value.0),
        }
    }

    fn vhdx(&mut self, raw: raw::Vhdx) -> Vhdx {
        if let Some(block) = &raw.block {
            self.power_of_two(block, "a block", Size(Size::MIB), Size(256 * Size::MIB));
        }
        raw.block.map_or_else(Vhdx::default, |block| Vhdx { block: block.value.0 })
    }

    fn ova(&mut self, raw: raw::Ova) -> Ova {
        let default = Ova::default();
        if let Some(cpus) = raw.cpus.as_ref().filter(|cpus| !(1..=768).contains(&cpus.value)) {
            self.wrong(cpus.place, format!("{} virtual processors", cpus.value), "`1` to `768`");
        }
        if let Some(memory) = &raw.memory {
            let size = memory.value.0;
            if size.bytes() == 0 || !size.bytes().is_multiple_of(4 * Size::MIB) {
                self.wrong(memory.place, format!("memory of `{size}` is not possible"), "a multiple of `4M`");
            }
        }
        let mut word = |value: raw::Opt<String>, default: String| match value {
            None => default,
            Some(value) => {
                let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
                if value.value.is_empty() || !value.value.bytes().all(sound) {
                    self.wrong(value.place, format!("`{}` is no word of VMware's", value.value), "letters and digits");
                }
                value.value
            }
        };
        let (hardware, controller) = (word(raw.hardware, default.hardware), word(raw.controller, default.controller));
        let (network, os) = (word(raw.network, default.network), word(raw.os, default.os));
        Ova {
            cpus: raw.cpus.map_or(default.cpus, |cpus| cpus.value),
            memory: raw.memory.map_or(default.memory, |memory| memory.value.0),
            hardware,
            firmware: raw.firmware.map_or(default.firmware, |firmware| firmware.value),
            controller,
            network,
            os,
            product: raw.product.and_then(|product| self.product(product)),
        }
    }

    fn product(&mut self, raw: At<raw::Product>) -> Option<Product> {
        let value = |value: raw::Opt<String>| value.map(|value| value.value);
        let (place, raw) = (raw.place, raw.value);
        let name = self.text(raw.name, place, "product.name")?.value;
        Some(Product { name, vendor: value(raw.vendor), version: value(raw.version), url: value(raw.url) })
    }

    fn power_of_two(&mut self, size: &At<raw::Parsed<Size>>, what: &str, least: Size, most: Size) {
        let value = size.value.0;
        if !value.bytes().is_power_of_two() || !(least..=most).contains(&value) {
            let message = format!("{what} of `{value}` is not possible");
            self.wrong(size.place, message, format!("a power of two from `{least}` to `{most}`"));
        }
    }
}

/// Whether a text is `auto` or a disk by the kernel's name, as the initrd reads it.
fn is_disk(text: &str) -> bool {
    let sound = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let name = text.strip_prefix("/dev/").filter(|name| (1..=32).contains(&name.len()));
    text == "auto" || name.is_some_and(sound)
}

/// Whether a text may stand between dots of a file's name.
pub(super) fn file_part(text: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 32 && text.bytes().all(sound)
}
