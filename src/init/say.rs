//! Lines on the console, and small files read whole.

use core::ffi::CStr;
use core::fmt;

use super::sys::{File, open};
use super::text::Text;

/// Prints one line, `imagebuild-init: ...`; where there is no console, nobody reads it.
pub fn line(arguments: fmt::Arguments<'_>) {
    let mut text = Text::<512>::of(format_args!("imagebuild-init: {arguments}"));
    text.put(format_args!("\n"));
    if let Ok(console) = File::open(c"/dev/console", open::WRITE | open::NO_TTY) {
        let _ = console.write(text.bytes());
    }
}

/// Reads a file up to its end; none where it is not there or larger than the buffer.
pub fn read<'a>(path: &CStr, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let file = File::open(path, open::READ).ok()?;
    let mut len = 0usize;
    loop {
        match file.read(buffer.get_mut(len..).filter(|rest| !rest.is_empty())?).ok()? {
            0 => return buffer.get(..len),
            got => len = len.checked_add(got)?,
        }
    }
}

/// The decimal number in a small file, as sysfs shows attributes.
pub fn number(path: &CStr) -> Option<u64> {
    let mut buffer = [0u8; 32];
    core::str::from_utf8(read(path, &mut buffer)?.trim_ascii()).ok()?.parse().ok()
}
