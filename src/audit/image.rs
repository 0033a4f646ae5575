//! A disk image, opened: partitions, ESP, UKIs, and the roots that they name; nothing taken on trust.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::boot::uki::{MAX_SECTION, Pe};
use crate::boot::{Phase, pcr11_of};
use crate::bytes::{Bytes, Part};
use crate::digest::Digest;
use crate::disk::{ESP_TYPE, fat, gpt};
use crate::error::{Context, Error, Result};
use crate::guid::Guid;
use crate::output;

/// Where UKIs lie on the ESP.
const UKIS: &str = "EFI/Linux/";
/// Where addons of all UKIs lie, and how their names end.
const ADDONS: (&str, &str) = ("loader/addons/", ".addon.efi");
/// An addon is its stub and a few words.
const MAX_ADDON: u64 = 16 << 20;

/// An open image.
#[derive(Debug)]
pub struct Image {
    /// The disk's bytes.
    pub bytes: Arc<dyn Bytes>,
    /// The partition table.
    pub table: gpt::Table,
    /// What is wrong with either copy of it.
    pub faults: Vec<String>,
}

/// The ESP of an image.
#[derive(Debug)]
pub struct Esp {
    /// Every file: path and bytes.
    pub files: Vec<(String, u64)>,
    /// What is wrong with its tables.
    pub faults: Vec<String>,
    /// Addons that every UKI takes: path and words of the command line, sorted by path.
    pub addons: Vec<(String, String)>,
}

/// A UKI of an image, taken apart.
#[derive(Debug)]
pub struct Uki {
    /// Its path on the ESP.
    pub path: String,
    /// Digest of the whole file.
    pub sha256: Digest,
    /// Bytes.
    pub size: u64,
    /// Sections: name, bytes, digest.
    pub sections: Vec<(String, u64, Digest)>,
    /// The kernel's release.
    pub release: String,
    /// The command line.
    pub cmdline: String,
    /// PCR 11 of a boot of it.
    pub pcr11: Vec<Phase>,
}

/// Root and hash tree that belong to a root hash; first byte and length of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The squashfs.
    pub root: (u64, u64),
    /// The hash tree.
    pub verity: (u64, u64),
}

impl Image {
    /// Opens an image of any format and reads its partition table.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of(output::open(path)?.disk).context(|| format!("reading `{}`", path.display()))
    }

    /// Reads the partition table of a disk.
    pub fn of(bytes: Arc<dyn Bytes>) -> Result<Self> {
        let found = gpt::read(&*bytes)?;
        Ok(Image { bytes, table: found.table, faults: found.faults })
    }

    /// First byte and length of a partition.
    pub fn place(&self, entry: &gpt::Entry) -> (u64, u64) {
        let sector = u64::from(self.table.sector);
        // The reader of the table saw to it that both lie on the disk.
        (entry.first * sector, (entry.last - entry.first + 1) * sector)
    }

    /// The bytes of a place.
    pub fn part(&self, (at, length): (u64, u64)) -> Result<Part> {
        Part::new(self.bytes.clone(), at, length)
    }

    fn esp(&self) -> Result<Part> {
        let entry = self.table.entries.iter().find(|entry| entry.kind == ESP_TYPE);
        let entry = entry.ok_or_else(|| Error::user("the image has no EFI system partition"))?;
        let (at, length) = self.place(entry);
        self.part((at, length))
    }

    /// The files of the ESP.
    pub fn esp_files(&self) -> Result<Esp> {
        let esp = self.esp()?;
        let reader = fat::Reader::new(&esp).context(|| "reading the ESP".to_owned())?;
        let files = reader.files().context(|| "reading the ESP".to_owned())?;
        let mut addons = Vec::new();
        for file in files.iter().filter(|file| file.path.starts_with(ADDONS.0) && file.path.ends_with(ADDONS.1)) {
            let doing = || format!("reading `{}` of the ESP", file.path);
            let bytes = reader.read(file, MAX_ADDON).context(doing)?;
            let pe = Pe::parse(&bytes).context(doing)?;
            // An addon may hold other things than words.
            addons.extend(pe.named(".cmdline").map(|words| (file.path.clone(), plain(words))));
        }
        Ok(Esp {
            addons,
            files: files.into_iter().map(|file| (file.path, u64::from(file.size))).collect(),
            faults: reader.faults()?,
        })
    }

    /// Every UKI, sorted by path.
    pub fn ukis(&self) -> Result<Vec<Uki>> {
        let esp = self.esp()?;
        let reader = fat::Reader::new(&esp).context(|| "reading the ESP".to_owned())?;
        let mut out = Vec::new();
        for file in reader.files().context(|| "reading the ESP".to_owned())? {
            if !file.path.starts_with(UKIS) || !file.path.ends_with(".efi") {
                continue;
            }
            let doing = || format!("reading `{}` of the ESP", file.path);
            let bytes = reader.read(&file, MAX_SECTION).context(doing)?;
            out.push(take_apart(&file.path, &bytes).context(doing)?);
        }
        if out.is_empty() {
            return Err(Error::user(format!("the ESP holds no UKI in `{UKIS}`")));
        }
        Ok(out)
    }

    /// The digests of files of the ESP, by their paths.
    pub fn esp_digests(&self, wanted: &dyn Fn(&str) -> bool) -> Result<BTreeMap<String, Digest>> {
        let esp = self.esp()?;
        let reader = fat::Reader::new(&esp).context(|| "reading the ESP".to_owned())?;
        let mut out = BTreeMap::new();
        for file in reader.files()?.into_iter().filter(|file| wanted(&file.path)) {
            let bytes = reader.read(&file, MAX_SECTION).context(|| format!("reading `{}` of the ESP", file.path))?;
            out.insert(file.path, Digest::of(&bytes));
        }
        Ok(out)
    }

    /// The bytes of a section of a UKI.
    pub fn section(&self, uki: &Uki, name: &str) -> Result<Vec<u8>> {
        let doing = || format!("reading `{}` of the ESP", uki.path);
        let esp = self.esp()?;
        let reader = fat::Reader::new(&esp).context(doing)?;
        let file = reader.files().context(doing)?.into_iter().find(|file| file.path == uki.path);
        let file = file.ok_or_else(|| Error::user("it is gone")).context(doing)?;
        let bytes = reader.read(&file, MAX_SECTION).context(doing)?;
        let section = Pe::parse(&bytes).context(doing)?.named(name).map(<[u8]>::to_vec);
        section.ok_or_else(|| Error::user(format!("no section `{name}`"))).context(doing)
    }

    /// The partitions whose ids a root hash demands.
    pub fn slot(&self, root_hash: &Digest) -> Result<Slot> {
        let (root, verity) = Guid::of_root_hash(root_hash);
        let find = |id: Guid, what: &str| {
            let entry = self.table.entries.iter().find(|entry| entry.id == id);
            let found = entry.map(|entry| self.place(entry));
            found.ok_or_else(|| Error::user(format!("the image has no {what} partition with the id {id}")))
        };
        Ok(Slot { root: find(root, "root")?, verity: find(verity, "hash")? })
    }
}

impl Uki {
    /// The root hash of the command line; more than one, or none, is an error.
    pub fn root_hash(&self) -> Result<Digest> {
        let hash = crate::init::cmdline::root_hash(self.cmdline.as_bytes()).map_err(Error::user)?;
        Ok(Digest(hash.0))
    }
}

/// Takes the UKI `bytes`, which lies at `path` of the ESP, apart.
pub(crate) fn take_apart(path: &str, bytes: &[u8]) -> Result<Uki> {
    let pe = Pe::parse(bytes)?;
    let text = |name: &str| {
        let bytes = pe.named(name).ok_or_else(|| Error::user(format!("no section `{name}`")))?;
        Ok::<_, Error>(plain(bytes))
    };
    let sections = pe.sections().iter().map(|section| {
        let data = pe.data(section);
        (section.name.clone(), data.len() as u64, Digest::of(data))
    });
    let sections: Vec<_> = sections.collect();
    // Each is read once, however often its digest is asked for.
    let digest = |name: &str| sections.iter().find(|section| section.0 == name).map(|section| section.2);
    Ok(Uki {
        path: path.to_owned(),
        sha256: Digest::of(bytes),
        size: bytes.len() as u64,
        release: text(".uname")?,
        cmdline: text(".cmdline")?,
        pcr11: pcr11_of(&digest),
        sections,
    })
}

/// The text of a section.
fn plain(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches(['\0', '\n']).to_owned()
}
