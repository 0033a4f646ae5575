//! The list of kernel modules: `/modules` of the initrd, one path a line, in the order in
//! which they are loaded.

/// MODULE_INIT_COMPRESSED_FILE: the kernel unpacks the file itself.
pub const COMPRESSED: u32 = 4;

/// Flags of finit_module(2) for a module's file.
pub fn flags(path: &[u8]) -> u32 {
    if path.ends_with(b".ko") { 0 } else { COMPRESSED }
}

/// Whether a module that did not load is nothing to speak of.
///
/// EEXIST: it is there or built in. ENODEV: its device is not. ENOENT: a module of a
/// hypervisor that is not there lacks the symbols of its bus.
pub fn expected(errno: i32) -> bool {
    matches!(errno, 17 | 19 | 2)
}

/// The paths of a list; empty lines and lines that start with `#` are none.
pub fn paths(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b'\n')
        .map(|line| line.trim_ascii())
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_paths() {
        let list = b"# storage\n/lib/a.ko.xz\n\n  /lib/b.ko \n/lib/c.ko.zst";
        let paths: Vec<_> = paths(list).map(|path| (path, flags(path))).collect();
        assert_eq!(paths, [(&b"/lib/a.ko.xz"[..], 4), (b"/lib/b.ko", 0), (b"/lib/c.ko.zst", 4)]);
    }
}
