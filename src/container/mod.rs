//! Container images: a tree and what to run in it, as an OCI image layout in one archive.
//!
//! ```text
//! oci-layout  index.json  blobs/sha256/{manifest, config, layer}
//! ```
//!
//! Image-spec 1.1. One layer, an uncompressed tar: no codec's version can change its digest, and where it lies in a
//! squashfs that compresses better. No registry, no container engine; the same tree gives the same bytes.

mod layer;

use std::io::Write;

use serde_json::{Value, json};

use crate::arch::Arch;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::Result;
use crate::tree::Tree;

/// Media type of an index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of a configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Media type of a layer that is not compressed.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// The file `oci-layout`.
pub const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// What a container engine is told of the tree.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// The reference that the image is known by, such as `localhost/pause:1`.
    pub name: &'a str,
    /// The program and its first words.
    pub entrypoint: &'a [String],
    /// Words after them, where the user gives none.
    pub cmd: &'a [String],
    /// `NAME=VALUE`.
    pub env: &'a [String],
    /// `USER` or `USER:GROUP`; root where there is none.
    pub user: Option<&'a str>,
}

/// An image, assembled in memory.
pub struct Container {
    /// Digest of its manifest, by which engines know it.
    pub digest: Digest,
    members: Vec<(String, Vec<u8>)>,
    epoch: Epoch,
}

impl Container {
    /// Assembles the image of `tree`; every time in it is `epoch`.
    ///
    /// # Errors
    /// Where a file cannot be read, or the layer is larger than what is assembled in memory.
    pub fn assemble(tree: &Tree, settings: &Settings<'_>, arch: Arch, epoch: Epoch) -> Result<Self> {
        let mut layer = Vec::new();
        layer::write(tree, epoch, &mut layer)?;
        let mut told = json!({ "Entrypoint": settings.entrypoint });
        for (name, value) in [("Cmd", settings.cmd), ("Env", settings.env)] {
            if !value.is_empty() {
                told[name] = json!(value);
            }
        }
        if let Some(user) = settings.user {
            told["User"] = json!(user);
        }
        let config = json!({
            "architecture": arch.name(),
            "config": told,
            "os": "linux",
            "rootfs": { "diff_ids": [format!("sha256:{}", Digest::of(&layer))], "type": "layers" },
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "config": descriptor(CONFIG, &config),
            "layers": [descriptor(LAYER, &layer)],
            "mediaType": MANIFEST,
            "schemaVersion": 2,
        });
        let manifest = manifest.to_string().into_bytes();
        let mut entry = descriptor(MANIFEST, &manifest);
        // The first is read by containerd, the second by skopeo, podman and docker.
        let names = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
        entry["annotations"] = names.into_iter().map(|key| (key.to_owned(), json!(settings.name))).collect();
        entry["platform"] = json!({ "architecture": arch.name(), "os": "linux" });
        let index = json!({ "manifests": [entry], "mediaType": INDEX, "schemaVersion": 2 });
        let blob = |bytes: Vec<u8>| (format!("blobs/sha256/{}", Digest::of(&bytes)), bytes);
        Ok(Container {
            digest: Digest::of(&manifest),
            members: vec![
                ("oci-layout".to_owned(), LAYOUT.as_bytes().to_vec()),
                ("index.json".to_owned(), index.to_string().into_bytes()),
                blob(manifest),
                blob(config),
                blob(layer),
            ],
            epoch,
        })
    }

    /// Writes the layout as an uncompressed tar archive.
    pub fn write(&self, out: &mut dyn Write) -> Result<()> {
        let mut archive = tar::Builder::new(out);
        for (name, bytes) in &self.members {
            let mut header = layer::header(tar::EntryType::Regular, 0o644, (0, 0), self.epoch, bytes.len() as u64);
            archive.append_data(&mut header, name, bytes.as_slice())?;
        }
        Ok(archive.finish()?)
    }
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({ "digest": format!("sha256:{}", Digest::of(bytes)), "mediaType": kind, "size": bytes.len() })
}
