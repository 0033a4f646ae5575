//! What one module says of itself: `.modinfo`, what it exports, what it needs.

use std::io::Read;

use object::{Object, ObjectSection, ObjectSymbol};
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::tree::Content;

/// The largest modules have some 20 MB.
const MAX_MODULE: u64 = 256 << 20;
/// xz's dictionaries are capped: kernels are packed with 1 MiB.
const MAX_XZ_MEMORY: u64 = 128 << 20;
/// Bytes of an entry of `__versions` on 64-bit machines: a checksum of 8, a name of 56.
const VERSION_ENTRY: usize = 64;

/// The part of a module that the tables are made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Patterns of devices and names that it answers to, as written.
    pub aliases: Vec<String>,
    /// `pre:`/`post:` wishes, as written.
    pub softdeps: Vec<String>,
    /// Modules that it may ask for later, as written.
    pub weakdeps: Vec<String>,
    /// Symbols that it exports.
    pub exports: Vec<String>,
    /// Symbols that it needs.
    pub imports: Vec<String>,
}

/// Whether a file is a module, by its name.
pub fn is_module(name: &str) -> bool {
    [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].iter().any(|end| name.ends_with(end))
}

/// The name of the module in a file: up to the first dot, `_` for `-`.
pub fn module_name(path: &str) -> String {
    let base = path.rsplit('/').next().unwrap_or(path);
    base.split('.').next().unwrap_or(base).replace('-', "_")
}

impl Facts {
    /// Reads a module, compressed as its name says.
    pub fn read(path: &str, content: &Content) -> Result<Self> {
        Facts::parse(&unpacked(path, content)?)
    }

    /// Reads an ELF file.
    pub fn parse(elf: &[u8]) -> Result<Self> {
        let bad = |error: object::Error| Error::source(format!("not a kernel module: {error}"));
        let file = object::File::parse(elf).map_err(bad)?;
        let section = |name: &str| match file.section_by_name(name) {
            Some(section) => section.data().map_err(bad),
            None => Ok(&[][..]),
        };
        let mut out = Facts::default();
        for line in strings(section(".modinfo")?) {
            let Some((key, value)) = line.split_once('=') else { continue };
            match key {
                "alias" => out.aliases.push(value.to_owned()),
                "softdep" => out.softdeps.push(value.to_owned()),
                "weakdep" => out.weakdeps.push(value.to_owned()),
                _ => {}
            }
        }
        for symbol in file.symbols() {
            let Ok(name) = symbol.name() else { continue };
            if let Some(exported) = name.strip_prefix("__crc_") {
                out.exports.push(exported.to_owned());
            }
            if symbol.is_undefined() && !name.is_empty() {
                out.imports.push(name.to_owned());
            }
        }
        if out.exports.is_empty() {
            out.exports = strings(section("__ksymtab_strings")?).collect();
        }
        // Needed by the loader only, hence in no symbol table: `module_layout`.
        for entry in section("__versions")?.chunks_exact(VERSION_ENTRY) {
            let name = strings(&entry[8..]).next().unwrap_or_default();
            if !name.is_empty() && !out.imports.contains(&name) {
                out.imports.push(name);
            }
        }
        Ok(out)
    }
}

/// The strings of a section, each ended by NUL.
fn strings(bytes: &[u8]) -> impl Iterator<Item = String> {
    let parts = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty());
    parts.map(|part| String::from_utf8_lossy(part).into_owned())
}

/// A module's ELF file.
fn unpacked(path: &str, content: &Content) -> Result<Vec<u8>> {
    let reader = content.open()?;
    let mut reader: Box<dyn Read> = match path.rsplit('.').next() {
        Some("xz") => {
            let stream = liblzma::stream::Stream::new_stream_decoder(MAX_XZ_MEMORY, liblzma::stream::CONCATENATED)
                .map_err(|error| Error::system(error.to_string()))?;
            Box::new(liblzma::read::XzDecoder::new_stream(reader, stream))
        }
        Some("zst") => Box::new(zstd::Decoder::new(reader)?),
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(reader)),
        _ => Box::new(reader),
    };
    let mut out = Vec::new();
    let count = reader.by_ref().take(MAX_MODULE + 1).read_to_end(&mut out);
    let count = count.map_err(|error| Error::source(error.to_string())).context(|| "unpacking".to_owned())?;
    if count as u64 > MAX_MODULE {
        return Err(Error::source("a module of more than 256 MiB"));
    }
    Ok(out)
}
