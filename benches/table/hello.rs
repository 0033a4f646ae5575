//! The node of `examples/hello-pod.toml`, and the tool that builds it.
//!
//! The store and the lock are kept from run to run, below the build's folder for such things.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Bench;
use crate::row::{Cost, Fallible, measured, succeed};

/// The tool, on the store that the tests use too.
pub fn tool(bench: &Bench) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imagebuild"));
    command.env("IMAGEBUILD_STORE", scratch().join("store"));
    command.args(["--quiet", "--jobs", &bench.jobs.to_string()]);
    command
}

/// What is kept from run to run.
pub fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// A profile and what it was built into.
pub struct Hello {
    /// The profile; its lock lies beside it.
    pub profile: PathBuf,
    text: String,
    /// The folder of the artifacts.
    pub output: PathBuf,
}

impl Hello {
    /// Built once, so that all inputs are in the store and the kubelet is compiled.
    pub fn new(bench: &Bench) -> Fallible<Self> {
        Self::with(bench, "hello-pod", &|text| text.to_owned())
    }

    /// The same with other text, under a name of its own.
    pub fn with(bench: &Bench, name: &str, edit: &dyn Fn(&str) -> String) -> Fallible<Self> {
        let folder = scratch().join("bench");
        fs::create_dir_all(&folder)?;
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hello-pod.toml");
        let text = edit(&fs::read_to_string(example)?);
        let profile = folder.join(name).with_extension("toml");
        fs::write(&profile, &text)?;
        let hello = Hello { profile, text, output: bench.folder.join(name) };
        succeed(tool(bench).arg("build").arg(&hello.profile).arg("-o").arg(&hello.output))?;
        Ok(hello)
    }

    /// Builds again from the lock and the store.
    pub fn build(&self, bench: &Bench, more: &[&str]) -> Fallible<Cost> {
        let mut command = tool(bench);
        command.args(["build", "--locked", "--offline"]).args(more).arg(&self.profile).arg("-o").arg(&self.output);
        measured(&mut command)
    }

    /// Builds after one line of the pod's manifest has changed, to what it never was before.
    pub fn build_changed(&self, bench: &Bench) -> Fallible<Cost> {
        fs::write(&self.profile, self.changed()?)?;
        let cost = self.build(bench, &[]);
        fs::write(&self.profile, &self.text)?;
        cost
    }

    /// The profile's text with one line of the pod's manifest changed, to what it never was before.
    pub fn changed(&self) -> Fallible<String> {
        let line = "busybox sleep 10";
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let changed = self.text.replace(line, &format!("busybox sleep 10.{:09}", now.as_nanos() % 1_000_000_000));
        match changed == self.text {
            true => Err(format!("the example has no line with `{line}`").into()),
            false => Ok(changed),
        }
    }

    /// Builds what was built before with other outputs, into a folder of their own; gone afterwards.
    pub fn build_as(&self, bench: &Bench, outputs: &str) -> Fallible<Cost> {
        let (before, rest) = self.text.split_once("[[output]]").ok_or("the example has no output")?;
        if rest.contains("[[output]]") {
            return Err("the example has more than one output".into());
        }
        let folder = bench.folder.join("outputs");
        fs::write(&self.profile, format!("{before}{outputs}"))?;
        let mut command = tool(bench);
        command.args(["build", "--offline"]).arg(&self.profile).arg("-o").arg(&folder);
        let cost = measured(&mut command);
        fs::write(&self.profile, &self.text)?;
        fs::remove_dir_all(folder)?;
        cost
    }

    /// The lock that the first build made.
    pub fn lock(&self) -> PathBuf {
        self.profile.with_extension("lock")
    }

    /// The raw disk.
    pub fn raw(&self) -> PathBuf {
        self.output.join("hello-pod_1.raw")
    }

    /// The manifest of the last build.
    pub fn manifest(&self) -> Fallible<serde_json::Value> {
        Ok(serde_json::from_slice(&fs::read(self.output.join("manifest.json"))?)?)
    }

    /// Unpacks the root into a new folder `to`.
    pub fn unpack(&self, to: &Path) -> Fallible<()> {
        let start = self.partition(1)?.0.to_string();
        succeed(Command::new("unsquashfs").args(["-q", "-n", "-o", &start, "-d"]).arg(to).arg(self.raw()))
    }

    /// First byte and length of a partition, counted from 0.
    pub fn partition(&self, number: usize) -> Fallible<(u64, u64)> {
        let manifest = self.manifest()?;
        let partition = &manifest["partitions"][number];
        match (partition["start"].as_u64(), partition["size"].as_u64()) {
            (Some(start), Some(size)) => Ok((start, size)),
            _ => Err(format!("the manifest tells no place of partition {number}").into()),
        }
    }
}
