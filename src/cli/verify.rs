//! `verify`: whether an image is what it says.

use std::path::{Path, PathBuf};

use crate::audit;
use crate::audit::provenance::{self, Public};
use crate::error::{Error, Kind, Result};
use crate::manifest::Manifest;
use crate::report::Report;

/// `imagebuild verify out/node_1.0.0.raw`
#[derive(clap::Args)]
#[command(after_help = "Checks both copies of the partition table, the tables of the ESP, every block of the root\n\
    against the root hash of the command line, the manifest, and the provenance where one is named. Exits with 5\n\
    where something does not fit.\n\n\
    Examples:\n  \
    imagebuild verify node.raw\n  \
    imagebuild verify node.raw --provenance provenance.dsse.json --key ci.pub")]
pub struct Args {
    /// The raw image.
    image: PathBuf,
    /// The manifest to compare with [default: manifest.json beside the image, where there is one].
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// The provenance that must be of this image: a statement, or one in a signed envelope.
    #[arg(long, value_name = "FILE")]
    provenance: Option<PathBuf>,
    /// The public key in PEM that must have signed it.
    #[arg(long, value_name = "PUB", requires = "provenance")]
    key: Option<PathBuf>,
}

/// Verifies with `jobs` threads.
pub fn run(args: &Args, jobs: usize, report: &Report) -> Result<()> {
    let manifest = match &args.manifest {
        Some(path) => Some(Manifest::read(path)?),
        None => beside(&args.image)?,
    };
    let mut faults =
        audit::verify(&args.image, manifest.as_ref(), jobs, |what| report.detail(|| format!("checked {what}")))?;
    if let Some(file) = &args.provenance {
        let key = args.key.as_deref().map(Public::read).transpose()?;
        faults.extend(provenance::check(file, key.as_ref(), &args.image)?);
        report.detail(|| "checked the provenance".to_owned());
    }
    report.event(&serde_json::json!({
        "event": "verify",
        "image": args.image.display().to_string(),
        "manifest": manifest.is_some(),
        "faults": faults,
    }));
    let Some((first, rest)) = faults.split_first() else {
        let without = if manifest.is_some() { "" } else { "; there is no manifest to compare with" };
        report.say(&format!("`{}` is whole{without}", args.image.display()));
        return Ok(());
    };
    let error = Error::new(Kind::Found, first).context(format!("verifying `{}`", args.image.display()));
    Err(rest.iter().fold(error, |error, fault| error.hint(format!("besides: {fault}"))))
}

/// The manifest in the image's folder.
fn beside(image: &Path) -> Result<Option<Manifest>> {
    let path = image.with_file_name("manifest.json");
    if path.is_file() { Manifest::read(&path).map(Some) } else { Ok(None) }
}
