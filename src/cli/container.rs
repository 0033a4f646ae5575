//! `imagebuild container`: a folder or an archive as a container image.

use std::path::PathBuf;

use super::input::Input;
use crate::arch::Arch;
use crate::container::{Container, Settings};
use crate::epoch::Epoch;
use crate::error::{Context, Error, Result};
use crate::profile;
use crate::report::{Mode, Report};
use crate::temp::{Temp, beside};

/// Writes a folder or a tar archive as a container image: an OCI layout in one archive.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    imagebuild container tree -o tool.tar --name example.org/tool:1 --entrypoint /usr/bin/tool --user 65534\n\n\
    `skopeo copy oci-archive:FILE`, `podman load -i FILE` and `ctr images import FILE` take it. The same tree gives the\n\
    same bytes: every time in it is the one of `--time`, and all of a folder belongs to root; an archive keeps its owners.")]
pub struct Args {
    /// A folder, or a tar archive (plain, gzip, xz or zstd; `-` for standard input).
    #[arg(value_name = "DIR-or-TAR")]
    input: PathBuf,
    /// The archive to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The reference that the image is known by.
    #[arg(long, value_name = "NAME:TAG")]
    name: String,
    /// The program; again for each word that it always has.
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    entrypoint: Vec<String>,
    /// A word after them, where the user gives none.
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    cmd: Vec<String>,
    /// A variable of the environment.
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Who runs it [default: root].
    #[arg(long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// The architecture of its programs [default: the host's].
    #[arg(long)]
    arch: Option<Arch>,
    /// Every time of the image, seconds since 1970.
    #[arg(long, value_name = "SECONDS", env = "SOURCE_DATE_EPOCH", default_value_t = 0)]
    time: u32,
}

/// Runs the verb.
pub fn run(args: &Args, report: &Report) -> Result<()> {
    if !profile::is_reference(&args.name) {
        return Err(Error::user(format!("`{}` is no name of a container image", args.name))
            .hint("expected a name and a tag, such as localhost/tool:1"));
    }
    if let Some(bad) = args.env.iter().find(|text| text.split_once('=').is_none_or(|(name, _)| name.is_empty())) {
        return Err(Error::user(format!("`--env {bad}` names no variable")).hint("expected --env NAME=VALUE"));
    }
    let arch = args.arch.or_else(Arch::host).ok_or_else(|| {
        Error::user("no image is for this host's architecture").hint("name one: --arch amd64 or --arch arm64")
    })?;
    let doing = || format!("making a container image of `{}`", args.input.display());
    let input = Input::read(&args.input, beside(&args.output), report).context(doing)?;
    let mut tree = input.tree().clone();
    if matches!(input, Input::Folder(_)) {
        // Whoever made the folder is not who owns the image's files.
        tree.each_meta(|meta| (meta.uid, meta.gid) = (0, 0));
    }
    let settings = Settings {
        name: &args.name,
        entrypoint: &args.entrypoint,
        cmd: &args.cmd,
        env: &args.env,
        user: args.user.as_deref(),
    };
    let container = Container::assemble(&tree, &settings, arch, Epoch(args.time)).context(doing)?;
    let mut file = Temp::new_in(beside(&args.output))?;
    container.write(&mut file).context(doing)?;
    file.persist(&args.output, 0o644)?;
    if report.mode() == Mode::Json {
        report.event(&serde_json::json!({
            "event": "container",
            "path": args.output.to_string_lossy(),
            "name": args.name,
            "digest": format!("sha256:{}", container.digest),
        }));
        return Ok(());
    }
    super::print(format!("{}: {} sha256:{}\n", args.output.display(), args.name, container.digest).as_bytes())
}
