//! Names of hosts, users and services: nsswitch, hosts, networks, resolv.conf, time zone, shells.

use std::collections::BTreeSet;

use super::scripts::Account;
use super::{Inputs, Place};
use crate::error::{Context, Result};
use crate::path::RootPath;
use crate::tree::{NodeRef, Tree};

/// The order of sources that Debian's libc-bin ships as its default; used where the package is not there.
const NSSWITCH: &str = "passwd:         files
group:          files
shadow:         files
gshadow:        files

hosts:          files dns
networks:       files

protocols:      db files
services:       db files
ethers:         db files
rpc:            db files

netgroup:       nis
";

const HOSTS: &str = "127.0.0.1\tlocalhost
::1\t\tlocalhost ip6-localhost ip6-loopback
ff02::1\t\tip6-allnodes
ff02::2\t\tip6-allrouters

";

const NETWORKS: &str = "default\t\t0.0.0.0
loopback\t127.0.0.0
link-local\t169.254.0.0

";

/// Writes the files where neither packages nor scripts did.
pub fn names(tree: &mut Tree, inputs: &Inputs<'_>, _: &Account) -> Result<()> {
    let has = |tree: &Tree, path: &str| -> Result<bool> { Ok(tree.get(&RootPath::new(path)?).is_some()) };
    let nsswitch = nsswitch(tree)?;
    shells(tree, inputs)?;
    let mut place = Place::new(tree, inputs, "names");
    place.file("/etc/nsswitch.conf", 0o644, nsswitch)?;
    if !has(place.tree, "/etc/hosts")? {
        place.file("/etc/hosts", 0o644, HOSTS)?;
    }
    if !has(place.tree, "/etc/networks")? && inputs.has("netbase") {
        place.file("/etc/networks", 0o644, NETWORKS)?;
    }
    if has(place.tree, "/usr/lib/systemd/systemd-resolved")? {
        // The real servers' file, not the stub's: pods must not be pointed at a loopback address.
        place.link("/etc/resolv.conf", "../run/systemd/resolve/resolv.conf")?;
    }
    if has(place.tree, "/usr/share/zoneinfo/Etc/UTC")? {
        place.link("/etc/localtime", "/usr/share/zoneinfo/Etc/UTC")?;
    }
    Ok(())
}

/// The list of login shells: debianutils' own, and those that packages name, as `update-shells` joins them.
fn shells(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<()> {
    let read = |tree: &Tree, path: &RootPath| -> Result<String> {
        let Some((_, content)) = tree.file(path) else { return Ok(String::new()) };
        let bytes = content.read(1 << 16).context(|| format!("reading `{path}`"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let own = read(tree, &RootPath::new("/usr/share/debianutils/shells")?)?;
    if own.is_empty() {
        return Ok(());
    }
    let folder = RootPath::new("/usr/share/debianutils/shells.d")?;
    let names: Vec<_> = tree.directory(&folder).into_iter().flat_map(|folder| folder.entries.keys()).cloned().collect();
    let mut lists = vec![own];
    for name in names {
        lists.push(read(tree, &folder.join(&name)?)?);
    }
    let (mut text, mut have) = (String::new(), BTreeSet::new());
    for line in lists.iter().flat_map(|list| list.lines()) {
        // On a merged /usr a shell has two names.
        let other = line.starts_with("/bin/").then(|| format!("/usr{line}"));
        for line in std::iter::once(line.to_owned()).chain(other) {
            if have.insert(line.clone()) {
                text.push_str(&line);
                text.push('\n');
            }
        }
    }
    Place::new(tree, inputs, "names").file("/etc/shells", 0o644, text)
}

/// The default's text, with the modules of packages that are there added as their scripts would.
fn nsswitch(tree: &Tree) -> Result<String> {
    let shipped = ["/etc/nsswitch.conf", "/usr/share/libc-bin/nsswitch.conf"];
    let mut text = NSSWITCH.to_owned();
    for path in shipped {
        if let Some((_, content)) = tree.file(&RootPath::new(path)?) {
            let bytes = content.read(1 << 16).context(|| format!("reading `{path}`"))?;
            text = String::from_utf8_lossy(&bytes).into_owned();
            break;
        }
    }
    let library = |name: &str| {
        let walk = ["x86_64-linux-gnu", "aarch64-linux-gnu"];
        walk.iter().any(|triplet| {
            let path = RootPath::new(format!("/usr/lib/{triplet}/libnss_{name}.so.2"));
            path.is_ok_and(|path| matches!(tree.get(&path), Some(NodeRef::Leaf(..))))
        })
    };
    let mut out = String::new();
    for line in text.lines() {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        let database = words.first().copied().unwrap_or_default().trim_end_matches(':').to_owned();
        if library("systemd")
            && ["passwd", "group", "shadow", "gshadow"].contains(&&*database)
            && !words.contains(&"systemd")
        {
            words.push("systemd");
        }
        if database == "hosts" {
            if library("resolve") && !words.contains(&"resolve") {
                let at = words.iter().position(|word| *word == "dns").unwrap_or(words.len());
                words.splice(at..at, ["resolve", "[!UNAVAIL=return]"]);
            }
            if library("myhostname") && !words.contains(&"myhostname") {
                words.insert(words.len().min(2), "myhostname");
            }
        }
        match words.split_first() {
            Some((name, rest)) if name.ends_with(':') => {
                out.push_str(&format!("{name:<15} {}", rest.join(" ")));
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    Ok(out)
}
