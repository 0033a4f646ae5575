//! How to verify it, without believing this page.

use std::fmt::Write;

use super::{Build, Part};
use crate::audit::page::escape;
use crate::manifest::SUMS;

/// The part.
pub fn part(build: &Build) -> Option<Part> {
    let mut steps: Vec<(String, String)> = Vec::new();
    let mut add = |why: &str, command: String| steps.push((why.to_owned(), command));
    let manifest = build.side.manifest.as_ref();
    let label = build.side.label.rsplit('/').next().unwrap_or_default().to_owned();
    let disk = match manifest {
        // The disk itself needs no unpacking.
        Some(manifest) => {
            let files = manifest.artifacts.iter().filter(|artifact| !artifact.path.contains('/'));
            files.min_by_key(|artifact| artifact.format != "raw").map(|artifact| artifact.path.clone())
        }
        None => Some(label),
    };
    if manifest.is_some() {
        if build.minisig {
            add(
                "In the folder of the build: its digests are signed by whom you trust (PUBLIC.pub is a key that you have from them):",
                format!("minisign -V -p PUBLIC.pub -m {SUMS}"),
            );
        }
        add("In the folder of the build: every file is the one that it wrote:", format!("sha256sum --check {SUMS}"));
    }
    if let Some(disk) = &disk {
        let disk = quoted(disk);
        add(
            "Partition tables, boot files and every block of the root fit together, and the manifest:",
            format!("imagebuild verify {disk}"),
        );
        if build.signed {
            add(
                "The provenance is signed by whom you trust, and of this image (PUBLIC.pem is a key that you have from them):",
                format!("imagebuild verify {disk} --provenance provenance.dsse.json --key PUBLIC.pem"),
            );
        }
        add(
            "It comes of the profile and the lock that it carries, byte for byte:",
            format!("imagebuild reproduce {disk}"),
        );
    }
    let hash = manifest.map(|manifest| manifest.root.root_hash);
    let hash = hash.or_else(|| build.side.disk.as_ref()?.uki()?.root_hash().ok());
    if let Some(hash) = hash {
        add("On a node: what runs is this root, if it prints 1:", format!("grep -c roothash={hash} /proc/cmdline"));
    }
    let mut body = String::new();
    for (why, command) in steps {
        let _ = writeln!(body, "<p>{}</p>\n<pre>{}</pre>", escape(&why), escape(&command));
    }
    Some(Part { id: "verify", title: "How to verify", body })
}

/// A name as a shell takes it.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./+~^".contains(c);
    match !name.starts_with('-') && name.chars().all(plain) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_name_is_one_word_to_a_shell() {
        assert_eq!(quoted("node_1.0.0.raw"), "node_1.0.0.raw");
        assert_eq!(quoted("it's $(x).raw"), "'it'\\''s $(x).raw'");
        assert_eq!(quoted("-x"), "'-x'");
    }
}
