//! `imagebuild diff`, started.

use std::path::Path;
use std::process::{Command, Stdio};

/// Compares in `folder` without the network, which must end with `code`; gives what it printed on either stream.
pub fn run(code: i32, folder: &Path, arguments: &[&str]) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_imagebuild"))
        .current_dir(folder)
        .args(["--offline", "diff"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the tool starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n--- stdout\n{out}\n--- stderr\n{err}");
    (out, err)
}
