//! Which image this is: os-release, and a machine id that each machine gets for itself.

use super::scripts::Account;
use super::{Inputs, Place, place};
use crate::error::{Context, Result};
use crate::path::RootPath;
use crate::tree::Tree;

/// Appends IMAGE_ID and IMAGE_VERSION to os-release (`os-release(5)`), and empties the machine id.
pub fn identity(tree: &mut Tree, inputs: &Inputs<'_>, _: &Account) -> Result<()> {
    let path = "/usr/lib/os-release";
    let shipped = match tree.file(&place::real(tree, path)?) {
        Some((_, content)) => {
            let bytes = content.read(1 << 16).context(|| format!("reading `{path}`"))?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        None => "NAME=\"Linux\"\nID=linux\n".to_owned(),
    };
    let kept = |line: &&str| !line.starts_with("IMAGE_ID=") && !line.starts_with("IMAGE_VERSION=");
    let mut text: String = shipped.lines().filter(kept).flat_map(|line| [line, "\n"]).collect();
    let image = &inputs.profile.image;
    // Both are of letters, digits and marks that need no quotes but for these.
    text.push_str(&format!("IMAGE_ID=\"{}\"\nIMAGE_VERSION=\"{}\"\n", image.id, image.version));
    let mut place = Place::new(tree, inputs, "identity");
    place.file(path, 0o644, text)?;
    if place.tree.get(&RootPath::new("/etc/os-release")?).is_none() {
        place.link("/etc/os-release", "../usr/lib/os-release")?;
    }
    // Empty: systemd lays a transient or given id over it. Missing or `uninitialized` would make every
    // start a first boot, which enables units by preset on a file system that cannot be written.
    place.file("/etc/machine-id", 0o444, "")
}
