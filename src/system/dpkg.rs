//! The package database that scanners and `dpkg-query --admindir` read.
//!
//! ```text
//! /usr/lib/dpkg-db/status                every control paragraph, `install ok installed`
//!                  info/NAME[:ARCH].*    list, md5sums, conffiles
//! /var/lib/dpkg -> ../../usr/lib/dpkg-db in the image, and by a tmpfiles.d line on the machine
//! ```
//!
//! Lists name what the packages ship, whatever the profile left out: that is what tells a scanner that a
//! file is the package's.

use std::fmt::Write;

use md5::{Digest as _, Md5};

use super::scripts::Account;
use super::{Inputs, Place};
use crate::error::{Context, Result};
use crate::source::{MemberKind, Package};
use crate::tree::Tree;

/// Where the database really lies: below `/usr`, since `/var` is another file system.
pub const FOLDER: &str = "/usr/lib/dpkg-db";
/// No configuration file of a package is larger.
const LIMIT: u64 = 16 << 20;

/// Writes the database of all packages.
pub fn dpkg(tree: &mut Tree, inputs: &Inputs<'_>, _: &Account) -> Result<()> {
    let mut packages: Vec<&Package> = inputs.packages.iter().collect();
    packages.sort_by(|a, b| (&a.name, &a.arch).cmp(&(&b.name, &b.arch)));
    let mut place = Place::new(tree, inputs, "package database");
    let mut status = String::new();
    for package in &packages {
        status.push_str(&paragraph(package).context(|| format!("describing `{}`", package.name))?);
        status.push('\n');
        let same = package.field("Multi-Arch").is_some_and(|value| value == "same");
        let name = if same { format!("{}:{}", package.name, package.arch) } else { package.name.clone() };
        place.file(&format!("{FOLDER}/info/{name}.list"), 0o644, list(package))?;
        if !package.md5sums.is_empty() {
            place.file(&format!("{FOLDER}/info/{name}.md5sums"), 0o644, package.md5sums.as_bytes())?;
        }
        if !package.conffiles.is_empty() {
            let text: String = package.conffiles.iter().map(|(path, _)| format!("{path}\n")).collect();
            place.file(&format!("{FOLDER}/info/{name}.conffiles"), 0o644, text)?;
        }
    }
    place.file(&format!("{FOLDER}/status"), 0o644, status)?;
    place.file(&format!("{FOLDER}/available"), 0o644, "")?;
    place.file(&format!("{FOLDER}/arch-native"), 0o644, format!("{}\n", inputs.profile.image.arch.name()))?;
    place.file(&format!("{FOLDER}/info/format"), 0o644, "1\n")?;
    place.directory(&format!("{FOLDER}/updates"), 0o755)?;
    // base-files or dpkg ship a folder there.
    place.tree.remove(&crate::path::RootPath::new("/var/lib/dpkg")?);
    place.link("/var/lib/dpkg", &format!("../..{FOLDER}"))
}

/// The control paragraph, with the state and the digests of configuration files.
fn paragraph(package: &Package) -> Result<String> {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "Package: {}", package.name);
    let _ = writeln!(out, "Status: install ok installed");
    for (field, value) in &package.control {
        // A field twice is an error to readers; `Conffiles` is ours to write.
        if !["package", "status", "conffiles"].contains(&&*field.to_ascii_lowercase()) {
            let space = if value.starts_with('\n') { "" } else { " " };
            let _ = writeln!(out, "{field}:{space}{value}");
        }
    }
    let mut conffiles = String::new();
    for (path, obsolete) in &package.conffiles {
        let member = package.members.iter().find(|member| member.path == *path);
        let Some(MemberKind::File(content)) = member.map(|member| &member.kind) else { continue };
        let digest = Md5::digest(content.read(LIMIT).context(|| format!("reading `{path}`"))?);
        let mark = if *obsolete { " remove-on-upgrade" } else { "" };
        let _ = writeln!(conffiles, " {path} {}{mark}", hex::encode(digest));
    }
    if !conffiles.is_empty() {
        let _ = write!(out, "Conffiles:\n{conffiles}");
    }
    Ok(out)
}

/// What the package ships, as dpkg lists it: `/.` for the root.
fn list(package: &Package) -> Vec<u8> {
    let mut out = Vec::new();
    for member in &package.members {
        // A line break in a name cannot be said in this format.
        if member.path.as_bytes().contains(&b'\n') {
            continue;
        }
        out.extend_from_slice(if member.path.is_root() { b"/." } else { member.path.as_bytes() });
        out.push(b'\n');
    }
    out
}
