//! An OCI image layout (image-spec 1.1): KubeVirt's container disk, or all that was built as one artifact.
//!
//! ```text
//! oci-layout  blobs/sha256/{...}  index.json
//! ```
//!
//! A layer is an uncompressed tar: the disk in it is compressed, and no codec's version changes its digest.

use serde_json::{Value, json};

use super::text;
use crate::digest::Digest;
use crate::disk::Disk;
use crate::epoch::Epoch;
use crate::error::Result;
use crate::output::archive::{BLOCK, Head, archive};
use crate::output::spool::{Spooled, spool};
use crate::output::{Bundle, Emit, Made, Write};
use crate::profile::{ClusterCodec, Oci, OciKind, Qcow2};
use crate::tree::Content;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// The type of our artifact.
const ARTIFACT: &str = "application/vnd.imagebuild.node.v1";
/// What an artifact has in place of a configuration (image-spec, "Guidelines for Artifact Usage").
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The user qemu of KubeVirt's launcher, who must be able to read the disk.
const QEMU: u64 = 107;

impl Bundle for Oci {
    fn name(&self) -> &'static str {
        "oci"
    }

    fn emit(&self, made: &Made<'_>, how: &Emit<'_>, write: &mut Write<'_>) -> Result<()> {
        let qcow2 = Qcow2 { codec: ClusterCodec::Zstd, ..Qcow2::default() };
        let spooled = spool(&qcow2, made.disk, how)?;
        write("oci-layout", &text(json!({ "imageLayoutVersion": "1.0.0" }).to_string()))?;
        let manifest = match self.kind {
            OciKind::Disk => disk(made, how, &spooled, write)?,
            OciKind::Artifact => artifact(made, &spooled, write)?,
        };
        let mut entry = blob(write, MANIFEST, manifest.to_string())?;
        let reference = format!("{}:{}", made.image.id, made.image.version);
        let reference = self.reference.as_ref().unwrap_or(&reference);
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": reference });
        if self.kind == OciKind::Disk {
            entry["platform"] = json!({ "architecture": made.image.arch.name(), "os": "linux" });
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] });
        write("index.json", &text(index.to_string()))?;
        Ok(())
    }
}

/// An image of one layer, `/disk/NAME.qcow2`.
fn disk(made: &Made<'_>, how: &Emit<'_>, spooled: &Spooled, write: &mut Write<'_>) -> Result<Value> {
    let name = format!("disk/{}.qcow2", made.image.name());
    let layer = layer(&name, spooled.content(), how.epoch)?;
    let digest = digest(&layer)?;
    let written = write(&path(&digest), &layer)?;
    let config = json!({
        "architecture": made.image.arch.name(),
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
    });
    Ok(json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blob(write, CONFIG, config.to_string())?,
        "layers": [{ "mediaType": LAYER, "digest": format!("sha256:{digest}"), "size": written.size }],
    }))
}

/// Every file of the build as a blob of its own, named by its title.
fn artifact(made: &Made<'_>, spooled: &Spooled, write: &mut Write<'_>) -> Result<Value> {
    let (boot, pieces) = (made.boot, made.pieces);
    let cmdline = Content::bytes(boot.cmdline.as_bytes());
    let files = [
        ("disk.qcow2", "application/x-qemu-disk", spooled.content()),
        ("root.squashfs", "application/vnd.squashfs", pieces.root.clone()),
        ("root.verity", "application/octet-stream", pieces.verity.clone()),
        ("uki.efi", "application/efi", boot.uki.clone()),
        ("vmlinuz", "application/octet-stream", boot.image.clone()),
        ("initrd", "application/octet-stream", boot.initrd.clone()),
        ("cmdline", "text/plain", cmdline),
    ];
    let mut layers = Vec::new();
    for (title, kind, content) in files {
        let digest = content.sha256()?;
        let written = write(&path(&digest), &Disk::whole(content))?;
        layers.push(json!({
            "mediaType": kind,
            "digest": format!("sha256:{digest}"),
            "size": written.size,
            "annotations": { "org.opencontainers.image.title": title },
        }));
    }
    Ok(json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": ARTIFACT,
        "config": blob(write, EMPTY, "{}".to_owned())?,
        "layers": layers,
        "annotations": {
            "org.opencontainers.image.title": made.image.id,
            "org.opencontainers.image.version": made.image.version,
        },
    }))
}

/// Writes some text as a blob; its descriptor.
fn blob(write: &mut Write<'_>, kind: &str, text: String) -> Result<Value> {
    let digest = Digest::of(text.as_bytes());
    let size = text.len();
    write(&path(&digest), &super::text(text))?;
    Ok(json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": size }))
}

fn path(digest: &Digest) -> String {
    format!("blobs/sha256/{digest}")
}

/// A tar archive with the one file `name`, and the folder that it lies in.
fn layer(name: &str, content: Content, epoch: Epoch) -> Result<Disk> {
    let file = Head { mode: 0o440, owner: QEMU, ..Head::file(name, content.len(), epoch) };
    let folder = Head { name: "disk/", kind: tar::EntryType::Directory, mode: 0o555, size: 0, ..file };
    archive([(folder.bytes()?, text(String::new())), (file.bytes()?, Disk::whole(content))], BLOCK)
}

/// SHA-256 of a disk's bytes.
fn digest(disk: &Disk) -> Result<Digest> {
    let mut hasher = crate::output::spool::Hashing::default();
    disk.emit(1, &mut hasher)?;
    Ok(hasher.finish())
}
