//! What else may be written below the sealed root, and for how long.
//!
//! A folder becomes an overlay: the image's files below, what is written above, on /var (persistent) or
//! in memory (volatile). So files that nobody touched follow the image at the next release, changed
//! ones win, and both without a copy. What won is listed on the console at each boot. The overlay
//! uses none of `index`, `metacopy`, `redirect_dir`, `xino`: only then may the lower side change
//! between mounts (the kernel's filesystems/overlayfs, "changes to underlying filesystems").

use super::paths;
use super::put::{Put, escape, mount_unit};
use crate::error::{Error, Result};
use crate::path::RootPath;
use crate::profile::Writable;
use crate::system::Inputs;
use crate::tree::{Kind, Leaf, NodeRef, Tree};

const PERSISTENT: &str = "/var/lib/imagebuild/writable";
const VOLATILE: &str = "/run/imagebuild/writable";

/// Where nothing may be made writable: what the node is lies there.
const SEALED: [&str; 6] = ["/usr", "/etc/containerd", "/etc/systemd", "/etc/ssl", "/boot", "/efi"];
/// What can be written anyway.
const WRITABLE: [&str; 6] = ["/var", "/run", "/tmp", "/dev", "/proc", "/sys"];

/// Lays mount points and units into the tree.
pub(super) fn step(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<()> {
    let mut folders = Vec::new();
    for (path, kind) in &inputs.profile.writable {
        allowed(path)?;
        if let Some(other) = inputs.profile.writable.keys().find(|other| *other != path && path.starts_with(other)) {
            return Err(Error::user(format!("`{path}` is writable already, by `{other}`"))
                .hint("take one of the two out of `[writable]`"));
        }
        match tree.get(path) {
            Some(NodeRef::Leaf(_, leaf)) => leads_away(path, leaf)?,
            Some(NodeRef::Directory(directory)) => folders.push((path, *kind, directory.meta.mode)),
            // The one file of the defaults; without resolved, whoever knows the servers writes it.
            None if path.as_bytes() == b"/etc/resolv.conf" => {
                Put::new(tree, inputs, "writable").link("/etc/resolv.conf", "../run/resolv.conf")?;
            }
            None => folders.push((path, *kind, 0o755)),
        }
    }
    let mut put = Put::new(tree, inputs, "writable");
    for kind in [Writable::Persistent, Writable::Volatile] {
        let of_kind: Vec<_> = folders.iter().filter(|folder| folder.1 == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        let (word, base, needs) = words(kind);
        let mut lines = String::new();
        let (mut units, mut uppers) = (Vec::new(), String::new());
        for (path, _, mode) in of_kind {
            put.keep_directory(&path.to_string(), 0o755)?;
            let folder = format!("{base}/{}", escape(path));
            lines += &format!(
                "d {folder} 0700 root root\nd {folder}/work 0700 root root\nd {folder}/upper {mode:04o} root root\n"
            );
            let unit = mount_unit(path);
            put.unit(&unit, mount(path, &folder, word, needs), &["local-fs.target.requires"])?;
            units.push(unit);
            uppers += &format!(" \\\n  {}", super::kubelet::quote(&format!("{folder}/upper")));
        }
        let name = format!("imagebuild-writable-{word}");
        put.text(&format!("{}/writable-{word}.conf", paths::TMPFILES), 0o644, lines)?;
        put.unit(&format!("{name}.service"), prepare(word, needs, &units.join(" ")), &[])?;
        if kind == Writable::Persistent {
            put.unit("imagebuild-changed.service", list(&uppers), &["multi-user.target"])?;
        }
    }
    Ok(())
}

fn words(kind: Writable) -> (&'static str, &'static str, &'static str) {
    match kind {
        Writable::Persistent => ("persistent", PERSISTENT, "RequiresMountsFor=/var\nAfter=var.mount\n"),
        Writable::Volatile => ("volatile", VOLATILE, ""),
    }
}

fn allowed(path: &RootPath) -> Result<()> {
    let within = |list: &[&str], whole: bool| {
        list.iter()
            .filter_map(|entry| RootPath::new(entry).ok())
            .any(|entry| path.starts_with(&entry) || (whole && entry.starts_with(path)))
    };
    if within(&SEALED, true) || path.is_root() || path.as_bytes() == b"/etc" {
        return Err(Error::user(format!("`{path}` cannot be writable: what makes the node what it is lies there"))
            .hint("name the folder that is written, such as `/etc/kubernetes` or `/opt/cni/bin`"));
    }
    if within(&WRITABLE, false) {
        return Err(Error::user(format!("`{path}` can be written anyway")).hint("take it out of `[writable]`"));
    }
    Ok(())
}

/// A link into /run or /var is writable where it leads; any other leaf cannot be made so.
fn leads_away(path: &RootPath, leaf: &Leaf) -> Result<()> {
    if let Kind::Symlink(target) = &leaf.kind {
        let target = String::from_utf8_lossy(target);
        let target = target.trim_start_matches("../").trim_start_matches('/');
        if target.starts_with("run/") || target.starts_with("var/") {
            return Ok(());
        }
    }
    Err(Error::user(format!("`{path}` is a file of the image, and only folders can be writable"))
        .hint("name its folder, or make it a link into /run or /var"))
}

fn mount(path: &RootPath, folder: &str, word: &str, needs: &str) -> String {
    format!(
        "[Unit]\n\
         Description={path}, writable ({word})\n\
         DefaultDependencies=no\n\
         {needs}\
         Requires=imagebuild-writable-{word}.service\n\
         After=imagebuild-writable-{word}.service\n\
         Before=local-fs.target umount.target\n\
         Conflicts=umount.target\n\
         \n\
         [Mount]\n\
         What=overlay\n\
         Where={path}\n\
         Type=overlay\n\
         Options=nodev,nosuid,lowerdir={path},upperdir={folder}/upper,workdir={folder}/work,\
         index=off,metacopy=off,redirect_dir=off,xino=off\n"
    )
}

fn prepare(word: &str, needs: &str, units: &str) -> String {
    format!(
        "[Unit]\n\
         Description=Make the {word} folders that may be written\n\
         DefaultDependencies=no\n\
         {needs}\
         Before={units} shutdown.target\n\
         Conflicts=shutdown.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart=systemd-tmpfiles --create {}/writable-{word}.conf\n",
        paths::TMPFILES
    )
}

/// lsattr of e2fsprogs is what a root without a shell has to list a folder with.
fn list(uppers: &str) -> String {
    format!(
        "[Unit]\n\
         Description=List what was changed below the sealed root\n\
         After=local-fs.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         StandardOutput=journal+console\n\
         StandardError=journal+console\n\
         SyslogIdentifier=imagebuild-changed\n\
         ExecStart=-lsattr -R -a{uppers}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_the_node_is_never_writable() {
        for path in ["/", "/usr", "/usr/lib/kubernetes/manifests", "/etc", "/etc/containerd/x", "/etc/systemd"] {
            let error = allowed(&RootPath::new(path).unwrap()).unwrap_err();
            assert!(error.message().contains("cannot be writable"), "{path}");
        }
        assert!(allowed(&RootPath::new("/var/lib/x").unwrap()).unwrap_err().message().contains("anyway"));
        for path in ["/etc/kubernetes", "/etc/cni", "/opt/cni/bin", "/srv"] {
            allowed(&RootPath::new(path).unwrap()).unwrap();
        }
    }
}
