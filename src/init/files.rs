//! Copying a file that anybody may have made, and emptying a directory.

use core::ffi::CStr;

use super::sys::{self, File, open};

/// Directories in directories that are emptied.
pub const DEPTH: u32 = 16;

/// EFBIG, for what is no file of the size that it should have.
const TOO_LARGE: i32 = 27;

/// Copies a regular file of at most `most` bytes to a path where nothing is yet; its bytes.
pub fn copy(folder: &File, name: &CStr, target: &CStr, mode: usize, most: u64) -> sys::Result<u64> {
    let source = folder.open_in(name)?;
    let stat = source.stat()?;
    if !stat.regular() || stat.size > most {
        return Err(TOO_LARGE);
    }
    let made = File::make(target, open::WRITE | open::CREATE | open::EXCLUSIVE | open::NO_FOLLOW, mode)?;
    made.mode(mode)?;
    let mut buffer = [0u8; 4096];
    let mut copied = 0u64;
    while copied < stat.size {
        let got = source.read(&mut buffer)?;
        let bytes = buffer.get(..got).filter(|bytes| !bytes.is_empty()).ok_or(TOO_LARGE)?;
        made.write(bytes)?;
        copied = copied.saturating_add(got as u64);
    }
    Ok(copied)
}

/// Removes all that a directory holds on a device; what is mounted there has another one.
pub fn empty(directory: &File, device: (u32, u32), depth: u32) {
    let Some(deeper) = depth.checked_sub(1) else { return };
    let _ = directory.names(|name| {
        match directory.stat_in(name) {
            Ok(stat) if stat.device != device => {}
            Ok(stat) if stat.directory() => {
                if let Ok(inner) = directory.directory(name) {
                    empty(&inner, device, deeper);
                }
                let _ = directory.remove(name, true);
            }
            _ => {
                let _ = directory.remove(name, false);
            }
        }
        true
    });
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::*;

    fn c(path: &Path) -> CString {
        CString::new(path.as_os_str().as_bytes()).unwrap()
    }

    fn folder(path: &Path) -> File {
        File::open(&c(path), open::READ | open::DIRECTORY).unwrap()
    }

    #[test]
    fn copies_files_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("a"), vec![7; 10_000]).unwrap();
        symlink("a", at("link")).unwrap();
        std::fs::create_dir(at("directory")).unwrap();
        let pipe = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(pipe.success());

        let top = folder(dir.path());
        let copy = |name: &CStr, target: &str, most| copy(&top, name, &c(&at(target)), 0o400, most);
        assert_eq!(copy(c"a", "b", 10_000), Ok(10_000));
        assert_eq!(std::fs::read(at("b")).unwrap(), vec![7; 10_000]);
        assert_eq!(std::fs::metadata(at("b")).unwrap().permissions().mode() & 0o7777, 0o400);

        assert_eq!(copy(c"a", "b", 10_000), Err(17), "EEXIST");
        symlink("elsewhere", at("dangling")).unwrap();
        assert_eq!(copy(c"a", "dangling", 10_000), Err(17), "EEXIST");
        assert_eq!(copy(c"a", "c", 9_999), Err(TOO_LARGE));
        for (name, errno) in [(c"link", 40), (c"directory", TOO_LARGE), (c"pipe", TOO_LARGE), (c"none", 2)] {
            assert_eq!(copy(name, "c", 10_000), Err(errno), "{name:?}");
        }
        assert!(!at("c").exists() && !at("elsewhere").exists());
    }

    #[test]
    fn empties_and_follows_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        std::fs::create_dir_all(inside.join("x/y")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("kept"), "").unwrap();
        symlink(&outside, inside.join("x/link")).unwrap();
        (0..500).for_each(|n| std::fs::write(inside.join(format!("x/y/{n}")), "").unwrap());

        let top = folder(&inside);
        let device = top.stat().unwrap().device;
        empty(&top, (device.0, device.1 + 1), DEPTH);
        assert_eq!(std::fs::read_dir(&inside).unwrap().count(), 1, "another device stays");
        // A directory is read once by a descriptor.
        empty(&folder(&inside), device, DEPTH);
        assert_eq!(std::fs::read_dir(&inside).unwrap().count(), 0);
        assert!(outside.join("kept").exists());
    }
}
