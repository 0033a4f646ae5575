//! `build`: every output of a profile.

use std::path::PathBuf;
use std::sync::Arc;

use crate::arch::Arch;
use crate::audit::explain;
use crate::audit::provenance::Private;
use crate::error::Result;
use crate::report::Mode;
use crate::source::Context;
use crate::{Request, build_explained, manifest};

/// `imagebuild build node.toml -o out`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild build node.toml                      make node.lock if it is missing, write out/\n  \
    imagebuild build node.toml --locked --offline   what the lock and the store hold, nothing else\n  \
    imagebuild build node.toml --fast               pack quickly while trying things out\n  \
    imagebuild build node.toml --explain            why what was made anew was made anew")]
pub struct Args {
    /// The profile.
    profile: PathBuf,
    /// Where the artifacts and manifest.json go.
    #[arg(short, long, value_name = "DIR", default_value = "out")]
    output: PathBuf,
    /// The target, in place of the profile's.
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    /// Refuse to change the lock: exit 3 if it does not fit.
    #[arg(long)]
    locked: bool,
    /// Pack at zstd 3: other bytes than a release's, for the inner loop.
    #[arg(long)]
    fast: bool,
    /// Make derived values anew; inputs and compiled programs are kept.
    #[arg(long)]
    no_cache: bool,
    /// Build Go programs without the sandbox where the kernel has none.
    #[arg(long)]
    unconfined: bool,
    /// Sign the provenance: a private key in PEM, Ed25519 or ECDSA P-256; writes provenance.dsse.json.
    ///
    /// By an Ed25519 key SHA256SUMS is signed, too: SHA256SUMS.minisig, for minisign and signify, and SHA256SUMS.pub, which
    /// whoever verifies must have from elsewhere.
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// Say of every stage and every value that it was reused, or why it was made anew: which input, which line of the
    /// profile, which version of the code.
    #[arg(long)]
    explain: bool,
    /// Who builds, as the provenance says it.
    #[arg(long, value_name = "URI")]
    builder: Option<String>,
}

/// Builds.
pub fn run(args: &Args, cx: &Context) -> Result<()> {
    let store = if args.no_cache { cx.store.clone().without_derived() } else { cx.store.clone() };
    let cx = cx.with_store(store);
    let request = Request {
        profile: args.profile.clone(),
        output: args.output.clone(),
        arch: args.arch,
        locked: args.locked,
        fast: args.fast,
        unconfined: args.unconfined,
        // Read first: a build that cannot be signed would be for nothing.
        sign: args.sign.as_deref().map(Private::read).transpose()?.map(Arc::new),
        builder: args.builder.clone(),
        aside: false,
    };
    let (manifest, explanation) = build_explained(&request, &cx)?;
    if args.explain {
        match cx.report.mode() {
            Mode::Json => {
                for step in &explanation.steps {
                    cx.report.event(&explain::value(step)?);
                }
            }
            Mode::Text | Mode::Quiet => super::print(explain::text(&explanation).as_bytes())?,
        }
    }
    let path = args.output.join(manifest::NAME);
    cx.report.event(&serde_json::json!({
        "event": "done",
        "manifest": path.to_string_lossy(),
        "artifacts": manifest.artifacts,
    }));
    for artifact in &manifest.artifacts {
        let place = args.output.join(&artifact.path);
        cx.report.say(&format!("{}  sha256 {}", place.display(), artifact.sha256));
    }
    cx.report.say(&format!("{}  root hash {}", path.display(), manifest.root.root_hash));
    Ok(())
}
