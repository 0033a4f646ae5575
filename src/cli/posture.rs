//! `posture`: whether a node may run, by rules.

use std::path::{Path, PathBuf};

use super::input::Input;
use crate::Request;
use crate::arch::Arch;
use crate::audit::Opened;
use crate::audit::inventory::Inventory;
use crate::audit::posture::{
    Anchor, Asked, Report as Found, View, check, check_image, json, manual, markdown, sarif, text,
};
use crate::epoch::Epoch;
use crate::error::{Context as _, Error, Kind, Result};
use crate::profile::posture::Set;
use crate::report::{Mode, Report, pretty};
use crate::source::Context;
use crate::temp::beside;

/// `imagebuild posture node.toml`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild posture node.toml                          a profile, before anything of it is packed\n  \
    imagebuild posture node.qcow2                         an image, by the rules that it says it was made by\n  \
    imagebuild posture other.raw --rules container-host   any image, also one that another tool made\n  \
    imagebuild posture root.tar --rules general           a root in an archive or a folder\n  \
    imagebuild posture node.toml --format sarif -o p.sarif\n  \
    imagebuild posture --list                             every rule: what it asks, who asks for it, how it is kept\n\n\
    Exits with 5 where a rule is broken and not waived. `build` holds each node against the rules of its profile.")]
pub struct Args {
    /// A profile (`.toml`), an image of any format, a squashfs, the folder of a build, or a root as a folder or `.tar`.
    #[arg(required_unless_present = "list")]
    what: Option<PathBuf>,
    /// Sets of rules, in place of those of the profile.
    #[arg(long, value_enum, value_name = "SET", value_delimiter = ',')]
    rules: Vec<Set>,
    /// The form.
    #[arg(long, value_enum, default_value = "text", value_name = "FORM")]
    format: Form,
    /// Rules that are kept, too.
    #[arg(long)]
    all: bool,
    /// Print every rule, as Markdown.
    #[arg(long, conflicts_with = "what")]
    list: bool,
    /// Write into a file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The target, in place of the profile's.
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    /// Refuse to change the profile's lock: exit 3 if it does not fit.
    #[arg(long)]
    locked: bool,
}

/// Forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// For a terminal.
    Text,
    /// For machines.
    Json,
    /// For the comment of a merge request.
    Markdown,
    /// SARIF 2.1.0, for code hosts.
    Sarif,
}

impl Args {
    fn what(&self) -> &Path {
        self.what.as_deref().unwrap_or(Path::new(""))
    }

    /// Whether a profile is given, which takes a store.
    pub fn of_profile(&self) -> bool {
        super::is_profile(self.what())
    }

    fn sets(&self) -> Option<&[Set]> {
        Some(&*self.rules).filter(|rules| !rules.is_empty())
    }
}

/// Of a profile.
pub fn of_profile(args: &Args, cx: &Context<'_>) -> Result<()> {
    let path = args.what().to_path_buf();
    let request = Request { profile: path, arch: args.arch, locked: args.locked, ..Request::default() };
    let found = crate::held(&request, args.sets(), cx)?;
    let line = std::fs::read_to_string(args.what()).unwrap_or_default();
    let line = line.lines().position(|line| line.trim_start().starts_with("[posture]")).map_or(1, |at| at + 1);
    tell(args, &found, line, cx.report)
}

/// Of an image, or of a root.
pub fn of_image(args: &Args, report: &Report) -> Result<()> {
    if args.list {
        return super::put(args.output.as_deref(), manual().as_bytes());
    }
    let doing = || format!("looking into `{}`", args.what().display());
    let found = match Input::is(args.what()) {
        true => {
            let input = Input::read(args.what(), beside(args.what()), report)?;
            let asked = Asked::carried("", Epoch(0))?.with_sets(args.sets());
            check(&View::of_tree(input.tree()), &asked).context(doing)?
        }
        false => {
            let Opened { root, uki, addons, others } = Opened::open(args.what())?;
            if others > 0 {
                report.warn(format!("the image has {others} more roots, which are not looked into"));
            }
            let root = Inventory::read(root).context(doing)?;
            check_image(&root, uki.as_ref(), &addons, args.sets()).context(doing)?
        }
    };
    tell(args, &found, 1, report)
}

fn tell(args: &Args, found: &Found, line: usize, report: &Report) -> Result<()> {
    let form = if report.mode() == Mode::Json { Form::Json } else { args.format };
    let document = match form {
        Form::Text => text(found, args.all),
        Form::Markdown => markdown(found),
        Form::Json => pretty(&json(found))?,
        Form::Sarif => {
            let uri = args.what().to_string_lossy().replace('\\', "/");
            pretty(&sarif(found, &Anchor { uri, line }))?
        }
    };
    super::put(args.output.as_deref(), document.as_bytes())?;
    match found.broken().count() {
        0 => Ok(()),
        1 => Err(Error::new(Kind::Found, "a rule is broken")),
        count => Err(Error::new(Kind::Found, format!("{count} rules are broken"))),
    }
}
