//! What the boot files are made of, found in the tree.

use super::grub;
use crate::arch::Arch;
use crate::error::{Error, Result};
use crate::path::RootPath;
use crate::system::depmod::{Module, Modules};
use crate::tree::{Content, Tree};

/// An os-release is a few hundred bytes.
const MAX_OS_RELEASE: u64 = 64 << 10;

/// Kernel, modules, stub and boot manager of one release.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The kernel's release, `uname -r`.
    pub release: String,
    /// The kernel's image.
    pub kernel: Content,
    /// Its modules.
    pub modules: Modules,
    /// The modules' files, as many as [`Modules::list`].
    pub files: Vec<Content>,
    /// systemd-stub.
    pub stub: Content,
    /// systemd's stub for addons, where the tree has it.
    pub addon_stub: Option<Content>,
    /// systemd-boot.
    pub manager: Content,
    /// GRUB's files for a BIOS, where the tree has them.
    pub grub: Option<grub::Files>,
    /// The text of os-release.
    pub os_release: Vec<u8>,
}

/// A module and its file.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Path in the initrd and in the root, without the slash in front.
    pub path: String,
    /// The file.
    pub content: Content,
}

impl Parts {
    /// The one kernel release of a tree.
    pub fn release(tree: &Tree) -> Result<String> {
        let folder = RootPath::new("/usr/lib/modules")?;
        let names: Vec<String> = tree
            .directory(&folder)
            .map(|folder| folder.entries.keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect())
            .unwrap_or_default();
        match names.as_slice() {
            [name] => Ok(name.clone()),
            [] => Err(Error::user("the tree holds no kernel").hint("expected a kernel's package in `kernel`")),
            names => Err(Error::user(format!("the tree holds {} kernels: {}", names.len(), names.join(", ")))
                .hint("expected one; the others come from `userland.packages`")),
        }
    }

    /// Finds the parts in a tree for `arch`, whose modules are `modules`.
    pub fn find(tree: &Tree, arch: Arch, modules: Modules) -> Result<Self> {
        let release = modules.version.clone();
        let kernels = [format!("/boot/vmlinuz-{release}"), format!("/usr/lib/modules/{release}/vmlinuz")];
        let efi = "/usr/lib/systemd/boot/efi";
        let suffix = arch.efi();
        let folder = RootPath::new("/usr/lib/modules")?.join(&release)?;
        let mut files = Vec::with_capacity(modules.list.len());
        for module in &modules.list {
            files.push(file(tree, &[format!("{folder}/{}", module.path)], "the kernel's package")?);
        }
        let stubs = "systemd-boot-efi in `userland.packages`";
        Ok(Parts {
            kernel: file(tree, &kernels, "a kernel's package in `kernel`")?,
            addon_stub: file(tree, &[format!("{efi}/addon{suffix}.efi.stub")], stubs).ok(),
            stub: file(tree, &[format!("{efi}/linux{suffix}.efi.stub")], stubs)?,
            manager: file(tree, &[format!("{efi}/systemd-boot{suffix}.efi")], stubs)?,
            os_release: file(tree, &["/etc/os-release".to_owned(), "/usr/lib/os-release".to_owned()], "base-files")?
                .read(MAX_OS_RELEASE)?,
            grub: grub::Files::find(tree)?,
            release,
            modules,
            files,
        })
    }

    /// The modules that the initrd loads, in order.
    pub fn load_order(&self, arch: Arch, more: &[String]) -> Result<Vec<Loaded>> {
        let chosen = super::modules::wanted(&self.modules, arch, more)?;
        chosen.iter().map(|module| self.loaded(module)).collect()
    }

    /// The modules that a root in the initrd needs, in order; none where the kernel has all of it built in.
    ///
    /// A kernel without loop devices gives none either: whoever needs them looks whether they are there.
    pub fn carried(&self) -> Result<Vec<Loaded>> {
        match self.modules.get(super::modules::CARRIED) {
            None => Ok(Vec::new()),
            Some(_) => {
                let order = self.modules.load_order(&[super::modules::CARRIED])?;
                order.into_iter().map(|module| self.loaded(module)).collect()
            }
        }
    }

    fn loaded(&self, module: &Module) -> Result<Loaded> {
        let index = self.modules.list.iter().position(|other| other.name == module.name);
        let content = index.and_then(|index| self.files.get(index)).cloned();
        let content = content.ok_or_else(|| Error::bug(format!("the module `{}` has no file", module.name)))?;
        Ok(Loaded { path: format!("lib/modules/{}/{}", self.release, module.path), content })
    }
}

/// The first of `paths` that is a file, links followed.
fn file(tree: &Tree, paths: &[String], from: &str) -> Result<Content> {
    for path in paths {
        let path = RootPath::new(path)?;
        if let Some((_, content)) = tree.resolve(&path).as_ref().and_then(|path| tree.file(path)) {
            return Ok(content.clone());
        }
    }
    let path = paths.first().map_or("", String::as_str);
    Err(Error::user(format!("the tree has no `{path}`")).hint(format!("expected it from {from}")))
}
