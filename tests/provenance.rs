//! Provenance: it names every input of the lock and every artifact, OpenSSL takes its signature, minisign and signify that
//! of the digests, and `verify` takes nothing that is of another image, another key, or nobody.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/binaries.rs"]
mod binaries;
#[path = "common/house.rs"]
mod house;

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use house::{House, succeed};

fn openssl(folder: &Path, words: &str) {
    succeed(Command::new("openssl").current_dir(folder).args(words.split(' ')));
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Makes a key by OpenSSL, and its public half.
fn key(folder: &Path, name: &str, how: &str) {
    openssl(folder, &format!("{how} -out {name}.key"));
    openssl(folder, &format!("pkey -in {name}.key -pubout -out {name}.pub"));
}

fn verify(house: &House, code: i32, words: &[&str]) -> String {
    let mut command = house.tool("store");
    let output = command.arg("verify").args(words).current_dir(house.folder.path()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{words:?}\n{error}");
    error
}

#[test]
fn a_signed_build_verifies_by_openssl_and_by_us_and_nothing_else_does() {
    let house = House::new();
    let folder = house.folder.path();
    house.lock();
    // The form of a key in SEC 1, with the curve before it, is what `ecparam` writes.
    let keys = [
        ("ed", "genpkey -algorithm ed25519"),
        ("ec", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
        ("sec1", "ecparam -name prime256v1 -genkey"),
    ];
    for (name, how) in keys {
        key(folder, name, how);
        let key = format!("{name}.key");
        let build = |command: &mut Command| {
            command.current_dir(folder).args(["--sign", &key]);
        };
        let first = house.build("out", build);
        assert_eq!(first, house.build("out", build), "a signature differs");
        let envelope = json(&folder.join("out/provenance.dsse.json"));
        let decode = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
        let payload = decode(&envelope["payload"]);
        assert_eq!(payload, fs::read(folder.join("out/provenance.json")).unwrap());
        let kind = envelope["payloadType"].as_str().unwrap();
        let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
        message.extend(payload);
        fs::write(folder.join("message"), message).unwrap();
        fs::write(folder.join("signature"), decode(&envelope["signatures"][0]["sig"])).unwrap();
        openssl(
            folder,
            &match name {
                "ed" => format!("pkeyutl -verify -pubin -inkey {name}.pub -rawin -in message -sigfile signature"),
                _ => format!("dgst -sha256 -verify {name}.pub -signature signature message"),
            },
        );
        detached(&house, name == "ed");
        let signed = ["--provenance", "out/provenance.dsse.json", "out/small_1.raw"];
        let by = format!("{name}.pub");
        verify(&house, 0, &[&signed[..], &["--key", &by]].concat());
        verify(&house, 0, &signed);
    }
    let image = "out/small_1.raw";
    let (signed, bare) = ("out/provenance.dsse.json", "out/provenance.json");
    verify(&house, 0, &[image, "--provenance", bare]);
    assert!(verify(&house, 5, &[image, "--provenance", bare, "--key", "ed.pub"]).contains("is not signed"));
    assert!(verify(&house, 5, &[image, "--provenance", signed, "--key", "ed.pub"]).contains("of this key"));
    verify(&house, 2, &[image, "--provenance", signed, "--key", "ed.key"]);

    // A changed payload, and the statement of another image.
    let mut envelope = json(&folder.join(signed));
    let payload = fs::read_to_string(folder.join(bare)).unwrap().replace("\"fast\": false", "\"fast\": true");
    envelope["payload"] = Value::String(STANDARD.encode(payload));
    fs::write(folder.join("forged.json"), envelope.to_string()).unwrap();
    assert!(verify(&house, 5, &[image, "--provenance", "forged.json", "--key", "sec1.pub"]).contains("of this key"));
    let text = fs::read_to_string(house.profile()).unwrap().replace("a small image", "another image");
    fs::write(house.profile(), text).unwrap();
    house.build("other", |_| ());
    let error = verify(&house, 5, &["other/small_1.raw", "--provenance", signed, "--key", "sec1.pub"]);
    assert!(error.contains("the statement is of a `small_1.raw` with the sha256"), "{error}");

    // What is signed goes when a build is not.
    house.build("out", |_| ());
    assert!(!folder.join(signed).exists());
    house.build("out", |command| {
        command.current_dir(folder).args(["--sign", "ed.key"]);
    });
    assert!(folder.join("out/SHA256SUMS.minisig").exists());
    house.build("out", |_| ());
    assert!(!folder.join("out/SHA256SUMS.minisig").exists() && !folder.join("out/SHA256SUMS.pub").exists());
}

/// minisign and signify take the signature of SHA256SUMS, and none of anything else.
fn detached(house: &House, signed: bool) {
    let out = house.folder.path().join("out");
    let (signature, public) = (out.join("SHA256SUMS.minisig"), out.join("SHA256SUMS.pub"));
    assert_eq!((signature.exists(), public.exists()), (signed, signed));
    if !signed {
        return;
    }
    // The key by itself is what openssl makes of it.
    let words = ["pkey", "-pubin", "-in", "ed.pub", "-outform", "DER"];
    let der = Command::new("openssl").current_dir(house.folder.path()).args(words).output().unwrap().stdout;
    let line = fs::read_to_string(&public).unwrap().lines().nth(1).unwrap().to_owned();
    assert!(STANDARD.decode(line).unwrap().ends_with(&der[der.len() - 32..]));
    let judge = |signature: &str| {
        let verify = |program: &str, words: &[&str]| {
            let output = Command::new(program).current_dir(&out).args(words).output().expect(program);
            (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let words = ["-V", "-p", "SHA256SUMS.pub", "-x", signature, "-m", "SHA256SUMS"];
        (verify("minisign", &words), verify("signify-openbsd", &words).0)
    };
    let manifest = json(&out.join("manifest.json"));
    let ((minisign, said), signify) = judge("SHA256SUMS.minisig");
    assert!(minisign && signify, "{said}");
    let comment = format!("small_1, root hash {}", manifest["root"]["root_hash"].as_str().unwrap());
    assert!(said.contains(&format!("Trusted comment: {comment}\n")), "{said}");
    let text = fs::read_to_string(&signature).unwrap();
    // The comment is minisign's alone.
    fs::write(out.join("other"), text.replace("small_1,", "small_2,")).unwrap();
    let ((minisign, _), signify) = judge("other");
    assert!(!minisign && signify);
    let sums = fs::read(out.join("SHA256SUMS")).unwrap();
    fs::write(out.join("SHA256SUMS"), [&sums[..], b"\n"].concat()).unwrap();
    let ((minisign, _), signify) = judge("SHA256SUMS.minisig");
    assert!(!minisign && !signify);
    fs::write(out.join("SHA256SUMS"), sums).unwrap();
    fs::remove_file(out.join("other")).unwrap();
}

#[test]
fn every_input_and_every_artifact_is_named() {
    let house = House::new();
    house.lock();
    house.build("out", |command| {
        command.args(["--builder", "https://example.org/ci"]);
    });
    let out = house.folder.path().join("out");
    let statement = json(&out.join("provenance.json"));
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let predicate = &statement["predicate"];
    assert_eq!(predicate["runDetails"]["builder"]["id"], "https://example.org/ci");
    let digests = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|one| one["digest"]["sha256"].as_str().unwrap().to_owned()).collect()
    };
    let inputs = digests(&predicate["buildDefinition"]["resolvedDependencies"]);
    let lock = fs::read_to_string(house.folder.path().join("small.lock")).unwrap();
    // Release files are read when locking, not by a build.
    let inputs_of = lock.find("[[image.").unwrap();
    let locked: Vec<&str> = lock[inputs_of..].lines().filter_map(|line| line.strip_prefix("sha256 = \"")).collect();
    assert!(locked.len() >= 4);
    for digest in locked {
        assert!(inputs.iter().any(|input| digest.starts_with(input)), "{digest}");
    }
    for name in ["kubelet", "containerd", "archive.gpg"] {
        let digest = imagebuild::digest::Digest::of(&fs::read(house.folder.path().join(name)).unwrap()).to_string();
        assert!(inputs.contains(&digest), "{name}");
    }
    let profile = &predicate["buildDefinition"]["externalParameters"]["profile"]["digest"]["sha256"];
    assert_eq!(*profile, json(&out.join("manifest.json"))["inputs"]["profile"]);
    let subjects = digests(&statement["subject"]);
    let sums = fs::read_to_string(out.join("SHA256SUMS")).unwrap();
    let beside = ["manifest.json", "provenance.json", "sbom.cdx.json", "sbom.spdx.json"];
    for line in sums.lines() {
        let (digest, name) = line.split_once("  ").unwrap();
        assert!(subjects.contains(&digest.to_owned()) || beside.contains(&name), "{line}");
    }
    succeed(Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(&out));
}
