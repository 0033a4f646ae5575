//! Container images: the same bytes from the same tree, read by skopeo and tar; the tool's own runs on nothing else.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use house::{House, digests, succeed};

const NAME: &str = "localhost/thing:1";

fn tool(arguments: &[&str], folder: &Path) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_imagebuild")).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A program, its second name, a link to it and a file with an odd name.
fn folder(at: &Path) {
    fs::create_dir_all(at.join("usr/bin")).unwrap();
    fs::write(at.join("usr/bin/thing"), b"a thing").unwrap();
    fs::set_permissions(at.join("usr/bin/thing"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::hard_link(at.join("usr/bin/thing"), at.join("usr/bin/same")).unwrap();
    symlink("thing", at.join("usr/bin/other")).unwrap();
    fs::write(at.join("usr").join(String::from("x").repeat(200)), b"a long name").unwrap();
    for path in ["", "usr", "usr/bin"] {
        fs::set_permissions(at.join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// What skopeo makes of an image: a folder with `manifest.json` and a file for each blob.
fn copied(image: &Path, name: &str, to: &Path) -> serde_json::Value {
    let from = format!("oci-archive:{}:{name}", image.display());
    succeed(
        Command::new("skopeo")
            .args(["--insecure-policy", "copy", "--quiet", &from])
            .arg(format!("dir:{}", to.display())),
    );
    serde_json::from_slice(&fs::read(to.join("manifest.json")).unwrap()).unwrap()
}

fn blob(folder: &Path, descriptor: &serde_json::Value) -> PathBuf {
    folder.join(descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap())
}

#[test]
fn a_tree_is_an_image_that_others_read() {
    let room = tempfile::tempdir().unwrap();
    let mut images = Vec::new();
    for name in ["one", "two"] {
        folder(&room.path().join(name));
        let image = format!("{name}.tar");
        let words =
            ["container", name, "-o", &image, "--name", NAME, "--entrypoint", "/usr/bin/thing", "--entrypoint", "-v"];
        let more = ["--cmd", "now", "--env", "A=b", "--user", "7:8", "--arch", "arm64", "--time", "86400"];
        tool(&[&words[..], &more[..]].concat(), room.path());
        images.push(fs::read(room.path().join(image)).unwrap());
        // Times of the host's files are not the image's.
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    assert!(images[0] == images[1], "two folders with the same files are two images");

    let copy = room.path().join("copy");
    let manifest = copied(&room.path().join("one.tar"), NAME, &copy);
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(blob(&copy, &manifest["config"])).unwrap()).unwrap();
    assert_eq!(config["architecture"], "arm64");
    let expected = serde_json::json!({
        "Entrypoint": ["/usr/bin/thing", "-v"], "Cmd": ["now"], "Env": ["A=b"], "User": "7:8",
    });
    assert_eq!(config["config"], expected);
    let layer = blob(&copy, &manifest["layers"][0]);
    let listed = Command::new("tar").args(["--utc", "--numeric-owner", "-tvf"]).arg(&layer).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let squeezed: Vec<String> =
        listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let long = format!("-rw-r--r-- 0/0 11 1970-01-02 00:00 usr/{}", "x".repeat(200));
    assert_eq!(
        squeezed,
        [
            "drwxr-xr-x 0/0 0 1970-01-02 00:00 usr/",
            "drwxr-xr-x 0/0 0 1970-01-02 00:00 usr/bin/",
            "lrwxrwxrwx 0/0 0 1970-01-02 00:00 usr/bin/other -> thing",
            "-rwxr-xr-x 0/0 7 1970-01-02 00:00 usr/bin/same",
            "hrwxr-xr-x 0/0 0 1970-01-02 00:00 usr/bin/thing link to usr/bin/same",
            &long,
        ]
    );
}

#[test]
fn an_archive_keeps_owners_and_capabilities() {
    let room = tempfile::tempdir().unwrap();
    let mut builder = tar::Builder::new(fs::File::create(room.path().join("in.tar")).unwrap());
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    builder.append_pax_extensions([("SCHILY.xattr.security.capability", &capability[..])]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(4);
    header.set_mode(0o755);
    header.set_uid(5);
    header.set_gid(6);
    builder.append_data(&mut header, "ping", &b"ping"[..]).unwrap();
    builder.into_inner().unwrap();
    tool(&["container", "in.tar", "-o", "out.tar", "--name", NAME], room.path());
    let copy = room.path().join("copy");
    let manifest = copied(&room.path().join("out.tar"), NAME, &copy);
    let layer = fs::File::open(blob(&copy, &manifest["layers"][0])).unwrap();
    let mut layer = tar::Archive::new(layer);
    let mut entry = layer.entries().unwrap().next().unwrap().unwrap();
    assert_eq!((entry.header().uid().unwrap(), entry.header().gid().unwrap()), (5, 6));
    let records: BTreeMap<String, Vec<u8>> = entry
        .pax_extensions()
        .unwrap()
        .unwrap()
        .map(|record| record.map(|record| (record.key().unwrap().to_owned(), record.value_bytes().to_vec())).unwrap())
        .collect();
    assert_eq!(records["SCHILY.xattr.security.capability"], capability);
}

#[test]
fn what_cannot_be_an_image_is_told() {
    let room = tempfile::tempdir().unwrap();
    folder(&room.path().join("tree"));
    for (words, told) in [
        (&["--name", "thing"][..], "`thing` is no name of a container image"),
        (&["--name", NAME, "--env", "=b"], "`--env =b` names no variable"),
        (&["--name", NAME, "--arch", "m68k"], "unknown architecture `m68k`"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imagebuild"));
        let output = command.args(["container", "tree", "-o", "out.tar"]).args(words).current_dir(room.path()).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(told), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(!room.path().join("out.tar").exists());
    }
}

/// As whoever runs the tests; only root may enter another root.
fn chroot(root: &Path) -> Command {
    let mut command = match rustix::process::geteuid().is_root() {
        true => Command::new("chroot"),
        false => {
            let mut command = Command::new("sudo");
            command.arg("chroot");
            command
        }
    };
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").arg(root);
    command
}

#[test]
fn the_tools_own_image_builds_a_node_where_nothing_else_is() {
    let room = tempfile::tempdir().unwrap();
    let image = room.path().join("imagebuild.tar");
    let name = "localhost/imagebuild:test";
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/container.sh");
    let mut make = Command::new(script);
    // It is run, not measured: what the compiler saves, the tests need not wait for.
    make.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256");
    make.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("static"));
    succeed(make.arg(&image).arg(name));
    let copy = room.path().join("copy");
    let manifest = copied(&image, name, &copy);
    let root = room.path().join("root");
    fs::create_dir(&root).unwrap();
    succeed(Command::new("tar").arg("-C").arg(&root).arg("-xf").arg(blob(&copy, &manifest["layers"][0])));
    let files: Vec<String> = digests(&root).into_keys().collect();
    assert_eq!(files, ["etc/ssl/certs/ca-certificates.crt", "usr/bin/imagebuild"]);

    let house = House::new();
    house.lock();
    let expected = house.build("out", |_| {});
    succeed(Command::new("cp").arg("-r").arg(house.folder.path()).arg(root.join("data")));
    fs::remove_dir_all(root.join("data/out")).unwrap();
    let words =
        ["--quiet", "--offline", "--store", "/data/store", "build", "--no-cache", "--locked", "/data/small.toml"];
    succeed(chroot(&root).arg("/usr/bin/imagebuild").args(words).args(["-o", "/data/out"]));
    assert_eq!(digests(&root.join("data/out")), expected);
    // What root made in there is not ours to remove, where we are not root.
    if !rustix::process::geteuid().is_root() {
        succeed(Command::new("sudo").args(["rm", "-rf"]).arg(&root));
    }
}
