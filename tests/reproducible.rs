//! `examples/hello-pod.toml` built twice, with all that may differ between two builds different.

#[path = "common/node.rs"]
mod node;

use std::fs::File;
use std::path::Path;

use imagebuild::digest::Digest;

fn digest(path: &Path) -> Digest {
    Digest::of_reader(File::open(path).unwrap()).unwrap().0
}

#[test]
fn the_node_is_the_same_from_elsewhere_alone_and_with_no_program_at_hand() {
    let image = node::hello_pod();
    let elsewhere = tempfile::tempdir().unwrap();
    let out = elsewhere.path().join("a folder");
    let mut command = node::tool();
    // Nothing derived is used again but the compiled kubelet; no network, one thread, no PATH.
    command.env_clear().arg("--quiet").arg("--store").arg(node::store());
    command.args(["build", "--locked", "--offline", "--jobs", "1", "--no-cache"]);
    command.arg(node::scratch().join("profiles/hello-pod.toml")).arg("-o").arg(&out);
    command.current_dir(elsewhere.path()).env("PATH", "").env("TZ", "Pacific/Auckland").env("LC_ALL", "tr_TR.UTF-8");
    command.env("SOURCE_DATE_EPOCH", "1").env("HOME", elsewhere.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let name = image.raw.file_name().unwrap();
    assert_eq!(digest(&out.join(name)), digest(&image.raw));
    assert_eq!(digest(&out.join("manifest.json")), digest(&image.folder.join("manifest.json")));
}
