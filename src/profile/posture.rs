//! `[posture]`: what a finished node is held against. The rules are rows of data (`posture.toml`); how each is looked
//! at is [`crate::audit::posture`]'s.

mod check;

pub use check::{
    Check, Containerd, ContainerdSetting, Files, Kernel, Kubelet, KubeletSetting, Mounts, Programs, Sysctl, Words,
};

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::path::RootPath;

/// The rules, as text.
pub const TEXT: &str = include_str!("posture.toml");

/// `[posture]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posture {
    /// Sets of rules, sorted.
    pub rules: Vec<Set>,
    /// Ids of further rules, sorted.
    pub also: Vec<String>,
    /// Files that may have capabilities.
    pub capabilities: Vec<RootPath>,
}

/// Every set: what a profile that says nothing is held against.
impl Default for Posture {
    fn default() -> Self {
        Posture { rules: Set::ALL.to_vec(), also: Vec::new(), capabilities: Vec::new() }
    }
}

impl Posture {
    /// Of one set; `none` asks for nothing.
    pub fn of(set: Set) -> Self {
        Posture { rules: vec![set], ..Posture::default() }
    }

    /// Whether a rule counts.
    pub fn asks(&self, rule: &Rule) -> bool {
        self.rules.iter().any(|set| rule.is_in(*set)) || self.also.contains(&rule.id)
    }
}

/// Sets of rules.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Set {
    /// No rule at all.
    None,
    /// Any machine.
    General,
    /// A host of containers; holds `general`.
    ContainerHost,
    /// NIST SP 800-190, section 4: what it asks of the host.
    #[serde(rename = "nist-800-190")]
    #[value(name = "nist-800-190")]
    Nist800190,
    /// The CIS Kubernetes Benchmark's section 4: worker nodes.
    CisNode,
}

impl Set {
    /// All that hold rules.
    pub const ALL: [Set; 4] = [Set::General, Set::ContainerHost, Set::Nist800190, Set::CisNode];

    /// As profiles write it.
    pub fn name(self) -> &'static str {
        match self {
            Set::None => "none",
            Set::General => "general",
            Set::ContainerHost => "container-host",
            Set::Nist800190 => "nist-800-190",
            Set::CisNode => "cis-node",
        }
    }
}

/// What must hold of a node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What a waiver names.
    #[serde(skip)]
    pub id: String,
    /// Where it counts, as written: [`Rule::is_in`] knows what follows.
    sets: Vec<Set>,
    /// Who asks for it.
    pub refs: Vec<String>,
    /// What must hold.
    pub required: String,
    /// What happens otherwise.
    pub why: String,
    /// What makes a profile keep it.
    pub mend: String,
    /// How it is looked at.
    pub check: Check,
}

impl Rule {
    /// Whether it counts in a set.
    pub fn is_in(&self, set: Set) -> bool {
        self.sets.contains(&set) || set == Set::ContainerHost && self.sets.contains(&Set::General)
    }

    /// Every set that it counts in.
    pub fn sets(&self) -> impl Iterator<Item = Set> {
        Set::ALL.into_iter().filter(|set| self.is_in(*set))
    }
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    // The text is our own, and a test reads it: a build of this tool that cannot read it has no rules and fails there.
    let rows: BTreeMap<String, Rule> = toml::from_str(TEXT).unwrap_or_default();
    let mut rules: Vec<Rule> = rows.into_iter().map(|(id, rule)| Rule { id, ..rule }).collect();
    rules.sort_by_key(|rule| TEXT.find(&format!("\n[{}]\n", rule.id)));
    rules
});

/// Every rule, in the order of the text.
pub fn rules() -> &'static [Rule] {
    &RULES
}

/// The rule of an id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_can_be_read_and_every_rule_says_something() {
        let rows: BTreeMap<String, Rule> = toml::from_str(TEXT).unwrap();
        assert_eq!(rows.len(), rules().len());
        for rule in rules() {
            assert!(!rule.sets.is_empty() && !rule.sets.contains(&Set::None), "{} is in no set", rule.id);
            assert!(!rule.required.is_empty() && !rule.why.is_empty() && !rule.mend.is_empty(), "{}", rule.id);
            // What a set is about names its source.
            let refers = |to: &str| rule.refs.iter().any(|from| from.starts_with(to));
            assert_eq!(rule.is_in(Set::CisNode), refers("CIS 4."), "{}", rule.id);
            assert_eq!(rule.is_in(Set::Nist800190), refers("NIST SP 800-190 4."), "{}", rule.id);
        }
    }

    #[test]
    fn sets_hold_what_they_say() {
        let count = |set| rules().iter().filter(|rule| rule.is_in(set)).count();
        assert_eq!(count(Set::None), 0);
        assert!(Set::ALL.into_iter().all(|set| count(set) > 10));
        let (general, host) = (Posture::of(Set::General), Posture::of(Set::ContainerHost));
        assert!(rules().iter().all(|rule| !general.asks(rule) || host.asks(rule)), "container-host holds general");
        let one = Posture { also: vec!["kubelet-seccomp".into()], ..Posture::of(Set::None) };
        assert_eq!(rules().iter().filter(|rule| one.asks(rule)).count(), 1);
    }
}
