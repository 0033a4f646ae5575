//! The documents of a build, kept in the store: they cost as much as reading every program once.

use super::{Bom, Format};
use crate::audit::image::take_apart;
use crate::boot::Boot;
use crate::boot::uki::MAX_SECTION;
use crate::bytes::Whole;
use crate::error::{Context as _, Result};
use crate::root::Root;
use crate::source::Context;
use crate::squashfs;
use crate::store::Key;

/// To be raised when the documents of the same image change.
const VERSION: u32 = 3;
/// No document is larger.
const LIMIT: u64 = 256 << 20;

/// Every format's document of a root and its UKI.
pub fn of_build(root: &Root, boot: &Boot, cx: &Context<'_>) -> Result<Vec<(Format, Vec<u8>)>> {
    let stage = cx.report.stage("sbom", None);
    let key = |format: Format| {
        let key = Key::new("sbom", VERSION).of(format.file()).part("imagebuild", env!("CARGO_PKG_VERSION"));
        key.part("form", format.file()).part("root hash", &root.root_hash).part("uki", &boot.uki_digest)
    };
    let mut bom = None;
    let mut out = Vec::new();
    let mut cached = true;
    for format in Format::ALL {
        let (blob, had) = cx.store.derived(key(format), |out| {
            let bom = match &mut bom {
                Some(bom) => bom,
                empty => empty.insert(read(root, boot)?),
            };
            Ok(out.write_all(bom.write(format)?.as_bytes())?)
        })?;
        cached &= had;
        out.push((format, blob.content().read(LIMIT)?));
    }
    // A warning that only the first build gives would be none of the inputs'.
    if let Some(bom) = &bom {
        bom.warnings.iter().for_each(|warning| cx.report.detail(|| warning.clone()));
    }
    stage.done(out.iter().map(|(_, bytes)| bytes.len() as u64).sum(), cached);
    Ok(out)
}

fn read(root: &Root, boot: &Boot) -> Result<Bom> {
    let doing = || "drawing up the bill of materials".to_owned();
    let image = squashfs::Image::new(Box::new(Whole::of(root.squashfs.open()?)?)).context(doing)?;
    let uki = take_apart("", &boot.uki.read(MAX_SECTION)?).context(doing)?;
    Bom::read(&image, Some(&uki)).context(doing)
}
