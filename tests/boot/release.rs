//! One disk over two boots and two releases: what the node is stays, what nobody touched follows the image.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::TIMEOUT;
use super::cluster::{DONE, first, second};
use super::disk::{place_release, run};
use super::node::{Boot, boot, scratch};

/// The first boot of the first release, on a machine without credentials and without an id of its
/// firmware, and the disk as it left it: one for all tests that look at it.
pub fn without_credentials() -> &'static (Boot, PathBuf) {
    static BOOT: OnceLock<(Boot, PathBuf)> = OnceLock::new();
    BOOT.get_or_init(|| {
        let kept = scratch().join("copies/kept.qcow2");
        std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
        drop(std::fs::remove_file(&kept));
        let overlay = kept.to_str().unwrap();
        let booted = boot("cluster-1", &first().raw, DONE, TIMEOUT, &["--disk-size", "4G", "--overlay", overlay]);
        (booted, kept)
    })
}

fn flatten(overlay: &Path) -> PathBuf {
    let disk = scratch().join("copies/kept.raw");
    run("qemu-img", &[&"convert", &"-q", &"-O", &"raw", &overlay, &disk]);
    disk
}

#[test]
fn the_next_release_keeps_the_id_and_what_was_changed() {
    let (before, kept) = without_credentials();
    before.ended(0).saw("touched, of the node itself").saw("untouched, of release 1");
    assert_eq!(before.after("probe-release "), "1");
    let disk = flatten(kept);
    place_release(&disk, &first(), &second(), "cluster_2");

    let booted = boot("cluster-2", &disk, DONE, TIMEOUT, &["--disk-size", "4G"]);
    booted.ended(0);
    assert_eq!(booted.after("probe-release "), "2");
    booted.saw("untouched, of release 2").saw("touched, of the node itself").saw_no("of release 1");
    // What won is told: the one file, and not the other.
    booted.saw("/var/lib/imagebuild/writable/etc-kubernetes/upper/touched").saw_no("upper/untouched");

    let ids = [before, &booted].map(|boot| boot.after("probe-machine "));
    assert!(ids[0].len() == 32 && ids[0].bytes().all(|byte| byte.is_ascii_hexdigit()), "{ids:?}");
    assert_eq!(ids[0], ids[1]);
    // Nothing but what was kept can have made it so.
    before.saw_no("from SMBIOS/DMI UUID");
    std::fs::remove_file(disk).unwrap();
}
