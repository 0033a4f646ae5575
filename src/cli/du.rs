//! `du`: bytes of a root by package.

use std::cmp::Reverse;
use std::fmt::Write;
use std::path::PathBuf;

use serde_json::json;

use crate::audit::Opened;
use crate::audit::inventory::Inventory;
use crate::error::{Context, Result};
use crate::report::{Mode, Report, clean};
use crate::size::human;

/// `imagebuild du node.raw`
#[derive(clap::Args)]
#[command(
    after_help = "Counts the bytes of files as programs read them, before they are packed; a file of several names counts once."
)]
pub struct Args {
    /// An image of any format, a squashfs, or the folder of a build.
    image: PathBuf,
}

/// Prints a line for each package, the largest first, and the sum.
pub fn run(args: &Args, report: &Report) -> Result<()> {
    let doing = || format!("looking into `{}`", args.image.display());
    let inventory = Inventory::read(Opened::open(&args.image)?.root).context(doing)?;
    let mut sizes: Vec<(String, u64)> = inventory.by_package().into_iter().collect();
    sizes.sort_by(|a, b| (Reverse(a.1), &a.0).cmp(&(Reverse(b.1), &b.0)));
    let total = sizes.iter().fold(0u64, |sum, (_, size)| sum.saturating_add(*size));
    if report.mode() == Mode::Json {
        let packages: Vec<_> = sizes.iter().map(|(name, size)| json!({ "package": name, "bytes": size })).collect();
        report.event(&json!({ "event": "sizes", "bytes": total, "packages": packages }));
        return Ok(());
    }
    let mut out = String::new();
    for (name, size) in sizes.iter().map(|(name, size)| (name.as_str(), *size)).chain([("all of it", total)]) {
        let share = (u128::from(size) * 1000).checked_div(u128::from(total)).unwrap_or(0);
        let name = clean(name);
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{:>9} {:>3}.{} %  {name}", human(size), share / 10, share % 10);
    }
    super::print(out.as_bytes())
}
