//! An OCI image layout (image-spec 1.1): KubeVirt's container disk, or all that was built as one artifact.
//!
//! ```text
//! oci-layout  blobs/sha256/{...}  index.json
//! ```
//!
//! A layer is an uncompressed tar: the disk in it is compressed, and no codec's version changes its digest.

use serde_json::{Value, json};

use super::text;
use crate::container::{CONFIG, INDEX, LAYER, LAYOUT, MANIFEST};
use crate::disk::Disk;
use crate::epoch::Epoch;
use crate::error::Result;
use crate::output::archive::{BLOCK, Head, archive};
use crate::output::spool::{Spooled, spool};
use crate::output::{Bundle, Emit, Files, Made};
use crate::profile::{ClusterCodec, Oci, OciKind, Qcow2};
use crate::tree::Content;

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

    fn emit(&self, made: &Made<'_>, how: &Emit<'_>, files: &mut dyn Files) -> Result<()> {
        let qcow2 = Qcow2 { codec: ClusterCodec::Zstd, ..Qcow2::default() };
        let spooled = spool(&qcow2, made.disk, how)?;
        files.put("oci-layout", &text(LAYOUT.to_owned()))?;
        let manifest = match self.kind {
            OciKind::Disk => disk(made, how, &spooled, files)?,
            OciKind::Artifact => artifact(made, &spooled, files)?,
        };
        let mut entry = text_blob(files, MANIFEST, &manifest)?;
        let reference = format!("{}:{}", made.image.id, made.image.version);
        let reference = self.reference.as_ref().unwrap_or(&reference);
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": reference });
        if self.kind == OciKind::Disk {
            entry["platform"] = json!({ "architecture": made.image.arch.name(), "os": "linux" });
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] });
        files.put("index.json", &text(index.to_string()))?;
        Ok(())
    }
}

/// An image of one layer, `/disk/NAME.qcow2`.
fn disk(made: &Made<'_>, how: &Emit<'_>, spooled: &Spooled, files: &mut dyn Files) -> Result<Value> {
    let name = format!("disk/{}.qcow2", made.image.name());
    let layer = blob(files, LAYER, &layer(&name, spooled.content(), how.epoch)?)?;
    let config = json!({
        "architecture": made.image.arch.name(),
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
    });
    Ok(json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": text_blob(files, CONFIG, &config)?,
        "layers": [layer],
    }))
}

/// Every file of the build as a blob of its own, named by its title.
fn artifact(made: &Made<'_>, spooled: &Spooled, files: &mut dyn Files) -> Result<Value> {
    let (boot, pieces) = (made.boot, made.pieces);
    let cmdline = Content::bytes(boot.cmdline.as_bytes());
    let contents = [
        ("disk.qcow2", "application/x-qemu-disk", spooled.content()),
        ("root.squashfs", "application/vnd.squashfs", pieces.root.clone()),
        ("root.verity", "application/octet-stream", pieces.verity.clone()),
        ("uki.efi", "application/efi", boot.uki.clone()),
        ("vmlinuz", "application/octet-stream", boot.image.clone()),
        ("initrd", "application/octet-stream", boot.initrd.clone()),
        ("cmdline", "text/plain", cmdline),
    ];
    let mut layers = Vec::new();
    for (title, kind, content) in contents {
        let mut layer = blob(files, kind, &Disk::whole(content))?;
        layer["annotations"] = json!({ "org.opencontainers.image.title": title });
        layers.push(layer);
    }
    Ok(json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": ARTIFACT,
        "config": text_blob(files, EMPTY, &json!({}))?,
        "layers": layers,
        "annotations": {
            "org.opencontainers.image.title": made.image.id,
            "org.opencontainers.image.version": made.image.version,
        },
    }))
}

/// Writes a blob; its descriptor.
fn blob(files: &mut dyn Files, kind: &str, content: &Disk) -> Result<Value> {
    let written = files.put_by_digest("blobs/sha256", content)?;
    Ok(json!({ "mediaType": kind, "digest": format!("sha256:{}", written.sha256), "size": written.size }))
}

/// The same of a document.
fn text_blob(files: &mut dyn Files, kind: &str, document: &Value) -> Result<Value> {
    blob(files, kind, &text(document.to_string()))
}

/// A tar archive with the one file `name`, and the folder that it lies in.
fn layer(name: &str, content: Content, epoch: Epoch) -> Result<Disk> {
    let file = Head { mode: 0o440, owner: QEMU, ..Head::file(name, content.len(), epoch) };
    let folder = Head { name: "disk/", kind: tar::EntryType::Directory, mode: 0o555, size: 0, ..file };
    archive([(folder.bytes()?, text(String::new())), (file.bytes()?, Disk::whole(content))], BLOCK)
}
