//! A Go toolchain from packages, laid out in a private folder, and how its `go` is started there.
//!
//! The packages are not installed: nothing outside of the folder is read, not even the dynamic
//! loader that Debian's `go` names, so that it runs on hosts with another C library, or none.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader, ProgramHeader};

use super::unpack::Unpacker;
use crate::arch::Arch;
use crate::error::{Context, Error, Result};
use crate::path::RootPath;
use crate::source::apt::deb;
use crate::store::Blob;

/// A toolchain on disk.
#[derive(Debug)]
pub struct Toolchain {
    /// Where its packages were unpacked.
    pub root: PathBuf,
    /// GOROOT.
    pub goroot: PathBuf,
    /// Program and first arguments that start `go`.
    pub launch: Vec<OsString>,
}

/// Unpacks `packages` (`.deb`, for the host's architecture) below `root`, an empty folder.
pub fn unpack(packages: &[(String, Blob)], root: &Path, host: Arch) -> Result<Toolchain> {
    let mut unpacker = Unpacker::new(root, true);
    for (name, blob) in packages {
        deb::payload(blob, |record, bytes| {
            let path = RootPath::from_member(&record.path)?;
            if wanted(path.as_bytes()) { unpacker.take(&path, &record, bytes) } else { Ok(()) }
        })
        .context(|| format!("unpacking toolchain package `{name}`"))?;
    }
    unpacker.finish()?;
    find(root, host)
}

/// The toolchain and shared libraries; not its documents, nor its own tests, which are most of its files.
fn wanted(path: &[u8]) -> bool {
    let go = |rest: &[u8]| {
        rest.starts_with(b"go-") && rest.split(|byte| *byte == b'/').nth(1).is_none_or(|part| part != b"test")
    };
    match path.strip_prefix(b"/usr/share/") {
        Some(rest) => go(rest),
        None => !path.starts_with(b"/usr/share") && !path.starts_with(b"/etc") && !path.starts_with(b"/var"),
    }
}

fn find(root: &Path, host: Arch) -> Result<Toolchain> {
    let mut found = Vec::new();
    let lib = root.join("usr/lib");
    for entry in fs::read_dir(&lib).into_iter().flatten() {
        let path = entry.context(|| format!("reading `{}`", lib.display()))?.path();
        let named = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("go-"));
        if named && path.join("bin/go").is_file() {
            found.push(path);
        }
    }
    found.sort();
    let [goroot] = found.as_slice() else {
        let message = format!("the toolchain's packages hold {} Go toolchains, not one", found.len());
        return Err(Error::source(message).hint("name a package such as golang-1.24-go"));
    };
    let tools = goroot.join("pkg/tool").join(format!("linux_{host}"));
    if !tools.join("compile").is_file() {
        return Err(Error::source(format!("the toolchain has no compiler that runs on {host}"))
            .hint("a toolchain is locked for each architecture that builds: run `imagebuild update` here"));
    }
    let launch = launch(root, &goroot.join("bin/go"), host)?;
    Ok(Toolchain { root: root.to_owned(), goroot: goroot.clone(), launch })
}

/// How `program` is started: by itself where it is static, else by the loader that the packages bring.
fn launch(root: &Path, program: &Path, host: Arch) -> Result<Vec<OsString>> {
    let doing = || format!("reading `{}`", program.display());
    let Some(interpreter) = interpreter(&fs::read(program).context(doing)?).map_err(|error| error.context(doing()))?
    else {
        return Ok(vec![program.into()]);
    };
    let name = Path::new(&interpreter).file_name().unwrap_or_default().to_owned();
    let triplet = host.triplet();
    let folders = ["usr/lib".into(), "lib".into(), format!("usr/lib/{triplet}"), format!("lib/{triplet}")];
    let folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).filter(|path| path.is_dir()).collect();
    let loader = folders.iter().map(|folder| folder.join(&name)).find(|path| path.is_file()).ok_or_else(|| {
        Error::source(format!("`go` needs `{}`, which none of the toolchain's packages brings", name.to_string_lossy()))
    })?;
    let mut path = OsString::new();
    for folder in &folders {
        if !path.is_empty() {
            path.push(":");
        }
        path.push(folder);
    }
    let options = ["--inhibit-cache".into(), "--library-path".into(), path];
    Ok([loader.into()].into_iter().chain(options).chain([program.into()]).collect())
}

/// The loader that an ELF file names; none where it is static.
fn interpreter(bytes: &[u8]) -> Result<Option<OsString>> {
    let broken = |error: object::Error| Error::source(format!("is no 64-bit ELF file: {error}"));
    let header = FileHeader64::<Endianness>::parse(bytes).map_err(broken)?;
    let endian = header.endian().map_err(broken)?;
    for segment in header.program_headers(endian, bytes).map_err(broken)? {
        let found = segment.interpreter(endian, bytes);
        if let Some(path) = found.map_err(|_| Error::source("names its loader past its end"))? {
            return Ok(Some(OsString::from_vec(path.to_vec())));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_documents_stay_packed() {
        for path in ["/usr/lib/go-1.19/bin/go", "/usr/share/go-1.19/src/test/x.go", "/lib/x86_64-linux-gnu/libc.so.6"] {
            assert!(wanted(path.as_bytes()), "{path}");
        }
        for path in ["/usr/share/go-1.19/test/x.go", "/usr/share/doc/x", "/etc/ld.so.conf"] {
            assert!(!wanted(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn a_folder_without_go_is_no_toolchain() {
        let root = tempfile::tempdir().unwrap();
        assert!(find(root.path(), Arch::Amd64).unwrap_err().to_string().contains("0 Go toolchains"));
        let go = root.path().join("usr/lib/go-1.1/bin/go");
        fs::create_dir_all(go.parent().unwrap()).unwrap();
        fs::write(&go, "x").unwrap();
        assert!(find(root.path(), Arch::Amd64).unwrap_err().to_string().contains("runs on amd64"));
    }

    #[test]
    fn a_dynamic_program_is_started_by_the_packages_own_loader() {
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        let name = interpreter(&own).unwrap().unwrap();
        let root = tempfile::tempdir().unwrap();
        let program = root.path().join("go");
        fs::write(&program, &own).unwrap();
        let host = Arch::host().unwrap();
        assert!(launch(root.path(), &program, host).is_err());
        let folder = root.path().join("lib").join(host.triplet());
        fs::create_dir_all(&folder).unwrap();
        let loader = folder.join(Path::new(&name).file_name().unwrap());
        fs::write(&loader, "").unwrap();
        let launch = launch(root.path(), &program, host).unwrap();
        assert_eq!(launch.first(), Some(&loader.into()));
        assert_eq!(launch.last(), Some(&program.into()));
        assert!(interpreter(b"#!/bin/sh").is_err());
    }
}
