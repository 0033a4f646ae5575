//! Ratios of our packing and sealing to mksquashfs and veritysetup, side by side in one run.
//!
//! `cargo bench --bench pack [-- DIR...]`: the folders given (a root that `unsquashfs`
//! extracted, say), and a tree of 100,000 small files. Rounds alternate, medians count.
//! Needs mksquashfs and veritysetup; asserts nothing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use imagebuild::guid::Guid;
use imagebuild::report::Report;
use imagebuild::squashfs::{self, Codec, Options};
use imagebuild::tree;
use imagebuild::verity::{self, Parameters};

const ROUNDS: usize = 5;

/// A process's seconds, its CPU seconds, and its most memory in KiB.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    processor: f64,
    memory: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    // Each measured run of ours is a process of its own, so that its memory is its own too.
    if let [verb, rest @ ..] = &arguments[..]
        && verb == "run"
    {
        return run(rest);
    }
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut trees: Vec<PathBuf> = arguments.iter().map(PathBuf::from).collect();
    trees.push(small_files(&folder.path().join("small")));
    println!("{jobs} threads, {ROUNDS} alternating rounds, medians; ratios are ours / theirs");
    for tree in &trees {
        let inodes = 1 + count(tree);
        println!("\n{} ({inodes} inodes)", tree.display());
        println!(
            "{:14} {:>9} {:>9} {:>6} {:>6} {:>7} {:>9}",
            "", "ours s", "theirs s", "time", "cpu", "size", "ours MB"
        );
        for level in [15, 3] {
            pack_row(tree, folder.path(), level, jobs);
        }
    }
    verity_row(folder.path(), jobs);
}

/// The measured half: `pack TREE IMAGE LEVEL JOBS` or `verity IMAGE HASHES JOBS`.
fn run(arguments: &[String]) {
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["pack", from, image, level, jobs] => {
            let tree = tree::scan(Path::new(from), &Report::silent()).expect("a tree");
            let level = level.parse().expect("a level");
            let jobs = jobs.parse().expect("a number");
            let options = Options { codec: Codec::Zstd, level, jobs, ..Options::default() };
            let out = File::create(image).expect("an image");
            squashfs::write(&tree, &options, out, None, &|_| ()).expect("to pack");
        }
        ["verity", image, hashes, jobs] => {
            let data = imagebuild::bytes::Whole::open(image.as_ref()).expect("an image");
            let mut out = File::create(hashes).expect("a file");
            let parameters = Parameters::of_seed(&Guid::seed("bench"));
            verity::format(&data, &parameters, jobs.parse().expect("a number"), &mut out).expect("to seal");
        }
        _ => panic!("unknown arguments {arguments:?}"),
    }
}

fn pack_row(tree: &Path, folder: &Path, level: u32, jobs: usize) {
    let (ours, theirs) = (folder.join("ours"), folder.join("theirs"));
    let (level, jobs) = (level.to_string(), jobs.to_string());
    let mut costs = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["run", "pack"]).arg(tree).arg(&ours).args([&level, &jobs]);
        costs[0].push(measured(&mut command));
        let mut command = Command::new("mksquashfs");
        command.arg(tree).arg(&theirs).args(["-comp", "zstd", "-Xcompression-level", &level, "-b", "131072"]);
        command.args(["-processors", &jobs, "-noappend", "-no-progress", "-quiet"]);
        costs[1].push(measured(&mut command));
    }
    let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len()) as f64;
    row(&format!("zstd {level}"), &mut costs, Some(length(&ours) / length(&theirs)));
}

fn verity_row(folder: &Path, jobs: usize) {
    let (image, ours, theirs) = (folder.join("image"), folder.join("ours"), folder.join("theirs"));
    let block: Vec<u8> = (0..1 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut bytes = Vec::new();
    (0..512).for_each(|_| bytes.extend_from_slice(&block));
    fs::write(&image, &bytes).expect("an image");
    drop(bytes);
    let mut costs = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["run", "verity"]).arg(&image).arg(&ours).arg(jobs.to_string());
        costs[0].push(measured(&mut command));
        drop(fs::remove_file(&theirs));
        costs[1].push(measured(Command::new("veritysetup").arg("format").arg(&image).arg(&theirs)));
    }
    println!("\nverity, 512 MiB");
    println!("{:14} {:>9} {:>9} {:>6} {:>6} {:>7} {:>9}", "", "ours s", "theirs s", "time", "cpu", "size", "ours MB");
    row("sha256", &mut costs, None);
}

fn row(name: &str, costs: &mut [Vec<Cost>; 2], size: Option<f64>) {
    let wall = costs.each_mut().map(|costs| median(costs, |cost| cost.wall));
    let processor = costs.each_mut().map(|costs| median(costs, |cost| cost.processor));
    let memory = median(&mut costs[0], |cost| cost.memory as f64) / 1000.0;
    let size = size.map_or("-".to_owned(), |size| format!("{size:.4}"));
    println!(
        "{name:14} {:9.2} {:9.2} {:6.2} {:6.2} {size:>7} {memory:9.0}",
        wall[0],
        wall[1],
        wall[0] / wall[1],
        processor[0] / processor[1]
    );
}

fn median(costs: &mut [Cost], value: impl Fn(&Cost) -> f64) -> f64 {
    costs.sort_by(|one, other| value(one).total_cmp(&value(other)));
    costs.get(costs.len() / 2).map_or(0.0, value)
}

/// Runs a command to its end; the kernel tells what it took.
fn measured(command: &mut Command) -> Cost {
    command.stdout(std::process::Stdio::null());
    let start = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (status, usage) = waited(child.id());
    let wall = start.elapsed().as_secs_f64();
    assert!(status == 0, "{command:?} ended with {status}");
    // It was waited for already; this only forgets it.
    drop(child.try_wait());
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    let processor = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    Cost { wall, processor, memory: usage.ru_maxrss as u64 }
}

fn waited(process: u32) -> (i32, libc::rusage) {
    let mut status = 0;
    // SAFETY: `wait4` writes to the two places that it is given, which live and are of its types;
    // a `rusage` of zeros is a valid one.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let found = libc::wait4(process as i32, &mut status, 0, &mut usage);
        assert!(found == process as i32, "waiting for a process failed");
        (status, usage)
    }
}

fn count(folder: &Path) -> usize {
    let tree = tree::scan(folder, &Report::silent()).expect("a tree");
    tree.walk().len()
}

/// 100,000 files of some 2 KB each, text that no two files share, in 1,000 folders.
fn small_files(root: &Path) -> PathBuf {
    let words = ["unit", "service", "after", "wants", "exec", "start", "kernel", "module", "path", "mount", "="];
    let mut state = 1u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for number in 0..100_000u32 {
        let folder = root.join(format!("{:03}/{}", number / 1000, number / 100 % 10));
        if number.is_multiple_of(100) {
            fs::create_dir_all(&folder).expect("a folder");
        }
        let mut text = String::new();
        let length = 100 + random(4000) as usize;
        while text.len() < length {
            text += words[random(words.len() as u64) as usize];
            text += if random(8) == 0 { "\n" } else { " " };
            if random(6) == 0 {
                text += &random(1_000_000).to_string();
            }
        }
        let kind = ["conf", "txt", "py", "h"][random(4) as usize];
        fs::write(folder.join(format!("file-{number:06}.{kind}")), text).expect("a file");
    }
    root.to_owned()
}
