//! The hash tree against veritysetup, with the same salt and id.

use std::fs::{self, File};
use std::io::Write;
use std::process::Command;

use imagebuild::bytes::Whole;
use imagebuild::guid::Guid;
use imagebuild::verity::{self, Parameters};

use crate::Bench;
use crate::row::{Fallible, compared, measured, ratio};

/// The word by which this program runs itself for a measured hash tree.
pub const CHILD: &str = "seal";
/// MiB of data.
const SIZE: usize = 512;

/// `seal IMAGE HASHES JOBS`
pub fn child(arguments: &[String]) -> Fallible<()> {
    let [image, hashes, jobs] = arguments else { return Err("expected IMAGE HASHES JOBS".into()) };
    let mut out = File::create(hashes)?;
    verity::format(&Whole::open(image.as_ref())?, &parameters(), jobs.parse()?, &mut out)?;
    Ok(())
}

fn parameters() -> Parameters {
    Parameters::of_seed(&Guid::seed("bench"))
}

/// Runs the section.
pub fn run(bench: &Bench) -> Fallible<()> {
    let [image, ours, theirs] = ["image", "ours.hashes", "theirs.hashes"].map(|name| bench.folder.join(name));
    let block: Vec<u8> = (0..1 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut file = File::create(&image)?;
    for _ in 0..SIZE {
        file.write_all(&block)?;
    }
    let parameters = parameters();
    let costs = compared(
        bench.rounds(3),
        || {
            let mut command = Command::new(std::env::current_exe()?);
            measured(command.arg(CHILD).arg(&image).arg(&ours).arg(bench.jobs.to_string()))
        },
        || {
            drop(fs::remove_file(&theirs));
            let mut command = Command::new("veritysetup");
            command.arg("format").arg(&image).arg(&theirs);
            command.arg(format!("--salt={}", hex::encode(parameters.salt)));
            measured(command.arg(format!("--uuid={}", parameters.uuid)))
        },
    )?;
    let same = fs::read(&ours)? == fs::read(&theirs)?;
    let what = format!("{SIZE} MiB, sha256, {} bytes", if same { "the same" } else { "OTHER" });
    ratio(&what, "s", (costs[0].seconds, costs[1].seconds), 1.0);
    [image, ours, theirs].iter().try_for_each(fs::remove_file)?;
    Ok(())
}
