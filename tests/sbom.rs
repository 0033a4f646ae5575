//! `sbom`: what is in an image is in the documents, the official schemas and the readers of others take them, and the
//! same image gives the same document wherever it is looked at.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;
#[path = "common/small.rs"]
mod small;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use imagebuild::arch::Arch;
use imagebuild::container::{Container, Settings};
use imagebuild::disk;
use imagebuild::path::RootPath;
use imagebuild::profile::Raw;
use imagebuild::tree::{Content, Meta, Tree};
use serde_json::Value;

use house::House;
use small::{EPOCH, Small, put};

const STATUS: &str = "\
Package: libc6
Status: install ok installed
Version: 2.41-12
Architecture: amd64
Source: glibc
Maintainer: GNU Libc Maintainers <libc@example.org>
Homepage: https://www.gnu.org/software/libc/libc.html

Package: libstdc++6
Status: install ok installed
Version: 14.2.0-19+b1
Architecture: amd64
Source: gcc-14 (14.2.0-19)
Maintainer: Jane Doe <jane@example.org>
Depends: libc6 (>= 2.36), gcc-14-base (= 14.2.0-19)

Package: odd
Status: install ok installed
Version: 1:1~rc1
Architecture: all
Maintainer: \"quoted\" (odd) <>
Homepage: javascript:alert(1)
";

const COPYRIGHT: &str = "\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
License: LGPL-2.1+

Files: odd/*
License: BSD-3-clause or house-rules

License: house-rules
 Do as the house does.
";

const MODULES: &str = "path\tk8s.io/kubernetes/cmd/kubelet\nmod\tk8s.io/kubernetes\tv1.36.0\t\n\
                       dep\tgithub.com/BurntSushi/toml\tv1.2.3\th1:abc=\nbuild\tGOARCH=amd64\n";

fn program(path: &str) -> (RootPath, Meta, Content) {
    let bytes = binaries::go_program("go1.24.4", MODULES);
    (RootPath::new(path).unwrap(), Meta::new(0o755, EPOCH.0), Content::bytes(bytes))
}

/// A container image of two files.
fn container() -> Vec<u8> {
    let mut tree = Tree::default();
    put(&mut tree, "/var/lib/dpkg/status.d/base", b"Package: tzdata\nVersion: 2025b-4\nArchitecture: all\n".to_vec());
    let (path, meta, content) = program("/pause");
    tree.put_file(&path, meta, content).unwrap();
    let settings = Settings { name: "registry.k8s.io/pause:3.10", entrypoint: &[], cmd: &[], env: &[], user: None };
    let mut out = Vec::new();
    Container::assemble(&tree, &settings, Arch::Amd64, EPOCH).unwrap().write(&mut out).unwrap();
    out
}

fn tree() -> Tree {
    let mut tree = small::tree(&["dm-verity", "squashfs"]);
    put(
        &mut tree,
        "/usr/lib/os-release",
        b"ID=debian\nVERSION_ID=13\nPRETTY_NAME=\"Debian 13\"\nIMAGE_ID=node\nIMAGE_VERSION=7\n".to_vec(),
    );
    put(&mut tree, "/usr/lib/dpkg-db/status", STATUS.as_bytes().to_vec());
    put(&mut tree, "/usr/share/doc/libc6/copyright", COPYRIGHT.as_bytes().to_vec());
    tree.put_link(&RootPath::new("/usr/share/doc/libstdc++6").unwrap(), Meta::new(0o777, EPOCH.0), b"libc6").unwrap();
    put(&mut tree, "/usr/share/doc/odd/copyright", b"As you like.\n".to_vec());
    put(&mut tree, "/usr/lib/kubernetes/images/a.tar", container());
    put(&mut tree, "/usr/lib/kubernetes/images/b.tar", b"no archive".to_vec());
    let (path, meta, content) = program("/usr/bin/kubelet");
    tree.put_file(&path, meta, content).unwrap();
    tree
}

/// A written image in a folder.
fn image() -> (Small, PathBuf) {
    let small = Small::new(tree());
    let (disk, _) = disk::place(&small.layout, &small.pieces(), None, EPOCH).unwrap();
    let path = small.folder.path().join("node.raw");
    small::write(&Raw {}, &disk, &path);
    (small, path)
}

fn document(what: &Path, format: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imagebuild"));
    let output = command.args(["--quiet", "sbom", "--format", format]).arg(what).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Holds both documents against the schemas, with what `tests/run` installed.
fn judge(folder: &Path) {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/judges/bin/python3");
    assert!(python.is_file(), "there is no `{}`: tests/run makes it", python.display());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judges/sbom.py");
    let files = ["sbom.spdx.json", "sbom.cdx.json"].map(|name| folder.join(name));
    let output = Command::new(python).arg(script).args(files).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
}

fn by_name<'v>(list: &'v Value, name: &str) -> &'v Value {
    let found = list.as_array().unwrap().iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}\n{list:#}"))
}

#[test]
fn both_documents_tell_of_everything_and_judges_take_them() {
    let (small, path) = image();
    let folder = small.folder.path();
    let (spdx, cyclonedx) = (document(&path, "spdx"), document(&path, "cyclonedx"));
    fs::write(folder.join("sbom.spdx.json"), spdx.to_string()).unwrap();
    fs::write(folder.join("sbom.cdx.json"), cyclonedx.to_string()).unwrap();
    judge(folder);

    let packages = &spdx["packages"];
    let libc = by_name(packages, "libc6");
    let licence = libc["licenseDeclared"].as_str().unwrap();
    assert!(licence.starts_with("LGPL-2.1-or-later AND (BSD-3-Clause OR LicenseRef-house-rules-"), "{licence}");
    assert_eq!(libc["sourceInfo"], "built package from: glibc 2.41-12");
    assert_eq!(libc["supplier"], "Organization: GNU Libc Maintainers (libc@example.org)");
    assert_eq!(by_name(packages, "libstdc++6")["licenseDeclared"], licence);
    assert_eq!(by_name(packages, "odd")["licenseDeclared"], "NOASSERTION");
    assert_eq!(by_name(packages, "odd").get("homepage"), None);
    assert_eq!(by_name(&spdx["hasExtractedLicensingInfos"], "house-rules")["extractedText"], "Do as the house does.");
    assert_eq!(spdx["creationInfo"]["created"], "2023-11-14T22:13:20Z");
    let systems =
        packages.as_array().unwrap().iter().filter(|one| one["SPDXID"].as_str().unwrap().contains("-Operating"));
    let systems: Vec<_> = systems.map(|one| (&one["SPDXID"], &one["name"], &one["versionInfo"])).collect();
    assert_eq!(systems, [(&"SPDXRef-OperatingSystem".into(), &"debian".into(), &"13".into())]);
    let kernel = by_name(packages, "linux");
    assert_eq!(kernel["versionInfo"], small::RELEASE);

    let components = &cyclonedx["components"];
    assert_eq!(by_name(components, "debian")["type"], "operating-system");
    // With two of them scanners do not know whose advisories count.
    assert_eq!(cyclonedx.to_string().matches("\"operating-system\"").count(), 1);
    let libstdc = by_name(components, "libstdc++6");
    let upstream =
        "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19%2Bb1?arch=amd64&distro=debian-13&upstream=gcc-14%4014.2.0-19";
    assert_eq!(libstdc["purl"], upstream);
    let property = |name: &str| &by_name(&libstdc["properties"], &format!("aquasecurity:trivy:{name}"))["value"];
    assert_eq!([property("SrcName"), property("SrcVersion"), property("SrcRelease")], ["gcc-14", "14.2.0", "19"]);
    let odd = by_name(&by_name(components, "odd")["properties"], "aquasecurity:trivy:SrcEpoch");
    assert_eq!(odd["value"], "1");
    let kubelet = by_name(components, "kubelet");
    assert_eq!(kubelet["purl"], "pkg:golang/k8s.io/kubernetes@v1.36.0");
    assert_eq!(kubelet["cpe"], "cpe:2.3:a:kubernetes:kubernetes:1.36.0:*:*:*:*:*:*:*");
    let digest = imagebuild::digest::Digest::of(&binaries::go_program("go1.24.4", MODULES)).to_string();
    assert_eq!(kubelet["hashes"][0]["content"], digest);
    let pause = by_name(components, "registry.k8s.io/pause:3.10");
    assert_eq!(by_name(&pause["components"], "tzdata")["version"], "2025b-4");
    assert_eq!(by_name(&pause["components"], "pause")["hashes"][0]["content"], digest);
    let needs = cyclonedx["dependencies"].as_array().unwrap();
    let of = |reference: &Value| &needs.iter().find(|row| row["ref"] == *reference).unwrap()["dependsOn"];
    let modules = ["pkg:golang/github.com/BurntSushi/toml@v1.2.3", "pkg:golang/stdlib@1.24.4"];
    assert_eq!(*of(&kubelet["bom-ref"]), serde_json::json!(modules));
    let libc = &by_name(components, "libc6")["bom-ref"];
    assert_eq!(*of(&by_name(components, "libstdc++6")["bom-ref"]), serde_json::json!([libc]));
}

#[test]
fn what_cannot_be_looked_into_is_said() {
    let (_small, path) = image();
    let mut command = Command::new(env!("CARGO_BIN_EXE_imagebuild"));
    let output = command.args(["sbom", "--format", "spdx"]).arg(&path).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && error.contains("`/usr/lib/kubernetes/images/b.tar` cannot be looked into"),
        "{error}"
    );
}

/// A build's documents are those of its image and of its profile, and its packages have the digests of the lock.
#[test]
fn a_build_leaves_the_documents_that_its_image_gives() {
    let house = House::new();
    house.lock();
    house.build("out", |_| ());
    let out = house.folder.path().join("out");
    judge(&out);
    for (format, name) in [("spdx", "sbom.spdx.json"), ("cyclonedx", "sbom.cdx.json")] {
        let built: Value = serde_json::from_slice(&fs::read(out.join(name)).unwrap()).unwrap();
        for what in ["out/small_1.raw", "out/small_1.old.qcow2", "out"] {
            assert_eq!(document(&house.folder.path().join(what), format), built, "{what}");
        }
        let other = house.folder.path().join(name);
        let mut command = house.tool("store");
        command.args(["--mirror", &house.mirror(), "sbom", "--locked", "--format", format]).arg(house.profile());
        house::succeed(command.arg("-o").arg(&other));
        assert_eq!(fs::read(&other).unwrap(), fs::read(out.join(name)).unwrap());
    }
    let spdx: Value = serde_json::from_slice(&fs::read(out.join("sbom.spdx.json")).unwrap()).unwrap();
    let lock = fs::read_to_string(house.folder.path().join("small.lock")).unwrap();
    let package = by_name(&spdx["packages"], "base-files");
    assert!(lock.contains(package["checksums"][0]["checksumValue"].as_str().unwrap()));
    let ids: Vec<&str> =
        spdx["packages"].as_array().unwrap().iter().map(|one| one["SPDXID"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}
