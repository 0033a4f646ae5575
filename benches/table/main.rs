//! The table of what the tool promises, in figures: ours and another tool's, side by side in one run.
//!
//!     cargo bench                                    all of it, some 30 minutes
//!     cargo bench --bench table -- pack verity       some sections
//!     cargo bench --bench table -- build --rounds 5  more rounds
//!
//! Rounds alternate between ours and theirs, the least time counts. Nothing is asserted: each row
//! says the ratio or the figure, what it must reach, and whether it does. A tool that is missing
//! is an error that names its package; `tests/run` installs all of them.

mod audit;
mod boot;
mod build;
mod hello;
mod image;
mod initrd;
mod medium;
mod memory;
mod outputs;
mod pack;
mod row;
mod sparse;
mod trees;
mod verity;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use row::Fallible;

/// A section: its name, what it needs (program and package), and what it does.
type Section = (&'static str, &'static [(&'static str, &'static str)], fn(&Bench) -> Fallible<()>);

const SECTIONS: [Section; 8] = [
    ("pack", &[("mksquashfs", "squashfs-tools"), ("unsquashfs", "squashfs-tools")], pack::run),
    ("verity", &[("veritysetup", "cryptsetup-bin")], verity::run),
    ("build", &[("tar", "tar"), ("zstd", "zstd"), ("unsquashfs", "squashfs-tools")], build::run),
    ("memory", &[], memory::run),
    ("image", &[], image::run),
    ("outputs", &[("qemu-img", "qemu-utils"), ("xorriso", "xorriso")], outputs::run),
    ("audit", audit::NEEDS, audit::run),
    ("boot", boot::NEEDS, boot::run),
];

/// What all sections share.
pub struct Bench {
    /// A folder that is gone after the run.
    pub folder: PathBuf,
    /// Threads, of ours and of theirs.
    pub jobs: usize,
    /// Rounds, where the caller chose.
    rounds: Option<usize>,
}

impl Bench {
    /// The rounds of something that takes this number of rounds by itself.
    pub fn rounds(&self, default: usize) -> usize {
        self.rounds.unwrap_or(default)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    // A process of its own, so that its time and memory are its own too.
    let outcome = match arguments.split_first() {
        Some((verb, rest)) if verb == verity::CHILD => verity::child(rest),
        Some((verb, rest)) if verb == medium::CHILD => medium::child(rest),
        _ => table(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn table(arguments: &[String]) -> Fallible<()> {
    let (mut rounds, mut wanted) = (None, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--rounds" {
            let number = arguments.next().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
            rounds = Some(number.ok_or("`--rounds` wants a number")?);
        } else if let Some(section) = SECTIONS.iter().find(|section| section.0 == argument) {
            wanted.push(section);
        } else {
            let names: Vec<&str> = SECTIONS.iter().map(|section| section.0).collect();
            return Err(format!("there is no section `{argument}`: expected some of {}", names.join(", ")).into());
        }
    }
    if wanted.is_empty() {
        wanted.extend(&SECTIONS);
    }
    for (program, package) in wanted.iter().flat_map(|section| section.1) {
        installed(program, package)?;
    }
    // The memory of a child counts from its parent's, so this program keeps its own small.
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = tempfile::tempdir_in(scratch)?;
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let bench = Bench { folder: folder.path().to_owned(), jobs, rounds };
    println!("{jobs} threads; the least of alternating rounds; ratios are ours / theirs");
    for (name, _, run) in wanted {
        println!("\n{name}");
        run(&bench)?;
    }
    Ok(())
}

fn installed(program: &str, package: &str) -> Fallible<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
        true => Ok(()),
        false => Err(format!("there is no `{program}` on PATH: apt install {package}").into()),
    }
}
