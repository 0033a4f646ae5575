//! What can be typed: global options, and one file a verb.

mod boot;
mod build;
mod cat;
mod check;
mod clouds;
mod completions;
mod container;
mod convert;
mod diff;
mod du;
mod input;
mod inspect;
mod lint;
mod lock;
mod ls;
mod man;
mod new;
mod pack;
mod report;
mod reproduce;
mod posture;
mod sbom;
mod schema;
mod show;
mod sources;
mod store;
mod update;
mod vendor;
mod verify;
mod why;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::error::{Error, Result};
use crate::report::{Mode, Report};
use crate::source::Context;
use crate::store::Store;
use crate::temp;

/// Builds sealed, reproducible OS images for Kubernetes nodes from TOML profiles.
///
/// Needs no root, no containers, no loop devices and no other program; never runs code of
/// the target.
#[derive(Parser)]
#[command(
    name = "imagebuild",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        imagebuild new node.toml                 write a profile that builds as it stands\n  \
        imagebuild build node.toml               build it into out/\n  \
        imagebuild boot out/node_1.0.0.raw       boot the result in QEMU\n  \
        imagebuild show node.toml --origins      see every value and the line that set it\n\n\
        Exit codes: 0 done, 1 the system's fault, 2 the user's, 3 the lock does not fit,\n\
        4 a source cannot be had or does not verify, 5 a check found something, 70 a bug."
)]
pub struct Cli {
    /// Options of every verb.
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Options of every verb.
#[derive(Args)]
pub struct Global {
    /// Folder of the store [default: $XDG_CACHE_HOME/imagebuild].
    #[arg(long, global = true, value_name = "DIR", env = "IMAGEBUILD_STORE")]
    store: Option<PathBuf>,
    /// Use what the store holds; never touch the network.
    #[arg(long, global = true)]
    offline: bool,
    /// Threads [default: the processors at hand]; no output byte depends on it.
    #[arg(long, short, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Where an archive of the profile is to be had; wins over profile and host.
    #[arg(long = "mirror", global = true, value_name = "NAME=URL")]
    mirrors: Vec<String>,
    /// Say nothing but warnings and errors.
    #[arg(long, short, global = true)]
    quiet: bool,
    /// One JSON object a line on standard output instead of text.
    #[arg(long, global = true, conflicts_with = "quiet")]
    json: bool,
    /// Colours.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
    /// Say more.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// When to use colours.
#[derive(Clone, Copy, ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Subcommand)]
enum Verb {
    /// Build every output of a profile.
    Build(build::Args),
    /// Boot an image in QEMU, without changing it.
    Boot(boot::Args),
    /// Make the lock of a profile, or mend it.
    Lock(lock::Args),
    /// Move a lock on, as a whole or for some packages.
    Update(update::Args),
    /// Copy everything that a lock names into a folder that serves as a store.
    Vendor(vendor::Args),
    /// Look after the store.
    Store(store::Args),
    /// Tell every mistake of a profile; fetch nothing.
    Check(check::Args),
    /// List the clouds that an output can be for, or show one and how it imports an image.
    Clouds(clouds::Args),
    /// Write a folder or a tar archive as a container image.
    Container(container::Args),
    /// Write a disk image in another format.
    Convert(convert::Args),
    /// Print the completions of a shell.
    Completions(completions::Args),
    /// Pack a folder or a tar archive as a squashfs image.
    Pack(pack::Args),
    /// Tell what differs between two profiles, locks, folders of outputs or images.
    Diff(diff::Args),
    /// Print the bytes of an image's root by package.
    Du(du::Args),
    /// Say what brought a package or a file into an image.
    Why(why::Args),
    /// Show what an image holds.
    Inspect(inspect::Args),
    /// Hold any image against what firmware, importers and its own seal ask for.
    Lint(lint::Args),
    /// List a folder of an image.
    Ls(ls::Args),
    /// Write a file of an image to standard output.
    Cat(cat::Args),
    /// Write the bill of materials of an image: SPDX or CycloneDX.
    Sbom(sbom::Args),
    /// Hold a node against rules: of its files, its kernel, its kubelet and its containerd
    Posture(posture::Args),
    /// Collect the source packages of what an image holds.
    Sources(sources::Args),
    /// Write one page of a build, or of what changed between two.
    Report(report::Args),
    /// Build an image again from what it carries, and tell where the two differ first.
    Reproduce(reproduce::Args),
    /// Check an image against its root hash and its manifest.
    Verify(verify::Args),
    /// Print the manual page, or write all of them into a folder.
    Man(man::Args),
    /// Write a commented profile that builds as it stands.
    New(new::Args),
    /// Print the JSON schema of the profile, the manifest, a comparison or a plan.
    Schema(schema::Args),
    /// Print what a profile means, every default included.
    Show(show::Args),
}

impl Global {
    /// The run's voice, as the options ask.
    pub fn report(&self) -> Report {
        let mode = match (self.json, self.quiet) {
            (true, _) => Mode::Json,
            (false, true) => Mode::Quiet,
            (false, false) => Mode::Text,
        };
        let color = match self.color {
            Color::Always => true,
            Color::Never => false,
            // https://no-color.org: set and not empty.
            Color::Auto => {
                std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        Report::new(mode, color, self.verbose)
    }

    /// What the verbs share: the store, the voice, the network or none.
    fn context<'a>(&self, report: &'a Report) -> Result<Context<'a>> {
        self.on(Store::open(&self.store()?)?, report)
    }

    /// The same for a verb that only looks: nothing is written, not even a store's folder.
    fn look<'a>(&self, report: &'a Report) -> Result<Context<'a>> {
        self.on(Store::at(&self.store()?), report)
    }

    fn on<'a>(&self, store: Store, report: &'a Report) -> Result<Context<'a>> {
        Ok(Context { store, report, offline: self.offline, jobs: self.jobs(), mirrors: self.mirrors()? })
    }

    fn store(&self) -> Result<PathBuf> {
        self.store.clone().map_or_else(Store::default_path, Ok)
    }

    fn jobs(&self) -> usize {
        match self.jobs {
            Some(jobs) => usize::from(jobs),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    fn mirrors(&self) -> Result<BTreeMap<String, String>> {
        let pair = |text: &String| match text.split_once('=') {
            Some((name, url)) if !name.is_empty() && !url.is_empty() => Ok((name.to_owned(), url.to_owned())),
            _ => Err(Error::user(format!("`--mirror {text}` names no archive")).hint("expected --mirror NAME=URL")),
        };
        self.mirrors.iter().map(pair).collect()
    }
}

impl Cli {
    /// Carries the verb out.
    pub fn run(&self, report: &Report) -> Result<()> {
        match &self.verb {
            Verb::Build(args) => build::run(args, &self.global.context(report)?),
            Verb::Boot(args) => boot::run(args, report),
            Verb::Lock(args) => lock::run(args, &self.global.context(report)?),
            Verb::Update(args) => update::run(args, &self.global.context(report)?),
            Verb::Vendor(args) => vendor::run(args, &self.global.context(report)?),
            Verb::Store(args) => store::run(args, &self.global.context(report)?),
            Verb::Container(args) => container::run(args, report),
            Verb::Convert(args) => convert::run(args, self.global.jobs(), report),
            Verb::Clouds(args) => clouds::run(args, report),
            Verb::Completions(args) => completions::run(args),
            Verb::Diff(args) if args.of_plan() => diff::plan(args, &self.global.look(report)?),
            Verb::Diff(args) => diff::run(args, &self.global, report),
            Verb::Du(args) => du::run(args, report),
            Verb::Why(args) => why::run(args, report),
            Verb::Inspect(args) => inspect::run(args, report),
            Verb::Lint(args) => lint::run(args, report),
            Verb::Ls(args) => ls::run(args, report),
            Verb::Cat(args) => cat::run(args),
            Verb::Sbom(args) if args.of_profile() => sbom::of_profile(args, &self.global.context(report)?),
            Verb::Posture(args) if args.of_profile() => posture::of_profile(args, &self.global.context(report)?),
            Verb::Posture(args) => posture::of_image(args, report),
            Verb::Sbom(args) => sbom::of_image(args, report),
            Verb::Verify(args) => verify::run(args, self.global.jobs(), report),
            Verb::Sources(args) => sources::run(args, &self.global.context(report)?),
            Verb::Report(args) => report::run(args, &self.global.look(report)?),
            Verb::Reproduce(args) => reproduce::run(args, &self.global.context(report)?),
            Verb::Man(args) => man::run(args),
            Verb::Pack(args) => pack::run(args, report, self.global.jobs()),
            Verb::Check(args) => check::run(args, report),
            Verb::New(args) => new::run(args, report),
            Verb::Schema(args) => schema::run(args),
            Verb::Show(args) => show::run(args),
        }
    }
}

/// Writes a document into a file, or to standard output where none is named.
pub(crate) fn put(path: Option<&Path>, document: &[u8]) -> Result<()> {
    path.map_or_else(|| print(document), |path| temp::write_file(path, document))
}

/// Whether a profile is meant, not an image nor a folder.
pub(crate) fn is_profile(path: &Path) -> bool {
    !path.is_dir() && path.extension().is_some_and(|ending| ending == "toml")
}

/// Writes data to standard output; a reader that went away (`| head`) is no error.
pub(crate) fn print(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match std::io::Write::write_all(&mut out, bytes).and_then(|()| std::io::Write::flush(&mut out)) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| Error::from(error).context("writing to standard output")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
