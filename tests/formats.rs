//! Disk formats before others: qemu-img must find each file sound and the same disk in it. New formats add
//! a row to [`ROWS`], and what else reads them a test of its own.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use imagebuild::bytes::Whole;
use imagebuild::digest::Digest;
use imagebuild::disk::Disk;

/// Format, options, extension, what qemu-img calls it.
const ROWS: &[(&str, &[&str], &str, &str)] = &[
    ("raw", &[], "raw", "raw"),
    ("qcow2", &[], "qcow2", "qcow2"),
    ("qcow2", &["codec=zstd"], "qcow2", "qcow2"),
    ("qcow2", &["codec=deflate", "cluster=512K"], "qcow2", "qcow2"),
    ("qcow2", &["codec=deflate", "version=2", "cluster=4K"], "qcow2", "qcow2"),
    ("qcow2", &["cluster=\"512\"", "version=2"], "qcow2", "qcow2"),
    ("qcow2", &["cluster=2M", "codec=zstd"], "qcow2", "qcow2"),
    ("vhd", &[], "vhd", "vpc"),
    ("vhd", &["kind=dynamic", "align=\"512\""], "vhd", "vpc"),
    ("vhdx", &[], "vhdx", "vhdx"),
    ("vhdx", &["block=32M"], "vhdx", "vhdx"),
    ("vmdk", &[], "vmdk", "vmdk"),
    ("vmdk", &["kind=sparse", "adapter=ide"], "vmdk", "vmdk"),
];

/// Format, options, what 7-Zip calls it.
const OTHERS: &[(&str, &[&str], &str)] = &[
    ("qcow2", &[], "qcow"),
    ("qcow2", &["codec=deflate"], "qcow"),
    ("vhd", &[], "vhd"),
    ("vhd", &["kind=dynamic"], "vhd"),
    ("vmdk", &["adapter=pvscsi"], "vmdk"),
    ("vmdk", &["kind=sparse"], "vmdk"),
    ("vhdx", &[], "vhdx"),
    ("vhdx", &["block=256M"], "vhdx"),
];

/// A disk of 96 MiB: text, noise, zeros that are written, holes, bytes at both ends.
fn disk(folder: &Path) -> PathBuf {
    let path = folder.join("disk.raw");
    let file = File::create(&path).unwrap();
    file.set_len(96 << 20).unwrap();
    file.write_all_at(b"first", 0).unwrap();
    file.write_all_at(&vec![0; 3 << 20], 2 << 20).unwrap();
    let text: Vec<u8> = (0..200_000).flat_map(|line| format!("line {line}\n").into_bytes()).collect();
    file.write_all_at(&text, (8 << 20) + 4096).unwrap();
    let mut state = 1u32;
    let noise: Vec<u8> = (0..5 << 20)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    file.write_all_at(&noise, (40 << 20) + 512).unwrap();
    file.write_all_at(b"last", (96 << 20) - 4).unwrap();
    path
}

fn ours(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_imagebuild")).args(words).output().unwrap()
}

fn convert(from: &Path, to: &Path, format: &str, options: &[&str], more: &[&str]) {
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    let mut words = vec!["convert", from, "--to", format, "-o", to];
    options.iter().for_each(|option| words.extend(["-O", option]));
    words.extend(more);
    let output = ours(&words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What a foreign program says; its failure is ours.
fn judge(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {words:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn qemu_finds_every_format_sound_and_the_disk_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let raw = disk(folder.path());
    let expected = Digest::of(&fs::read(&raw).unwrap());
    fs::create_dir(folder.path().join("again")).unwrap();
    for (number, (format, options, extension, theirs)) in ROWS.iter().enumerate() {
        let row = format!("{format} {options:?}");
        let file = folder.path().join(format!("{number}.{extension}"));
        convert(&raw, &file, format, options, &["--jobs", "3"]);
        let name = file.to_str().unwrap();
        judge("qemu-img", &["compare", "-f", "raw", "-F", theirs, raw.to_str().unwrap(), name]);
        if !matches!(*theirs, "raw" | "vpc") {
            let told = judge("qemu-img", &["check", "-f", theirs, name]);
            assert!(told.contains("No errors were found"), "{row}: {told}");
        }
        // Threads and holes of the source do not show.
        let again = folder.path().join("again").join(file.file_name().unwrap());
        let full = folder.path().join("full.raw");
        fs::write(&full, fs::read(&raw).unwrap()).unwrap();
        convert(&full, &again, format, options, &["--jobs", "1"]);
        assert!(fs::read(&again).unwrap() == fs::read(&file).unwrap(), "{row}: other bytes");
        // And our own reader has the disk back.
        let back = folder.path().join("back.raw");
        convert(&file, &back, "raw", &[], &[]);
        assert_eq!(Digest::of(&fs::read(&back).unwrap()), expected, "{row}: read back");
    }
}

#[test]
fn what_qemu_writes_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let raw = disk(folder.path());
    let expected = fs::read(&raw).unwrap();
    for (number, (theirs, options)) in [
        ("qcow2", &["-o", "compat=0.10"][..]),
        ("qcow2", &["-c", "-o", "compression_type=zstd"]),
        ("qcow2", &["-c", "-o", "cluster_size=128k"]),
        ("qcow2", &["-o", "preallocation=metadata"]),
        ("vhdx", &[]),
        ("vhdx", &["-o", "subformat=fixed,block_size=1M"]),
        ("vmdk", &[]),
        ("vmdk", &["-o", "subformat=streamOptimized"]),
        ("vpc", &["-o", "force_size=on"]),
        ("vpc", &["-o", "subformat=fixed,force_size=on"]),
        // Sizes that the geometry tells, so the disk has some zeros more.
        ("vpc", &[]),
        ("vpc", &["-o", "subformat=fixed"]),
    ]
    .into_iter()
    .enumerate()
    {
        let file = folder.path().join(format!("{number}.{theirs}"));
        let (name, source) = (file.to_str().unwrap(), raw.to_str().unwrap());
        let words = [&["convert", "-f", "raw", "-O", theirs][..], options, &[source, name]].concat();
        judge("qemu-img", &words);
        let opened = imagebuild::output::open(&file).unwrap();
        assert_eq!(opened.kind.name(), if theirs == "vpc" { "vhd" } else { theirs });
        let mut out = Vec::new();
        Disk::of(opened.disk).unwrap().emit(2, &mut out).unwrap();
        let rest = out.split_off(expected.len());
        assert!(out == expected, "{theirs} {options:?}");
        assert!(rest.len() < 1 << 20 && rest.iter().all(|byte| *byte == 0), "{theirs} {options:?}");
        assert_eq!(rest.is_empty(), theirs != "vpc" || options.iter().any(|option| option.contains("force_size")));
    }
}

#[test]
fn other_readers_find_the_same_disk() {
    let folder = tempfile::tempdir().unwrap();
    let raw = disk(folder.path());
    let expected = fs::read(&raw).unwrap();
    for (number, (format, options, kind)) in OTHERS.iter().enumerate() {
        let file = folder.path().join(format!("{number}.{format}"));
        convert(&raw, &file, format, options, &[]);
        let name = file.to_str().unwrap();
        let output = Command::new("7zz").args(["e", "-so", &format!("-t{kind}"), name]).output().unwrap();
        assert!(output.status.success(), "{format} {options:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == expected, "{format} {options:?}: {} bytes", output.stdout.len());
        let (program, told) = match *format {
            "vhd" | "vhdx" => ("vhdiinfo", "100663296 bytes"),
            "qcow2" => ("qcowinfo", "100663296 bytes"),
            "vmdk" => ("vmdkinfo", "100663296 bytes"),
            _ => continue,
        };
        let text = judge(program, &[name]);
        assert!(text.contains(told), "{format} {options:?}: {text}");
    }
}

#[test]
fn a_disk_that_is_no_whole_mib_grows_as_asked_and_the_geometry_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for sectors in [3, 2048 * 3 + 1, 2048 * 1500 + 5] {
        let raw = folder.path().join("odd.raw");
        File::create(&raw).unwrap().set_len(sectors * 512).unwrap();
        for kind in ["fixed", "dynamic"] {
            for (align, size) in [("\"512\"", sectors * 512), ("1M", (sectors * 512).next_multiple_of(1 << 20))] {
                let file = folder.path().join("odd.vhd");
                let options = [&format!("kind={kind}")[..], &format!("align={align}")];
                convert(&raw, &file, "vhd", &options, &[]);
                let told = judge("qemu-img", &["info", "-f", "vpc", "--output=json", file.to_str().unwrap()]);
                assert!(told.contains(&format!("\"virtual-size\": {size},")), "{sectors} {options:?}: {told}");
            }
        }
    }
}

#[test]
fn compressed_files_are_what_their_programs_read() {
    let folder = tempfile::tempdir().unwrap();
    let raw = disk(folder.path());
    let expected = Digest::of(&fs::read(&raw).unwrap());
    for (kind, program) in [("gz", "gzip"), ("xz", "xz"), ("zst", "zstd")] {
        let file = folder.path().join(format!("disk.raw.{kind}"));
        convert(&raw, &file, "raw", &[], &["--compress", kind]);
        let output = Command::new(program).arg("-dc").arg(&file).output().unwrap();
        assert!(output.status.success(), "{program}");
        assert_eq!(Digest::of(&output.stdout), expected, "{program}");
    }
}

#[test]
fn bad_options_are_told_with_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let raw = disk(folder.path());
    for (words, told) in [
        (&["--to", "qcow3"][..], "qcow2"),
        (&["--to", "qcow2", "-O", "clutser=64K"], "cluster"),
        (&["--to", "qcow2", "-O", "cluster=3K"], "power of two"),
        (&["--to", "qcow2", "-O", "version=2", "-O", "codec=zstd"], "deflate"),
        (&["--to", "raw"], "replace"),
    ] {
        let output = ours(&[&["convert", raw.to_str().unwrap()][..], words].concat());
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {text}");
        assert!(text.contains(told), "{words:?}: {text}");
    }
    let whole = Whole::open(&raw).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{whole:?}");
}
