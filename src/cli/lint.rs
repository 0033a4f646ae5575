//! `lint`: whether an image is what firmware, importers and its own seal ask for.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use crate::arch::Arch;
use crate::bytes::{Bytes, Whole};
use crate::error::{Context, Error, Kind, Result};
use crate::lint::{self, Asked, Subject};
use crate::profile::{self, LoadOptions};
use crate::report::{Mode, Report};
use crate::temp::beside;

/// `imagebuild lint node.qcow2 --for openstack`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild lint node.raw                      any image, whoever made it\n  \
    imagebuild lint node.qcow2 --for openstack    and what a cloud asks for\n  \
    imagebuild lint node.raw --room 3             must still hold three UKIs more\n\n\
    `build` holds everything that it writes against the same rules. Exits with 5 where a rule is broken.")]
pub struct Args {
    /// The image; what it is shows in its bytes.
    image: PathBuf,
    /// What it is for: one of `imagebuild clouds`, or of the profile's.
    #[arg(long = "for", value_name = "CLOUD")]
    cloud: Option<String>,
    /// A profile whose own clouds count too.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// UKIs of updates that must still fit the ESP.
    #[arg(long, value_name = "N", default_value_t = 1)]
    room: u64,
}

/// Prints what is broken.
pub fn run(args: &Args, report: &Report) -> Result<()> {
    let file: Arc<dyn Bytes> = Arc::new(Whole::open(&args.image)?);
    let subject = Subject::new(&file, beside(&args.image));
    let doing = || format!("looking at `{}`", args.image.display());
    let row = match &args.cloud {
        None => None,
        Some(name) => {
            let arch = subject.arch().context(doing)?.or(Arch::host()).unwrap_or(Arch::Amd64);
            let mut rows = profile::clouds(arch)?;
            if let Some(path) = &args.profile {
                rows.extend(profile::load(path, &LoadOptions { arch: Some(arch) })?.0.clouds);
            }
            let missing = || Error::user(format!("there is no cloud `{name}`")).hint("see `imagebuild clouds`");
            Some(rows.remove(name).ok_or_else(missing)?)
        }
    };
    let asked = Asked { cloud: row.as_ref(), room: args.room };
    let found = subject.check(&asked).context(doing)?;
    if report.mode() == Mode::Json {
        report.event(&serde_json::json!({
            "event": "lint",
            "image": args.image.display().to_string(),
            "findings": found.findings,
            "unchecked": found.unchecked,
        }));
    } else {
        super::print(text(&found).as_bytes())?;
    }
    match found.findings.len() {
        0 => {
            report.say(&format!("`{}` keeps all {} rules", args.image.display(), lint::rules().len()));
            Ok(())
        }
        count => {
            let rules =
                if count == 1 { "a rule is broken".to_owned() } else { format!("rules are broken, {count} times") };
            Err(Error::new(Kind::Found, rules).context(doing()))
        }
    }
}

fn text(found: &lint::Report) -> String {
    let mut out = String::new();
    for finding in &found.findings {
        let rule = finding.rule;
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{}: {}", rule.id, finding.found);
        let _ = writeln!(out, "  required  {}\n  why       {}\n  mend      {}", rule.required, rule.why, rule.mend);
    }
    for what in &found.unchecked {
        let _ = writeln!(out, "not looked at: {what}");
    }
    out
}
