//! Whether an image is what firmware, importers and its own seal ask for: each rule with its reason and its cure.
//!
//! - The image may be anyone's: what it holds is believed nowhere, sizes are bounded.
//! - A rule is a value of one file; that file's tests, or `tests/lint.rs`, have an image that only it refuses.
//! - What a format asks of its file has a place of its own ([`Subject`]).

mod archive;
mod esp;
mod finding;
mod initrd;
mod iso;
mod pe;
mod seal;
mod table;
mod target;
mod vhd;

pub use finding::{Finding, Rule};

use std::path::Path;
use std::sync::Arc;

use crate::arch::Arch;
use crate::boot::loader_path;
use crate::boot::uki::MAX_SECTION;
use crate::bytes::{Bytes, Part, head};
use crate::disk::fat::Reader;
use crate::disk::gpt::{self, Entry, Table};
use crate::disk::{Disk, Unwritten};
use crate::error::{Error, Kind, Result};
use crate::output::archive::is_archive;
use crate::output::{self, Opened, Plain, Unpack};
use crate::profile::Cloud;
use crate::source::codec::Codec;
use crate::squashfs::{self, NodeKind};
use crate::verity;

/// A list of modules in the kernel has some 10 kB.
const MAX_LIST: u64 = 16 << 20;

/// Where a root has modules, and the lists of them.
const MODULES: &[u8] = b"/usr/lib/modules/";

/// What an image is held against besides the rules for all.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What it is for.
    pub cloud: Option<&'a Cloud>,
    /// UKIs that must still fit the ESP.
    pub room: u64,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Report {
    /// Broken rules, in the order of looking.
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub unchecked: Vec<String>,
}

/// Every rule, in the order of looking.
pub fn rules() -> Vec<&'static Rule> {
    let subjects: [&[&'static Rule]; 10] = [
        &[&READABLE],
        &vhd::RULES,
        &archive::RULES,
        &iso::RULES,
        &table::RULES,
        &target::RULES,
        &esp::RULES,
        &pe::RULES,
        &initrd::RULES,
        &seal::RULES,
    ];
    subjects.concat()
}

static READABLE: Rule = Rule {
    id: "file-readable",
    required: "a file that can be read as what its first or last bytes say that it is",
    why: "whoever takes it in reads it by the same marks",
    mend: "copy the file again; flatten what refers to other files; unpack what is compressed",
};

/// An image file, unpacked once for all that is asked of it.
pub struct Subject<'a> {
    file: Arc<dyn Bytes>,
    plain: Result<Plain>,
    unpack: Unpack<'a>,
}

impl<'a> Subject<'a> {
    /// The file; a compressed one is unpacked in `folder`, into a file without a name.
    pub fn new(file: &Arc<dyn Bytes>, folder: &'a Path) -> Self {
        let unpack = Unpack { limit: output::LIMIT, folder };
        Subject { file: file.clone(), plain: Plain::of(file.clone(), unpack), unpack }
    }

    /// Holds the file and the disk in it against the rules: first what its format asks for.
    ///
    /// # Errors
    /// Only where the file cannot be read: what is wrong with it is a finding.
    pub fn check(&self, asked: &Asked<'_>) -> Result<Report> {
        let file = &self.file;
        let mut findings = Vec::new();
        vhd::check(&**file, &mut findings)?;
        if self.archives(&mut findings)? && findings.is_empty() {
            return Ok(Report { findings, unchecked: vec!["the disk in it: it is in pieces".to_owned()] });
        }
        if iso::is_iso(&**file) {
            iso::check(&**file, &mut findings)?;
            // Without a table of partitions beside it, a CD has nothing more to look at.
            if findings.is_empty() && gpt::sector_size(&**file).is_none() {
                let unchecked =
                    asked.cloud.map(|cloud| format!("what {} asks: a CD without a disk in it", cloud.title));
                return Ok(Report { findings, unchecked: unchecked.into_iter().collect() });
            }
        }
        // Where a rule of the file is broken, it is in doubt where its disk begins or ends.
        if findings.is_empty() {
            match self.opened() {
                Ok(opened) => return disk(&opened.disk, Some(opened.kind), asked),
                Err(why) => findings.push(READABLE.broken(why)),
            }
        }
        Ok(Report { findings, unchecked: vec!["the disk in it".to_owned()] })
    }

    /// The disk in the file, or why there is none.
    fn opened(&self) -> std::result::Result<Opened, String> {
        match &self.plain {
            Ok(plain) => plain.disk(self.unpack).map_err(|error| error.message().to_owned()),
            Err(error) => Err(error.message().to_owned()),
        }
    }

    /// Archives, compressed or not; whether what is in one is in pieces.
    fn archives(&self, out: &mut Vec<Finding>) -> Result<bool> {
        if is_archive(&head::<512>(&*self.file)?) {
            return archive::check(&self.file, false, out);
        }
        match &self.plain {
            // Of compressed files only a gzip can be such an archive.
            Ok(Plain { bytes, codec: Some(Codec::Gzip) })
                if head::<512>(&**bytes).is_ok_and(|head| is_archive(&head)) =>
            {
                archive::check(bytes, true, out)
            }
            _ => Ok(false),
        }
    }

    /// The architecture that the programs on the ESP are for; none where that does not show.
    ///
    /// # Errors
    /// Only where the image cannot be read.
    pub fn arch(&self) -> Result<Option<Arch>> {
        let Ok(Opened { disk, .. }) = self.opened() else { return Ok(None) };
        let disk = &disk;
        let Some(table) = table::check(&**disk, &mut Vec::new())? else { return Ok(None) };
        let esp = esp::check(disk, &table, &mut Vec::new())?;
        Ok(esp.and_then(|esp| {
            let starts = |arch: &Arch| esp.files.iter().any(|file| file.path.eq_ignore_ascii_case(&loader_path(*arch)));
            Arch::ALL.into_iter().find(starts)
        }))
    }
}

/// [`Subject::check`] of a file of which nothing else is asked.
pub fn file(file: &Arc<dyn Bytes>, folder: &Path, asked: &Asked<'_>) -> Result<Report> {
    Subject::new(file, folder).check(asked)
}

/// Holds the disk of an image against the rules. `format` is that of its file, where there is one.
///
/// # Errors
/// Only where the image cannot be read: what is wrong with it is a finding.
pub fn disk(disk: &Arc<dyn Bytes>, format: Option<output::Kind>, asked: &Asked<'_>) -> Result<Report> {
    let mut report = Report::default();
    let out = &mut report.findings;
    let table = table::check(&**disk, out)?;
    if let Some(cloud) = asked.cloud {
        let sector = table.as_ref().map(|table| table.sector);
        target::disk(cloud, &**disk, sector, format.map(output::Kind::name), out)?;
    }
    let Some(table) = table else { return Ok(report) };
    let Some(esp) = esp::check(disk, &table, out)? else { return Ok(report) };
    let image = Image { disk, table: &table, esp: &esp };
    image.programs(asked, &mut report)?;
    Ok(report)
}

/// One error of all broken rules; none where there are none.
pub fn error(report: &Report) -> Option<Error> {
    let (first, rest) = report.findings.split_first()?;
    let say = |finding: &Finding| format!("{}: {}", finding.rule.id, finding.found);
    let error = Error::new(Kind::Found, say(first)).hint(format!("required: {}", first.rule.required));
    let error = error.hint(format!("to mend it: {}", first.rule.mend));
    Some(rest.iter().fold(error, |error, finding| error.hint(format!("besides: {}", say(finding)))))
}

/// A disk before any file of it is written, held against the rules.
pub fn unwritten(made: &Disk, asked: &Asked<'_>) -> Result<Report> {
    let bytes: Arc<dyn Bytes> = Arc::new(Unwritten::new(made.clone()));
    disk(&bytes, None, asked)
}

/// An image whose table and ESP can be read.
struct Image<'a> {
    disk: &'a Arc<dyn Bytes>,
    table: &'a Table,
    esp: &'a esp::Esp,
}

impl Image<'_> {
    fn programs(&self, asked: &Asked<'_>, report: &mut Report) -> Result<()> {
        let reader = Reader::new(&self.esp.part)?;
        let mut words = String::new();
        let named = |folder: &str, ending: &str| {
            let inside = move |path: &str| {
                let path = path.to_ascii_lowercase();
                path.strip_prefix(&folder.to_ascii_lowercase())
                    .is_some_and(|name| name.ends_with(ending) && !name.contains('/'))
            };
            self.esp.files.iter().filter(|file| inside(&file.path)).collect::<Vec<_>>()
        };
        for file in named("loader/addons/", ".addon.efi") {
            let bytes = reader.read(file, MAX_SECTION)?;
            if let Some(pe) = pe::check(&file.path, &bytes, &mut report.findings) {
                words.extend([" ", &text(pe.named(".cmdline").unwrap_or_default())]);
            }
        }
        let mut ukis = named("EFI/Linux/", ".efi");
        if ukis.is_empty() {
            // Without a boot manager the UKI is what the firmware starts.
            ukis = named("EFI/BOOT/", ".efi")
                .into_iter()
                .filter(|file| file.path.to_ascii_lowercase().contains("/boot"))
                .collect();
        }
        for file in &ukis {
            let bytes = reader.read(file, MAX_SECTION)?;
            self.uki(&file.path, &bytes, &words, asked, report)?;
        }
        let largest = ukis.iter().map(|file| u64::from(file.size)).max().unwrap_or(0);
        esp::room(self.esp, largest, asked.room, &mut report.findings);
        Ok(())
    }

    fn uki(&self, path: &str, bytes: &[u8], words: &str, asked: &Asked<'_>, report: &mut Report) -> Result<()> {
        let out = &mut report.findings;
        let Some(pe) = pe::check(path, bytes, out) else { return Ok(()) };
        pe::parts(path, &pe, out);
        let contents = pe.named(".initrd").map(|initrd| initrd::check(path, initrd, out)).unwrap_or_default();
        let Some(cmdline) = pe.named(".cmdline") else { return Ok(()) };
        let sealed = seal::check(path, &format!("{}{words}", text(cmdline)), self.table, out);
        let root = match &sealed {
            None => None,
            Some(sealed) => {
                let (root, tree) = (self.part(sealed.root)?, self.part(sealed.tree)?);
                if let Err(error) = verity::check_superblock(&root, &tree) {
                    seal::tree(path, &error, out);
                }
                Some(root)
            }
        };
        let Some(cloud) = asked.cloud else { return Ok(()) };
        let known = root.ok_or_else(|| Error::user("there is no sealed root")).and_then(modules);
        let (builtin, in_root) = match known {
            Ok(known) if !contents.partly => known,
            Ok(_) => {
                report.unchecked.push(format!("drivers of `{path}`: not all of its initrd could be read"));
                return Ok(());
            }
            Err(error) => {
                report.unchecked.push(format!("drivers of `{path}`: {}", error.message()));
                return Ok(());
            }
        };
        let modules = target::Modules { builtin, initrd: contents.modules, root: in_root };
        target::drivers(cloud, path, &modules, out);
        Ok(())
    }

    fn part(&self, entry: &Entry) -> Result<Part> {
        let sector = u64::from(self.table.sector);
        Part::new(self.disk.clone(), entry.first * sector, (entry.last - entry.first + 1) * sector)
    }
}

type Names = std::collections::BTreeSet<String>;

/// Modules in the kernel, and those that the root has.
fn modules(root: Part) -> Result<(Names, Names)> {
    let image = squashfs::Image::new(Box::new(root))?;
    let (mut builtin, mut found) = (Names::new(), Names::new());
    image.walk(&mut |node| {
        let path = node.path.as_bytes();
        if !path.starts_with(MODULES) || !matches!(node.kind, NodeKind::File(_)) {
            return Ok(());
        }
        if path.ends_with(b"/modules.builtin") {
            let list = image.read_file(&node, MAX_LIST)?;
            builtin.extend(String::from_utf8_lossy(&list).lines().filter_map(|line| initrd::module(line.as_bytes())));
        }
        found.extend(initrd::module(path));
        Ok(())
    })?;
    if builtin.is_empty() && found.is_empty() {
        return Err(Error::user("the root has no modules"));
    }
    Ok((builtin, found))
}

fn text(section: &[u8]) -> String {
    String::from_utf8_lossy(section).trim_end_matches(['\0', '\n']).to_owned()
}
