//! What the base system's scripts leave behind: mount points, the skeleton of `/var`, small files.
//!
//! The root is sealed and `/var` another file system, so of `/var` only what must be there before it is
//! mounted is kept: with nothing in it, services with private temporary folders fail.

use super::scripts::Account;
use super::{Inputs, Place};
use crate::error::Result;
use crate::path::RootPath;
use crate::tree::Tree;

/// Folders that the base system has; mount points among them.
const FOLDERS: [(&str, u16); 27] = [
    ("/boot", 0o755),
    ("/dev", 0o755),
    ("/efi", 0o755),
    ("/etc/opt", 0o755),
    ("/home", 0o755),
    ("/media", 0o755),
    ("/mnt", 0o755),
    ("/opt", 0o755),
    ("/proc", 0o555),
    ("/root", 0o700),
    ("/run", 0o755),
    ("/srv", 0o755),
    ("/sys", 0o555),
    ("/tmp", 0o1777),
    ("/usr/local/bin", 0o755),
    ("/usr/local/etc", 0o755),
    ("/usr/local/lib", 0o755),
    ("/usr/local/libexec", 0o755),
    ("/usr/local/sbin", 0o755),
    ("/usr/local/share", 0o755),
    ("/var", 0o755),
    ("/var/cache", 0o755),
    ("/var/lib", 0o755),
    ("/var/log", 0o755),
    ("/var/spool", 0o755),
    ("/var/tmp", 0o1777),
    ("/etc/ssl/certs", 0o755),
];

/// Files that scripts copy from a shipped default: from, to.
const COPIES: [(&str, &str); 3] = [
    ("/usr/share/base-files/profile", "/etc/profile"),
    ("/usr/share/base-files/motd", "/etc/motd"),
    ("/usr/share/readline/inputrc", "/etc/inputrc"),
];

/// Makes folders, links and files of the base system where packages do not ship them.
pub fn base(tree: &mut Tree, inputs: &Inputs<'_>, _: &Account) -> Result<()> {
    let mut place = Place::new(tree, inputs, "base");
    for (path, mode) in FOLDERS {
        place.missing_directory(path, mode)?;
    }
    // The folders of the API file systems are covered by mounts at once.
    for path in ["/proc", "/sys"] {
        if let Some(meta) = place.tree.meta_mut(&RootPath::new(path)?) {
            meta.mode = 0o555;
        }
    }
    // base-files ships folders; systemd marks a system tainted whose /var/run is not /run.
    for (path, target) in [("/var/run", "../run"), ("/var/lock", "../run/lock")] {
        place.tree.remove(&RootPath::new(path)?);
        place.link(path, target)?;
    }
    for (from, to) in COPIES {
        let from = RootPath::new(from)?;
        let to_path = RootPath::new(to)?;
        if let (Some((_, content)), None) = (place.tree.file(&from), place.tree.get(&to_path)) {
            let content = content.clone();
            let meta = place.meta(0o644);
            place.tree.put_file(&to_path, meta, content)?;
        }
    }
    // systemd asks for exactly this text, else it tries to mend it at each boot.
    place.link("/etc/mtab", "../proc/self/mounts")?;
    if place.tree.get(&RootPath::new("/etc/dpkg/origins/debian")?).is_some() {
        place.link("/etc/dpkg/origins/default", "debian")?;
    }
    Ok(())
}

/// Runlevel scripts and their links: systemd runs units, and an image has no other init.
pub fn without_init_scripts(tree: &mut Tree, _: &Inputs<'_>, _: &Account) -> Result<()> {
    tree.remove(&RootPath::new("/etc/init.d")?);
    for level in ["0", "1", "2", "3", "4", "5", "6", "S"] {
        tree.remove(&RootPath::new(format!("/etc/rc{level}.d"))?);
    }
    Ok(())
}
