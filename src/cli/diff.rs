//! `diff`: what differs between two profiles, locks, manifests, output folders or images.

use std::path::{Path, PathBuf};

use crate::arch::Arch;
use crate::audit::diff::{self, Diff, Flag, How, Side, render};
use crate::audit::explain::Plan;
use crate::error::{Error, Kind, Result};
use crate::profile::{self, LoadOptions, Profile};
use crate::report::{Mode, Report};
use crate::size::Size;
use crate::source::{self, Context, Update};

/// `imagebuild diff old.toml new.toml`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild diff old.toml new.toml                     what two profiles ask for, and what their locks hold\n  \
    imagebuild diff git:v1:node.toml node.toml            what changed since a revision\n  \
    imagebuild diff old.raw new.qcow2                     what is in two images\n  \
    imagebuild diff out-1 out-2 --format html -o d.html   the same with a map of sizes\n  \
    imagebuild diff a.lock b.lock --fail-on downgrade,key exit 5 where a pipeline must stop\n  \
    imagebuild diff --plan node.toml                      what a build would do now")]
pub struct Args {
    /// A profile (`.toml`), a lock, a manifest (`.json`), a folder of outputs, an image of any format, or
    /// `git:REVISION:PATH`.
    #[arg(required_unless_present = "plan")]
    before: Option<String>,
    /// What to compare it with; what both know is compared.
    #[arg(required_unless_present = "plan")]
    after: Option<String>,
    /// Tell what a build of a profile would do now, and why: what would be reused, made anew, fetched, written.
    ///
    /// Nothing is fetched and nothing written.
    #[arg(long, value_name = "PROFILE", conflicts_with_all = ["before", "after", "all", "exit_code", "fail_on"])]
    plan: Option<PathBuf>,
    /// The form.
    #[arg(long, value_enum, default_value = "text", value_name = "FORM")]
    format: Form,
    /// Also what follows from other changes, ids and times, and every file of an upgraded package.
    #[arg(long)]
    all: bool,
    /// Exit with 5 where anything differs.
    #[arg(long)]
    exit_code: bool,
    /// Exit with 5 where one of these is found: downgrade, same-version, setuid, capability, key, waiver, unowned,
    /// world-writable, size=+SIZE.
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    fail_on: Vec<Stop>,
    /// The architecture of profiles and locks of several.
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    /// Write into a file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Forms of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// For a terminal.
    Text,
    /// For machines.
    Json,
    /// For the comment of a merge request.
    Markdown,
    /// One page with nothing beside it.
    Html,
}

/// What a pipeline stops at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Flag(Flag),
    /// The root grew by more bytes.
    Growth(Size),
}

impl std::str::FromStr for Stop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(size) = text.strip_prefix("size=+") {
            return size.parse().map(Stop::Growth).map_err(|error: Error| error.to_string());
        }
        clap::ValueEnum::from_str(text, false).map(Stop::Flag).map_err(|_| {
            let names: Vec<&str> = <Flag as clap::ValueEnum>::value_variants().iter().map(|flag| flag.name()).collect();
            format!("expected one of {}, size=+SIZE", names.join(", "))
        })
    }
}

impl Args {
    /// Whether a plan is asked for, which takes a store.
    pub fn of_plan(&self) -> bool {
        self.plan.is_some()
    }

    fn sides(&self) -> (&str, &str) {
        (self.before.as_deref().unwrap_or_default(), self.after.as_deref().unwrap_or_default())
    }
}

/// Tells what a build would do.
pub fn plan(args: &Args, cx: &Context<'_>) -> Result<()> {
    let profile = args.plan.as_deref().unwrap_or(Path::new(""));
    let (profile, origins) = profile::load(profile, &LoadOptions { arch: args.arch })?;
    let form = if cx.report.mode() == Mode::Json { Form::Json } else { args.format };
    let plan = Plan::new(&profile, &origins, cx)?;
    let text = match form {
        Form::Text => plan.text(),
        Form::Json => plan.json()?,
        Form::Markdown | Form::Html => return Err(Error::user("a plan has the forms text and json")),
    };
    super::put(args.output.as_deref(), text.as_bytes())
}

/// Compares and prints.
pub fn run(args: &Args, global: &super::Global, report: &Report) -> Result<()> {
    let (a, b) = args.sides();
    // A store is opened only where a lock has to be made.
    let resolve = |profile: &Profile| match global.offline {
        true => Ok(None),
        false => source::resolve(profile, None, &Update::Nothing, &global.context(report)?).map(Some),
    };
    let how = How { arch: args.arch, resolve: &resolve };
    let (before, after) = std::thread::scope(|scope| {
        let after = scope.spawn(|| Side::open(b, how));
        let before = Side::open(a, how);
        (before, after.join().unwrap_or_else(|_| Err(Error::bug("a thread that opened a side died"))))
    });
    let (before, after) = (before?, after?);
    if !diff::comparable(&before, &after) {
        let message = format!("`{a}` and `{b}` have nothing in common that could be compared");
        return Err(Error::user(message).hint("expected two profiles or locks, or images and what they were made of"));
    }
    let diff = diff::compare(&before, &after, global.jobs())?;
    let show = render::Show { all: args.all };
    let form = if report.mode() == Mode::Json { Form::Json } else { args.format };
    let text = match form {
        Form::Text => render::text(&diff, show),
        Form::Markdown => render::markdown(&diff, show),
        Form::Html => render::html(&diff),
        Form::Json => render::json(&diff)?,
    };
    super::put(args.output.as_deref(), text.as_bytes())?;
    stop(args, &diff)
}

fn stop(args: &Args, diff: &Diff) -> Result<()> {
    let mut reasons = Vec::new();
    for stop in &args.fail_on {
        match stop {
            Stop::Flag(flag) => {
                let found: Vec<&str> = diff
                    .changes()
                    .filter(|(_, change)| change.flags.contains(flag))
                    .map(|(_, c)| c.what.as_str())
                    .collect();
                if let [first, rest @ ..] = found.as_slice() {
                    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
                    reasons.push(format!("{}: {first}{more}", flag.name()));
                }
            }
            Stop::Growth(size) => {
                if u64::try_from(diff.growth()).is_ok_and(|grown| grown > size.bytes()) {
                    reasons.push(format!("size: the root grew by {} bytes, more than {size}", diff.growth()));
                }
            }
        }
    }
    if !reasons.is_empty() {
        return Err(Error::new(Kind::Found, reasons.join("; ")));
    }
    if args.exit_code && !diff.is_empty() {
        let message = if diff.is_cosmetic() { "they differ in ids and times only" } else { "they differ" };
        return Err(Error::new(Kind::Found, message));
    }
    Ok(())
}
