//! `new`: a commented profile to begin with.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::profile::template;
use crate::report::Report;

/// What a file name's stem cannot give an id for.
const FALLBACK: &str = "node";

/// `imagebuild new node.toml`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    imagebuild new node.toml                      a node that builds as it stands\n  \
    imagebuild new node.toml --template debug     the same over another template\n  \
    imagebuild build node.toml")]
pub struct Args {
    /// The file to write; it must not be there yet.
    file: PathBuf,
    /// The template that it extends besides.
    #[arg(long, value_name = "NAME")]
    template: Option<String>,
}

/// Writes the profile.
pub fn run(args: &Args, report: &Report) -> Result<()> {
    let text = text(&args.file, args.template.as_deref())?;
    let writing = || format!("writing `{}`", args.file.display());
    let mut file = OpenOptions::new().write(true).create_new(true).open(&args.file).map_err(|error| {
        let known = error.kind() == std::io::ErrorKind::AlreadyExists;
        let hint =
            if known { "give the name of a file that is not there yet" } else { "give a path that can be written" };
        Error::user(error.to_string()).hint(hint).context(writing())
    })?;
    file.write_all(text.as_bytes()).context(writing)?;
    report.say(&format!("wrote `{0}`; build it with `imagebuild build {0}`", args.file.display()));
    Ok(())
}

/// The starting profile, named after its file.
fn text(file: &Path, name: Option<&str>) -> Result<String> {
    let id = id(file);
    let mut text = template::START
        .replace("id = \"hello-pod\"", &format!("id = \"{id}\""))
        .replace("out/hello-pod_", &format!("out/{id}_"))
        .replace("examples/hello-pod.toml", &written(file, &id));
    if let Some(name) = name {
        if template::get(name).is_none() {
            let names: Vec<String> = template::names().map(|name| format!("`{name}`")).collect();
            return Err(Error::user(format!("there is no template `{name}`"))
                .hint(format!("expected one of {}", names.join(", "))));
        }
        // Every template extends `node` itself, as the example does.
        text = text.replace("extends = [\"node\"]", &format!("extends = [\"{name}\"]"));
    }
    Ok(text)
}

/// The file's name as it may stand in a comment.
fn written(file: &Path, id: &str) -> String {
    let text = file.display().to_string();
    if text.chars().any(char::is_control) { format!("{id}.toml") } else { text }
}

/// An image's id from a file's name: what may not stand in one becomes `-`.
fn id(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let plain: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let plain: String = plain.trim_matches(['-', '.']).chars().take(24).collect();
    if plain.is_empty() { FALLBACK.to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{LoadOptions, load_text};

    #[test]
    fn what_is_written_is_sound() {
        for (file, id) in [("node.toml", "node"), ("My_Edge Node.toml", "My-Edge-Node"), ("_.toml", "node")] {
            let path = Path::new(file);
            let text = text(path, None).unwrap();
            let loaded = load_text(path, Some(text), &LoadOptions::default());
            let (profile, _) = loaded.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(profile.image.id, id);
        }
        for name in template::names() {
            let text = text(Path::new("node.toml"), Some(name)).unwrap();
            let loaded = load_text(Path::new("node.toml"), Some(text), &LoadOptions::default());
            assert!(loaded.is_ok(), "{name}: {}", loaded.unwrap_err());
        }
        assert!(text(Path::new("node.toml"), Some("nothing")).is_err());
    }
}
