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
        let (kind, mut out) = opened(&file);
        assert_eq!(kind, if theirs == "vpc" { "vhd" } else { theirs });
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

/// The disk in a file, and what the file is.
fn opened(file: &Path) -> (&'static str, Vec<u8>) {
    let opened = imagebuild::output::open(file).unwrap();
    let mut out = Vec::new();
    Disk::of(opened.disk).unwrap().emit(2, &mut out).unwrap();
    (opened.kind.name(), out)
}

#[test]
fn an_ova_holds_a_machine_that_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let raw = disk(folder.path());
    let inside = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let options = ["cpus=4", "memory=6G", "product={ name = \"A & B\", vendor = \"<C>\" }"];
    convert(&raw, &folder.path().join("disk.ova"), "ova", &options, &[]);
    let members = judge("tar", &["-xvf", &inside("disk.ova"), "-C", &inside("")]);
    assert_eq!(members, "disk.ovf\ndisk.mf\ndisk.vmdk\n");
    judge("qemu-img", &["compare", raw.to_str().unwrap(), &inside("disk.vmdk")]);
    let manifest = fs::read_to_string(inside("disk.mf")).unwrap();
    let sums = judge("sha256sum", &["--tag", &inside("disk.ovf"), &inside("disk.vmdk")]);
    let sums = sums.replace("SHA256 (", "SHA256(").replace(") = ", ")= ").replace(&inside(""), "");
    assert_eq!(manifest, sums);
    let told = |path: &str| judge("xmllint", &["--xpath", &format!("string({path})"), &inside("disk.ovf")]);
    let size = fs::metadata(inside("disk.vmdk")).unwrap().len();
    assert_eq!(told("//@*[name()='ovf:size']"), format!("{size}\n"));
    assert_eq!(told("//@*[name()='ovf:capacity']"), format!("{}\n", 96 << 20));
    let quantity = "//*[local-name()='ResourceType' and .='KIND']/../*[local-name()='VirtualQuantity']";
    assert_eq!(told(&quantity.replace("KIND", "3")), "4\n");
    assert_eq!(told(&quantity.replace("KIND", "4")), "6144\n");
    assert_eq!(told("//*[local-name()='Product']"), "A & B\n");
    assert_eq!(opened(&folder.path().join("disk.ova")), ("ova", fs::read(&raw).unwrap()));
}

#[test]
fn google_gets_one_file_of_whole_gib() {
    let folder = tempfile::tempdir().unwrap();
    let raw = disk(folder.path());
    let file = folder.path().join("disk.tar.gz");
    convert(&raw, &file, "gce", &[], &["--jobs", "3"]);
    let again = folder.path().join("again.tar.gz");
    convert(&raw, &again, "gce", &[], &["--jobs", "1"]);
    assert!(fs::read(&file).unwrap() == fs::read(&again).unwrap());
    let (name, out) = (file.to_str().unwrap(), folder.path().join("out"));
    fs::create_dir(&out).unwrap();
    assert_eq!(judge("tar", &["-xvzf", name, "-C", out.to_str().unwrap()]), "disk.raw\n");
    let unpacked = out.join("disk.raw");
    assert_eq!(fs::metadata(&unpacked).unwrap().len(), 1 << 30);
    judge("qemu-img", &["compare", "-f", "raw", "-F", "raw", raw.to_str().unwrap(), unpacked.to_str().unwrap()]);
    assert_eq!(imagebuild::output::open(&file).unwrap().kind.name(), "gce");
    // And what GNU tar makes of it as Google's manual says is read.
    let theirs = folder.path().join("theirs.tar.gz");
    judge("tar", &["--format=oldgnu", "-Sczf", theirs.to_str().unwrap(), "-C", out.to_str().unwrap(), "disk.raw"]);
    convert(&theirs, &folder.path().join("back.raw"), "raw", &[], &[]);
    let back = folder.path().join("back.raw");
    judge("cmp", &[unpacked.to_str().unwrap(), back.to_str().unwrap()]);
}

#[test]
fn compressed_images_are_read_up_to_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let raw = disk(folder.path());
    let expected = fs::read(&raw).unwrap();
    let qcow2 = folder.path().join("disk.qcow2");
    convert(&raw, &qcow2, "qcow2", &[], &[]);
    for (program, extension) in [("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")] {
        for (source, kind) in [(&raw, "raw"), (&qcow2, "qcow2")] {
            let options: &[&str] = if program == "xz" { &["-0", "-k"] } else { &["-k"] };
            let packed = PathBuf::from(format!("{}.{extension}", source.display()));
            judge(program, &[options, &[source.to_str().unwrap()]].concat());
            assert!(opened(&packed) == (kind, expected.clone()), "{}", packed.display());
            let to = folder.path().join("never");
            let words =
                ["convert", packed.to_str().unwrap(), "--to", "raw", "--limit", "1M", "-o", to.to_str().unwrap()];
            let output = ours(&words);
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && text.contains("larger than 1M") && text.contains("--limit"), "{text}");
        }
    }
    // What is unpacked to has no name.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 8);
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
