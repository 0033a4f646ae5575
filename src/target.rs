//! What outputs ask of the disk beyond what they share: words of the command line, size, sectors, drivers.
//!
//! Kernel, root and root hash are the same for all. Outputs that ask for the same share one disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::boot::grub::{Grub, Place};
use crate::boot::{self, Boot, Parts};
use crate::disk::{self, BIOS_ESP, BootCode, Disk, Layout, Pieces, Role};
use crate::epoch::Epoch;
use crate::error::{Context, Error, Result};
use crate::installer::{self, Installer};
use crate::profile::{Format, Install, Output, Profile};
use crate::root::Root;
use crate::size::Size;
use crate::system::depmod::Modules;
use crate::tree::{Content, Tree};

/// What one output asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    /// Words of its addon.
    words: Vec<String>,
    /// What the addon is called after; none where the disk has none, so that others may have the same one.
    target: Option<String>,
    /// Bytes of the disk.
    length: u64,
    /// Bytes of a sector.
    sector: u32,
    /// Whether a medium installs it, and how.
    install: Option<Install>,
}

/// The words that outputs add to the command line, those of each one behind one another.
pub fn addons(profile: &Profile) -> Vec<String> {
    let words = |output: &Output| {
        let cloud = profile.cloud(output).into_iter().flat_map(|cloud| &cloud.cmdline);
        cloud.chain(&output.cmdline).cloned().collect::<Vec<_>>().join(" ")
    };
    profile.outputs.iter().map(words).filter(|words| !words.is_empty()).collect()
}

impl Shape {
    /// `base` is the UKI's own command line.
    fn of(profile: &Profile, output: &Output, layout: &Layout, base: &str) -> Result<Self> {
        let cloud = profile.cloud(output);
        let words = cloud.iter().flat_map(|cloud| &cloud.cmdline).chain(&output.cmdline).cloned().collect();
        let length = cloud.map_or(Ok(layout.length), |cloud| cloud.size.grown(layout.length))?;
        // What a format rounds up to: the backup of the partition table must lie at that end.
        let unit = match &output.format {
            Format::Gce(_) => Size::GIB,
            Format::Vhd(vhd) => vhd.align.bytes().max(1),
            _ => 1,
        };
        let too_large = || Error::user("a disk of 16 EiB or more");
        let words = beyond(base, words);
        let install = match &output.format {
            Format::Iso(iso) => iso.install.clone(),
            _ => None,
        };
        let has_addon = !words.is_empty() || install.is_some();
        Ok(Shape {
            words,
            target: has_addon.then(|| output.target().to_owned()),
            length: length.checked_next_multiple_of(unit).ok_or_else(too_large)?,
            sector: cloud.map_or(layout.sector, |cloud| cloud.sector),
            install,
        })
    }
}

/// The words that `base` does not have. The order of consoles means something (the last one is /dev/console):
/// those of `base` do only where they end with all of these.
fn beyond(base: &str, words: Vec<String>) -> Vec<String> {
    let is_console = |word: &str| word.starts_with("console=");
    let have: Vec<&str> = base.split(' ').filter(|word| is_console(word)).collect();
    let want: Vec<&str> = words.iter().map(String::as_str).filter(|word| is_console(word)).collect();
    let consoles = have.ends_with(&want);
    let there = |word: &str| if is_console(word) { consoles } else { base.split(' ').any(|other| other == word) };
    words.iter().filter(|word| !there(word)).cloned().collect()
}

/// The disk of an output and what it was made of.
pub struct Placed {
    /// Where the partitions lie, on a disk of this one's size.
    pub layout: Layout,
    /// What is in them.
    pub pieces: Pieces,
    /// The disk.
    pub disk: Disk,
    /// Words of the command line that it has beyond the UKI's; those of a medium include what it installs.
    pub words: Vec<String>,
    /// What a BIOS runs from a CD, where an output is one.
    pub cd: Option<Grub>,
    /// What a medium installs the disk with.
    pub installer: Option<Installer>,
}

/// The disks of a profile's outputs.
pub struct Disks {
    /// The layout of a disk that is no larger than it must be.
    pub layout: Layout,
    /// One for each output, in their order; the same value where they ask for the same.
    pub of: Vec<Arc<Placed>>,
    /// A root that leaves little room for later releases.
    pub warning: Option<String>,
}

/// The disk of every output; `pack` packs and seals what a medium installs with.
pub fn place(
    profile: &Profile,
    root: &Root,
    boot: &Boot,
    parts: &Parts,
    epoch: Epoch,
    pack: &dyn Fn(&Tree) -> Result<Root>,
) -> Result<Disks> {
    let sizes = disk::Sizes::new(&profile.layout, &profile.var, profile.boot.bios())?;
    let layout = Layout::new(&profile.image, sizes, &root.root_hash)?;
    let doing = |output: &Output| format!("placing the output `{}`", output.label());
    let mut shapes = Vec::new();
    for output in &profile.outputs {
        shapes.push(Shape::of(profile, output, &layout, &boot.cmdline).context(|| doing(output))?);
    }
    let outputs = || profile.outputs.iter().zip(&shapes);
    let isos = outputs().filter(|(output, _)| matches!(output.format, Format::Iso(_)));
    let on_cds: BTreeSet<&Shape> = isos.map(|(_, shape)| shape).filter(|_| boot.grub.is_some()).collect();
    let mut made: BTreeMap<&Shape, Arc<Placed>> = BTreeMap::new();
    let mut disks = Disks { layout: layout.clone(), of: Vec::new(), warning: None };
    for (output, shape) in outputs() {
        let doing = || doing(output);
        if let Some(placed) = made.get(shape) {
            disks.of.push(placed.clone());
            continue;
        }
        let target = shape.target.as_deref().unwrap_or_default();
        let esp = esp_files(parts, boot, target, &shape.words).context(doing)?;
        let pieces = Pieces { esp, root: root.squashfs.content(), verity: root.verity.content() };
        let layout = layout.on(shape.length, shape.sector)?;
        let bios = bios(profile, boot, parts, &layout, &shape.words).context(doing)?;
        let (disk, warning) = disk::place(&layout, &pieces, bios.as_ref(), epoch).context(doing)?;
        // The same of all disks: their slots have one size.
        disks.warning = warning;
        let mut words = shape.words.clone();
        let installer = match &shape.install {
            None => None,
            Some(install) => {
                let packed = pack(&installer::tree(&layout, &pieces, bios.as_ref(), epoch)?).context(doing)?;
                words.extend(installer::words(install, &packed.root_hash));
                let esp = esp_files(parts, boot, target, &words).context(doing)?;
                Some(Installer { sealed: packed, esp })
            }
        };
        let cd = match on_cds.contains(shape) {
            true => {
                let line = boot::command_line_with(&boot.cmdline, &words);
                Some(boot::make_grub(parts, &profile.image, &line, Place::Medium).context(doing)?)
            }
            false => None,
        };
        let placed = Placed { layout, pieces, disk, words, cd, installer };
        let placed = Arc::new(placed);
        made.insert(shape, placed.clone());
        disks.of.push(placed);
    }
    Ok(disks)
}

/// The files of an ESP whose addon has these words; without any it has none.
fn esp_files(parts: &Parts, boot: &Boot, target: &str, words: &[String]) -> Result<BTreeMap<String, Content>> {
    let mut esp = boot.esp.clone();
    let addon = boot::addon::make(parts, &boot.cmdline, words)?;
    esp.extend(addon.map(|addon| (boot::addon::path(target), addon)));
    Ok(esp)
}

/// What a BIOS runs, where the image has it. GRUB knows no addons: the words stand in its configuration.
fn bios(profile: &Profile, boot: &Boot, parts: &Parts, layout: &Layout, words: &[String]) -> Result<Option<BootCode>> {
    let Some(grub) = &boot.grub else { return Ok(None) };
    let at = layout.partition(Role::Bios)?.at;
    if words.is_empty() {
        return grub.on_disk(at, layout.sector).map(Some);
    }
    let grub = boot::make_grub(
        parts,
        &profile.image,
        &boot::command_line_with(&boot.cmdline, words),
        Place::Partition(BIOS_ESP),
    )?;
    grub.on_disk(at, layout.sector).map(Some)
}

/// The modules of disks that outputs need, sorted: the initrd takes them along.
pub fn disk_drivers(profile: &Profile) -> Vec<String> {
    let clouds = profile.outputs.iter().filter_map(|output| profile.cloud(output));
    let drivers: BTreeSet<&String> = clouds.flat_map(|cloud| &cloud.drivers.disk).collect();
    drivers.into_iter().cloned().collect()
}

/// Whether the kernel of `modules` has every driver that outputs need, in itself or as a module of the root.
///
/// # Errors
/// All that are missing, by the name of the cloud; before anything is packed.
pub fn check_drivers(profile: &Profile, modules: &Modules) -> Result<()> {
    let mut missing = Vec::new();
    for (name, cloud) in &profile.clouds {
        if !profile.outputs.iter().any(|output| output.cloud.as_ref() == Some(name)) {
            continue;
        }
        for (kind, drivers) in [("disk", &cloud.drivers.disk), ("network", &cloud.drivers.network)] {
            let gone = drivers.iter().filter(|driver| !modules.is_builtin(driver) && modules.get(driver).is_none());
            missing.extend(gone.map(|driver| format!("`{name}` needs the {kind} driver `{driver}`")));
        }
    }
    let Some((first, rest)) = missing.split_first() else { return Ok(()) };
    let message = format!("{first}, which the kernel {} has neither in itself nor as a module", modules.version);
    let error = rest.iter().fold(Error::user(message), |error, more| error.hint(format!("besides: {more}")));
    Err(error.hint("another package in `kernel.apt` may have it, `kernel.exclude` may have taken it away, or a table `[cloud.NAME]` may ask for less"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_there_are_not_repeated_but_consoles_keep_their_order() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let base = "roothash=0 console=tty0 console=ttyS0,115200n8 panic=10";
        assert_eq!(beyond(base, words("console=tty0 console=ttyS0,115200n8 panic=10")), [""; 0]);
        assert_eq!(beyond(base, words("console=ttyS0,115200n8")), [""; 0]);
        assert_eq!(
            beyond(base, words("console=ttyS0,115200n8 console=tty0 quiet")),
            ["console=ttyS0,115200n8", "console=tty0", "quiet"]
        );
        assert_eq!(beyond(base, words("console=tty0")), ["console=tty0"]);
    }
}
