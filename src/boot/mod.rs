//! What boots the root: kernel, initrd and command line, and the one EFI file made of them.
//!
//! - The command line carries the root hash; nothing else decides which root is taken.
//! - Nothing of it is run or signed here; a signature is a value that comes between this and the disk.

pub mod addon;
pub mod archives;
pub(crate) mod cmdline;
pub mod cpio;
pub mod grub;
mod initrd;
mod loader;
mod measure;
mod modules;
mod parts;
pub mod uki;

pub use cmdline::{build as command_line, with as command_line_with};
pub use loader::{loader_path, uki_path};
pub use measure::{Phase, pcr11, pcr11_of};
pub use modules::{REQUIRED, wanted};
pub use parts::{Loaded, Parts};

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::disk::BIOS_ESP;
use crate::epoch::Epoch;
use crate::error::{Context, Error, Result};
use crate::profile::Image;
use crate::store::{Key, Store};
use crate::tree::Content;

/// Changes whenever the same inputs give another UKI.
const UKI_VERSION: u32 = 1;

/// Where kernel and initrd lie on the ESP for a BIOS: with one slot there is one of each.
pub const KERNEL: &str = "boot/vmlinuz";
/// The initrd beside it.
pub const INITRD: &str = "boot/initrd";
/// Where GRUB lies on a CD.
pub const CD_GRUB: &str = "boot/grub.img";

/// Everything that lies on the ESP, and what it was made of.
#[derive(Debug, Clone)]
pub struct Boot {
    /// The kernel's release, `uname -r`.
    pub kernel: String,
    /// The whole command line.
    pub cmdline: String,
    /// The kernel's image.
    pub image: Content,
    /// The compressed initrd.
    pub initrd: Content,
    /// The modules in the initrd, in the order of loading.
    pub modules: Vec<String>,
    /// Modules for a root that comes in a further initrd.
    pub carried: Vec<Loaded>,
    /// systemd-stub.
    pub stub: Content,
    /// The text of os-release.
    pub os_release: Vec<u8>,
    /// The unified kernel image.
    pub uki: Content,
    /// Its digest.
    pub uki_digest: Digest,
    /// Every file of the ESP, the UKI among them.
    pub esp: BTreeMap<String, Content>,
    /// What boots it where the firmware is a BIOS.
    pub grub: Option<grub::Grub>,
}

/// What a boot is for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Name, version, architecture.
    pub image: &'a Image,
    /// Words of the command line that the profile asks for.
    pub words: &'a [String],
    /// Modules that the initrd takes along where the kernel has them, beyond those of every image.
    pub drivers: &'a [String],
    /// The root hash.
    pub root: &'a Digest,
    /// The static program that the initrd runs.
    pub init: &'a [u8],
    /// Whether a BIOS boots it as well.
    pub bios: bool,
    /// The moment of every time stamp.
    pub epoch: Epoch,
}

/// Makes the boot files of `target` out of `parts`.
pub fn assemble(parts: &Parts, target: &Target<'_>, store: &Store) -> Result<Boot> {
    let arch = target.image.arch;
    let cmdline = cmdline::build(arch, target.words, target.root)?;
    let modules = parts.load_order(arch, target.drivers)?;
    let initrd = initrd::make(parts, &modules, target.init, target.epoch, store);
    let initrd = initrd.context(|| "making the initrd".to_owned())?;
    let (uki, uki_digest) = make_uki(parts, &cmdline, &initrd, store).context(|| "making the UKI".to_owned())?;
    let mut esp = loader::files(target.image, &parts.manager, &uki)?;
    let grub = match target.bios {
        true => {
            esp.insert(KERNEL.to_owned(), parts.kernel.clone());
            esp.insert(INITRD.to_owned(), initrd.clone());
            Some(make_grub(parts, target.image, &cmdline, grub::Place::Partition(BIOS_ESP))?)
        }
        false => None,
    };
    Ok(Boot {
        kernel: parts.release.clone(),
        image: parts.kernel.clone(),
        carried: parts.carried()?,
        stub: parts.stub.clone(),
        os_release: parts.os_release.clone(),
        cmdline,
        initrd,
        modules: modules.into_iter().map(|module| module.path).collect(),
        uki,
        uki_digest,
        esp,
        grub,
    })
}

/// A GRUB that boots the kernel and the initrd of `place` with the words of `cmdline`.
///
/// # Errors
/// A tree without GRUB, words that GRUB would change.
pub fn make_grub(parts: &Parts, image: &Image, cmdline: &str, place: grub::Place) -> Result<grub::Grub> {
    let files = parts.grub.as_ref().ok_or_else(|| {
        Error::user(format!("the tree has no `{}`", grub::FOLDER))
            .hint("expected it from grub-pc-bin in `userland.packages`")
    })?;
    let config = grub::config(place, &image.name(), KERNEL, INITRD, cmdline)?;
    grub::Grub::compose(files, &place.modules(), &config, "").context(|| "composing GRUB".to_owned())
}

fn make_uki(parts: &Parts, cmdline: &str, initrd: &Content, store: &Store) -> Result<(Content, Digest)> {
    let stub = parts.stub.read(uki::MAX_STUB).context(|| "reading systemd's stub".to_owned())?;
    let initrd = initrd.read(uki::MAX_SECTION)?;
    let kernel = parts.kernel.read(uki::MAX_SECTION).context(|| "reading the kernel".to_owned())?;
    // Order of the UAPI group's specification; the kernel last, since it may grow in place.
    let sections: [(&str, &[u8]); 5] = [
        (".osrel", &parts.os_release),
        (".cmdline", cmdline.as_bytes()),
        (".uname", parts.release.as_bytes()),
        (".initrd", &initrd),
        (".linux", &kernel),
    ];
    let mut key = Key::new("uki", UKI_VERSION).of("uki").part("stub", &Digest::of(&stub));
    for (name, bytes) in sections {
        let digest = Digest::of(bytes);
        key = match name {
            // Its words say more than a digest.
            ".cmdline" => key.with(name).with(digest.0),
            _ => key.with(name).part(&format!("section {name}"), &digest),
        };
    }
    let mut words = BTreeMap::<&str, Vec<&str>>::new();
    for word in cmdline.split(' ') {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        words.entry(name).or_default().push(value);
    }
    for (name, values) in words {
        key = key.told(&format!("command line: {name}"), values.join("; ").as_str());
    }
    let (blob, _) = store.derived(key, |out| Ok(out.write_all(&uki::append(&stub, &sections)?)?))?;
    let uki = blob.content();
    let digest = uki.sha256()?;
    Ok((uki, digest))
}
