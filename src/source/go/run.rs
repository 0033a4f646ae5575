//! One run of `go build`: its arguments, its environment, its output.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::confine::{self, Walls};
use super::toolchain::Toolchain;
use crate::arch::Arch;
use crate::error::{Context, Error, Result};
use crate::process::Running;
use crate::profile::Go;
use crate::report::{Report, Stage};

/// The largest program.
const MAX_PROGRAM: u64 = 2 << 30;
/// Lines of the compiler that an error shows.
const TAIL: usize = 30;
/// Bytes of a line that are kept.
const MAX_LINE: u64 = 1000;

/// What is run, and where.
pub struct Job<'a> {
    /// What the profile asks for.
    pub go: &'a Go,
    /// The target.
    pub arch: Arch,
    /// The toolchain.
    pub toolchain: &'a Toolchain,
    /// GOPATH.
    pub gopath: &'a Path,
    /// The source tree in it.
    pub tree: &'a Path,
    /// The one folder that may be written.
    pub work: &'a Path,
    /// Threads.
    pub jobs: usize,
}

/// Builds, and copies the program to `out`; its length.
pub fn run(job: &Job, walls: Option<Walls>, report: &Report, stage: &Stage, out: &mut dyn Write) -> Result<u64> {
    for folder in ["home", "cache", "tmp"] {
        let path = job.work.join(folder);
        fs::create_dir(&path).context(|| format!("making `{}`", path.display()))?;
    }
    let command = command(job)?;
    report.say(&format!("compiling {} for {}: takes minutes, once", job.go.package, job.arch));
    let mut running = match walls {
        Some(walls) => confine::spawn(command, walls)?,
        None => {
            report.warn("the Go compiler runs unconfined");
            let mut command = command;
            Running::spawn(&mut command).context(|| "starting the Go toolchain".into())?
        }
    };
    let tail = running.stderr().map(|stderr| follow(stderr, stage)).unwrap_or_default();
    let status = running.wait().context(|| "waiting for the Go toolchain".into())?;
    if !status.success() {
        let message = format!("`go build` ended with {status}\n{}", tail.join("\n"));
        return Err(Error::source(message.trim_end()));
    }
    take(&job.work.join("program"), job.arch, out)
}

fn command(job: &Job) -> Result<Command> {
    let (program, first) = job.toolchain.launch.split_first().ok_or_else(|| Error::bug("nothing to start"))?;
    let mut command = Command::new(program);
    command.args(first).args(arguments(job)?);
    command.env_clear().envs(environment(job)).current_dir(job.tree);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    Ok(command)
}

fn arguments(job: &Job) -> Result<Vec<OsString>> {
    if job.go.package.starts_with('-') {
        return Err(Error::user(format!("`{}` is no import path", job.go.package)));
    }
    let mut flags = "-s -w -buildid=".to_owned();
    for (name, value) in defines(job) {
        // The linker's flags are split at blanks, and quotes cannot be escaped.
        let sound = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\'' | b'"'));
        if !sound(&name) || !sound(&value) || name.contains('=') {
            return Err(Error::user(format!("`{name}={value}` cannot be handed to the Go linker"))
                .hint("expected a value without blanks and quotes"));
        }
        flags.push_str(&format!(" -X {name}={value}"));
    }
    let fixed = ["build", "-v", "-trimpath", "-buildvcs=false", "-p"];
    let mut arguments: Vec<OsString> = fixed.map(OsString::from).into();
    arguments.extend([job.jobs.max(1).to_string().into(), "-ldflags".into(), flags.into()]);
    arguments.extend(["-o".into(), job.work.join("program").into(), "--".into(), job.go.package.clone().into()]);
    Ok(arguments)
}

/// Strings that the linker sets: the version where the program's own libraries look for it, then the profile's.
fn defines(job: &Job) -> BTreeMap<String, String> {
    let mut defines = BTreeMap::new();
    // Kubernetes' programs ask this package; in GOPATH mode its path has the vendor folder in it.
    let version = "vendor/k8s.io/component-base/version";
    if job.tree.join(version).is_dir() {
        let mut set = |name: &str, value: &str| {
            defines.insert(format!("{}/{version}.{name}", job.go.root), value.to_owned());
        };
        set("gitVersion", &job.go.version);
        set("gitTreeState", "clean");
        let mut parts = job.go.version.trim_start_matches('v').split('.');
        if let (Some(major), Some(minor)) = (parts.next(), parts.next()) {
            set("gitMajor", major);
            set("gitMinor", minor);
        }
    }
    defines.extend(job.go.define.clone());
    defines
}

/// Nothing of the host's: every variable that `go` reads and that could change a byte is set.
fn environment(job: &Job) -> Vec<(&'static str, OsString)> {
    let work = |name: &str| job.work.join(name).into_os_string();
    let mut all = vec![
        ("HOME", work("home")),
        ("TMPDIR", work("tmp")),
        ("GOCACHE", work("cache")),
        ("GOPATH", job.gopath.into()),
        ("GOROOT", job.toolchain.goroot.clone().into()),
        ("PATH", job.toolchain.goroot.join("bin").into()),
        ("GOARCH", job.arch.name().into()),
        ("GOMAXPROCS", job.jobs.max(1).to_string().into()),
    ];
    let fixed = [
        ("GOOS", "linux"),
        ("CGO_ENABLED", "0"),
        ("GO111MODULE", "off"),
        ("GOENV", "off"),
        ("GOFLAGS", ""),
        ("GOPROXY", "off"),
        ("GOSUMDB", "off"),
        ("GOTOOLCHAIN", "local"),
        ("GOTELEMETRY", "off"),
        ("GOAMD64", "v1"),
        ("LC_ALL", "C"),
        ("TZ", "UTC"),
    ];
    all.extend(fixed.map(|(name, value)| (name, value.into())));
    all
}

/// Reads what the compiler says to its end: names of packages are progress, the last other lines are kept.
fn follow(stderr: impl Read, stage: &Stage) -> Vec<String> {
    let mut reader = BufReader::new(stderr);
    let mut tail = VecDeque::new();
    let mut packages = 0u32;
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            // The pipe is the program's only way to tell of a fault; its status follows.
            Ok(0) | Err(_) => return tail.into(),
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if text.contains([' ', ':', '\t']) {
            tail.push_back(text);
            if tail.len() > TAIL {
                tail.pop_front();
            }
        } else {
            packages += 1;
            stage.at(format!("{packages} {text}"));
        }
    }
}

/// Copies the program out of the folder that the compiler wrote, if it is one for `arch`.
fn take(path: &Path, arch: Arch, out: &mut dyn Write) -> Result<u64> {
    let doing = || format!("reading `{}`", path.display());
    let meta = fs::symlink_metadata(path).context(doing)?;
    if !meta.is_file() || meta.len() > MAX_PROGRAM {
        return Err(Error::source("`go build` left no program of at most 2 GiB"));
    }
    let mut file = fs::File::open(path).context(doing)?;
    let mut head = [0u8; 20];
    file.read_exact(&mut head).context(doing)?;
    // ELF header: class 64, little endian; e_machine at 18.
    let machine = match arch {
        Arch::Amd64 => object::elf::EM_X86_64,
        Arch::Arm64 => object::elf::EM_AARCH64,
    };
    if !head.starts_with(b"\x7fELF\x02\x01") || head[18..] != machine.0.to_le_bytes() {
        return Err(Error::source(format!("`go build` left something that is no program for {arch}"))
            .hint("is the package a `main` package?"));
    }
    out.write_all(&head)?;
    let rest = io::copy(&mut file, out).context(doing)?;
    Ok(rest + head.len() as u64)
}
