//! UEFI firmware for virtual machines, where distributions put it.

use std::fs;
use std::path::{Path, PathBuf};

use super::variables;
use crate::arch::Arch;
use crate::bytes::limited;
use crate::error::{Context, Error, Kind, Result};

/// The two flash images of a firmware.
#[derive(Debug, Clone)]
pub struct Firmware {
    /// The code, never written.
    pub code: PathBuf,
    /// Variables as they are at first start; copied for each machine.
    vars: PathBuf,
}

/// Code and variables; Debian's and Ubuntu's, Fedora's, Arch's, openSUSE's.
const AMD64: &[(&str, &str)] = &[
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/usr/share/qemu/ovmf-x86_64-4m-code.bin", "/usr/share/qemu/ovmf-x86_64-4m-vars.bin"),
];
const ARM64: &[(&str, &str)] = &[
    ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
    ("/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw", "/usr/share/edk2/aarch64/vars-template-pflash.raw"),
    ("/usr/share/edk2/aarch64/QEMU_CODE.fd", "/usr/share/edk2/aarch64/QEMU_VARS.fd"),
    ("/usr/share/qemu/aavmf-aarch64-code.bin", "/usr/share/qemu/aavmf-aarch64-vars.bin"),
];

/// The firmware for machines of `arch`.
pub fn find(arch: Arch) -> Result<Firmware> {
    let (places, package) = match arch {
        Arch::Amd64 => (AMD64, "ovmf"),
        Arch::Arm64 => (ARM64, "qemu-efi-aarch64"),
    };
    first(places).ok_or_else(|| {
        Error::system(format!("there is no UEFI firmware for {arch} machines on this host"))
            .hint(format!("install it: apt install {package} (edk2-ovmf, edk2-aarch64 elsewhere)"))
    })
}

fn first(places: &[(&str, &str)]) -> Option<Firmware> {
    let mut pairs = places.iter().map(|(code, vars)| Firmware { code: code.into(), vars: vars.into() });
    pairs.find(|firmware| firmware.code.is_file() && firmware.vars.is_file())
}

impl Firmware {
    /// Writes the variables that a machine starts with to `path`: with `kept`, those that are there from earlier runs,
    /// else those of a first start; with `uri`, such that it starts what is there.
    pub fn write_vars(&self, path: &Path, kept: bool, uri: Option<&str>) -> Result<()> {
        if kept && uri.is_none() {
            return Ok(());
        }
        let from = if kept { path } else { &self.vars };
        let mut bytes = read(from)?;
        if let Some(uri) = uri {
            let doing = || format!("setting what starts next in `{}`", from.display());
            variables::start_next(&mut bytes, uri).context(doing)?;
        }
        // Read and written, since a copy would keep a mode that forbids writing.
        fs::write(path, bytes).context(|| format!("writing `{}`", path.display()))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let doing = || format!("reading `{}`", path.display());
    limited(fs::File::open(path).context(doing)?, variables::MAX, Kind::System).context(doing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_firmware_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let (code, vars, other) = (path("code"), path("vars"), path("other"));
        fs::write(&code, "").unwrap();
        assert!(first(&[(&code, &vars)]).is_none());
        fs::write(&vars, "v").unwrap();
        let found = first(&[(&other, &vars), (&code, &vars)]).unwrap();
        assert_eq!(found.code, Path::new(&code));
        found.write_vars(Path::new(&other), false, None).unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"v");
        // What a machine kept stays.
        fs::write(&other, "kept").unwrap();
        found.write_vars(Path::new(&other), true, None).unwrap();
        assert!(found.write_vars(Path::new(&other), true, Some("http://x/y")).is_err());
        assert_eq!(fs::read(&other).unwrap(), b"kept");
        fs::File::create(&other).unwrap().set_len(variables::MAX + 1).unwrap();
        let error = found.write_vars(Path::new(&other), true, Some("http://x/y")).unwrap_err();
        assert!(error.to_string().contains("larger than 64M"), "{error}");
    }
}
