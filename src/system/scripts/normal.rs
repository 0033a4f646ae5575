//! The normal form of what is left of a script, by which the table and the profile know it.

use super::super::Inputs;
use super::eval::{Found, evaluate};
use super::known::Meaning;
use super::residue;
use super::shell;
use crate::arch::Arch;
use crate::digest::Digest;
use crate::source::{Package, ScriptKind};

/// A script, evaluated for a fresh installation.
#[derive(Debug)]
pub struct Normal {
    /// Wishes for the steps.
    pub meanings: Vec<Meaning>,
    /// What is left, one command a line; empty where nothing is.
    pub text: String,
    /// Debhelper's blocks in it.
    pub blocks: usize,
}

impl Normal {
    /// Digest of what is left.
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }
}

/// Evaluates the script; one that is not understood is left as a whole, without comments.
pub fn normal(inputs: &Inputs<'_>, package: &Package, kind: ScriptKind, script: &str) -> Normal {
    let arch = inputs.profile.image.arch;
    let arguments: &[&str] = match kind {
        ScriptKind::Preinst => &["install"],
        // dpkg hands over an empty second argument where no version was configured before.
        _ => &["configure", ""],
    };
    let variables = [
        ("DPKG_ROOT", ""),
        ("DPKG_MAINTSCRIPT_NAME", kind.name()),
        ("DPKG_MAINTSCRIPT_PACKAGE", &package.name),
        ("DPKG_MAINTSCRIPT_ARCH", arch.name()),
        ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1"),
        ("DEBIAN_FRONTEND", "noninteractive"),
    ];
    let found = shell::parse(script).and_then(|list| evaluate(&list, arguments, &variables));
    let (meanings, text) = match found {
        Ok(Found { meanings, left }) => {
            let text = if residue::quiet(&left) { String::new() } else { residue::text(&left) };
            (meanings, text)
        }
        Err(_) => (Vec::new(), whole(script)),
    };
    let blocks = script.lines().filter(|line| line.starts_with("# Automatically added by ")).count();
    Normal { meanings, text: marked(package, &text), blocks }
}

/// The lines of a script without comments, blank lines and indentation.
fn whole(script: &str) -> String {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Replaces what differs by version and architecture only.
fn marked(package: &Package, text: &str) -> String {
    let mut text = text.replace(&package.version, "@VERSION@");
    for arch in Arch::ALL {
        text = text.replace(arch.triplet(), "@TRIPLET@");
    }
    if let Some(release) = package.name.strip_prefix("linux-image-") {
        text = text.replace(release, "@KERNEL@");
    }
    for arch in Arch::ALL {
        text = text.replace(arch.name(), "@ARCH@");
    }
    text
}
