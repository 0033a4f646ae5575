//! The boot files before others: depmod, modprobe, objdump, sbverify, zstd and cpio must find what was meant.
//! New checks of module tables, initrd and UKI go here.

#[path = "common/binaries.rs"]
mod binaries;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use binaries::{module, stub};
use imagebuild::arch::Arch;
use imagebuild::boot::{self, Boot, Parts, Target};
use imagebuild::digest::Digest;
use imagebuild::epoch::Epoch;
use imagebuild::path::RootPath;
use imagebuild::profile::Image;
use imagebuild::store::Store;
use imagebuild::system::depmod::{Modules, depmod};
use imagebuild::tree::{Content, Meta, NodeRef, Tree};

const RELEASE: &str = "6.12.0-test";
const EPOCH: Epoch = Epoch(1_700_000_000);

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A kernel of a few modules, each with something that is easy to get wrong.
fn tree() -> Tree {
    let mut tree = Tree::default();
    let mut put = |path: &str, bytes: Vec<u8>| {
        tree.put_file(&RootPath::new(path).unwrap(), Meta::new(0o644, EPOCH.0), Content::bytes(bytes)).unwrap();
    };
    let folder = format!("/usr/lib/modules/{RELEASE}");
    let kernel = format!("{folder}/kernel");
    put(
        &format!("{kernel}/md/dm-mod.ko.xz"),
        xz(&module(&["dm_table", "dm_get"], &["printk"], &["alias=devname:mapper/control", "alias=char-major-10-236"])),
    );
    put(&format!("{kernel}/md/dm-bufio.ko.xz"), xz(&module(&["dm_bufio_read"], &[], &["license=GPL"])));
    put(
        &format!("{kernel}/md/dm-verity.ko.xz"),
        xz(&module(&[], &["dm_table", "dm_bufio_read", "rs_decode"], &["alias=dm-verity"])),
    );
    put(&format!("{kernel}/lib/reed_solomon.ko"), module(&["rs_decode"], &[], &[]));
    put(
        &format!("{kernel}/fs/squashfs.ko.zst"),
        zstd::encode_all(&module(&[], &["printk"], &["alias=fs-squashfs"])[..], 3).unwrap(),
    );
    put(&format!("{kernel}/fs/efivarfs.ko.xz"), xz(&module(&[], &[], &["alias=fs-efivarfs"])));
    let sha = [
        "alias=sha256",
        "alias=crypto-sha256",
        "alias=cpu:type:x86,ven*fam*mod*:feature:*0099*",
        "alias=x-[a-z]-y",
        "alias=bad]",
    ];
    put(&format!("{kernel}/crypto/sha256-ssse3.ko.xz"), xz(&module(&["sha256_fast"], &["crypto_register"], &sha)));
    put(
        &format!("{kernel}/crypto/sha256_other.ko.xz"),
        xz(&module(&["sha256_fast"], &[], &["alias=sha256", "softdep=pre: crc32c post: later"])),
    );
    put(
        &format!("{kernel}/fs/zz.ko.xz"),
        xz(&module(&["z_symbol"], &["sha256_fast", "dm_get"], &["softdep=efivarfs", "alias=block-major-7-*"])),
    );
    put(
        &format!("{folder}/modules.order"),
        [
            "crypto/sha256-ssse3",
            "fs/zz",
            "md/dm-verity",
            "md/dm-mod",
            "gone",
            "md/dm-bufio",
            "lib/reed_solomon",
            "fs/squashfs",
            "fs/efivarfs",
            "crypto/sha256_other",
        ]
        .map(|name| format!("kernel/{name}.ko\n"))
        .concat()
        .into_bytes(),
    );
    put(
        &format!("{folder}/modules.builtin"),
        b"kernel/drivers/nvme/host/nvme-core.ko\nkernel/drivers/virtio/virtio_pci.ko\n".to_vec(),
    );
    put(
        &format!("{folder}/modules.builtin.modinfo"),
        b"nvme_core.license=GPL\0virtio_pci.alias=pci:v00001AF4d*sv*sd*bc*sc*i*\0virtio_pci.alias=a-b\0".to_vec(),
    );
    put(&format!("/boot/vmlinuz-{RELEASE}"), (0..200_000u32).map(|at| (at % 251) as u8).collect());
    put("/usr/lib/os-release", b"ID=test\nVERSION_ID=1\nIMAGE_ID=small\nIMAGE_VERSION=1.0.0\n".to_vec());
    put("/usr/lib/systemd/boot/efi/linuxx64.efi.stub", stub());
    put("/usr/lib/systemd/boot/efi/systemd-bootx64.efi", stub());
    put("/usr/lib/systemd/boot/efi/addonx64.efi.stub", stub());
    tree
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The kernel's folder of a tree as files.
fn unpack(tree: &Tree, to: &Path) {
    for (path, node) in tree.walk() {
        let place = to.join(path.to_string().trim_start_matches('/'));
        match node {
            NodeRef::Directory(_) => std::fs::create_dir_all(place).unwrap(),
            NodeRef::Leaf(..) => std::fs::write(place, tree.file(&path).unwrap().1.read(1 << 30).unwrap()).unwrap(),
        }
    }
    std::os::unix::fs::symlink("usr/lib", to.join("lib")).unwrap();
}

fn with_tables() -> (Tree, Modules) {
    let mut tree = tree();
    let modules = depmod(&mut tree, RELEASE, EPOCH, None, 2).unwrap();
    (tree, modules)
}

#[test]
fn depmod_writes_the_same_tables() {
    let (ours, _) = with_tables();
    let folder = tempfile::tempdir().unwrap();
    unpack(&tree(), folder.path());
    run("depmod", &["-b", folder.path().to_str().unwrap(), RELEASE]);
    let modules = RootPath::new(format!("/usr/lib/modules/{RELEASE}")).unwrap();
    let sorted = |bytes: Vec<u8>| {
        let mut lines: Vec<String> = String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines.join("\n").into_bytes()
    };
    let mut compared = 0;
    for name in ["dep", "alias", "softdep", "symbols", "devname"]
        .iter()
        .map(|name| format!("modules.{name}"))
        .chain(["dep", "alias", "symbols", "builtin", "builtin.alias"].iter().map(|name| format!("modules.{name}.bin")))
    {
        let theirs = std::fs::read(folder.path().join(format!("usr/lib/modules/{RELEASE}/{name}"))).unwrap();
        let ours = ours.file(&modules.join(&name).unwrap()).unwrap().1.read(1 << 20).unwrap();
        let same = match name.as_str() {
            // The order of this one alone is that of a hash.
            "modules.symbols" => sorted(ours) == sorted(theirs),
            // Before version 31 kmod laid the nodes out in another order.
            name if name.ends_with(".bin") => index(&ours) == index(&theirs),
            _ => ours == theirs,
        };
        assert!(same, "{name}");
        compared += 1;
    }
    assert_eq!(compared, 10);
}

/// Every key of an index file with its values and their priorities, in order.
fn index(bytes: &[u8]) -> Vec<(String, u32, String)> {
    fn number(bytes: &[u8], at: usize) -> u32 {
        u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
    }
    fn text(bytes: &[u8], at: usize) -> &str {
        std::str::from_utf8(bytes[at..].split(|byte| *byte == 0).next().unwrap()).unwrap()
    }
    fn node(bytes: &[u8], reference: u32, key: String, out: &mut Vec<(String, u32, String)>) {
        let mut at = (reference & 0x0fff_ffff) as usize;
        let mut key = key;
        if reference & 0x8000_0000 != 0 {
            key.push_str(text(bytes, at));
            at += text(bytes, at).len() + 1;
        }
        let mut children = Vec::new();
        if reference & 0x2000_0000 != 0 {
            let (first, last) = (bytes[at], bytes[at + 1]);
            at += 2;
            for byte in first..=last {
                children.push((byte, number(bytes, at)));
                at += 4;
            }
        }
        if reference & 0x4000_0000 != 0 {
            let count = number(bytes, at);
            at += 4;
            for _ in 0..count {
                let value = text(bytes, at + 4);
                out.push((key.clone(), number(bytes, at), value.to_owned()));
                at += 4 + value.len() + 1;
            }
        }
        for (byte, child) in children.into_iter().filter(|(_, child)| *child != 0) {
            node(bytes, child, format!("{key}{}", char::from(byte)), out);
        }
    }
    let mut out = Vec::new();
    assert_eq!((number(bytes, 0), number(bytes, 4)), (0xb007_f457, 0x0002_0001));
    node(bytes, number(bytes, 8), String::new(), &mut out);
    assert!(!out.is_empty());
    out
}

#[test]
fn modprobe_reads_the_tables() {
    let (tree, _) = with_tables();
    let folder = tempfile::tempdir().unwrap();
    unpack(&tree, folder.path());
    let ask = |arguments: &[&str]| {
        let root = folder.path().to_str().unwrap();
        run("modprobe", &[&["-d", root, "-S", RELEASE, "-C", "/dev/null"], arguments].concat())
    };
    let loads: Vec<String> = ask(&["--show-depends", "dm-verity"])
        .lines()
        .map(|line| line.trim_end().rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(loads.last().unwrap(), "dm-verity.ko.xz");
    assert_eq!(loads.len(), 4, "{loads:?}");
    assert_eq!(ask(&["-R", "fs-squashfs"]).trim(), "squashfs");
    assert_eq!(ask(&["-R", "cpu:type:x86,ven0000fam0006mod0055:feature:,0001,0099,"]).trim(), "sha256_ssse3");
    assert!(ask(&["--show-depends", "nvme-core"]).contains("builtin nvme_core"));
}

#[test]
fn threads_and_store_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let (expected, _) = with_tables();
    for jobs in [1, 7] {
        for _ in ["cold", "warm"] {
            let mut again = tree();
            depmod(&mut again, RELEASE, EPOCH, Some(&store), jobs).unwrap();
            for ((path, _), (other, _)) in expected.walk().into_iter().zip(again.walk()) {
                let bytes = |tree: &Tree| tree.file(&path).map(|(_, content)| content.read(1 << 20).unwrap());
                assert!(path == other && bytes(&expected) == bytes(&again), "{path}");
            }
        }
    }
}

fn boot(folder: &Path) -> Boot {
    let (tree, modules) = with_tables();
    let store = Store::open(&folder.join("store")).unwrap();
    let parts = Parts::find(&tree, Arch::Amd64, modules).unwrap();
    let image = Image { id: "small".to_owned(), version: "1.0.0".to_owned(), arch: Arch::Amd64 };
    let target = Target {
        image: &image,
        words: &["quiet".to_owned()],
        drivers: &[],
        root: &Digest::of(b"root"),
        init: b"\x7fELF, more or less",
        bios: false,
        epoch: EPOCH,
    };
    boot::assemble(&parts, &target, &store).unwrap()
}

#[test]
fn cpio_lists_the_initrd() {
    let folder = tempfile::tempdir().unwrap();
    let boot = boot(folder.path());
    let path = folder.path().join("initrd.zst");
    std::fs::write(&path, boot.initrd.read(1 << 30).unwrap()).unwrap();
    let archive = folder.path().join("initrd");
    run("zstd", &["-q", "-d", path.to_str().unwrap(), "-o", archive.to_str().unwrap()]);
    let child = Command::new("cpio")
        .args(["-i", "--quiet", "--to-stdout", "modules"])
        .stdin(std::fs::File::open(&archive).unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let list = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let names: Vec<&str> = list.lines().map(|line| line.rsplit('/').next().unwrap()).collect();
    let expected = [
        "sha256-ssse3.ko.xz",
        "efivarfs.ko.xz",
        "dm-mod.ko.xz",
        "dm-bufio.ko.xz",
        "reed_solomon.ko",
        "dm-verity.ko.xz",
        "squashfs.ko.zst",
    ];
    let mut sorted = names.clone();
    sorted.sort_unstable();
    let mut wanted = expected.to_vec();
    wanted.sort_unstable();
    assert_eq!(sorted, wanted);
    let place = |name: &str| names.iter().position(|other| other.starts_with(name)).unwrap();
    assert!(place("sha256") < place("dm-verity") && place("dm-mod") < place("dm-verity"));
    let listing = Command::new("cpio")
        .args(["-i", "-t", "-v", "-n", "--quiet"])
        .stdin(std::fs::File::open(&archive).unwrap())
        .output()
        .unwrap();
    let listing = String::from_utf8(listing.stdout).unwrap();
    assert!(listing.lines().any(|line| line.starts_with("crw-------") && line.contains("5,   1")), "{listing}");
    assert!(listing.lines().any(|line| line.starts_with("-rwxr-xr-x") && line.ends_with(" init")), "{listing}");
    for line in list.lines() {
        assert!(listing.contains(line.trim_start_matches('/')), "{line}");
    }
}

#[test]
fn objdump_and_sbverify_read_the_uki() {
    let folder = tempfile::tempdir().unwrap();
    let boot = boot(folder.path());
    let path = folder.path().join("uki.efi");
    let bytes = boot.uki.read(1 << 30).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(Digest::of(&bytes), boot.uki_digest);
    let path = path.to_str().unwrap();
    let headers = run("objdump", &["-h", path]);
    let names: Vec<&str> = headers
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter(|name| name.starts_with('.'))
        .collect();
    assert_eq!(names, [".text", ".osrel", ".cmdline", ".uname", ".initrd", ".linux"]);
    let out = folder.path().join("section");
    let rest = folder.path().join("rest");
    for (name, expected) in [(".cmdline", boot.cmdline.as_bytes()), (".uname", RELEASE.as_bytes())] {
        run("objcopy", &["--dump-section", &format!("{name}={}", out.display()), path, rest.to_str().unwrap()]);
        let found = std::fs::read(&out).unwrap();
        // binutils takes what lies in the file, padding included.
        assert!(found.starts_with(expected) && found[expected.len()..].iter().all(|byte| *byte == 0), "{name}");
    }
    // Parses it, and finds no signature.
    run("sbverify", &["--list", path]);
    assert_eq!(
        boot.cmdline,
        format!(
            "roothash={} rootfstype=squashfs ro console=tty0 console=ttyS0,115200n8 panic=10 systemd.machine_id=firmware quiet",
            Digest::of(b"root")
        )
    );
}

#[test]
fn objdump_reads_the_addon_and_the_line_stays_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let (tree, modules) = with_tables();
    let parts = Parts::find(&tree, Arch::Amd64, modules).unwrap();
    let base = boot(folder.path()).cmdline;
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert!(boot::addon::make(&parts, &base, &[]).unwrap().is_none());
    let addon = boot::addon::make(&parts, &base, &words(&["console=ttyS1", "rootdelay=300"])).unwrap().unwrap();
    let path = folder.path().join("target.addon.efi");
    std::fs::write(&path, addon.read(1 << 20).unwrap()).unwrap();
    let headers = run("objdump", &["-h", path.to_str().unwrap()]);
    let names: Vec<&str> = headers
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter(|name| name.starts_with('.'))
        .collect();
    assert_eq!(names, [".text", ".cmdline"]);
    let bytes = addon.read(1 << 20).unwrap();
    let pe = boot::uki::Pe::parse(&bytes).unwrap();
    assert_eq!(pe.named(".cmdline"), Some(&b"console=ttyS1 rootdelay=300"[..]));
    for word in ["roothash=00", "rd\"init\"=/x", "systemd.verity=0"] {
        let error = boot::addon::make(&parts, &base, &words(&[word])).unwrap_err();
        assert!(error.to_string().contains("decides what is booted"), "{error}");
    }
    let without = Parts { addon_stub: None, ..parts };
    let error = boot::addon::make(&without, &base, &words(&["quiet"])).unwrap_err();
    assert!(error.hints()[0].contains("systemd-boot-efi"), "{error}");
}

#[test]
fn the_bytes_are_these() {
    let folder = tempfile::tempdir().unwrap();
    let boot = boot(folder.path());
    let names: Vec<&str> = boot.esp.keys().map(String::as_str).collect();
    let expected = [
        "EFI/BOOT/BOOTX64.EFI",
        "EFI/Linux/small_1.0.0.efi",
        "EFI/systemd/systemd-bootx64.efi",
        "loader/entries.srel",
        "loader/loader.conf",
    ];
    assert_eq!(names, expected);
    let uki = boot.uki.read(1 << 30).unwrap();
    let phases = boot::pcr11(&boot::uki::Pe::parse(&uki).unwrap());
    let last = phases.last().unwrap();
    assert_eq!(last.name, "enter-initrd:leave-initrd:sysinit:ready");
    // systemd-measure 257 computes the same of these sections.
    assert_eq!(hex::encode(last.value), "6417f012bffce272f30202a14fc63f23f1e6b6c61bab1891ab127a353306e3de");
    // A change of these bytes is a change of every image: say so in the changelog.
    let digests =
        BTreeMap::from([("initrd", Digest::of(&boot.initrd.read(1 << 30).unwrap())), ("uki", boot.uki_digest)]);
    let digests: Vec<String> = digests.into_iter().map(|(name, digest)| format!("{name} {digest}")).collect();
    assert_eq!(
        digests,
        [
            "initrd 2fa94c2fb9b699374bb5ada0982ef8e1aa8bff68aadc4f00a7f6a1096b9f7bfd",
            "uki 6635704c41f8f6df2256119721cfd99cf120e3f904113923efb895d5c4ed7299"
        ]
    );
}
