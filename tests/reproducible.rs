//! `examples/hello-pod.toml` built twice, with all that may differ between two builds different.

#[path = "common/node.rs"]
mod node;

use std::fs::File;
use std::path::Path;
use std::process::Command;

use imagebuild::digest::Digest;

fn digest(path: &Path) -> Digest {
    Digest::of_reader(File::open(path).unwrap()).unwrap().0
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

#[test]
fn the_node_is_the_same_from_elsewhere_alone_and_with_no_program_at_hand() {
    let image = node::hello_pod();
    // On the file system of the store, so that links to it can be made.
    let elsewhere = tempfile::tempdir_in(node::scratch()).unwrap();
    let out = elsewhere.path().join("a folder");
    let mut command = Command::new("/usr/bin/env");
    let mut store = node::store();
    if rustix::process::getuid().is_root() {
        // Another user, with a umask that shows, on links to the same store.
        store = elsewhere.path().join("store");
        run(Command::new("cp").arg("-al").arg(node::store()).arg(&store));
        run(Command::new("chown").args(["-R", "65534:65534"]).arg(elsewhere.path()));
        run(Command::new("chmod").args(["-R", "a+rX"]).arg(node::scratch().join("profiles")));
        let words =
            ["--reuid=65534", "--regid=65534", "--clear-groups", "/bin/sh", "-c", "umask 027; exec \"$@\"", "sh"];
        command = Command::new("/usr/bin/setpriv");
        command.args(words);
    }
    // Nothing derived is used again but the compiled kubelet; no network, one thread, no PATH.
    command.arg(env!("CARGO_BIN_EXE_imagebuild")).env_clear().arg("--quiet").arg("--store").arg(store);
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
