//! Large disks with little in them: memory that does not grow with the disk, and time neither.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::Bench;
use crate::hello::tool;
use crate::outputs::{CASES, Case, gone, memory};
use crate::row::{Cost, Fallible, measured, ratio};

/// Bytes of the disks, and of each piece of data: as many on both, spread evenly.
const SIZES: [u64; 2] = [100 << 30, 1 << 30];
const PIECE: usize = 4 << 20;
const PIECES: u64 = 32;
/// What a disk that is a hundred times as large may take longer.
const LONGER: f64 = 1.5;

/// Runs the rows.
pub fn run(bench: &Bench) -> Fallible<()> {
    let disks = SIZES.map(|size| bench.folder.join(format!("{}G", size >> 30)));
    for (path, size) in disks.iter().zip(SIZES) {
        disk(path, size)?;
    }
    let out = bench.folder.join("converted");
    let formats = CASES.iter().map(|case| (case.name(), Some(case)));
    let others = [("raw", None), ("gce", None), ("ova", None)];
    for (name, case) in formats.chain(others) {
        let convert = |disk: &Path| convert(bench, name, case, disk, &out);
        let mut costs = [convert(&disks[0])?, convert(&disks[1])?];
        for _ in 1..bench.rounds(2) {
            costs = [costs[0].with(convert(&disks[0])?), costs[1].with(convert(&disks[1])?)];
        }
        memory(&format!("100 GiB with 128 MiB in it to {name}"), costs[0]);
        ratio("  its time, against that of 1 GiB", "s", (costs[0].seconds, costs[1].seconds), LONGER);
    }
    disks.iter().chain([&out]).try_for_each(|file| gone(file))
}

fn convert(bench: &Bench, name: &str, case: Option<&Case>, disk: &Path, out: &Path) -> Fallible<Cost> {
    match case {
        Some(case) => case.convert(bench, disk, out),
        None => {
            gone(out)?;
            measured(tool(bench).arg("convert").arg(disk).args(["--to", name, "-o"]).arg(out))
        }
    }
}

/// Half of each piece is noise, half is a pattern.
fn disk(path: &Path, size: u64) -> Fallible<()> {
    let file = File::create(path)?;
    file.set_len(size)?;
    let mut state = 1u64;
    let mut piece = vec![0; PIECE];
    for number in 0..PIECES {
        for (at, bytes) in piece.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *bytes = if at % 1024 < 512 { state.to_be_bytes() } else { (at as u64 / 64).to_be_bytes() };
        }
        file.write_all_at(&piece, size / PIECES * number)?;
    }
    Ok(file.sync_all()?)
}
