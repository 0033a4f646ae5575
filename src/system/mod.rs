//! The steps that make the tree; they stand in for what maintainer scripts would have done.
//!
//! No code of the target is ever run. Each step is one file, each
//! `fn(&mut Tree, &Inputs, &Account)`; [`BEFORE_NODE`] and [`AFTER_NODE`] show their order.
//! What a step needs of another, it reads from the tree.

pub mod accounts;
mod alternatives;
mod base;
mod certificates;
pub mod closure;
mod dpkg;
pub mod edits;
mod effects;
mod identity;
mod linker;
mod names;
pub(crate) mod pam;
mod place;
mod quiet;
mod record;
pub mod scripts;
pub mod units;
#[cfg(test)]
mod testing;
pub(crate) mod tmpfiles;
mod unpack;
mod var;

pub use accounts::Accounts;
pub use place::{Place, real};
pub use scripts::{Account, Tally};
pub use var::TMPFILES;

pub mod depmod;

use std::collections::BTreeMap;

use crate::epoch::Epoch;
use crate::error::{Context, Result};
use crate::profile::Profile;
use crate::record::Record;
use crate::report::Report;
use crate::source::{Member, Package};
use crate::tree::{Content, Meta, Tree};

/// All that the steps may look at.
pub struct Inputs<'a> {
    /// What to build.
    pub profile: &'a Profile,
    /// The moment of every time stamp.
    pub epoch: Epoch,
    /// The packages of the root, sorted by name.
    pub packages: &'a [Package],
    /// Files that other origins brought (kubelet, containerd by URL ...), by the program's name.
    pub programs: &'a BTreeMap<String, Vec<Member>>,
    /// Files of the profile whose bytes came from disk or network, by the path or URL as written.
    pub files: &'a BTreeMap<String, Content>,
    /// Preloaded container images as OCI archives: reference, digest of the manifest, archive.
    pub images: &'a [Image],
    /// What the image says of itself.
    pub record: &'a Record,
    /// Where warnings go.
    pub report: &'a Report,
}

impl Inputs<'_> {
    /// The meta of something that a step makes: `mode`, root's, of the image's moment.
    pub fn meta(&self, mode: u16) -> Meta {
        Meta::new(mode, self.epoch.0)
    }

    /// Whether a package of this name is in the root.
    pub fn has(&self, package: &str) -> bool {
        self.packages.iter().any(|have| have.name == package)
    }
}
/// A preloaded container image, ready to be laid into the root.
#[derive(Debug, Clone)]
pub struct Image {
    /// The reference by which pods name it.
    pub name: String,
    /// Digest of its manifest, `sha256:…` without the prefix.
    pub digest: crate::digest::Digest,
    /// An OCI layout as a tar archive.
    pub archive: Content,
}

/// A step: its name, and the function that changes the tree.
pub struct Step {
    /// The name that errors show, a gerund.
    pub name: &'static str,
    /// What it does.
    pub run: fn(&mut Tree, &Inputs<'_>, &Account) -> Result<()>,
}

const fn step(name: &'static str, run: fn(&mut Tree, &Inputs<'_>, &Account) -> Result<()>) -> Step {
    Step { name, run }
}

/// The steps that stand in for the packages' installation, in their order.
pub const BEFORE_NODE: &[Step] = &[
    step("making accounts", accounts::accounts),
    step("unpacking packages", unpack::unpack),
    step("doing what scripts would", effects::effects),
    step("laying the base system", base::base),
    step("writing the names of hosts and services", names::names),
    step("making the common PAM stacks", pam::pam),
    step("carrying out tmpfiles.d", tmpfiles::tmpfiles),
    step("choosing alternatives", alternatives::alternatives),
    step("enabling the units of packages", units::packages),
    step("writing the package database", dpkg::dpkg),
    step("removing init scripts", base::without_init_scripts),
    step("removing what a sealed image does not start", quiet::quiet),
];

/// The steps that come after the node's own (containerd, kubelet, writable paths), in their order.
pub const AFTER_NODE: &[Step] = &[
    step("writing the units of the profile", units::profile),
    step("laying the files of the profile", edits::edits),
    step("writing the identity of the image", identity::identity),
    step("laying the record of the build", record::record),
    step("writing the bundle of certificates", certificates::certificates),
    step("moving /var aside", var::var),
    step("writing the linker's cache", linker::linker_cache),
    step("looking for the libraries that programs need", closure::closure),
    step("looking for what must be unique", effects::unique),
];

/// Makes the tree: the packages, then `node`'s steps, then what the profile says, then the checks.
pub fn assemble(inputs: &Inputs<'_>, node: impl FnOnce(&mut Tree, &Inputs<'_>) -> Result<()>) -> Result<(Tree, Tally)> {
    let account = scripts::account(inputs)?;
    let mut tree = Tree::default();
    tree.root.meta = inputs.meta(0o755);
    let run = |tree: &mut Tree, steps: &[Step]| {
        steps.iter().try_for_each(|step| (step.run)(tree, inputs, &account).context(|| step.name.to_owned()))
    };
    run(&mut tree, BEFORE_NODE)?;
    node(&mut tree, inputs)?;
    run(&mut tree, AFTER_NODE)?;
    tree.each_meta(|meta| meta.mtime = inputs.epoch.0);
    Ok((tree, account.tally().clone()))
}
