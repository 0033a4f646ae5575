//! Whether a lock fits a profile, and why not.

use std::collections::BTreeSet;

use super::{Location, Lock, Section, Wants};
use crate::arch::Arch;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::profile::Profile;

impl Lock {
    /// Fails (exit 3), with every reason, unless the lock holds what the profile asks for its architecture
    /// and, where Go programs are built, for a host of `host`.
    pub fn check(&self, profile: &Profile, host: Option<Arch>) -> Result<()> {
        let reasons = self.misfits(profile, host)?;
        if reasons.is_empty() {
            return Ok(());
        }
        let message = format!("the lock does not fit the profile: {}", reasons.join("; "));
        Err(Error::new(Kind::Lock, message).hint(format!("run `imagebuild lock {}`", profile.path.display())))
    }

    /// Every reason why the lock must be mended before the profile can be built for a host of `host`; none where it fits.
    pub fn misfits(&self, profile: &Profile, host: Option<Arch>) -> Result<Vec<String>> {
        let wants = Wants::of(profile)?;
        let arch = profile.image.arch;
        let mut reasons = Vec::new();
        match self.image.get(&arch) {
            None => reasons.push(format!("it holds nothing for an image of {arch}")),
            Some(section) if section.asked != Some(wants.image(profile, arch)) => {
                reasons.extend(image_reasons(section, &wants));
            }
            Some(_) => {}
        }
        if let Some(host) = host
            && let Some(asked) = wants.toolchain(profile, host)
        {
            match self.toolchain.get(&host) {
                None => reasons.push(format!("it holds no toolchain for a host of {host}")),
                Some(section) if section.asked != Some(asked) => {
                    reasons.push(format!("another toolchain is asked for on a host of {host}"));
                }
                Some(_) => {}
            }
        }
        Ok(reasons)
    }

    /// The inputs and packages for an image of `arch`.
    pub fn section(&self, arch: Arch) -> Result<&Section> {
        let none = || Error::new(Kind::Lock, format!("the lock holds nothing for an image of {arch}"));
        self.image.get(&arch).ok_or_else(none)
    }
}

fn image_reasons(section: &Section, wants: &Wants) -> Vec<String> {
    let mut reasons = Vec::new();
    let asked: BTreeSet<(&str, &str)> =
        wants.packages.iter().map(|package| (package.name.as_str(), package.from.as_str())).collect();
    let locked: BTreeSet<(&str, &str)> = section
        .packages
        .iter()
        .filter(|package| package.requested)
        .map(|package| (package.name.as_str(), package.from.as_str()))
        .collect();
    for (name, from) in asked.difference(&locked) {
        reasons.push(format!("package `{name}` of source `{from}` is asked for and not in it"));
    }
    for (name, from) in locked.difference(&asked) {
        reasons.push(format!("package `{name}` of source `{from}` is in it and no longer asked for"));
    }
    let urls: BTreeSet<(&str, Digest)> = wants.urls.iter().map(|(url, sha256)| (url.as_str(), *sha256)).collect();
    let locked: BTreeSet<(&str, Digest)> = section
        .inputs
        .iter()
        .filter_map(|input| match &input.location {
            Location::Url(url) => Some((url.as_str(), input.sha256)),
            Location::Apt { .. } => None,
        })
        .collect();
    for (url, _) in urls.symmetric_difference(&locked) {
        reasons.push(format!("`{url}` is new, no longer asked for, or has another digest"));
    }
    reasons.dedup();
    if reasons.is_empty() {
        reasons.push("suites, components, dependencies left out or packages of preloaded images changed".to_owned());
    }
    reasons
}
