//! System calls: the numbers, and a safe function for each that is used.
//!
//! An error is the positive errno. Descriptors close themselves.

use core::ffi::CStr;

#[cfg(target_arch = "x86_64")]
mod number {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const IOCTL: usize = 16;
    pub const PREAD: usize = 17;
    pub const PWRITE: usize = 18;
    pub const NANOSLEEP: usize = 35;
    pub const EXECVE: usize = 59;
    pub const CHDIR: usize = 80;
    pub const FCHMOD: usize = 91;
    pub const CHROOT: usize = 161;
    pub const MOUNT: usize = 165;
    pub const REBOOT: usize = 169;
    pub const GETDENTS: usize = 217;
    pub const CLOCK_GETTIME: usize = 228;
    pub const OPENAT: usize = 257;
    pub const MKDIRAT: usize = 258;
    pub const UNLINKAT: usize = 263;
    pub const SYMLINKAT: usize = 266;
    pub const READLINKAT: usize = 267;
    pub const FINIT_MODULE: usize = 313;
    pub const STATX: usize = 332;
}

#[cfg(target_arch = "aarch64")]
mod number {
    pub const IOCTL: usize = 29;
    pub const MKDIRAT: usize = 34;
    pub const UNLINKAT: usize = 35;
    pub const SYMLINKAT: usize = 36;
    pub const MOUNT: usize = 40;
    pub const CHDIR: usize = 49;
    pub const CHROOT: usize = 51;
    pub const FCHMOD: usize = 52;
    pub const OPENAT: usize = 56;
    pub const CLOSE: usize = 57;
    pub const GETDENTS: usize = 61;
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const PREAD: usize = 67;
    pub const PWRITE: usize = 68;
    pub const READLINKAT: usize = 78;
    pub const NANOSLEEP: usize = 101;
    pub const CLOCK_GETTIME: usize = 113;
    pub const REBOOT: usize = 142;
    pub const EXECVE: usize = 221;
    pub const FINIT_MODULE: usize = 273;
    pub const STATX: usize = 291;
}

/// Flags of openat(2).
pub mod open {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const READ_WRITE: usize = 2;
    pub const CREATE: usize = 0o100;
    pub const EXCLUSIVE: usize = 0o200;
    pub const NO_TTY: usize = 0o400;
    pub const APPEND: usize = 0o2000;
    pub const NON_BLOCKING: usize = 0o4000;
    pub const CLOSE_ON_EXEC: usize = 0o200_0000;
    // These two differ by architecture.
    #[cfg(target_arch = "x86_64")]
    pub const DIRECTORY: usize = 0o20_0000;
    #[cfg(target_arch = "x86_64")]
    pub const NO_FOLLOW: usize = 0o40_0000;
    #[cfg(target_arch = "aarch64")]
    pub const DIRECTORY: usize = 0o4_0000;
    #[cfg(target_arch = "aarch64")]
    pub const NO_FOLLOW: usize = 0o10_0000;
}

/// Flags of mount(2).
pub mod mount {
    pub const READ_ONLY: usize = 1;
    pub const NO_SUID: usize = 2;
    pub const NO_DEV: usize = 4;
    pub const NO_EXEC: usize = 8;
    pub const MOVE: usize = 0x2000;
    pub const STRICT_ATIME: usize = 1 << 24;
}

/// What reboot(2) does.
pub const RESTART: usize = 0x0123_4567;

/// The current directory, as the first argument of the *at calls.
const HERE: usize = -100isize as usize;

/// Bytes of `struct statx`.
const STATX_SIZE: usize = 256;

/// A result of a system call.
pub type Result<T> = core::result::Result<T, i32>;

/// # Safety
/// The arguments must be what the call of this number takes; pointers must be valid for it.
unsafe fn call(number: usize, args: [usize; 5]) -> Result<usize> {
    let [a, b, c, d, e] = args;
    let result: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the kernel's calling convention; rcx and r11 are the two that it changes.
    unsafe {
        core::arch::asm!(
            "syscall", inlateout("rax") number as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _, options(nostack)
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the kernel's calling convention.
    unsafe {
        core::arch::asm!(
            "svc 0", in("x8") number, inlateout("x0") a as isize => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, options(nostack)
        );
    }
    if result < 0 { Err(i32::try_from(result.unsigned_abs()).unwrap_or(i32::MAX)) } else { Ok(result as usize) }
}

fn text(text: &CStr) -> usize {
    text.as_ptr() as usize
}

/// An open file.
pub struct File(usize);

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours and used no more.
        let _ = unsafe { call(number::CLOSE, [self.0, 0, 0, 0, 0]) };
    }
}

impl File {
    /// Opens a path; it is closed on exec.
    pub fn open(path: &CStr, flags: usize) -> Result<File> {
        Self::make(path, flags, 0)
    }

    /// Opens or makes a file with a mode.
    pub fn make(path: &CStr, flags: usize, mode: usize) -> Result<File> {
        // SAFETY: the path is NUL-terminated.
        unsafe { call(number::OPENAT, [HERE, text(path), flags | open::CLOSE_ON_EXEC, mode, 0]) }.map(File)
    }

    /// Opens a name in this directory for reading: a link is not followed, a pipe does not block.
    pub fn open_in(&self, name: &CStr) -> Result<File> {
        let flags = open::READ | open::NO_FOLLOW | open::NON_BLOCKING | open::CLOSE_ON_EXEC;
        // SAFETY: the name is NUL-terminated.
        unsafe { call(number::OPENAT, [self.0, text(name), flags, 0, 0]) }.map(File)
    }

    /// Its number, for structures that name a file by it.
    pub fn descriptor(&self) -> usize {
        self.0
    }

    /// Reads up to the length of the buffer.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        // SAFETY: the buffer is valid for its length.
        unsafe { call(number::READ, [self.0, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0]) }
    }

    /// Fills the buffer from an offset.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.checked_add(done as u64).and_then(|at| usize::try_from(at).ok()).ok_or(22)?;
            // SAFETY: the buffer is valid for its length.
            match unsafe { call(number::PREAD, [self.0, rest.as_mut_ptr() as usize, rest.len(), at, 0]) }? {
                0 => return Err(5),
                got => done += got,
            }
        }
        Ok(())
    }

    /// Writes all bytes.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            // SAFETY: the bytes are valid for their length.
            match unsafe { call(number::WRITE, [self.0, rest.as_ptr() as usize, rest.len(), 0, 0]) }? {
                0 => return Err(5),
                put => done += put,
            }
        }
        Ok(())
    }

    /// Writes all bytes from an offset on.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.checked_add(done as u64).and_then(|at| usize::try_from(at).ok()).ok_or(22)?;
            // SAFETY: the bytes are valid for their length.
            match unsafe { call(number::PWRITE, [self.0, rest.as_ptr() as usize, rest.len(), at, 0]) }? {
                0 => return Err(5),
                put => done += put,
            }
        }
        Ok(())
    }

    /// Writes all bytes in one call, as a TPM wants it.
    pub fn write_once(&self, bytes: &[u8]) -> Result<usize> {
        // SAFETY: the bytes are valid for their length.
        unsafe { call(number::WRITE, [self.0, bytes.as_ptr() as usize, bytes.len(), 0, 0]) }
    }

    /// An ioctl on a structure of the caller, whose size is part of the request.
    pub fn ioctl(&self, request: usize, structure: &mut [u8]) -> Result<()> {
        // SAFETY: the caller's requests read and write within the structure's own stated size.
        unsafe { call(number::IOCTL, [self.0, request, structure.as_mut_ptr() as usize, 0, 0]) }.map(drop)
    }

    /// Sets the mode.
    pub fn mode(&self, mode: usize) -> Result<()> {
        // SAFETY: no pointers.
        unsafe { call(number::FCHMOD, [self.0, mode, 0, 0, 0]) }.map(drop)
    }

    /// Type, size and device.
    pub fn stat(&self) -> Result<Stat> {
        // AT_EMPTY_PATH: of the descriptor itself.
        statx(self.0, c"", 0x1000)
    }

    /// Loads a module from this file.
    pub fn load(&self, flags: u32) -> Result<()> {
        // SAFETY: the parameters are an empty C string.
        unsafe { call(number::FINIT_MODULE, [self.0, text(c""), flags as usize, 0, 0]) }.map(drop)
    }

    /// Visits the names in this directory, without `.` and `..`, until the visitor says false.
    pub fn names(&self, mut visit: impl FnMut(&CStr) -> bool) -> Result<()> {
        #[repr(align(8))]
        struct Buffer([u8; 2048]);
        let mut buffer = Buffer([0; 2048]);
        loop {
            // SAFETY: the buffer is valid for its length.
            let got =
                unsafe { call(number::GETDENTS, [self.0, buffer.0.as_mut_ptr() as usize, buffer.0.len(), 0, 0]) }?;
            let mut rest = buffer.0.get(..got).unwrap_or(&[]);
            if rest.is_empty() {
                return Ok(());
            }
            // struct linux_dirent64: inode, offset, u16 length at 16, type, name at 19.
            while let Some(length) = rest.get(16..18) {
                let length = usize::from(u16::from_ne_bytes([length[0], length[1]])).max(19);
                let name = rest.get(19..).and_then(|name| CStr::from_bytes_until_nul(name).ok()).unwrap_or(c"");
                if !matches!(name.to_bytes(), b"" | b"." | b"..") && !visit(name) {
                    return Ok(());
                }
                rest = rest.get(length..).unwrap_or(&[]);
            }
        }
    }

    /// Removes a name of this directory; with `directory`, an empty directory.
    pub fn remove(&self, name: &CStr, directory: bool) -> Result<()> {
        let flags = if directory { 0x200 } else { 0 };
        // SAFETY: the name is NUL-terminated.
        unsafe { call(number::UNLINKAT, [self.0, text(name), flags, 0, 0]) }.map(drop)
    }

    /// What a name of this directory is; a link is not followed.
    pub fn stat_in(&self, name: &CStr) -> Result<Stat> {
        statx(self.0, name, 0x100)
    }

    /// Opens a directory of this directory; a link is not followed.
    pub fn directory(&self, name: &CStr) -> Result<File> {
        let flags = open::READ | open::DIRECTORY | open::NO_FOLLOW | open::CLOSE_ON_EXEC;
        // SAFETY: the name is NUL-terminated.
        unsafe { call(number::OPENAT, [self.0, text(name), flags, 0, 0]) }.map(File)
    }
}

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    mode: u16,
    /// Its bytes.
    pub size: u64,
    /// The device that it lies on, major and minor number.
    pub device: (u32, u32),
}

impl Stat {
    /// Whether it is a regular file.
    pub fn regular(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    /// Whether it is a directory.
    pub fn directory(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
}

fn statx(at: usize, name: &CStr, flags: usize) -> Result<Stat> {
    let mut buffer = [0u8; STATX_SIZE];
    // Mask 0x7ff: the basic fields. SAFETY: the buffer is a whole struct statx.
    unsafe { call(number::STATX, [at, text(name), flags, 0x7ff, buffer.as_mut_ptr() as usize]) }?;
    let u32_at = |at: usize| u32::from_ne_bytes([buffer[at], buffer[at + 1], buffer[at + 2], buffer[at + 3]]);
    let mut size = [0; 8];
    size.copy_from_slice(&buffer[40..48]);
    Ok(Stat {
        mode: u16::from_ne_bytes([buffer[28], buffer[29]]),
        size: u64::from_ne_bytes(size),
        device: (u32_at(136), u32_at(140)),
    })
}

/// Mounts.
pub fn mount(source: &CStr, target: &CStr, kind: &CStr, flags: usize, options: &CStr) -> Result<()> {
    // SAFETY: all are NUL-terminated.
    unsafe { call(number::MOUNT, [text(source), text(target), text(kind), flags, text(options)]) }.map(drop)
}

/// Makes a directory; one that is there already is fine.
pub fn make_directory(path: &CStr, mode: usize) -> Result<()> {
    // SAFETY: the path is NUL-terminated.
    match unsafe { call(number::MKDIRAT, [HERE, text(path), mode, 0, 0]) } {
        Ok(_) | Err(17) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Makes a symbolic link.
pub fn link(target: &CStr, path: &CStr) -> Result<()> {
    // SAFETY: both are NUL-terminated.
    unsafe { call(number::SYMLINKAT, [text(target), HERE, text(path), 0, 0]) }.map(drop)
}

/// Where a symbolic link leads; the bytes that fit.
pub fn read_link<'a>(path: &CStr, buffer: &'a mut [u8]) -> Result<&'a [u8]> {
    // SAFETY: the path is NUL-terminated, the buffer valid for its length.
    let got = unsafe { call(number::READLINKAT, [HERE, text(path), buffer.as_mut_ptr() as usize, buffer.len(), 0]) }?;
    buffer.get(..got).ok_or(22)
}

/// Changes the directory.
pub fn chdir(path: &CStr) -> Result<()> {
    // SAFETY: the path is NUL-terminated.
    unsafe { call(number::CHDIR, [text(path), 0, 0, 0, 0]) }.map(drop)
}

/// Changes the root directory.
pub fn chroot(path: &CStr) -> Result<()> {
    // SAFETY: the path is NUL-terminated.
    unsafe { call(number::CHROOT, [text(path), 0, 0, 0, 0]) }.map(drop)
}

/// Becomes another program; returns only the errno of a failure.
///
/// # Safety
/// Both lists must be arrays of C strings that end in a null pointer.
pub unsafe fn execute(path: &CStr, arguments: *const *const u8, environment: *const *const u8) -> i32 {
    // SAFETY: the path is NUL-terminated, the rest is the caller's promise.
    unsafe { call(number::EXECVE, [text(path), arguments as usize, environment as usize, 0, 0]) }.err().unwrap_or(0)
}

/// Sleeps.
pub fn sleep(milliseconds: u64) {
    let time = [(milliseconds / 1000) as i64, (milliseconds % 1000) as i64 * 1_000_000];
    // SAFETY: a struct timespec.
    let _ = unsafe { call(number::NANOSLEEP, [time.as_ptr() as usize, 0, 0, 0, 0]) };
}

/// Microseconds since boot.
pub fn uptime() -> u64 {
    let mut time = [0i64; 2];
    // CLOCK_BOOTTIME. SAFETY: a struct timespec.
    let _ = unsafe { call(number::CLOCK_GETTIME, [7, time.as_mut_ptr() as usize, 0, 0, 0]) };
    let [seconds, nanoseconds] = time.map(i64::unsigned_abs);
    seconds.saturating_mul(1_000_000).saturating_add(nanoseconds / 1000)
}

/// Restarts the machine.
pub fn restart() {
    // SAFETY: the two magic numbers of reboot(2); no pointers.
    let _ = unsafe { call(number::REBOOT, [0xfee1_dead, 0x2812_1969, RESTART, 0, 0]) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_file_and_a_directory() {
        let file = File::open(c"/proc/self/comm", open::READ).unwrap();
        let mut buffer = [0; 64];
        assert!(file.read(&mut buffer).unwrap() > 1);
        let directory = File::open(c"/proc/self", open::READ | open::DIRECTORY).unwrap();
        let mut names = vec![];
        directory
            .names(|name| {
                names.push(name.to_owned());
                true
            })
            .unwrap();
        assert!(names.contains(&c"comm".to_owned()));
        assert!(!names.contains(&c"..".to_owned()));
        assert!(directory.stat().unwrap().directory());
        assert!(directory.stat_in(c"comm").unwrap().regular());
        assert!(!directory.stat_in(c"exe").unwrap().regular(), "a link");
        assert_eq!(directory.open_in(c"exe").err(), Some(40), "ELOOP");
        assert_eq!(File::open(c"/proc/self/comm", open::DIRECTORY).err(), Some(20), "ENOTDIR");
    }

    #[test]
    fn makes_reads_and_removes() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let c = |name: &str| std::ffi::CString::new(folder.path().join(name).as_os_str().as_bytes()).unwrap();
        make_directory(&c("d"), 0o700).unwrap();
        make_directory(&c("d"), 0o700).unwrap();
        let made = File::make(&c("f"), open::READ_WRITE | open::CREATE | open::EXCLUSIVE, 0o400).unwrap();
        made.write(b"hello").unwrap();
        let mut buffer = [0; 4];
        made.read_at(1, &mut buffer).unwrap();
        assert_eq!(&buffer, b"ello");
        assert_eq!(made.read_at(2, &mut buffer), Err(5), "nothing short is taken for whole");
        made.write_at(1, b"ELL").unwrap();
        made.read_at(0, &mut buffer).unwrap();
        assert_eq!(&buffer, b"hELL");
        made.mode(0o600).unwrap();
        assert_eq!(made.stat().unwrap().size, 5);
        link(c"f", &c("l")).unwrap();
        assert_eq!(read_link(&c("l"), &mut buffer), Ok(&b"f"[..]));
        let top = File::open(&c("."), open::READ | open::DIRECTORY).unwrap();
        for (name, directory) in [(c"l", false), (c"f", false), (c"d", true)] {
            top.remove(name, directory).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn time_passes() {
        let before = uptime();
        sleep(2);
        assert!(uptime() > before);
    }
}
