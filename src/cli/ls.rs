//! `ls`: a folder of an image's root.

use std::path::PathBuf;

use serde_json::json;

use crate::audit::{Opened, browse, line};
use crate::error::Result;
use crate::report::{Mode, Report};
use crate::squashfs::NodeKind;

/// `imagebuild ls node.raw /etc`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild ls node.qcow2                 the top folder\n  \
    imagebuild ls node.raw /usr/lib/modules  mode, owner, bytes, name\n\n\
    `inspect --files` lists everything.")]
pub struct Args {
    /// An image of any format, a squashfs, or the folder of a build.
    image: PathBuf,
    /// A folder, or a file.
    #[arg(default_value = "/")]
    path: String,
}

/// Prints a line for each entry.
pub fn run(args: &Args, report: &Report) -> Result<()> {
    let opened = Opened::open(&args.image)?;
    let nodes = browse::list(&opened.root, &args.path)?;
    if report.mode() == Mode::Json {
        for node in &nodes {
            let size = if let NodeKind::File(size) = node.kind { size } else { 0 };
            report.event(&json!({
                "event": "entry",
                "path": node.path.to_string(),
                "mode": format!("{:04o}", node.meta.mode),
                "uid": node.meta.uid,
                "gid": node.meta.gid,
                "size": size,
                "line": line(node),
            }));
        }
        return Ok(());
    }
    let lines: String = nodes.iter().map(|node| line(node) + "\n").collect();
    super::print(lines.as_bytes())
}
