//! The node of `examples/hello-pod.toml`, built once for all tests that need it, and ways to boot it.
#![allow(dead_code)] // each test binary uses its own part

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

/// Where everything that the tests make lies; kept from run to run, so that inputs are fetched once.
pub fn scratch() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// The store that the tests share.
pub fn store() -> PathBuf {
    scratch().join("store")
}

/// The repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The tool, on the shared store.
pub fn tool() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imagebuild"));
    command.env("IMAGEBUILD_STORE", store()).stdin(Stdio::null());
    command
}

/// Runs the tool and hands back what it said; fails the test unless it exits with `code`.
pub fn run(code: i32, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    let mut command = tool();
    command.args(arguments);
    let output = command.output().expect("the tool starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{command:?}\n--- stdout\n{out}\n--- stderr\n{err}");
    output
}

/// The number of the partition with the boot files.
pub const ESP: usize = 1;
/// The number of the root's partition.
pub const ROOT: usize = 2;
/// The number of the partition with the root's hash tree.
pub const VERITY: usize = 3;

/// A built image and the folder that holds it.
#[derive(Clone)]
pub struct Image {
    /// The raw disk.
    pub raw: PathBuf,
    /// Its folder, with manifest.json.
    pub folder: PathBuf,
}

impl Image {
    /// The manifest.
    pub fn manifest(&self) -> serde_json::Value {
        let text = fs::read(self.folder.join("manifest.json")).expect("a manifest");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// The byte at which partition `number` of the image begins: [`ESP`], [`ROOT`] or [`VERITY`].
    pub fn start(&self, number: usize) -> u64 {
        self.manifest()["partitions"][number - 1]["start"].as_u64().expect("a number")
    }

    /// A copy of the disk that a test may spoil.
    pub fn copy(&self, name: &str) -> PathBuf {
        let folder = scratch().join("copies");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.raw"));
        let status = Command::new("cp").arg("--sparse=always").arg(&self.raw).arg(&path).status().unwrap();
        assert!(status.success());
        path
    }
}

/// Builds the profile `text` under `name` into a folder of its own.
pub fn build(name: &str, text: &str) -> Image {
    let profiles = scratch().join("profiles");
    fs::create_dir_all(&profiles).unwrap();
    let profile = profiles.join(format!("{name}.toml"));
    fs::write(&profile, text).unwrap();
    let folder = scratch().join("out").join(name);
    drop(fs::remove_dir_all(&folder));
    run(0, [OsStr::new("build"), profile.as_os_str(), OsStr::new("-o"), folder.as_os_str()]);
    let mut raws = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let raw = raws.find(|path| path.extension() == Some(OsStr::new("raw"))).expect("a raw disk");
    Image { raw, folder }
}

/// `examples/hello-pod.toml`, built once in this process.
pub fn hello_pod() -> Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| build("hello-pod", &hello_pod_text())).clone()
}

/// The text of `examples/hello-pod.toml`.
pub fn hello_pod_text() -> String {
    fs::read_to_string(repository().join("examples/hello-pod.toml")).expect("the example")
}

/// What a boot showed.
pub struct Boot {
    /// The tool's exit code.
    pub code: i32,
    /// The serial console from power-on.
    pub console: String,
    /// The tool's standard error.
    pub said: String,
}

impl Boot {
    /// Fails the test unless `text` was on the console.
    pub fn saw(&self, text: &str) -> &Self {
        assert!(self.console.contains(text), "`{text}` is not on the console:\n{}\n{}", self.tail(), self.said);
        self
    }

    /// Fails the test if `text` was on the console.
    pub fn saw_no(&self, text: &str) -> &Self {
        assert!(!self.console.contains(text), "`{text}` is on the console:\n{}", self.tail());
        self
    }

    /// Fails the test unless the tool ended with `code`.
    pub fn ended(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{}\n--- console\n{}", self.said, self.tail());
        self
    }

    /// Fails the test unless the machine started again of itself, before its time was over.
    pub fn restarted(&self) -> &Self {
        self.ended(5);
        assert!(self.said.contains("powered off or rebooted"), "{}\n--- console\n{}", self.said, self.tail());
        self
    }

    /// How often `text` was on the console.
    pub fn count(&self, text: &str) -> usize {
        self.console.matches(text).count()
    }

    /// The rest of the first line that holds `prefix`, after it; fails the test if none does.
    pub fn after(&self, prefix: &str) -> &str {
        let found = self.console.lines().find_map(|line| line.split_once(prefix));
        found.unwrap_or_else(|| panic!("no line holds `{prefix}`:\n{}\n{}", self.tail(), self.said)).1.trim()
    }

    /// The last lines of the console, for a test that failed.
    pub fn tail(&self) -> String {
        let lines: Vec<&str> = self.console.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

/// Where the first stored block of a file of the root lies, from the start of the root's partition at `root`.
pub fn block_of(raw: &Path, root: u64, path: &str) -> u64 {
    let image = imagebuild::squashfs::Image::part(fs::File::open(raw).unwrap(), root, None).unwrap();
    let node = image.find(&path.parse().unwrap()).unwrap().expect("the file is in the root");
    image.stored(&node).unwrap().first().expect("a file with bytes").start
}

/// One machine at a time: software emulation uses every processor that there is.
fn machine() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Boots `image` until `until` is on the console or `timeout` seconds are over.
pub fn boot(name: &str, image: &Path, until: &str, timeout: u32, more: &[&str]) -> Boot {
    booted(name, image, until, timeout, more, None)
}

/// The same; once `prompt` is on the console, `line` is typed there every two seconds.
pub fn type_into(name: &str, image: &Path, until: &str, timeout: u32, more: &[&str], typed: (&str, &str)) -> Boot {
    booted(name, image, until, timeout, &[more, &["--input"]].concat(), Some(typed))
}

fn booted(name: &str, image: &Path, until: &str, timeout: u32, more: &[&str], typed: Option<(&str, &str)>) -> Boot {
    let _machine = machine();
    let log = scratch().join(format!("{name}.console"));
    drop(fs::remove_file(&log));
    let read = || String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
    let mut command = tool();
    command.arg("--quiet").arg("boot").arg(image).args(["--accel", "tcg", "--until", until]);
    // One processor: with more, QEMU 7.2 under emulation was seen to upset the kernel's clock.
    command.args(["--cpus", "1", "--timeout", &timeout.to_string()]).arg("--log").arg(&log).args(more);
    if typed.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the tool starts");
    if let (Some((prompt, line)), Some(mut keys)) = (typed, child.stdin.take()) {
        while child.try_wait().expect("a child").is_none() {
            std::thread::sleep(Duration::from_secs(2));
            // The tool may end at any moment, and with it whoever reads.
            if read().contains(prompt) && writeln!(keys, "{line}").is_err() {
                break;
            }
        }
    }
    let output = child.wait_with_output().expect("the tool ends");
    Boot {
        code: output.status.code().unwrap_or(-1),
        console: read(),
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
