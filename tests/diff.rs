//! `diff` of pairs that differ in one thing each: that thing is told, under its topic, with its cause, and nothing
//! else. New topics get a pair here.

#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/differ.rs"]
mod differ;
#[path = "common/small.rs"]
mod small;

use std::path::{Path, PathBuf};
use std::process::Command;

use imagebuild::disk;
use imagebuild::path::RootPath;
use imagebuild::profile::{Codec, Raw};
use imagebuild::tree::{Content, Meta, NodeRef, Tree};

use differ::run;
use small::{Asked, EPOCH, Small, put};

const STATUS: &str = "\
Package: base
Status: install ok installed
Version: 1.0-1
Architecture: amd64
Installed-Size: 10

Package: tool
Status: install ok installed
Version: 2.0-1
Architecture: amd64
Installed-Size: 20
Depends: base (>= 1)
";

const PROFILE: &str = "[kubelet]\npath = \"/etc/containerd/config.toml\"\n[[file]]\npath = \"/etc/tool.conf\"\n";

fn path(path: &str) -> RootPath {
    RootPath::new(path).unwrap()
}

fn tree() -> Tree {
    let mut tree = small::tree(&["dm-verity", "squashfs"]);
    put(&mut tree, "/usr/lib/dpkg-db/status", STATUS.into());
    put(&mut tree, "/usr/lib/dpkg-db/info/tool.list", b"/.\n/usr\n/usr/bin\n/usr/bin/tool\n/etc/tool.conf\n".to_vec());
    put(&mut tree, "/usr/bin/tool", b"\x7fnot one\0".to_vec());
    put(&mut tree, "/etc/tool.conf", b"one\ntwo\nthree\n".to_vec());
    put(&mut tree, "/etc/passwd", b"root:x:0:0::/root:/usr/sbin/nologin\n".to_vec());
    put(&mut tree, "/etc/shadow", b"root:!*:1::::::\n".to_vec());
    put(&mut tree, "/etc/sysctl.d/50.conf", b"# why\nkernel.kptr_restrict = 1\n".to_vec());
    put(&mut tree, "/usr/lib/kubernetes/kubelet.json", br#"{"maxPods": 110, "clusterDNS": ["10.0.0.10"]}"#.to_vec());
    put(&mut tree, "/etc/containerd/config.toml", b"version = 2\n[plugins.cri]\nsandbox = \"a\"\n".to_vec());
    put(&mut tree, "/usr/lib/kubernetes/manifests/web.json", br#"{"spec": {"hostNetwork": false}}"#.to_vec());
    let unit = b"[Socket]\nListenStream=127.0.0.1:80\n".to_vec();
    put(&mut tree, "/usr/lib/systemd/system/web.socket", unit);
    tree
}

/// The image of a tree.
fn image(folder: &Path, name: &str, tree: Tree) -> PathBuf {
    image_of(folder, name, tree, &Asked::default())
}

fn image_of(folder: &Path, name: &str, tree: Tree, asked: &Asked) -> PathBuf {
    let small = Small::of(tree, asked);
    let (disk, _) = disk::place(&small.layout, &small.pieces(), None, EPOCH).unwrap();
    let path = folder.join(name);
    small::write(&Raw {}, &disk, &path);
    path
}

/// What is told of a tree and the same after `edit`, without what follows.
fn told(edit: impl FnOnce(&mut Tree)) -> String {
    told_of(|tree, _| edit(tree))
}

/// The same, where more than the tree may be another one.
fn told_of(edit: impl FnOnce(&mut Tree, &mut Asked)) -> String {
    let folder = tempfile::tempdir().unwrap();
    image(folder.path(), "a.raw", tree());
    let (mut other, mut asked) = (tree(), Asked::default());
    edit(&mut other, &mut asked);
    image_of(folder.path(), "b.raw", other, &asked);
    let (out, _) = run(0, folder.path(), &["a.raw", "b.raw"]);
    let body = out.strip_prefix("--- a.raw\n+++ b.raw\n").expect("a head");
    body.lines()
        .filter(|line| !line.ends_with("more follow from other changes)"))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Only the topic of `told`, since digests follow from everything; the others must be told as what follows.
fn only(told: &str, topic: &str) {
    let mut sections = told.trim().split("\n\n").collect::<Vec<_>>();
    let verdict = sections.pop().unwrap();
    sections
        .retain(|section| !matches!(*section, "Identity" | "Kernel and command line" | "Partitions and boot files"));
    assert_eq!(sections, [topic.trim()], "{verdict}");
}

fn chmod(tree: &mut Tree, name: &str, mode: u16) {
    let Some(NodeRef::Leaf(id, _)) = tree.get(&path(name)) else { panic!("{name}") };
    tree.leaves[id.0 as usize].meta.mode = mode;
}

#[test]
fn the_same_is_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    image(folder.path(), "a.raw", tree());
    assert_eq!(run(0, folder.path(), &["--exit-code", "a.raw", "a.raw"]).0, "--- a.raw\n+++ a.raw\n\nno difference\n");
}

/// The sections of `told`, without the verdict.
fn sections(told: &str) -> Vec<&str> {
    let mut sections = told.trim().split("\n\n").collect::<Vec<_>>();
    sections.pop();
    // Nothing but a head: what is in it follows.
    sections.retain(|section| section.contains('\n'));
    sections
}

#[test]
fn what_an_image_calls_itself() {
    let told = told(|tree| put(tree, "/usr/lib/os-release", b"ID=test\nIMAGE_VERSION=2\n".to_vec()));
    assert_eq!(sections(&told), ["Identity (1 added)\n  + image.version  2"]);
}

#[test]
fn kernels_their_words_modules_and_symbols() {
    let words = told_of(|_, asked| asked.words.push("mitigations=off".to_owned()));
    assert_eq!(sections(&words), ["Kernel and command line (1 added)\n  + command line: mitigations  off"]);
    let module = told(|tree| {
        let path = format!("/usr/lib/modules/{}/kernel/late.ko", small::RELEASE);
        put(tree, &path, binaries::module(&[], &["printk"], &[]));
    });
    assert_eq!(sections(&module), ["Kernel and command line (1 added)\n  + module late"]);
    let config = format!("/boot/config-{}", small::RELEASE);
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in [("a.raw", "y"), ("b.raw", "m")] {
        let mut tree = tree();
        put(&mut tree, &config, format!("# all of it\nCONFIG_A=y\nCONFIG_B={value}\n").into_bytes());
        image(folder.path(), name, tree);
    }
    let (out, _) = run(0, folder.path(), &["a.raw", "b.raw"]);
    assert!(out.contains("\nKernel and command line (1 changed)\n  ~ CONFIG_B  y -> m\n"), "{out}");
    assert!(out.ends_with("\n1 difference\n"), "{out}");
}

#[test]
fn what_is_in_the_initrd() {
    let init = told_of(|_, asked| asked.init = b"other".to_vec());
    let wanted = "Initrd (1 changed, +1 B)\n  ~ init  file of 4 bytes, 0755 0:0 -> file of 5 bytes, 0755 0:0\n      \
        @@ -1 +1 @@\n      -init\n      \\ No newline at end of file\n      +other\n      \\ No newline at end of file";
    assert_eq!(sections(&init), [wanted]);
    // The root's own module is what differs; its copy in the initrd follows.
    let path = format!("/usr/lib/modules/{}/kernel/squashfs.ko", small::RELEASE);
    let module = told(|tree| put(tree, &path, binaries::module(&[], &["printk", "panic"], &[])));
    let [section] = sections(&module)[..] else { panic!("{module}") };
    assert!(section.starts_with("Files (1 changed") && section.contains(&format!("! {path}  file of")), "{module}");
}

#[test]
fn the_initrd_of_another_kernel() {
    let folder = tempfile::tempdir().unwrap();
    image(folder.path(), "a.raw", small::tree(&["dm-verity", "squashfs"]));
    let release = "6.13.0-test";
    let other = small::tree_of(release, &["dm-verity", "squashfs", "virtio_blk"]);
    image_of(folder.path(), "b.raw", other, &Asked { release, ..Asked::default() });
    let (out, _) = run(0, folder.path(), &["a.raw", "b.raw"]);
    let initrd = out.split("\n\n").find(|section| section.starts_with("Initrd")).unwrap();
    let lines: Vec<&str> = initrd.lines().collect();
    // The same modules lie in another folder, which is no difference.
    assert_eq!(lines.len(), 3, "{out}");
    assert!(lines[1].starts_with("  + lib/modules/*/kernel/virtio_blk.ko  file of "), "{out}");
    assert!(lines[1].ends_with("0644 0:0 <- another kernel"), "{out}");
    assert!(out.contains("  ~ kernel  6.12.0-test -> 6.13.0-test\n"), "{out}");
}

#[test]
fn container_images_by_their_names() {
    let preload = |tree: &mut Tree, digit: &str| {
        let digest = digit.repeat(64);
        put(tree, &format!("/usr/lib/kubernetes/images/{digest}.tar"), digit.into());
        let unit = "[Unit]\nDescription=Import the container image localhost/web:1\n";
        let path = format!("/usr/lib/systemd/system/imagebuild-image-{}.service", digit.repeat(12));
        put(tree, &path, unit.into());
    };
    let folder = tempfile::tempdir().unwrap();
    for (name, digit) in [("a.raw", "a"), ("b.raw", "b")] {
        let mut tree = tree();
        preload(&mut tree, digit);
        image(folder.path(), name, tree);
    }
    let (out, _) = run(0, folder.path(), &["a.raw", "b.raw"]);
    let digests = ["a", "b"].map(|digit| digit.repeat(64));
    let wanted = format!(
        "\nContainer images and pods (1 changed)\n  ~ container image localhost/web:1  sha256 {} -> sha256 {}\n",
        digests[0], digests[1]
    );
    assert!(out.contains(&wanted) && out.ends_with("\n1 difference\n"), "{out}");
}

#[test]
fn partitions_and_boot_files() {
    let slots = told_of(|_, asked| asked.slot = 6);
    let [section] = sections(&slots)[..] else { panic!("{slots}") };
    assert!(section.starts_with("Partitions and boot files ("), "{slots}");
    assert!(section.contains("  ~ partition 2  4.2 MB at byte") && section.contains(" -> 6.3 MB at byte"), "{slots}");
    assert!(section.contains("  ~ disk  "), "{slots}");
    let loader = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
    let stub = told(|tree| {
        // One of the same size.
        let mut bytes = binaries::stub();
        *bytes.last_mut().unwrap() ^= 1;
        put(tree, loader, bytes);
    });
    let boot: Vec<&str> = sections(&stub).into_iter().filter(|section| section.starts_with("Partitions")).collect();
    let [boot] = boot[..] else { panic!("{stub}") };
    assert!(boot.contains("~ ESP file EFI/BOOT/BOOTX64.EFI  "), "{stub}");
}

#[test]
fn packages_up_down_and_new() {
    let told = |status: String| told(|tree| put(tree, "/usr/lib/dpkg-db/status", status.into()));
    only(&told(STATUS.replace("2.0-1", "2.1-1")), "Packages (1 changed)\n  ~ tool  2.0-1 -> 2.1-1 [upgraded]");
    let down = told(STATUS.replace("2.0-1", "1.9-1"));
    only(&down, "Packages (1 changed)\n  ! tool  2.0-1 -> 1.9-1 [DOWNGRADED]");
    assert!(down.ends_with("\n1 difference; to look at: downgrade 1\n"), "{down}");
    let more = format!("{STATUS}\nPackage: late\nVersion: 1\nArchitecture: all\nInstalled-Size: 3\n");
    only(&told(more), "Packages (1 added, +3.1 kB)\n  + late  1");
}

#[test]
fn files_with_their_owners() {
    only(
        &told(|tree| put(tree, "/etc/tool.conf", b"one\n2\nthree\n".to_vec())),
        "Files (1 changed, -2 B)\n  ! /etc/tool.conf  file of 14 bytes, 0644 0:0 -> file of 12 bytes, 0644 0:0 \
         [tool 2.0-1 has other bytes here]\n      @@ -1,3 +1,3 @@\n       one\n      -two\n      +2\n       three",
    );
    only(
        &told(|tree| put(tree, "/usr/bin/tool", b"\x7fnot two\0".to_vec())),
        "Files (1 changed)\n  ! /usr/bin/tool  file of 9 bytes, 0644 0:0 [other bytes; tool 2.0-1 has other bytes here]",
    );
    only(
        &told(|tree| put(tree, "/usr/bin/late", b"x".to_vec())),
        "Files (1 added, +1 B)\n  ! /usr/bin/late  file of 1 bytes, 0644 0:0",
    );
    only(
        &told(|tree| tree.put_link(&path("/etc/late"), Meta::new(0o777, EPOCH.0), b"tool.conf").unwrap()),
        "Files (1 added)\n  ! /etc/late  link to tool.conf",
    );
    only(
        &told(|tree| assert!(tree.remove(&path("/etc/tool.conf")))),
        "Files (1 removed, -14 B)\n  - /etc/tool.conf  file of 14 bytes, 0644 0:0 <- of tool 2.0-1, which is the same in both",
    );
    only(
        &told(|tree| tree.meta_mut(&path("/usr/bin/tool")).unwrap().uid = 7),
        "Files (1 changed)\n  ~ /usr/bin/tool  file of 9 bytes, 0644 0:0 -> file of 9 bytes, 0644 7:0 \
         <- of tool 2.0-1, which is the same in both",
    );
    only(
        &told(|tree| tree.meta_mut(&path("/usr/bin/tool")).unwrap().set_xattr(b"user.late", b"x")),
        "Files (1 changed)\n  ~ /usr/bin/tool  file of 9 bytes, 0644 0:0 -> file of 9 bytes, 0644 0:0, user.late=x \
         <- of tool 2.0-1, which is the same in both",
    );
}

#[test]
fn setuid_capabilities_and_what_anyone_may_write() {
    only(
        &told(|tree| chmod(tree, "/usr/bin/tool", 0o4755)),
        "Files (1 changed)\n  ! /usr/bin/tool  file of 9 bytes, 0644 0:0 -> file of 9 bytes, 4755 0:0 \
         <- of tool 2.0-1, which is the same in both",
    );
    let capable = told(|tree| {
        let mut meta = Meta::new(0o644, EPOCH.0);
        meta.set_xattr(b"security.capability", &[1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        tree.put_file(&path("/usr/bin/tool"), meta, Content::bytes(*b"\x7fnot one\0")).unwrap();
    });
    assert!(capable.contains("0644 0:0 -> file of 9 bytes, 0644 0:0, cap_net_raw=ep"), "{capable}");
    assert!(capable.ends_with("to look at: capability 1\n"), "{capable}");
    let open = told(|tree| chmod(tree, "/etc/tool.conf", 0o666));
    assert!(open.ends_with("to look at: world-writable 1\n"), "{open}");
}

#[test]
fn configuration_by_its_keys() {
    only(
        &told(|tree| {
            let text = br#"{"clusterDNS": ["10.0.0.11"], "maxPods": 50}"#;
            put(tree, "/usr/lib/kubernetes/kubelet.json", text.to_vec());
        }),
        "containerd, kubelet, runc (1 added, 1 removed, 1 changed)\n  - kubelet.config.clusterDNS[10.0.0.10]\n  \
         + kubelet.config.clusterDNS[10.0.0.11]\n  ~ kubelet.config.maxPods  110 -> 50",
    );
    only(
        &told(|tree| {
            put(tree, "/etc/containerd/config.toml", b"version = 2\n[plugins.cri]\nsandbox = \"b\"\n".to_vec())
        }),
        "containerd, kubelet, runc (1 changed)\n  ~ containerd.config.plugins.cri.sandbox  a -> b",
    );
    let yaml = |pods: u32| format!("kind: KubeletConfiguration # of {pods}\nmaxPods: {pods}\n").into_bytes();
    let folder = tempfile::tempdir().unwrap();
    for (name, pods) in [("a.raw", 110), ("b.raw", 50)] {
        let mut tree = tree();
        put(&mut tree, "/etc/kubernetes/kubelet.yaml", yaml(pods));
        put(&mut tree, "/etc/containerd/conf.d/more.toml", format!("[debug]\nlevel = \"{pods}\"\n").into_bytes());
        put(&mut tree, "/etc/late.yaml", format!("a: [1, {pods}]\nb: # none\n").into_bytes());
        image(folder.path(), name, tree);
    }
    let (out, _) = run(0, folder.path(), &["a.raw", "b.raw"]);
    let wanted = "containerd, kubelet, runc (2 changed)\n  ~ containerd.[more.toml].debug.level  110 -> 50\n  \
        ~ kubelet.config.maxPods  110 -> 50\n";
    assert!(out.contains(wanted), "{out}");
    // Any other configuration by its keys, too.
    assert!(out.contains("! /etc/late.yaml  file of 22 bytes, 0644 0:0 -> file of 21 bytes, 0644 0:0\n      - a[110]\n      + a[50]\n"), "{out}");
    only(
        &told(|tree| {
            let text = br#"{"spec": {"hostNetwork": true}}"#;
            put(tree, "/usr/lib/kubernetes/manifests/web.json", text.to_vec());
        }),
        "Container images and pods (1 changed)\n  ~ pod web: spec.hostNetwork  false -> true",
    );
}

#[test]
fn accounts_and_settings() {
    only(
        &told(|tree| {
            let text = b"root:x:0:0::/root:/usr/sbin/nologin\neve:x:0:0::/:/usr/sbin/nologin\n";
            put(tree, "/etc/passwd", text.to_vec());
        }),
        "Users and groups (1 added)\n  + user eve  x:0:0::/:/usr/sbin/nologin",
    );
    let password = told(|tree| put(tree, "/etc/shadow", b"root:$y$secret:1::::::\n".to_vec()));
    only(&password, "Users and groups (1 changed)\n  ~ password of root  locked -> set");
    only(
        &told(|tree| put(tree, "/etc/sysctl.d/60.conf", b"kernel/kptr_restrict=0\n".to_vec())),
        "Kernel settings and modules loaded (1 changed)\n  ~ sysctl kernel.kptr_restrict  1 -> 0",
    );
    only(
        &told(|tree| put(tree, "/etc/modules-load.d/net.conf", b"# why\nbr_netfilter\n".to_vec())),
        "Kernel settings and modules loaded (1 added)\n  + module br_netfilter  loaded",
    );
}

/// What makes a side of a pair.
type Edit<'e> = &'e dyn Fn(&mut Tree, &mut Asked);

/// All that is told of two trees.
fn all_told(edits: [Edit<'_>; 2], words: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, edit) in ["a.raw", "b.raw"].into_iter().zip(edits) {
        let (mut tree, mut asked) = (tree(), Asked::default());
        edit(&mut tree, &mut asked);
        image_of(folder.path(), name, tree, &asked);
    }
    let (out, _) = run(0, folder.path(), &[words, &["a.raw", "b.raw"]].concat());
    out.strip_prefix("--- a.raw\n+++ b.raw\n\n").expect("a head").to_owned()
}

/// One difference, which is this one.
fn one_account(told: &str, line: &str) {
    let kind = ["added", "removed", "changed"][["+", "-", "~"].iter().position(|sign| line.starts_with(sign)).unwrap()];
    let body = told.split_once("\n\n1 difference").unwrap_or_else(|| panic!("{told}")).0;
    let head = format!("Users and groups (1 {kind}");
    // A locked password of the same account follows.
    let lines: Vec<&str> = body.lines().filter(|line| !line.ends_with(" more follow from other changes)")).collect();
    let [first, told_line] = lines[..] else { panic!("{told}") };
    assert!(first.starts_with(&head) && told_line.trim_start() == line, "{told}");
}

#[test]
fn a_group_and_who_is_in_it() {
    // Whoever the profile's user is in, as the node's files have it.
    let of = |passwd: &'static str,
              group: &'static str,
              gshadow: &'static str,
              shadow: &'static str,
              profile: &'static str| {
        move |tree: &mut Tree, _: &mut Asked| {
            put(tree, "/etc/passwd", format!("root:x:0:0::/root:/usr/sbin/nologin\n{passwd}").into_bytes());
            put(tree, "/etc/group", format!("root:x:0:\n{group}").into_bytes());
            put(tree, "/etc/gshadow", format!("root:*::\n{gshadow}").into_bytes());
            put(tree, "/etc/shadow", format!("root:!*:1::::::\n{shadow}").into_bytes());
            put(tree, "/usr/lib/imagebuild/profile.toml", format!("schema = 1\n{profile}").into_bytes());
        }
    };
    let told = |a: Edit<'_>, b: Edit<'_>| all_told([a, b], &[]);
    let none = of("", "", "", "", "");
    let empty = of("", "video:x:44:\n", "video:!::\n", "", "");
    one_account(&told(&none, &empty), "+ group video  x:44");
    one_account(&told(&empty, &none), "- group video  x:44");
    one_account(&told(&empty, &of("", "video:x:45:\n", "video:!::\n", "", "")), "~ group video  x:44 -> x:45");
    one_account(
        &told(&empty, &of("", "video:x:44:\n", "video:$6$x::\n", "", "")),
        "~ group password of video  locked -> set",
    );
    one_account(
        &told(&empty, &of("", "video:x:44:\n", "video:!:eve:\n", "", "")),
        "~ group video in /etc/gshadow  : -> eve:",
    );
    // One that is put in, by the profile's line, in two files.
    let user = "eve:x:7:7::/nonexistent:/usr/sbin/nologin\n";
    let (alone, inside) = ("[[user]]\nname = \"eve\"\n", "[[user]]\nname = \"eve\"\ngroups = [\"video\"]\n");
    let (out, member) = (
        of(user, "video:x:44:adam\neve:x:7:\n", "video:!::adam\neve:!::\n", "eve:!*:1::::::\n", alone),
        of(user, "video:x:44:adam,eve\neve:x:7:\n", "video:!::adam,eve\neve:!::\n", "eve:!*:1::::::\n", inside),
    );
    one_account(&told(&out, &member), "+ group video: member eve");
    one_account(&told(&member, &out), "- group video: member eve");
    // A user with its group and its passwords, of which none is set.
    let nobody = of("", "video:x:44:adam\n", "video:!::adam\n", "", "");
    one_account(&told(&nobody, &out), "+ user eve  x:7:7::/nonexistent:/usr/sbin/nologin");
    one_account(&told(&out, &nobody), "- user eve  x:7:7::/nonexistent:/usr/sbin/nologin");
    let open = of(user, "video:x:44:adam\neve:x:7:\n", "video:!::adam\neve:!::\n", "eve:$6$x:1::::::\n", alone);
    let both = told(&nobody, &open);
    assert!(both.contains("\n  + password of eve  set\n") && both.contains("\n2 differences"), "{both}");
    let aged = of(user, "video:x:44:adam\neve:x:7:\n", "video:!::adam\neve:!::\n", "eve:!*:2::::::\n", alone);
    one_account(&told(&out, &aged), "~ ageing of the password of eve  1:::::: -> 2::::::");
}

/// Nothing but the root hash, and what names it, is another one; where the codec or the block size is why, that is told.
#[test]
fn a_root_hash_alone() {
    let plain = |_: &mut Tree, _: &mut Asked| {};
    let level = |_: &mut Tree, asked: &mut Asked| asked.level = 19;
    let told = all_told([&plain, &level], &[]);
    let lines: Vec<&str> = told.lines().collect();
    let [head, hash, more, "", "1 difference"] = lines[..] else { panic!("{told}") };
    assert_eq!((head, more), ("Identity (1 changed)", "    (1 more follow from other changes)"));
    assert!(hash.starts_with("  ~ root hash  "), "{told}");
    assert!(hash.ends_with(" [every file is the same: packed or sealed otherwise]"), "{told}");
    // All of it names the hash: the UKI and its digest, the word, the ids of the two partitions.
    let all = all_told([&plain, &level], &["--all"]);
    let named = all.lines().filter_map(|line| Some(line.strip_prefix("  ~ ")?.split_once("  ")?.0)).collect::<Vec<_>>();
    let wanted = [
        "root hash",
        "digest of the UKI",
        "command line: roothash",
        "UKI section .cmdline",
        "partition 2: id",
        "partition 3: id",
    ];
    assert_eq!(named, wanted, "{all}");
    let codec = |_: &mut Tree, asked: &mut Asked| asked.codec = Codec::Gzip;
    let why = all_told([&plain, &codec], &[]);
    let (first, _) = why.split_once("    (").unwrap();
    assert_eq!(first, "Partitions and boot files (1 changed)\n  ~ pack.codec  zstd -> gzip\n");
    assert!(why.ends_with("\n\n1 difference\n"), "{why}");
}

#[test]
fn units_sockets_and_mounts() {
    only(
        &told(|tree| {
            let link = path("/etc/systemd/system/sockets.target.wants/web.socket");
            tree.put_link(&link, Meta::new(0o777, EPOCH.0), b"/usr/lib/systemd/system/web.socket").unwrap();
        }),
        "Units (1 added)\n  + web.socket  enabled, wanted by sockets.target",
    );
    let socket = told(|tree| {
        put(tree, "/usr/lib/systemd/system/web.socket", b"[Socket]\nListenStream=0.0.0.0:80\n".to_vec());
    });
    only(&socket, "Listening sockets (1 changed)\n  ~ web.socket  127.0.0.1:80 -> 0.0.0.0:80");
    let mount = told(|tree| {
        let unit = b"[Mount]\nWhat=overlay\nWhere=/opt\nType=overlay\nOptions=nodev\n";
        put(tree, "/usr/lib/systemd/system/opt.mount", unit.to_vec());
    });
    assert_eq!(sections(&mount), ["Writable paths (1 added)\n  + /opt  overlay from overlay, nodev"]);
    let more = told(|tree| {
        let unit = b"[Unit]\nRequires=late.service\n[Mount]\nWhat=overlay\nWhere=/opt\nType=overlay\n";
        put(tree, "/usr/lib/systemd/system/opt.mount", unit.to_vec());
    });
    // What else the unit says is told as a file.
    assert!(more.contains("! /usr/lib/systemd/system/opt.mount"), "{more}");
}

#[test]
fn the_profile_that_an_image_carries_accounts_for_its_files() {
    let profile = |text: &str| format!("schema = 1\n[[file]]\npath = \"/etc/motd\"\ntext = \"{text}\\n\"\n");
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("a.raw", "one"), ("b.raw", "two")] {
        let mut tree = tree();
        put(&mut tree, "/etc/motd", format!("{text}\n").into_bytes());
        put(&mut tree, "/usr/lib/imagebuild/profile.toml", profile(text).into_bytes());
        image(folder.path(), name, tree);
    }
    let (out, _) = run(0, folder.path(), &["a.raw", "b.raw"]);
    assert!(out.contains("Files (1 changed)\n  ~ /etc/motd  file of 4 bytes, 0644 0:0\n"), "{out}");
    assert!(out.ends_with("\n1 difference\n"), "{out}");
    run(0, folder.path(), &["--fail-on", "unowned", "a.raw", "b.raw"]);
}

/// `why` and `du` read the same inventory.
#[test]
fn what_brought_a_thing_and_what_it_weighs() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = tree();
    put(&mut tree, "/usr/lib/imagebuild/profile.toml", PROFILE.into());
    let lock = "schema = 1\nepoch = 1\n[image.amd64]\n[[image.amd64.package]]\nname = \"tool\"\nversion = \"2.0-1\"\n\
        arch = \"amd64\"\nfrom = \"d\"\nsuite = \"s\"\nrequested = true\npath = \"p\"\nsize = 1\nsha256 = \"";
    put(&mut tree, "/usr/lib/imagebuild/profile.lock", format!("{lock}{}\"\n", "0".repeat(64)).into_bytes());
    image(folder.path(), "a.raw", tree);
    let tool = |code: i32, words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imagebuild"));
        let output = command.current_dir(folder.path()).args(words).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}\n{error}");
        (String::from_utf8_lossy(&output.stdout).into_owned(), error)
    };
    assert_eq!(tool(0, &["why", "a.raw", "tool"]).0, "tool 2.0-1\n  asked for by the profile\n");
    let base = "base 1.0-1\n  tool (asked for) > base\n  needed by tool\n";
    assert_eq!(tool(0, &["why", "a.raw", "base"]).0, base);
    let file = "/etc/tool.conf\n  the profile's [[file]]\n  of the package tool 2.0-1\n    asked for by the profile\n";
    assert_eq!(tool(0, &["why", "a.raw", "/etc/tool.conf"]).0, file);
    let made = "/etc/passwd\n  no package and no line of the profile\n";
    assert_eq!(tool(0, &["why", "a.raw", "/etc/passwd"]).0, made);
    let program = "/etc/containerd/config.toml\n  the profile's [kubelet]\n";
    assert_eq!(tool(0, &["why", "a.raw", "/etc/containerd/config.toml"]).0, program);
    assert!(tool(2, &["why", "a.raw", "tol"]).1.contains("did you mean `tool`?"));
    assert!(tool(2, &["why", "a.raw", "/none"]).1.contains("has no `/none`"));
    let sizes: serde_json::Value = serde_json::from_str(&tool(0, &["--json", "du", "a.raw"]).0).unwrap();
    // /usr/bin/tool has 9 bytes, /etc/tool.conf 14.
    let of_tool = sizes["packages"].as_array().unwrap().iter().find(|entry| entry["package"] == "tool").unwrap();
    assert_eq!(of_tool["bytes"], 23);
    assert!(tool(0, &["du", "a.raw"]).0.contains("%  all of it\n"));
}

#[test]
fn times_alone_are_cosmetic() {
    let folder = tempfile::tempdir().unwrap();
    image(folder.path(), "a.raw", tree());
    let mut other = tree();
    other.leaves.iter_mut().for_each(|leaf| leaf.meta.mtime += 1);
    image(folder.path(), "b.raw", other);
    let (out, _) = run(0, folder.path(), &["a.raw", "b.raw"]);
    assert!(out.ends_with("\ncosmetic only: nothing but ids, times and what follows from them differs\n"), "{out}");
    let (_, err) = run(5, folder.path(), &["--exit-code", "a.raw", "b.raw"]);
    assert!(err.contains("ids and times only"), "{err}");
    // Other times, another root hash, other ids.
    let (all, _) = run(0, folder.path(), &["--all", "a.raw", "b.raw"]);
    assert!(
        all.contains("~ times of ") && all.contains("~ partition 2: id  ") && all.contains("~ root hash  "),
        "{all}"
    );
    run(0, folder.path(), &["--fail-on", "setuid,unowned", "a.raw", "b.raw"]);
}

#[test]
fn a_pipeline_stops_at_what_it_names() {
    let folder = tempfile::tempdir().unwrap();
    image(folder.path(), "a.raw", tree());
    let mut other = tree();
    chmod(&mut other, "/usr/bin/tool", 0o4755);
    put(&mut other, "/usr/bin/late", vec![7; 5000]);
    image(folder.path(), "b.raw", other);
    let stop = |what: &str| run(5, folder.path(), &["--fail-on", what, "a.raw", "b.raw"]).1;
    assert!(stop("downgrade,setuid").contains("setuid: /usr/bin/tool"));
    assert!(stop("unowned").contains("unowned: /usr/bin/late"));
    assert!(stop("size=+1K").contains("grew by 5000 bytes"));
    run(0, folder.path(), &["--fail-on", "size=+8K,downgrade", "a.raw", "b.raw"]);
    // The other way round it is no danger.
    run(0, folder.path(), &["--fail-on", "setuid", "b.raw", "a.raw"]);
    let (_, err) = run(2, folder.path(), &["--fail-on", "sizes", "a.raw", "b.raw"]);
    assert!(err.contains("world-writable, size=+SIZE"), "{err}");
}

#[test]
fn a_squashfs_by_itself_is_compared_too() {
    let folder = tempfile::tempdir().unwrap();
    let root = |name: &str, tree: Tree| {
        let bytes = Small::new(tree).root.squashfs.content().read(1 << 30).unwrap();
        std::fs::write(folder.path().join(name), bytes).unwrap();
    };
    root("a.squashfs", tree());
    let mut other = tree();
    put(&mut other, "/etc/tool.conf", b"one\n2\nthree\n".to_vec());
    image(folder.path(), "b.raw", tree());
    root("b.squashfs", other);
    assert!(run(0, folder.path(), &["a.squashfs", "b.raw"]).0.ends_with("\nno difference\n"));
    let (out, _) = run(0, folder.path(), &["a.squashfs", "b.squashfs"]);
    assert!(out.contains("\nFiles (1 changed, -2 B)\n  ! /etc/tool.conf  "), "{out}");
}

#[test]
fn every_form_tells_the_same() {
    let folder = tempfile::tempdir().unwrap();
    image(folder.path(), "a.raw", tree());
    let mut other = tree();
    put(&mut other, "/usr/bin/<b>late", b"x".to_vec());
    image(folder.path(), "b.raw", other);
    let (json, _) = run(0, folder.path(), &["--format", "json", "a.raw", "b.raw"]);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let files = value["topics"].as_array().unwrap().iter().find(|topic| topic["topic"] == "files").unwrap();
    assert_eq!(files["changes"][0]["what"], "/usr/bin/<b>late");
    assert_eq!(files["changes"][0]["flags"], serde_json::json!(["unowned"]));
    // It is what the schema says.
    let schema = Command::new(env!("CARGO_BIN_EXE_imagebuild")).args(["schema", "diff"]).output().unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    let resolved = |place: &str| {
        let node = schema.pointer(place).unwrap();
        let name = node.get("$ref").and_then(|name| name.as_str()).map(|name| name.trim_start_matches('#'));
        name.map_or(node, |name| schema.pointer(name).unwrap())
    };
    let fits = |schema: &serde_json::Value, value: &serde_json::Value| {
        let (keys, known) = (value.as_object().unwrap(), schema["properties"].as_object().unwrap());
        assert!(keys.keys().all(|key| known.contains_key(key)), "{value}");
        let required = schema["required"].as_array().unwrap().iter().filter_map(|key| key.as_str());
        required.for_each(|key| assert!(keys.contains_key(key), "{key} in {value}"));
    };
    fits(&schema, &value);
    for topic in value["topics"].as_array().unwrap() {
        fits(resolved("/$defs/Section"), topic);
        topic["changes"].as_array().unwrap().iter().for_each(|change| fits(resolved("/$defs/Change"), change));
    }
    let (markdown, _) = run(0, folder.path(), &["--format", "markdown", "a.raw", "b.raw"]);
    assert!(markdown.contains("- ⚠️ `/usr/bin/<b>late` `file of 1 bytes, 0644 0:0` **unowned**"), "{markdown}");
    run(0, folder.path(), &["--format", "html", "-o", "d.html", "a.raw", "b.raw"]);
    let html = std::fs::read_to_string(folder.path().join("d.html")).unwrap();
    assert!(html.contains("<code>/usr/bin/&lt;b&gt;late</code>") && html.contains("<svg"), "{html}");
    let (again, _) = run(0, folder.path(), &["--format", "html", "a.raw", "b.raw"]);
    assert_eq!(html, again);
}
