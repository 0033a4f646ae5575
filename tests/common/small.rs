//! A small image, sealed but not written, and what goes into small images.
#![allow(dead_code)] // each test binary uses its own part

use std::path::Path;

use imagebuild::arch::Arch;
use imagebuild::artifact::{self, Artifact, Writing};
use imagebuild::boot::{self, Boot, Parts, Target};
use imagebuild::disk::{Disk, Layout, Pieces, Sizes};
use imagebuild::epoch::Epoch;
use imagebuild::guid::Guid;
use imagebuild::output::{Emit, Format};
use imagebuild::path::RootPath;
use imagebuild::profile::{self, Encryption, Image, Var};
use imagebuild::report::Report;
use imagebuild::root::{self, Root};
use imagebuild::size::Size;
use imagebuild::squashfs::Options;
use imagebuild::store::Store;
use imagebuild::system::depmod::depmod;
use imagebuild::tree::{Content, Meta, Tree};

use super::binaries;

/// The kernel's.
pub const RELEASE: &str = "6.12.0-test";
pub const EPOCH: Epoch = Epoch(1_700_000_000);

pub fn image() -> Image {
    Image { id: "small".to_owned(), version: "1.0.0".to_owned(), arch: Arch::Amd64 }
}

/// Slots of so many MiB.
pub fn slots(slot: u64, slots: u8) -> profile::Layout {
    profile::Layout { slot: Size(slot << 20), slots, esp: Size(260 << 20) }
}

pub const VAR: Var = Var { size: Size(64 << 20), encryption: Encryption::None };

/// Bytes without a pattern that could hide a shift.
pub fn noise(length: usize, seed: u32) -> Content {
    let mut state = seed | 1;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    Content::bytes(std::iter::repeat_with(next).take(length).collect::<Vec<u8>>())
}

/// The disk as the file `path`.
pub fn write(format: &dyn Format, disk: &Disk, path: &Path) -> Artifact {
    let spool = path.parent().unwrap();
    let how = Emit { jobs: 2, seed: Guid::seed("small"), epoch: EPOCH, name: "small", spool };
    artifact::write(&Writing { format, compress: None, how }, disk, path, None).unwrap()
}

pub fn put(tree: &mut Tree, path: &str, bytes: Vec<u8>) {
    tree.put_file(&RootPath::new(path).unwrap(), Meta::new(0o644, EPOCH.0), Content::bytes(bytes)).unwrap();
}

/// A kernel with `modules`, and the programs that firmware starts.
pub fn tree(modules: &[&str]) -> Tree {
    tree_of(RELEASE, modules)
}

/// The same of another release.
pub fn tree_of(release: &str, modules: &[&str]) -> Tree {
    let mut tree = Tree::default();
    for name in modules {
        let path = format!("/usr/lib/modules/{release}/kernel/{name}.ko");
        put(&mut tree, &path, binaries::module(&[], &["printk"], &[]));
    }
    put(&mut tree, &format!("/boot/vmlinuz-{release}"), b"kernel".repeat(1000));
    put(&mut tree, "/usr/lib/os-release", b"ID=test\n".to_vec());
    for name in ["linuxx64.efi.stub", "systemd-bootx64.efi", "addonx64.efi.stub"] {
        put(&mut tree, &format!("/usr/lib/systemd/boot/efi/{name}"), binaries::stub());
    }
    tree
}

/// What a small image is made of.
pub struct Small {
    /// Holds the store, and whatever else.
    pub folder: tempfile::TempDir,
    pub layout: Layout,
    pub root: Root,
    pub boot: Boot,
    pub parts: Parts,
}

/// What a small image may have otherwise.
pub struct Asked {
    /// Words of the command line.
    pub words: Vec<String>,
    /// The program of the initrd.
    pub init: Vec<u8>,
    /// MiB of a slot.
    pub slot: u64,
    /// The release of the tree's kernel.
    pub release: &'static str,
    /// The codec of the root, and its level.
    pub codec: profile::Codec,
    pub level: i32,
}

impl Default for Asked {
    fn default() -> Self {
        Asked {
            words: Vec::new(),
            init: b"init".to_vec(),
            slot: 4,
            release: RELEASE,
            codec: profile::Codec::Zstd,
            level: 1,
        }
    }
}

impl Small {
    /// Packs and seals a tree.
    pub fn new(tree: Tree) -> Self {
        Self::of(tree, &Asked::default())
    }

    /// The same, with what is asked for.
    pub fn of(mut tree: Tree, asked: &Asked) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let image = image();
        let modules = depmod(&mut tree, asked.release, EPOCH, None, 1).unwrap();
        let options = Options { codec: asked.codec, level: asked.level, epoch: EPOCH.0, ..Options::default() };
        let (root, _) = root::pack(&tree, &store, &options, &Guid::seed(&image.id), &Report::silent()).unwrap();
        let parts = Parts::find(&tree, image.arch, modules).unwrap();
        let target = Target {
            image: &image,
            words: &asked.words,
            drivers: &[],
            root: &root.root_hash,
            init: &asked.init,
            bios: false,
            epoch: EPOCH,
        };
        let boot = boot::assemble(&parts, &target, &store).unwrap();
        let layout =
            Layout::new(&image, Sizes::new(&slots(asked.slot, 2), &VAR, false).unwrap(), &root.root_hash).unwrap();
        Small { folder, layout, root, boot, parts }
    }

    pub fn pieces(&self) -> Pieces {
        let (root, verity) = (self.root.squashfs.content(), self.root.verity.content());
        Pieces { esp: self.boot.esp.clone(), root, verity }
    }
}
