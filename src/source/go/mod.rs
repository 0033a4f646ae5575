//! A Go program from a source package and a toolchain, both inputs like any other.
//!
//! ```text
//! STORE/tmp/x/toolchain/   the toolchain's packages          read, execute
//!             gopath/src/  the source tree at its import path read
//!             work/        cache, temporary files, output     read, write
//! ```
//!
//! - The compiler sees these folders and nothing else, has no network and an environment of
//!   our making ([`confine`]).
//! - The result depends on nothing but the inputs: `-trimpath`, no build id, no cgo, no
//!   version control; it is kept in the store under the digest of all that went in.
//! - `go` runs in GOPATH mode: dependencies are those in the tree's `vendor` folders.

pub mod confine;
pub(crate) mod patch;
mod run;
mod source;
mod toolchain;
mod unpack;

use std::fs;
use std::path::Path;

use confine::Walls;

use crate::arch::Arch;
use crate::digest::Digest;
use crate::error::{Context as _, Error, Result};
use crate::path::RootPath;
use crate::profile::Go;
use crate::source::Context;
use crate::store::{Blob, Key};
use crate::temp::TempFolder;

/// Changes when the same inputs would give another program.
const RECIPE: u32 = 1;

/// What a program is built of; names are those of the lock without `go/COMPONENT/source/`.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The files of the source package, its `.dsc` among them.
    pub source: Vec<(String, Blob)>,
    /// The packages of the toolchain for the architecture of this host.
    pub toolchain: Vec<(String, Blob)>,
    /// Whether to do without walls.
    pub unconfined: bool,
}

/// The program for `arch`, a static executable; the flag says that the store had it.
pub fn build(go: &Go, inputs: &Inputs, arch: Arch, cx: &Context) -> Result<(Blob, bool)> {
    let host = Arch::host().ok_or_else(|| {
        Error::system(format!("no Go toolchain is known for this host's processor, {}", std::env::consts::ARCH))
    })?;
    let key = inputs.key(go, arch)?;
    let doing = || format!("building `{}`", go.package);
    let (program, cached) =
        cx.store.derived(key.clone(), |out| compile(go, inputs, arch, host, cx, out)).context(doing)?;
    Ok((noted(program, cached, key, cx)?, cached))
}

/// The program with its digest, noted beside it: 100 MB need not be read again to be known.
fn noted(program: Blob, cached: bool, key: Key, cx: &Context) -> Result<Blob> {
    // A note of an earlier making is of no use for a new one.
    let store = if cached { cx.store.clone() } else { cx.store.clone().without_derived() };
    let note = |out: &mut dyn std::io::Write| Ok(out.write_all(&program.content().sha256()?.0)?);
    let (note, _) = store.derived(Key::new("go digest", RECIPE).with(key.digest().0), note)?;
    let bytes = note.content().read(32)?;
    let digest: [u8; 32] = bytes.try_into().map_err(|_| Error::system("the note of a program's digest is cut"))?;
    Ok(program.known_as(Digest(digest)))
}

impl Inputs {
    fn key(&self, go: &Go, arch: Arch) -> Result<Key> {
        let digests = |files: &[(String, Blob)]| -> Result<Vec<(String, Digest)>> {
            let digest = |name: &String, blob: &Blob| {
                blob.digest().ok_or_else(|| Error::bug(format!("input `{name}` without a digest")))
            };
            files.iter().map(|(name, blob)| Ok((name.clone(), digest(name, blob)?))).collect()
        };
        Ok(key(go, digests(&self.source)?, digests(&self.toolchain)?, arch))
    }
}

/// Everything that can change a byte of the program, files by name and digest. Jobs and walls cannot.
pub fn key(go: &Go, source: Vec<(String, Digest)>, toolchain: Vec<(String, Digest)>, arch: Arch) -> Key {
    let mut key = Key::new("go", RECIPE).of(&go.package).part("architecture", arch.name());
    for (name, field) in [("package", &go.package), ("root", &go.root), ("version", &go.version)] {
        key = key.part(name, field.as_str());
    }
    for (name, value) in &go.define {
        key = key.with(name).part(&format!("define {name}"), value.as_str());
    }
    for (kind, mut files) in [("source", source), ("toolchain", toolchain)] {
        files.sort();
        key = key.with(kind).with(files.len().to_le_bytes());
        for (name, digest) in files {
            key = key.with(&name).part(&format!("{kind} {name}"), &digest);
        }
    }
    key
}

fn compile(go: &Go, inputs: &Inputs, arch: Arch, host: Arch, cx: &Context, out: &mut dyn std::io::Write) -> Result<()> {
    let folder = TempFolder::new_in(&cx.store.path().join("tmp"))?;
    // The compiler needs absolute paths, whatever way the store was named.
    let base = fs::canonicalize(folder.path()).context(|| "finding the store's folder".into())?;
    let make = |name: &str| -> Result<std::path::PathBuf> {
        let path = base.join(name);
        fs::create_dir_all(&path).context(|| format!("making `{}`", path.display()))?;
        Ok(path)
    };
    let stage = cx.report.stage("go", None);
    stage.at("unpacking the toolchain");
    let toolchain = toolchain::unpack(&inputs.toolchain, &make("toolchain")?, host)?;
    stage.at("unpacking the source");
    let tree = source::unpack(&inputs.source, &make("source")?)?;
    let gopath = make("gopath")?;
    let place = import_path(&gopath, &go.root)?;
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent).context(|| format!("making `{}`", parent.display()))?;
    }
    fs::rename(&tree, &place).context(|| format!("placing the source at `{}`", go.root))?;
    let work = make("work")?;
    let walls = (!inputs.unconfined)
        .then(|| Walls { read: vec![toolchain.root.clone(), gopath.clone()], write: vec![work.clone()] });
    let job = run::Job { go, arch, toolchain: &toolchain, gopath: &gopath, tree: &place, work: &work, jobs: cx.jobs };
    let length = run::run(&job, walls, cx.report, &stage, out)?;
    drop(stage);
    cx.report.detail(|| format!("built `{}`, {length} bytes", go.package));
    Ok(())
}

/// The folder of the import path `root` in a GOPATH.
fn import_path(gopath: &Path, root: &str) -> Result<std::path::PathBuf> {
    match RootPath::from_member(root.as_bytes()) {
        Ok(path) if !path.is_root() && !root.starts_with('/') => Ok(unpack::below(&gopath.join("src"), &path)),
        _ => Err(Error::user(format!("`{root}` is no import path")).hint("expected a form like `k8s.io/kubernetes`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn go() -> Go {
        let package = |name: &str| crate::profile::Package { name: name.into(), from: "debian".into() };
        Go {
            source: package("x"),
            toolchain: package("golang-go"),
            package: "example.org/x/cmd/x".into(),
            root: "example.org/x".into(),
            version: "v1".into(),
            define: Default::default(),
        }
    }

    #[test]
    fn the_key_covers_what_changes_the_program_and_no_order() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let blob = |text: &str| (format!("{text}.deb"), store.insert_new(9, text.as_bytes()).unwrap());
        let digest = |go: &Go, inputs: &Inputs, arch| inputs.key(go, arch).unwrap().digest();
        let inputs = Inputs { source: vec![blob("a"), blob("b")], toolchain: vec![blob("c")], unconfined: false };
        let base = digest(&go(), &inputs, Arch::Amd64);
        let turned = Inputs { source: vec![blob("b"), blob("a")], unconfined: true, ..inputs.clone() };
        assert_eq!(base, digest(&go(), &turned, Arch::Amd64));
        assert_ne!(base, digest(&go(), &inputs, Arch::Arm64));
        let moved = Inputs { source: vec![blob("a")], toolchain: vec![blob("b"), blob("c")], unconfined: false };
        assert_ne!(base, digest(&go(), &moved, Arch::Amd64));
        assert_ne!(base, digest(&Go { version: "v2".into(), ..go() }, &inputs, Arch::Amd64));
    }

    #[test]
    fn an_import_path_stays_in_the_gopath() {
        for root in ["", "/etc", "../x", "a/../../x", "."] {
            assert!(import_path(Path::new("/g"), root).is_err(), "{root}");
        }
        assert_eq!(import_path(Path::new("/g"), "k8s.io/x").unwrap(), Path::new("/g/src/k8s.io/x"));
    }
}
