//! What must boot boots, what must not does not: QEMU is the judge, one machine at a time.
//!
//! A new test goes here if it needs a running node; keep each to one or two boots, since each takes a
//! minute or two under software emulation.

#[path = "common/node.rs"]
mod node;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use node::{boot, build, hello_pod, hello_pod_text, run};

/// Seconds; generous, since machines are slow and shared.
const TIMEOUT: u32 = 400;
const HELLO: &str = "hello from a pod";

/// The byte at which a partition of the image begins.
fn start(image: &node::Image, end_of_label: &str) -> u64 {
    let manifest = image.manifest();
    let partitions = manifest["partitions"].as_array().expect("partitions");
    let found = partitions.iter().find(|one| one["label"].as_str().is_some_and(|label| label.ends_with(end_of_label)));
    found.expect("the partition")["start"].as_u64().expect("a number")
}

/// The byte at which the hash tree begins: the partition after the root's.
fn verity(image: &node::Image) -> u64 {
    image.manifest()["partitions"][2]["start"].as_u64().expect("a number")
}

fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
}

#[test]
fn a_pod_says_hello() {
    let image = hello_pod();
    let before = std::fs::metadata(&image.raw).unwrap().modified().unwrap();
    // Waited for the end of the line: the pod's own control group, which nothing outside the running
    // pod writes in this form.
    let more = ["--disk-size", "4G"];
    let booted = boot("hello", &image.raw, "/kubepods.slice/", TIMEOUT, &more);
    booted.ended(0).saw_no("FATAL");
    let line = booted.console.lines().find(|line| line.contains(HELLO)).expect("the pod's line");
    assert!(line.contains("/kubepods.slice/"), "{line}");
    assert_eq!(std::fs::metadata(&image.raw).unwrap().modified().unwrap(), before, "the image was changed");
}

/// One bad block anywhere, and the node starts again instead of living with it.
fn refuses(name: &str, why: &str, at: impl FnOnce(&node::Image) -> u64) {
    let image = hello_pod();
    let copy = image.copy(name);
    flip(&copy, at(&image));
    let verified = run(5, ["verify".as_ref(), copy.as_os_str()]);
    assert!(String::from_utf8_lossy(&verified.stderr).contains("block"), "{verified:?}");
    let booted = boot(name, &copy, HELLO, TIMEOUT, &["--disk-size", "4G"]);
    booted.ended(5).saw_no(HELLO).saw("verity").saw(why);
    std::fs::remove_file(copy).unwrap();
}

#[test]
fn a_spoilt_superblock_is_refused() {
    refuses("bad-superblock", "corrupt block 0 in the root partition", |image| start(image, "hello-pod_1") + 8);
}

#[test]
fn a_spoilt_hash_tree_is_refused() {
    // Block 0 is verity's superblock, block 1 the top of the tree.
    refuses("bad-tree", "the tree does not have the root hash of the command line", |image| verity(image) + 4096 + 100);
}

#[test]
fn a_spoilt_kubelet_is_refused() {
    refuses("bad-kubelet", "is corrupted", |image| {
        let root = start(image, "hello-pod_1");
        root + node::block_of(&image.raw, root, "/usr/bin/kubelet")
    });
}

/// A disk with a partition that is for /var by type and label, and holds nothing that could be mounted.
fn tenant() -> PathBuf {
    let path = node::scratch().join("copies/tenant.raw");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(&path).unwrap().set_len(2 << 30).unwrap();
    let kind = "--typecode=1:4d21b016-b534-45c2-a9fb-5c16e091fd2d";
    let status = Command::new("sgdisk").args(["--new=1:0:0", kind, "--change-name=1:var"]).arg(&path).status();
    assert!(status.is_ok_and(|status| status.success()), "sgdisk makes the disk");
    path
}

#[test]
fn neither_a_copy_of_the_disk_nor_the_var_of_another_is_taken() {
    // Attached first: a disk with the very same partitions, its root spoilt, so that verity would refuse
    // it; and a disk whose /var could not be mounted.
    let image = hello_pod();
    let decoy = image.copy("decoy");
    flip(&decoy, start(&image, "hello-pod_1") + 8);
    let tenant = tenant();
    let extra = [&decoy, &tenant].map(|path| path.to_str().unwrap());
    let more = ["--disk-size", "4G", "--disk", "nvme", "--extra-disk", extra[0], "--extra-disk", extra[1]];
    boot("decoy", &image.raw, HELLO, TIMEOUT, &more).ended(0).saw(HELLO);
    std::fs::remove_file(decoy).unwrap();
    std::fs::remove_file(tenant).unwrap();
}

#[test]
fn a_disk_that_is_too_small_is_refused_and_says_so() {
    let image = hello_pod();
    let small = ["boot".as_ref(), image.raw.as_os_str(), "--disk-size".as_ref(), "1200M".as_ref()];
    run(2, small);
    // Without a manifest beside it nobody knows; the node itself must tell, and start again.
    let alone = image.copy("alone");
    let booted = boot("small", &alone, HELLO, TIMEOUT, &["--disk-size", "1200M"]);
    booted.ended(5).saw_no(HELLO).saw("imagebuild: the disk does not hold what the image needs");
    std::fs::remove_file(alone).unwrap();
}

/// A pod that looks at the node from inside and tells what it sees.
const PROBE: &str = r#"
[[pod]]
name = "probe"
manifest.apiVersion = "v1"
manifest.kind = "Pod"
manifest.metadata = { name = "probe", namespace = "default" }
[pod.manifest.spec]
hostNetwork = true
volumes = [
  { name = "console", hostPath = { path = "/dev/console", type = "CharDevice" } },
  { name = "host", hostPath = { path = "/", type = "Directory" } },
]
[[pod.manifest.spec.containers]]
name = "probe"
image = "localhost/busybox:1"
imagePullPolicy = "Never"
securityContext = { privileged = true }
volumeMounts = [{ name = "console", mountPath = "/console" }, { name = "host", mountPath = "/host", mountPropagation = "HostToContainer" }]
args = ["sh", "-c", """
say() { printf '\\r\\nprobe-%s %s\\r\\n' "$1" "$2" > /console; }
tries() { if "$@" 2>/dev/null; then echo yes; else echo no; fi; }
say machine "$(busybox cat /host/etc/machine-id)"
say opt "$(tries busybox cp /usr/bin/busybox /host/opt/cni/bin/busybox)"
say runs "$(tries /host/opt/cni/bin/busybox true)"
say conf "$(tries busybox touch /host/etc/cni/net.d/10-test.conf)"
say volumes "$(tries busybox mkdir -p /host/var/lib/kubelet/volumeplugins/x)"
say usr "$(tries busybox touch /host/usr/bin/new)"
say etc "$(tries busybox touch /host/etc/new)"
say packages "$(busybox grep -c '^Package:' /host/var/lib/dpkg/status)"
say done '' ; busybox sleep 100000
"""]
"#;

/// The value of a line of the probe.
fn told<'a>(booted: &'a node::Boot, what: &str) -> &'a str {
    let prefix = format!("probe-{what} ");
    booted.saw(&prefix);
    booted.console.lines().find_map(|line| line.trim().strip_prefix(&prefix)).unwrap_or_default().trim()
}

#[test]
fn what_may_be_written_can_be_and_no_two_nodes_share_an_id() {
    let image = build("probe", &format!("{}\n{PROBE}", hello_pod_text().replace("\"hello-pod\"", "\"probe\"")));
    let machines =
        [("11111111-2222-4333-8444-555555555555", "virtio"), ("99999999-2222-4333-8444-555555555555", "scsi")];
    let ids = machines.map(|(uuid, bus)| {
        let more = ["--disk-size", "4G", "--uuid", uuid, "--disk", bus];
        let booted = boot(&format!("probe-{}", &uuid[..4]), &image.raw, "probe-done", TIMEOUT, &more);
        booted.ended(0);
        for (what, expected) in
            [("opt", "yes"), ("runs", "yes"), ("conf", "yes"), ("volumes", "yes"), ("usr", "no"), ("etc", "no")]
        {
            assert_eq!(told(&booted, what), expected, "{what}");
        }
        let packages = image.manifest()["inputs"]["packages"].as_object().unwrap().len();
        assert_eq!(told(&booted, "packages"), packages.to_string());
        let id = told(&booted, "machine").to_owned();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        id
    });
    assert_ne!(ids[0], ids[1]);
}

/// The example for a machine with a BIOS, built once in this process.
fn hello_bios() -> node::Image {
    let text = hello_pod_text()
        .replace("\"hello-pod\"", "\"hello-bios\"")
        .replace("\"e2fsprogs\", ", "\"e2fsprogs\", \"grub-pc-bin\", ")
        .replace("[layout]\n", "[layout]\nslots = 1\n")
        .replace(
            "[kernel]\n",
            "[boot]\nfirmware = [\"uefi\", \"bios\"]\n\n[userland.without]\n\
            grub-common = \"the builder puts GRUB together\"\n\n[kernel]\n",
        );
    build("hello-bios", &text)
}

#[test]
fn a_bios_starts_the_same_node() {
    let image = hello_bios();
    let root = imagebuild::squashfs::Image::part(
        std::fs::File::open(&image.raw).unwrap(),
        start(&image, "hello-bios_1"),
        None,
    );
    let grub = root.unwrap().find(&"/usr/lib/grub".parse().unwrap()).unwrap();
    assert!(grub.is_none(), "GRUB's files are no part of the root");
    let booted = boot("bios", &image.raw, HELLO, TIMEOUT, &["--disk-size", "4G", "--firmware", "bios"]);
    booted.ended(0).saw("Loading hello-bios_1").saw_no("FATAL");
    let cmdline = image.manifest()["boot"]["cmdline"].as_str().unwrap().to_owned();
    // GRUB puts the path of the kernel in front.
    booted.saw(&format!("/boot/vmlinuz {cmdline}"));
}
