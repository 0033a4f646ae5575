//! Checks of one part of the node against the other, before anything is packed.
//!
//! Every check has an id and a hint; all that fail are told at once. `[waive.ID]` gives one up,
//! with a reason and, where wanted, a last day, judged against the image's moment.

mod kernel;
mod pods;
mod runtime;
mod sealed;
mod tools;

use std::collections::BTreeSet;

use super::version::{self, Version};
use super::{containerd, flag, kubelet, kubeletconfig};
use crate::error::{Error, Result};
use crate::profile::{Profile, checks};
use crate::system::Inputs;
use crate::tree::Tree;

/// A check that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What a waiver names.
    pub id: &'static str,
    /// What is wrong.
    pub message: String,
    /// What mends it.
    pub hint: String,
}

impl Finding {
    fn new(id: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Finding { id, message: message.into(), hint: hint.into() }
    }
}

/// What all checks look at.
pub(super) struct Node<'a> {
    pub(super) profile: &'a Profile,
    pub(super) tree: &'a Tree,
    pub(super) containerd_version: Version,
    pub(super) kubelet_version: Version,
    /// containerd's configuration, the profile's over ours.
    pub(super) containerd: toml::Table,
    /// The kubelet's.
    pub(super) kubelet: toml::Table,
    /// The kubelet's command line.
    pub(super) command: Vec<String>,
}

impl Node<'_> {
    /// The value of a flag, `--name=value` or `--name value`.
    fn flag(&self, name: &str) -> Option<&str> {
        flag(&self.command, &format!("--{name}"))
    }
}

/// Every check of the finished tree.
///
/// # Errors
/// The user's: all findings that no waiver covers.
pub fn run(tree: &Tree, inputs: &Inputs<'_>) -> Result<()> {
    let findings = find(tree, inputs)?;
    let profile = inputs.profile;
    let held: BTreeSet<&str> =
        profile.waivers.iter().filter(|(_, waiver)| waiver.holds(inputs.epoch)).map(|(id, _)| id.as_str()).collect();
    for (id, waiver) in &profile.waivers {
        if !findings.iter().any(|finding| finding.id == id) && checks::NODE.contains(&id.as_str()) {
            inputs.report.warn(format!("the waiver `{id}` gives up nothing: its check does not fail"));
        } else if !waiver.holds(inputs.epoch) {
            inputs.report.warn(format!("the waiver `{id}` ended on {}", waiver.until.as_deref().unwrap_or_default()));
        }
    }
    let open: Vec<&Finding> = findings.iter().filter(|finding| !held.contains(finding.id)).collect();
    let [first, rest @ ..] = open.as_slice() else { return Ok(()) };
    let mut message = format!("{}: {}", first.id, first.message);
    for finding in rest {
        message += &format!("\n{}: {}", finding.id, finding.message);
    }
    let mut error = Error::user(message).context("checking the node");
    for finding in &open {
        error = error.hint(format!("{}: {}", finding.id, finding.hint));
    }
    Err(error.hint(format!("or give it up: [waive.{}] with a `reason`", first.id)))
}

/// Everything that fails, waived or not, sorted by id.
pub fn find(tree: &Tree, inputs: &Inputs<'_>) -> Result<Vec<Finding>> {
    let profile = inputs.profile;
    let (containerd_version, kubelet_version) = (version::containerd(inputs)?, version::kubelet(inputs)?);
    let node = Node {
        profile,
        tree,
        containerd_version,
        kubelet_version,
        containerd: containerd::config(profile, containerd_version),
        kubelet: kubeletconfig::config(profile, kubelet_version),
        command: kubelet::command(profile, kubelet_version),
    };
    let mut findings = Vec::new();
    for check in [kernel::check, pods::check, runtime::check, sealed::check, tools::check] {
        check(&node, &mut findings);
    }
    findings.sort_by(|a, b| (a.id, &a.message).cmp(&(b.id, &b.message)));
    Ok(findings)
}
