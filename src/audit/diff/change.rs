//! One difference, and what kind of difference it is.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

/// What happened to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Only the second side has it.
    Added,
    /// Only the first side has it.
    Removed,
    /// Both have it, otherwise.
    Changed,
}

/// How much a difference says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// It stands for itself.
    Own,
    /// It follows from others that are told: a root hash, an index of other files.
    Follows,
    /// Ids and times.
    Cosmetic,
}

/// What a reader may want to stop at; the names are those of `--fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// A package has an earlier version.
    Downgrade,
    /// The same version has other bytes.
    SameVersion,
    /// A file runs as another user (setuid, setgid) and did not before.
    Setuid,
    /// A file has capabilities that it did not have.
    Capability,
    /// Keys, archives or what is verified changed.
    Key,
    /// Something is given up that was not, or for another reason.
    Waiver,
    /// A file is new or other, and no package and no line of the profile accounts for it.
    Unowned,
    /// Anyone may write it, and could not before.
    WorldWritable,
}

impl Flag {
    /// The name, as in `--fail-on`.
    pub fn name(self) -> &'static str {
        match self {
            Flag::Downgrade => "downgrade",
            Flag::SameVersion => "same-version",
            Flag::Setuid => "setuid",
            Flag::Capability => "capability",
            Flag::Key => "key",
            Flag::Waiver => "waiver",
            Flag::Unowned => "unowned",
            Flag::WorldWritable => "world-writable",
        }
    }
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// What happened.
    pub kind: Kind,
    /// To what; unique in its topic: `/etc/motd`, `openssl`, `cmdline panic`.
    pub what: String,
    /// What it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How much it says.
    pub weight: Weight,
    /// What to stop at.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub flags: BTreeSet<Flag>,
    /// What to know of it in a few words: `upgraded`, `asked for`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Where it comes from: a package's upgrade, `FILE:LINE` of a profile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// More about it, on lines of its own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Bytes more, or fewer.
    pub bytes: i64,
    /// Whether an image showed it; else a profile, lock or manifest says so.
    #[serde(skip)]
    pub(super) seen: bool,
    /// What it is told together with where nothing is flagged: `files of package openssl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl Change {
    /// Of a thing that is only in the first (`before`), only in the second (`after`), or in both; none where both
    /// are the same.
    pub fn of(what: impl Into<String>, before: Option<String>, after: Option<String>) -> Option<Self> {
        let kind = match (&before, &after) {
            (None, None) => return None,
            (Some(before), Some(after)) if before == after => return None,
            (None, Some(_)) => Kind::Added,
            (Some(_), None) => Kind::Removed,
            (Some(_), Some(_)) => Kind::Changed,
        };
        Some(Self::new(kind, what, before, after))
    }

    /// As it is said.
    pub fn new(kind: Kind, what: impl Into<String>, before: Option<String>, after: Option<String>) -> Self {
        Change {
            kind,
            what: what.into(),
            before,
            after,
            weight: Weight::Own,
            flags: BTreeSet::new(),
            notes: Vec::new(),
            because: Vec::new(),
            detail: String::new(),
            bytes: 0,
            seen: true,
            group: None,
        }
    }

    /// Takes in what another view of the same thing says: a part of a profile's table, or the profile's word for
    /// what the image shows already.
    pub(super) fn take_in(&mut self, other: Change) {
        let both = |mine: Option<String>, theirs: Option<String>| match (mine, theirs) {
            (Some(mine), Some(theirs)) if mine != theirs => Some(format!("{mine}; {theirs}")),
            (mine, theirs) => mine.or(theirs),
        };
        match (self.kind, other.kind) {
            // One value for another.
            (Kind::Added, Kind::Removed) => (self.kind, self.before) = (Kind::Changed, other.before),
            (Kind::Removed, Kind::Added) => (self.kind, self.after) = (Kind::Changed, other.after),
            // The image's own words say what the profile's line says.
            (mine, theirs) if mine == theirs && (other.seen || !self.seen) => {
                self.before = both(self.before.take(), other.before);
                self.after = both(self.after.take(), other.after);
                if !other.detail.is_empty() && !self.detail.contains(&other.detail) {
                    self.detail += &other.detail;
                }
            }
            _ => {}
        }
        self.seen |= other.seen;
        self.weight = self.weight.min(other.weight);
        self.flags.extend(other.flags);
        // A line of the profile accounts for a file.
        if !other.seen {
            self.flags.remove(&Flag::Unowned);
            self.flags.remove(&Flag::SameVersion);
        }
        for (list, more) in [(&mut self.notes, other.notes), (&mut self.because, other.because)] {
            for text in more {
                if !list.contains(&text) {
                    list.push(text);
                }
            }
        }
    }

    /// The same, to stop at.
    #[must_use]
    pub fn flag(mut self, flag: Flag) -> Self {
        self.flags.insert(flag);
        self
    }

    /// The same, to stop at if so.
    #[must_use]
    pub fn flag_if(self, flag: Flag, so: bool) -> Self {
        if so { self.flag(flag) } else { self }
    }

    /// The same, with its weight.
    #[must_use]
    pub fn weigh(mut self, weight: Weight) -> Self {
        self.weight = weight;
        self
    }

    /// The same, with where it comes from.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.because.push(why.into());
        self
    }

    /// The same, with a few words about it.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The same, grown by the difference of two numbers of bytes.
    #[must_use]
    pub fn grown(mut self, before: u64, after: u64) -> Self {
        let difference = i128::from(after) - i128::from(before);
        self.bytes = i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX });
        self
    }
}

/// The subjects of a comparison, the most dangerous first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // their titles say it
pub enum Topic {
    Identity,
    Trust,
    Packages,
    Waivers,
    Kernel,
    Initrd,
    Node,
    Preload,
    Files,
    Accounts,
    Units,
    Settings,
    Writable,
    Sockets,
    Partitions,
    Outputs,
}

impl Topic {
    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Topic::Identity => "Identity",
            Topic::Trust => "Trust: archives, suites, keys",
            Topic::Packages => "Packages",
            Topic::Waivers => "Waivers and what is left out",
            Topic::Kernel => "Kernel and command line",
            Topic::Initrd => "Initrd",
            Topic::Node => "containerd, kubelet, runc",
            Topic::Preload => "Container images and pods",
            Topic::Files => "Files",
            Topic::Accounts => "Users and groups",
            Topic::Units => "Units",
            Topic::Settings => "Kernel settings and modules loaded",
            Topic::Writable => "Writable paths",
            Topic::Sockets => "Listening sockets",
            Topic::Partitions => "Partitions and boot files",
            Topic::Outputs => "Outputs",
        }
    }
}
