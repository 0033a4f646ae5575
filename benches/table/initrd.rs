//! An initrd with systemd in it, as small as it can be made: what our own is compared with.
//!
//! Debian's packages (mmdebstrap fetches them once), of which only what this boot needs is taken:
//! systemd, udev, journald, the generators for fstab and verity, dmsetup, their units, rules and
//! libraries; and the very modules that our initrd holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use imagebuild::profile::{Apt, Keyring};
use imagebuild::report::Report;
use imagebuild::source::Context;
use imagebuild::source::apt::archive;
use imagebuild::store::Store;
use imagebuild::system::closure;
use imagebuild::tree::Content;

use crate::hello::{Hello, scratch};
use crate::row::{Fallible, succeed};

const PACKAGES: &str = "base-files,dmsetup,kmod,mount,systemd,systemd-boot-efi,systemd-cryptsetup,udev,util-linux";
const SUITES: [&str; 3] = ["trixie", "trixie-updates", "trixie-security"];
const STUB: &str = "usr/lib/systemd/boot/efi/linuxx64.efi.stub";
/// Programs, rules, and the libraries that systemd loads at run time.
const FILES: &[&str] = &[
    "usr/bin/kmod",
    "usr/bin/mount",
    "usr/bin/systemctl",
    "usr/bin/udevadm",
    "usr/lib/os-release",
    "usr/lib/systemd/system-generators/systemd-fstab-generator",
    "usr/lib/systemd/system-generators/systemd-veritysetup-generator",
    "usr/lib/systemd/systemd",
    "usr/lib/systemd/systemd-executor",
    "usr/lib/systemd/systemd-journald",
    "usr/lib/systemd/systemd-modules-load",
    "usr/lib/systemd/systemd-shutdown",
    "usr/lib/systemd/systemd-sysroot-fstab-check",
    "usr/lib/systemd/systemd-udevd",
    "usr/lib/systemd/systemd-veritysetup",
    "usr/lib/udev/rules.d/50-udev-default.rules",
    "usr/lib/udev/rules.d/55-dm.rules",
    "usr/lib/udev/rules.d/60-block.rules",
    "usr/lib/udev/rules.d/60-persistent-storage-dm.rules",
    "usr/lib/udev/rules.d/60-persistent-storage.rules",
    "usr/lib/udev/rules.d/80-drivers.rules",
    "usr/lib/udev/rules.d/95-dm-notify.rules",
    "usr/lib/udev/rules.d/99-systemd.rules",
    "usr/lib/x86_64-linux-gnu/libblkid.so.1",
    "usr/lib/x86_64-linux-gnu/libcryptsetup.so.12",
    "usr/lib/x86_64-linux-gnu/libkmod.so.2",
    "usr/lib/x86_64-linux-gnu/libmount.so.1",
    "usr/lib64/ld-linux-x86-64.so.2",
    "usr/sbin/dmsetup",
    "usr/sbin/modprobe",
];
/// Units, and of each the links that pull further ones in.
const UNITS: &[&str] = &[
    "basic.target",
    "emergency.target",
    "final.target",
    "initrd-cleanup.service",
    "initrd-fs.target",
    "initrd-parse-etc.service",
    "initrd-root-device.target",
    "initrd-root-fs.target",
    "initrd-switch-root.service",
    "initrd-switch-root.target",
    "initrd-udevadm-cleanup-db.service",
    "initrd-usr-fs.target",
    "initrd.target",
    "local-fs-pre.target",
    "local-fs.target",
    "modprobe@.service",
    "paths.target",
    "shutdown.target",
    "slices.target",
    "sockets.target",
    "swap.target",
    "sysinit.target",
    "system-systemd\\x2dveritysetup.slice",
    "systemd-journald-dev-log.socket",
    "systemd-journald.service",
    "systemd-journald.socket",
    "systemd-modules-load.service",
    "systemd-udev-trigger.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udevd.service",
    "timers.target",
    "umount.target",
    "veritysetup-pre.target",
    "veritysetup.target",
];
/// Where libraries are looked for.
const LIBRARIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/systemd"];
/// Groups that udev's rules name.
const GROUPS: [&str; 15] = [
    "root",
    "audio",
    "cdrom",
    "dialout",
    "disk",
    "input",
    "kmem",
    "kvm",
    "lp",
    "render",
    "sgx",
    "systemd-journal",
    "tape",
    "tty",
    "video",
];

/// What was made.
pub struct Made {
    /// The compressed archive.
    pub initrd: Vec<u8>,
    /// systemd's stub for UKIs.
    pub stub: Vec<u8>,
}

/// Makes the initrd in `folder` for the kernel of `hello`, with the modules of `ours`, our own initrd.
pub fn make(hello: &Hello, folder: &Path, ours: &[u8]) -> Fallible<Made> {
    let packages = unpacked_packages(folder)?;
    let root = folder.join("root");
    let mut initrd = Initrd { packages: &packages, root: &root, taken: BTreeSet::new() };
    for link in ["bin", "lib", "lib64", "sbin"] {
        fs::create_dir_all(root.join("usr").join(link))?;
        symlink(format!("usr/{link}"), root.join(link))?;
    }
    for empty in ["dev", "etc/modules-load.d", "proc", "run", "sys", "sysroot", "tmp", "var"] {
        fs::create_dir_all(root.join(empty))?;
    }
    FILES.iter().try_for_each(|file| initrd.take(Path::new(file)))?;
    initrd.units()?;
    initrd.modules(hello, folder, ours)?;
    symlink("usr/lib/systemd/systemd", root.join("init"))?;
    symlink("../usr/lib/os-release", root.join("etc/initrd-release"))?;
    symlink("initrd.target", root.join("usr/lib/systemd/system/default.target"))?;
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/:/usr/sbin/nologin\n")?;
    let groups = GROUPS.iter().enumerate().map(|(id, name)| format!("{name}:x:{id}:\n"));
    fs::write(root.join("etc/group"), groups.collect::<String>())?;
    let packed = folder.join("initrd.zst");
    let pack =
        "cd \"$1\" && find . -print0 | LC_ALL=C sort -z | cpio --null --quiet -o -H newc | zstd -q -19 -f -o \"$2\"";
    succeed(Command::new("sh").args(["-c", pack, "sh"]).arg(&root).arg(&packed))?;
    Ok(Made { initrd: fs::read(packed)?, stub: fs::read(packages.join(STUB))? })
}

/// The packages' files, fetched by mmdebstrap from the host's own mirror where they are not there yet.
fn unpacked_packages(folder: &Path) -> Fallible<PathBuf> {
    let tar = scratch().join("bench/initrd-packages.tar");
    if !tar.exists() {
        let report = Report::silent();
        let store = Store::open(&scratch().join("store"))?;
        let context = Context { store, report: &report, offline: false, jobs: 1, mirrors: BTreeMap::new() };
        let suites = SUITES.iter().map(|suite| (*suite).to_owned()).collect();
        let apt = Apt { suites, components: vec!["main".into()], keyring: Keyring::Debian, mirror: None };
        let new = tar.with_extension("new");
        let mut command = Command::new("mmdebstrap");
        command.args(["--variant=extract", "--quiet", "--format=tar", &format!("--include={PACKAGES}")]);
        command.arg(SUITES[0]).arg(&new);
        for suite in SUITES {
            let bases = archive::bases("debian", &apt, suite, &context)?;
            let base = bases.first().ok_or("the host's apt names no mirror")?;
            let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
            command.arg(format!("deb [signed-by={keys}] {base} {suite} main"));
        }
        succeed(&mut command)?;
        fs::rename(new, &tar)?;
    }
    let packages = folder.join("packages");
    fs::create_dir_all(&packages)?;
    succeed(Command::new("tar").arg("-xf").arg(tar).arg("-C").arg(&packages).args(["--exclude=./dev/*"]))?;
    Ok(packages)
}

struct Initrd<'a> {
    /// The files to take from.
    packages: &'a Path,
    /// The initrd's root.
    root: &'a Path,
    taken: BTreeSet<PathBuf>,
}

impl Initrd<'_> {
    /// Takes a file, what it links to, and the libraries that it needs.
    fn take(&mut self, path: &Path) -> Fallible<()> {
        if !self.taken.insert(path.to_owned()) {
            return Ok(());
        }
        let (from, to) = (self.packages.join(path), self.root.join(path));
        let kind = from.symlink_metadata().map_err(|error| format!("`{}` of the packages: {error}", path.display()))?;
        fs::create_dir_all(to.parent().ok_or("a file in no folder")?)?;
        if kind.is_symlink() {
            let target = fs::read_link(&from)?;
            symlink(&target, &to)?;
            let absolute = path.parent().unwrap_or(Path::new("")).join(&target);
            return self.take(&inside(&absolute));
        }
        fs::copy(&from, &to)?;
        let elf = closure::read(&Content::bytes(fs::read(&from)?))?;
        for library in elf.map(|elf| elf.needed).unwrap_or_default() {
            let found = LIBRARIES.iter().map(|folder| Path::new(folder).join(&library));
            let mut found = found.filter(|path| self.packages.join(path).symlink_metadata().is_ok());
            match found.next() {
                Some(path) => self.take(&path)?,
                // The loader itself, which is taken by name.
                None if library.starts_with("ld-linux") => {}
                None => return Err(format!("`{}` needs `{library}`, which no package has", path.display()).into()),
            }
        }
        Ok(())
    }

    fn units(&mut self) -> Fallible<()> {
        let folder = Path::new("usr/lib/systemd/system");
        for unit in UNITS {
            self.take(&folder.join(unit))?;
            for kind in ["wants", "requires"] {
                let links = folder.join(format!("{unit}.{kind}"));
                let Ok(entries) = fs::read_dir(self.packages.join(&links)) else { continue };
                for entry in entries {
                    let name = entry?.file_name();
                    if UNITS.iter().any(|unit| name == *unit) {
                        fs::create_dir_all(self.root.join(&links))?;
                        symlink(Path::new("..").join(&name), self.root.join(&links).join(&name))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The modules of our initrd, to be loaded in its order, and the tables that modprobe reads.
    fn modules(&mut self, hello: &Hello, folder: &Path, ours: &[u8]) -> Fallible<()> {
        let (archive, unpacked, system) = (folder.join("ours.cpio"), folder.join("ours"), folder.join("system"));
        fs::write(&archive, zstd::decode_all(ours)?)?;
        fs::create_dir_all(&unpacked)?;
        let take = "cd \"$1\" && cpio --quiet -idm 'lib/*' modules < \"$2\"";
        succeed(Command::new("sh").args(["-c", take, "sh"]).arg(&unpacked).arg(&archive))?;
        let list = fs::read_to_string(unpacked.join("modules"))?;
        let paths = list.lines().map(Path::new);
        let names = paths.filter_map(|path| path.file_name()?.to_str()?.split('.').next());
        let names: String = names.map(|name| format!("{name}\n")).collect();
        fs::write(self.root.join("etc/modules-load.d/bench.conf"), names)?;
        succeed(Command::new("cp").arg("-a").arg(unpacked.join("lib/modules")).arg(self.root.join("usr/lib")))?;
        hello.unpack(&system)?;
        let tables = "cd \"$1/usr/lib/modules\" && cp */modules.* \"$2/usr/lib/modules/\"*/";
        succeed(Command::new("sh").args(["-c", tables, "sh"]).arg(&system).arg(self.root))
    }
}

/// A path without `..`, inside of the root that it is meant for.
fn inside(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::Normal(name) => out.push(name),
            std::path::Component::ParentDir => drop(out.pop()),
            _ => {}
        }
    }
    out
}
