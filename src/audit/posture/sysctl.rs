//! Settings of the kernel, as systemd-sysctl would set them at start (sysctl.d(5)).

use std::collections::BTreeMap;

use super::view::View;
use super::{Breach, Verdict};
use crate::error::Result;
use crate::path::RootPath;
use crate::profile::posture::Sysctl;

/// What files set, by name.
pub struct Settings {
    exact: BTreeMap<String, (String, RootPath)>,
    /// Names with `*`, which an exact name goes before.
    globs: Vec<(String, String, RootPath)>,
}

/// Reads every file: one in /etc hides one of its name in /usr/lib, and of all names the later wins.
pub fn effective(view: &View<'_>) -> Result<Settings> {
    let mut files = BTreeMap::new();
    for folder in ["/lib/sysctl.d", "/usr/lib/sysctl.d", "/usr/local/lib/sysctl.d", "/etc/sysctl.d"] {
        files.extend(view.files(folder).into_iter().filter(|(name, _)| name.ends_with(".conf")));
    }
    let mut settings = Settings { exact: BTreeMap::new(), globs: Vec::new() };
    for path in files.into_values() {
        for line in view.text(&path.to_string())?.unwrap_or_default().lines().map(str::trim) {
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let Some((name, value)) = line.split_once('=') else { continue };
            let name = dotted(name.trim().trim_start_matches('-'));
            let value = value.trim().to_owned();
            match name.contains('*') {
                true => settings.globs.push((name, value, path.clone())),
                false => drop(settings.exact.insert(name, (value, path.clone()))),
            }
        }
    }
    Ok(settings)
}

/// `net/ipv4/ip_forward` with dots. What comes first says which of both separates.
fn dotted(name: &str) -> String {
    match name.find(['/', '.']).and_then(|at| name.get(at..=at)) {
        Some("/") => name.chars().map(|c| if c == '/' { '.' } else { c }).collect(),
        _ => name.to_owned(),
    }
}

impl Settings {
    /// Every name, those with `*` too, with its value and the file that sets it.
    pub fn all(self) -> BTreeMap<String, (String, String)> {
        let mut all: BTreeMap<String, (String, String)> = BTreeMap::new();
        for (name, value, path) in self.globs {
            all.insert(name, (value, path.to_string()));
        }
        all.extend(self.exact.into_iter().map(|(name, (value, path))| (name, (value, path.to_string()))));
        all
    }

    fn get(&self, name: &str) -> Option<(&str, &RootPath)> {
        let exact = self.exact.get(name).map(|(value, path)| (value.as_str(), path));
        let glob = || {
            let fits = |glob: &&(String, String, RootPath)| matches(&glob.0, name);
            self.globs.iter().rev().find(fits).map(|(_, value, path)| (value.as_str(), path))
        };
        exact.or_else(glob)
    }
}

/// A `*` is one part of the name.
fn matches(glob: &str, name: &str) -> bool {
    let (glob, name) = (glob.split('.'), name.split('.'));
    glob.clone().count() == name.clone().count() && glob.zip(name).all(|(one, part)| one == "*" || one == part)
}

/// Whether a setting has one of its values.
pub(super) fn check(settings: &Settings, rule: &Sysctl) -> Verdict {
    match settings.get(&rule.name) {
        Some((value, _)) if rule.is.iter().any(|right| right == value) => Verdict::Kept,
        Some((value, path)) => Verdict::Broken(vec![Breach::at(path, format!("`{}` is {value}", rule.name))]),
        None if rule.default.as_ref().is_some_and(|default| rule.is.contains(default)) => Verdict::Kept,
        None => Verdict::Broken(vec![Breach::of(format!("`{}` is not set", rule.name))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_systemd_does() {
        assert_eq!(dotted("net/ipv4/conf/enp3s0.200/forwarding"), "net.ipv4.conf.enp3s0.200.forwarding");
        assert_eq!(dotted("net.ipv4.ip_forward"), "net.ipv4.ip_forward");
        assert!(matches("net.ipv4.conf.*.accept_redirects", "net.ipv4.conf.all.accept_redirects"));
        assert!(!matches("net.ipv4.conf.*", "net.ipv4.conf.all.accept_redirects"));
    }
}
