//! A small image of packages that the test makes itself: an archive, a profile, a lock, a store.
#![allow(dead_code)] // each test binary uses its own part

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::archive::{Archive, Deb};
use super::binaries;

const RELEASE: &str = "6.0.0-test-amd64";

/// A folder with an archive, a profile that builds from it, and a lock made once.
pub struct House {
    /// Holds profile, lock, store and output folders.
    pub folder: tempfile::TempDir,
    archive: Archive,
}

impl House {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = Archive::default();
        for mut deb in packages() {
            archive.add("test", &mut deb);
        }
        for name in ["base-files", "systemd", "systemd-boot-efi", "linux-image-test"] {
            archive.add_source("test", name, "1", &[(&format!("{name}_1.dsc"), name.as_bytes())]);
        }
        archive.publish(&["amd64"]);
        fs::write(folder.path().join("kubelet"), b"a kubelet").unwrap();
        fs::write(folder.path().join("containerd"), b"a containerd").unwrap();
        // The certificate of that archive's key, made once: its own signature holds the time, and a record names keyrings by
        // what their keyrings hold.
        fs::write(folder.path().join("archive.gpg"), include_bytes!("../bytes/archive.gpg")).unwrap();
        fs::write(folder.path().join("small.toml"), include_str!("../bytes/small.toml")).unwrap();
        House { folder, archive }
    }

    pub fn profile(&self) -> PathBuf {
        self.folder.path().join("small.toml")
    }

    /// A later version of a package in the archive, beside what there is.
    pub fn publish(&mut self, mut deb: Deb) {
        self.archive.add("test", &mut deb);
        self.archive.publish(&["amd64"]);
    }

    pub fn mirror(&self) -> String {
        format!("test={}", self.archive.url())
    }

    /// The tool, nothing of the environment but what it is given.
    pub fn tool(&self, store: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imagebuild"));
        command.env_clear().arg("--quiet").arg("--store").arg(self.folder.path().join(store));
        command
    }

    /// Leaves three outputs in place of many.
    pub fn few(&self) {
        let text = fs::read_to_string(self.profile()).unwrap();
        let (head, rest) = text.split_once("[[output]]").unwrap();
        let tail = &rest[rest.find("# It is made").unwrap()..];
        let outputs = "[[output]]\nformat.raw = {}\n[[output]]\nformat.oci = {}\n[[output]]\nformat.split = {}\n";
        fs::write(self.profile(), format!("{head}{outputs}{tail}")).unwrap();
    }

    /// Changes the profile's text.
    pub fn change(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.profile()).unwrap();
        assert!(text.contains(from));
        fs::write(self.profile(), text.replace(from, to)).unwrap();
    }

    pub fn lock(&self) {
        let mut command = self.tool("store");
        command.env("SOURCE_DATE_EPOCH", "1767225600").args(["--mirror", &self.mirror(), "lock"]).arg(self.profile());
        succeed(&mut command);
    }

    pub fn build(&self, out: &str, change: impl FnOnce(&mut Command)) -> BTreeMap<String, String> {
        let out = self.folder.path().join(out);
        let mut command = self.tool("store");
        command.args(["--mirror", &self.mirror(), "build", "--locked"]).arg(self.profile()).arg("-o").arg(&out);
        change(&mut command);
        succeed(&mut command);
        digests(&out)
    }
}

/// Runs it to a good end.
pub fn succeed(command: &mut Command) {
    let output = command.output().expect("the tool starts");
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// The sha256 of every file below a folder.
pub fn digests(folder: &Path) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let (digest, _) = imagebuild::digest::Digest::of_reader(fs::File::open(&path).unwrap()).unwrap();
            out.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned(), digest.to_string());
        }
    }
    out
}

/// The least that an image is made of.
fn packages() -> Vec<Deb> {
    let modules = format!("usr/lib/modules/{RELEASE}");
    let builtin: String = imagebuild::boot::REQUIRED
        .iter()
        .chain(["br_netfilter", "overlay", "nf_conntrack", "bridge", "veth", "vxlan"].iter())
        .map(|name| format!("kernel/drivers/{name}.ko\n"))
        .collect();
    vec![
        Deb::new("base-files", "1")
            .directory("/etc", 0o755)
            .directory("/var", 0o755)
            .directory("/usr/bin", 0o755)
            .symlink("/bin", "usr/bin")
            .symlink("/lib", "usr/lib")
            .symlink("/sbin", "usr/sbin")
            .file("/usr/lib/os-release", 0o644, "ID=test\nVERSION_ID=1\nPRETTY_NAME=Test\n")
            .symlink("/etc/os-release", "../usr/lib/os-release")
            .file("/usr/share/doc/base-files/copyright", 0o644, "As you like.\n"),
        Deb::new("systemd", "1")
            .file("/usr/lib/sysusers.d/basic.conf", 0o644, "u root 0 - /root\ng adm 4\ng shadow 42\ng utmp 43\n")
            .file("/usr/lib/systemd/systemd", 0o755, "a systemd")
            .file("/usr/lib/systemd/systemd-sysupdate", 0o755, "a systemd-sysupdate")
            .hard_link("/usr/lib/systemd/again", "/usr/lib/systemd/systemd"),
        Deb::new("systemd-boot-efi", "1")
            .file("/usr/lib/systemd/boot/efi/addonx64.efi.stub", 0o644, binaries::stub())
            .file("/usr/lib/systemd/boot/efi/linuxx64.efi.stub", 0o644, binaries::stub())
            .file("/usr/lib/systemd/boot/efi/systemd-bootx64.efi", 0o644, binaries::stub()),
        Deb::new("linux-image-test", "1")
            .file(&format!("/boot/vmlinuz-{RELEASE}"), 0o644, vec![0x4d; 100_000])
            .file(
                &format!("/{modules}/kernel/drivers/thing.ko"),
                0o644,
                binaries::module(&["thing"], &[], &["license=GPL"]),
            )
            .file(&format!("/{modules}/modules.order"), 0o644, "kernel/drivers/thing.ko\n")
            .file(&format!("/{modules}/modules.builtin"), 0o644, builtin)
            .file(&format!("/{modules}/modules.builtin.modinfo"), 0o644, ""),
    ]
}
