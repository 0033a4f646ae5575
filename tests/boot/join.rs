//! What a cluster gives a node: it waits without, and takes it from the ESP as from SMBIOS.

use std::path::Path;

use super::TIMEOUT;
use super::cluster::{CA, DONE, PIECE_OF_CA, Server, first, kubeconfig};
use super::credential::encrypted;
use super::disk::put_on_esp;
use super::node::{Boot, ESP, boot, scratch};
use super::release::without_credentials;

#[test]
fn a_node_without_credentials_says_so_and_waits() {
    let (booted, _) = without_credentials();
    booted.ended(0);
    for (name, path) in [
        ("kubernetes.ca", "/etc/kubernetes/pki/ca.crt"),
        ("kubelet.bootstrap", "/etc/kubernetes/bootstrap-kubelet.conf"),
    ] {
        booted.saw(&format!("imagebuild: the kubelet waits for credentials: `{name}` is missing ({path})"));
    }
    assert_eq!((booted.after("NRestarts="), booted.after("ActiveState=")), ("0", "inactive"));
    booted.saw_no("kubelet.service - kubelet...").saw_no("Failed to start").saw_no("[FAILED]").saw_no("ordering cycle");
}

/// Boots until the probe has looked; by then the kubelet has asked the server of the bootstrap kubeconfig.
fn joins(name: &str, disk: &Path, server: &Server, secret: &str, more: &[&str]) -> Boot {
    let more = [&["--disk-size", "4G"], more].concat();
    let booted = boot(name, disk, DONE, TIMEOUT, &more);
    booted.ended(0).saw_no("waits for credentials").saw_no("ordering cycle");
    let heads = server.heads();
    let asks = format!("POST /{secret}/apis/certificates.k8s.io/");
    assert!(heads.iter().any(|head| head.starts_with(&asks)), "{heads:?}\n{}", booted.tail());
    assert_eq!((booted.after("NRestarts="), booted.count(PIECE_OF_CA)), ("0", 1), "{}", booted.tail());
    booted
}

#[test]
fn credentials_come_from_the_esp() {
    let image = first();
    let server = Server::new("nobody is let in");
    let secret = "told-by-the-esp";
    let disk = image.copy("esp-credentials");
    let of =
        |folder: &str, name: &str, value: &str| (format!("{folder}/{name}.cred"), encrypted(name, value.as_bytes()));
    let uki = "EFI/Linux/cluster_1.efi.extra.d";
    let files = [
        of("loader/credentials", "kubelet.bootstrap", &kubeconfig(&server.url, secret)),
        of("loader/credentials", "system.hostname", "named-by-the-esp\n"),
        of(uki, "kubernetes.ca", CA),
        // What belongs to the entry goes before what belongs to all.
        of("loader/credentials", "kubernetes.ca", "no certificate"),
    ];
    put_on_esp(image.start(ESP), &disk, &files);
    let booted = joins("esp-credentials", &disk, &server, secret, &["--uuid", "55555555-2222-4333-8444-555555555555"]);
    assert_eq!(booted.after("probe-host "), "named-by-the-esp");
    assert_eq!(booted.after("probe-machine "), "55555555222243338444555555555555");
    std::fs::remove_file(disk).unwrap();
}

#[test]
fn credentials_come_through_smbios() {
    let server = Server::new("nobody is let in");
    let secret = "told-by-smbios";
    let folder = scratch().join("copies");
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let bootstrap = format!("kubelet.bootstrap=@{}", write("bootstrap", &kubeconfig(&server.url, secret)));
    let ca = format!("kubernetes.ca=@{}", write("ca", CA));
    let more = ["--credential", &bootstrap, "--credential", &ca, "--credential", "system.hostname=named-by-smbios"];
    let booted = joins("smbios-credentials", &first().raw, &server, secret, &more);
    assert_eq!(booted.after("probe-host "), "named-by-smbios");
}
