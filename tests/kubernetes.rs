//! `profiles/kubernetes-1.36.toml` built for both architectures, with stand-ins for upstream's files, which
//! cannot be reached from where the tests run: served on loopback, under the digests that they have.

#[path = "common/node.rs"]
mod node;
#[path = "common/server.rs"]
mod server;

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::Path;

use imagebuild::digest::Digest;
use imagebuild::squashfs::Image;
use server::Server;

/// A `.tar.gz` of small programs.
fn programs(names: &[&str]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for name in names {
        let mut header = tar::Header::new_ustar();
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_mode(0o755);
        header.set_size(name.len() as u64);
        tar.append_data(&mut header, name, name.as_bytes()).unwrap();
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar.into_inner().unwrap()).unwrap();
    gzip.finish().unwrap()
}

fn stand_in(url: &str) -> Vec<u8> {
    let file = url.rsplit('/').next().unwrap();
    match file.split(['-', '.']).next().unwrap() {
        "containerd" => {
            programs(&["bin/containerd", "bin/containerd-shim-runc-v2", "bin/ctr", "bin/containerd-stress"])
        }
        "cni" => programs(&["bridge", "host-local", "loopback", "portmap", "LICENSE", "README.md"]),
        "crictl" => programs(&["crictl"]),
        "kubelet" | "runc" => format!("a stand-in of {url}").into_bytes(),
        other => panic!("no stand-in for {other}"),
    }
}

/// The profile with every upstream file replaced; how many there were.
fn replaced(folder: &Path, server: &Server) -> (String, usize) {
    let text = fs::read_to_string(node::repository().join("profiles/kubernetes-1.36.toml")).unwrap();
    let mut count = 0;
    let lines = text.lines().map(|line| {
        let Some((before, rest)) = line.split_once("{ url = \"") else { return line.to_owned() };
        let (url, _) = rest.split_once('"').unwrap();
        let bytes = stand_in(url);
        let (digest, name) = (Digest::of(&bytes), format!("{count}-{}", url.rsplit('/').next().unwrap()));
        fs::write(folder.join(&name), bytes).unwrap();
        count += 1;
        format!("{before}{{ url = \"{}/{name}\", sha256 = \"{digest}\" }}", server.url)
    });
    (lines.collect::<Vec<_>>().join("\n"), count)
}

#[test]
fn it_builds_for_both_architectures_from_stand_ins() {
    let files = tempfile::tempdir().unwrap();
    let server = Server::new(files.path());
    let (text, count) = replaced(files.path(), &server);
    assert_eq!(count, 10, "five files for each of two architectures");
    let profile = files.path().join("kubernetes.toml");
    fs::write(&profile, text).unwrap();
    for (arch, loader) in [("amd64", "BOOTX64.EFI"), ("arm64", "BOOTAA64.EFI")] {
        let out = files.path().join(arch);
        let arguments = ["build", "--fast", "--arch", arch, "-o"].map(OsStr::new);
        node::run(0, arguments.into_iter().chain([out.as_os_str(), profile.as_os_str()]));
        let manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["image"]["arch"], arch);
        let raw = out.join("kubernetes_1.36.4.raw");
        node::run(0, ["verify".as_ref(), raw.as_os_str()]);
        let inspected = node::run(0, ["inspect".as_ref(), raw.as_os_str()]);
        let inspected = String::from_utf8_lossy(&inspected.stdout);
        assert!(inspected.to_uppercase().contains(loader), "{inspected}");

        let root = manifest["partitions"][1]["start"].as_u64().unwrap();
        let image = Image::part(fs::File::open(&raw).unwrap(), root, None).unwrap();
        let read = |path: &str| {
            let node = image.find(&path.parse().unwrap()).unwrap().unwrap_or_else(|| panic!("{path} is missing"));
            image.read_file(&node, 1 << 20).unwrap()
        };
        assert!(String::from_utf8_lossy(&read("/usr/bin/kubelet")).contains(&format!("linux/{arch}/kubelet")));
        assert_eq!(read("/usr/bin/containerd-shim-runc-v2"), b"bin/containerd-shim-runc-v2");
        assert_eq!(read("/usr/bin/crictl"), b"crictl");
        let config = String::from_utf8(read("/etc/containerd/config.toml")).unwrap();
        assert!(config.contains("version = 3"), "{config}");
        for left_out in ["/usr/bin/containerd-stress", "/usr/share/factory/opt/cni/bin/LICENSE"] {
            assert!(image.find(&left_out.parse().unwrap()).unwrap().is_none(), "{left_out}");
        }
    }
}
