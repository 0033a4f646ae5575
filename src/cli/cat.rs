//! `cat`: a file of an image's root.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::audit::{Opened, browse};
use crate::error::{Error, Result};
use crate::squashfs::NodeKind;

/// `imagebuild cat node.raw /etc/os-release`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild cat node.qcow2 /etc/os-release\n  \
    imagebuild cat node.raw /usr/lib/imagebuild/profile.toml    what it was made of\n\n\
    Links are followed, within the image. The bytes are written as they are.")]
pub struct Args {
    /// An image of any format, a squashfs, or the folder of a build.
    image: PathBuf,
    /// The file.
    path: String,
}

/// Writes the file to standard output.
pub fn run(args: &Args) -> Result<()> {
    let opened = Opened::open(&args.image)?;
    let node = browse::find(&opened.root, &args.path, true)?;
    if !matches!(node.kind, NodeKind::File(_)) {
        return Err(Error::user(format!("`{}` is no regular file", node.path)));
    }
    let mut out = Out { inner: std::io::stdout().lock(), gone: false };
    let result = opened.root.copy_file(&node, &mut out).and_then(|()| Ok(out.flush()?));
    // A reader that went away (`| head`) is no error.
    if out.gone { Ok(()) } else { result }
}

/// Notes that nobody reads any more.
struct Out<W> {
    inner: W,
    gone: bool,
}

impl<W: Write> Out<W> {
    fn noted<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        self.gone |= result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        result
    }
}

impl<W: Write> Write for Out<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(buffer);
        self.noted(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.noted(result)
    }
}
