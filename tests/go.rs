//! Building Go programs, with a shell that stands for `go`: what it is given, what it may touch, what becomes of its output.
//!
//! The stand-in is the host's shell: called as `sh build -v ...` it runs the file `build` of the
//! source tree, which is the test's. It is a dynamic program like Debian's `go`, and gets its
//! loader and libraries from the toolchain's packages alone. The real compiler runs when
//! examples/hello-pod.toml is built.

#[path = "common/archive.rs"]
mod archive;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use archive::{Deb, Pack, Tar};
use imagebuild::arch::Arch;
use imagebuild::digest::Digest;
use imagebuild::error::{Kind, Result};
use imagebuild::profile::{self, Go};
use imagebuild::report::Report;
use imagebuild::source::{Context, go};
use imagebuild::store::{Blob, Store};

/// What begins an ELF program for amd64, as printf's argument.
const ELF: &str = r"\177ELF\002\001\000\000\000\000\000\000\000\000\000\000\002\000\076\000";

fn host() -> Arch {
    Arch::host().expect("tests run on amd64 or arm64")
}

/// The package of the toolchain: a shell as `go`, with the loader and the libraries that it needs.
fn toolchain() -> Vec<u8> {
    let triplet = host().triplet();
    let places: Vec<PathBuf> =
        [format!("/lib/{triplet}"), format!("/usr/lib/{triplet}"), "/lib64".into(), "/lib".into()]
            .map(PathBuf::from)
            .into();
    let mut deb = Deb::new("golang-1.0-go", "1.0")
        .pack(Pack::Zstd)
        .file("/usr/lib/go-1.0/bin/go", 0o755, fs::read("/bin/sh").unwrap())
        .file(&format!("/usr/lib/go-1.0/pkg/tool/linux_{}/compile", host()), 0o755, "")
        .file("/usr/share/doc/golang/README", 0o644, "never unpacked")
        .symlink("/lib64", &format!("/lib/{triplet}"));
    for name in ["ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libc.so.6", "libtinfo.so.6"] {
        if let Some(path) = places.iter().map(|place| place.join(name)).find(|path| path.exists()) {
            deb = deb.file(&format!("/lib/{triplet}/{name}"), 0o755, fs::read(path).unwrap());
        }
    }
    deb.build()
}

/// The files of a source package whose `go build` is `script`.
fn source(script: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut tar = Tar::default();
    tar.file("/x-1/build", 0o644, format!("set -eu\n{script}\n").as_bytes());
    tar.file("/x-1/vendor/k8s.io/component-base/version/base.go", 0o644, b"package version");
    let orig = tar.finish();
    let dsc = format!("Format: 3.0 (quilt)\nChecksums-Sha256:\n {} {} x_1.orig.tar\n", Digest::of(&orig), orig.len());
    vec![("x_1.orig.tar", orig), ("x_1-1.dsc", dsc.into_bytes())]
}

struct Run {
    folder: tempfile::TempDir,
    report: Report,
    jobs: usize,
    unconfined: bool,
}

impl Run {
    fn new() -> Self {
        Run { folder: tempfile::tempdir().unwrap(), report: Report::silent(), jobs: 2, unconfined: false }
    }

    fn build(&self, script: &str) -> Result<(Blob, bool)> {
        let store = Store::open(&self.folder.path().join("store")).unwrap();
        let take = |name: &str, bytes: &[u8]| (name.to_owned(), store.insert_new(1 << 30, bytes).unwrap());
        let inputs = go::Inputs {
            source: source(script).iter().map(|(name, bytes)| take(name, bytes)).collect(),
            toolchain: vec![take("golang-1.0-go", &toolchain())],
            unconfined: self.unconfined,
        };
        let package = |name: &str| profile::Package { name: name.into(), from: "debian".into() };
        let go = Go {
            source: package("x"),
            toolchain: package("golang-1.0-go"),
            package: "example.org/x/cmd/y".into(),
            root: "example.org/x".into(),
            version: "v1.20.2".into(),
            define: BTreeMap::from([("main.flavour".into(), "plain".into())]),
        };
        let cx = Context { store, report: &self.report, offline: true, jobs: self.jobs, mirrors: BTreeMap::new() };
        let result = go::build(&go, &inputs, Arch::Amd64, &cx);
        // Nothing is left of the sandbox, however it went.
        assert_eq!(fs::read_dir(self.folder.path().join("store/tmp")).unwrap().count(), 0);
        result
    }

    /// What the script wrote behind the ELF header.
    fn text(&self, script: &str) -> String {
        let (blob, _) = self.build(&format!("{script}\n")).unwrap();
        String::from_utf8_lossy(&fs::read(blob.path()).unwrap()[20..]).into_owned()
    }
}

/// A script that runs `body`, whose output goes behind an ELF header into the program.
fn program(body: &str) -> String {
    format!("{{ printf '{ELF}'; {body}; }} > \"$TMPDIR/../program\"")
}

#[test]
fn the_compiler_gets_its_orders_and_no_environment_of_ours() {
    let run = Run::new();
    let text = run.text(&program(
        "echo \"$*\"; echo \"$GOARCH $GOOS $CGO_ENABLED $GO111MODULE $GOPROXY\"; echo \"${CARGO-none} ${USER-none}\"; \
         case $PWD in \"$GOPATH/src/example.org/x\") echo in its place;; esac",
    ));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("-v -trimpath -buildvcs=false -p 2 -ldflags -s -w -buildid= -X "), "{text}");
    let (before, package) = lines[0].rsplit_once(" -- ").expect("the package comes last");
    assert!(Path::new(before).ends_with("work/program") && package == "example.org/x/cmd/y", "{text}");
    let version = "example.org/x/vendor/k8s.io/component-base/version";
    for define in [
        "main.flavour=plain".to_owned(),
        format!("{version}.gitVersion=v1.20.2"),
        format!("{version}.gitMajor=1"),
        format!("{version}.gitMinor=20"),
    ] {
        assert!(lines[0].contains(&format!(" -X {define}")), "{define} in {text}");
    }
    assert_eq!(lines[1..], ["amd64 linux 0 off off", "none none", "in its place"]);
}

#[test]
fn a_program_is_built_once_and_the_same_everywhere() {
    let script = program("echo same");
    let run = Run::new();
    let (first, cached) = run.build(&script).unwrap();
    assert!(!cached);
    let (again, cached) = run.build(&script).unwrap();
    assert!(cached);
    assert_eq!(again.digest(), Some(Digest::of(&fs::read(first.path()).unwrap())));
    let other = Run { jobs: 1, ..Run::new() };
    let (second, cached) = other.build(&script).unwrap();
    assert!(!cached);
    assert_eq!(fs::read(first.path()).unwrap(), fs::read(second.path()).unwrap());
}

/// Tries what a build has no business with; says `done` or `refused` for each.
fn trespass(folder: &Path) -> String {
    let tries = [
        "read x < /etc/passwd".to_owned(),
        "read x < /proc/version".to_owned(),
        format!("echo x > {}/planted", folder.display()),
        "echo x > \"$GOPATH/planted\"".to_owned(),
        "echo x > \"$GOROOT/planted\"".to_owned(),
        "/bin/true".to_owned(),
        "cd \"$TMPDIR\" && echo x > own && read x < own".to_owned(),
    ];
    let tries: Vec<String> =
        tries.iter().map(|one| format!("( {one} ) 2>/dev/null && echo done || echo refused")).collect();
    program(&tries.join("; "))
}

#[test]
fn only_inputs_are_read_and_only_the_output_is_written() {
    let run = Run::new();
    let text = run.text(&trespass(run.folder.path()));
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        ["refused", "refused", "refused", "refused", "refused", "refused", "done"]
    );
    assert!(!run.folder.path().join("planted").exists());
    // The same without walls, which shows that it was they.
    let free = Run { unconfined: true, ..Run::new() };
    let text = free.text(&trespass(free.folder.path()));
    assert_eq!(text.lines().collect::<Vec<_>>(), ["done"; 7]);
    assert!(free.report.warnings().iter().any(|warning| warning.contains("unconfined")));
}

#[test]
fn what_the_compiler_says_of_its_fault_is_shown_and_nothing_kept() {
    let run = Run::new();
    let script = "echo example.org/x >&2; echo '# example.org/x/cmd/y' >&2; echo 'y.go:3:1: no such thing' >&2; exit 2";
    let error = run.build(script).unwrap_err();
    assert_eq!(error.kind(), Kind::Source);
    let text = error.to_string();
    assert!(text.contains("building `example.org/x/cmd/y`") && text.contains("y.go:3:1: no such thing"), "{text}");
    assert!(!run.build(&program("echo mended")).unwrap().1);
}

#[test]
fn what_is_no_program_is_refused() {
    let run = Run::new();
    for script in ["exit 0", "echo text > $TMPDIR/../program", "printf '\\177ELF\\002\\001' > $TMPDIR/../program"] {
        assert!(run.build(script).is_err(), "{script}");
    }
    let wrong = program("echo x").replace(r"\076", r"\267");
    assert!(run.build(&wrong).unwrap_err().to_string().contains("no program for amd64"));
}
