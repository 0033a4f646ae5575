//! The steps that make a root a Kubernetes node, and the checks of one part against the other.
//!
//! - Each step is one file, each `fn(&mut Tree, &Inputs)`; [`STEPS`] is the order.
//! - What makes the node what it is (units, containerd's and the kubelet's configuration, static pods,
//!   container images) lies in the sealed root; what a cluster gives it comes as credentials.
//! - There is no shell: what units do beyond starting programs, systemd-tmpfiles does.

pub mod checks;
mod containerd;
pub mod failure;
mod identity;
mod images;
mod join;
mod journal;
mod kubelet;
mod kubeletconfig;
mod layer;
mod merge;
mod network;
pub mod paths;
mod pods;
pub mod preload;
mod put;
mod sysctl;
mod update;
mod var;
pub mod version;
mod writable;

use crate::error::Result;
use crate::system::Inputs;
use crate::tree::Tree;

pub use containerd::{config as containerd_config, text as containerd_text};
pub use identity::CMDLINE as MACHINE_ID_CMDLINE;
pub use kubelet::{command as kubelet_command, flag};
pub use kubeletconfig::{config as kubelet_config, text as kubelet_text};

/// A step: changes the tree, looks at nothing but its inputs.
pub type Step = fn(&mut Tree, &Inputs<'_>) -> Result<()>;

/// Every step with its name, in order.
pub const STEPS: [(&str, Step); 13] = [
    ("containerd", containerd::step),
    ("kubelet", kubelet::step),
    ("join", join::step),
    ("images", images::step),
    ("pods", pods::step),
    ("kernel settings", sysctl::step),
    ("network", network::step),
    ("identity", identity::step),
    ("journal", journal::step),
    ("var", var::step),
    ("failure", failure::step),
    ("updates", update::step),
    ("writable", writable::step),
];
