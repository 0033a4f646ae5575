//! The certificates of authorities: one bundle, and a link for each, as `update-ca-certificates` makes them.
//!
//! Go, curl and containerd read the bundle. The links by hash that OpenSSL looks up in a folder are made too.

use std::fmt::Write as _;

use super::scripts::Account;
use super::{Inputs, Place};
use crate::error::{Context, Error, Result};
use crate::path::RootPath;
use crate::tree::{NodeRef, Tree};

/// Where packages put certificates, and where the profile puts its own.
const FOLDERS: [&str; 2] = ["/usr/share/ca-certificates", "/usr/local/share/ca-certificates"];
/// No certificate is larger.
const LIMIT: u64 = 1 << 20;

/// Writes `/etc/ssl/certs` and the list of certificates in use.
pub fn certificates(tree: &mut Tree, inputs: &Inputs<'_>, _: &Account) -> Result<()> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        let folder = RootPath::new(folder)?;
        for (path, node) in tree.walk() {
            if path.starts_with(&folder) && path.as_bytes().ends_with(b".crt") && matches!(node, NodeRef::Leaf(..)) {
                found.push((folder.clone(), path));
            }
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let mut bundle = Vec::new();
    let mut list = String::from("# Authorities in use; made with the image.\n");
    let mut links = Vec::new();
    for (folder, path) in &found {
        let Some((_, content)) = tree.resolve(path).and_then(|path| tree.file(&path)) else { continue };
        let text = content.read(LIMIT).context(|| format!("reading the certificate `{path}`"))?;
        if !text.windows(27).any(|part| part == b"-----BEGIN CERTIFICATE-----") {
            return Err(Error::user(format!("`{path}` holds no certificate"))
                .hint("expected the PEM form: `-----BEGIN CERTIFICATE-----`"));
        }
        bundle.extend_from_slice(&text);
        if !text.ends_with(b"\n") {
            bundle.push(b'\n');
        }
        let shown = path.to_string();
        let relative = shown.strip_prefix(&folder.to_string()).unwrap_or(&shown).trim_start_matches('/').to_owned();
        if folder.as_bytes() == FOLDERS[0].as_bytes() {
            // Writing to a string cannot fail.
            let _ = writeln!(list, "{relative}");
        }
        let name = relative.rsplit('/').next().unwrap_or(&relative).trim_end_matches(".crt");
        // As the script: brackets and blanks would have to be quoted in file names.
        let name: String = name.replace(' ', "_").replace(['(', ')'], "=").replace(',', "_");
        links.push((name, shown));
    }
    let mut place = Place::new(tree, inputs, "certificates");
    place.file("/etc/ca-certificates.conf", 0o644, list)?;
    place.file("/etc/ssl/certs/ca-certificates.crt", 0o644, bundle)?;
    for (name, target) in links {
        place.link(&format!("/etc/ssl/certs/{name}.pem"), &target)?;
    }
    Ok(())
}
