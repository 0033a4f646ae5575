//! The values that a build would use, and what would become of them.

use super::build::View;
use super::ingredients::{Ingredients, TREE};
use super::{Cause, Fate, Stage, Step};
use crate::arch::Arch;
use crate::digest::Digest;
use crate::error::Result;
use crate::guid::Guid;
use crate::init;
use crate::lock::{Lock, Section};
use crate::profile::{Go, Origin, PreloadImage, Profile};
use crate::root;
use crate::source::apt::deb;
use crate::source::{fetch, go};
use crate::store::{Entry, Key, Part, Recipe, Store};

/// A step for every value, in no order.
pub fn predict(
    profile: &Profile,
    lock: &Lock,
    ingredients: &Ingredients,
    view: &View<'_>,
    store: &Store,
) -> Result<Vec<Step>> {
    let section = lock.section(profile.image.arch)?;
    let host = Arch::host().and_then(|host| lock.toolchain.get(&host));
    let seer = Seer { profile, section, host, view, store };
    let mut steps = seer.inputs();
    let packages = section.packages.iter().map(|package| (package.name.as_str(), package.sha256));
    let payloads = section.inputs.iter().filter(|input| input.name.starts_with("preload/"));
    let packages = packages.chain(payloads.map(|input| (input.name.as_str(), input.sha256)));
    steps.extend(packages.filter_map(|(name, digest)| seer.known(deb::key(&digest).of(name))));
    for (name, program) in profile.programs() {
        match &program.origin {
            Origin::Go(go) => steps.extend(seer.known(seer.go(name, go, profile.image.arch))),
            Origin::Url(_) | Origin::File(_) => {
                let values = [format!("profile {name}."), format!("profile program.{name}.")];
                let starts = ["input url/", "file ", &values[0], &values[1]];
                steps.extend(seer.follows("archive", name, &starts));
            }
            Origin::Apt(_) => {}
        }
    }
    let assembled = profile.preload.iter().filter(|preload| matches!(preload.image, PreloadImage::Assemble { .. }));
    for preload in assembled {
        let (inputs, values) =
            (format!("input preload/{}/", preload.name), format!("profile preload[{}]", preload.name));
        let starts = [inputs.as_str(), values.as_str(), "file ", "input url/", "moment"];
        steps.push(seer.follows("oci", &preload.name, &starts).unwrap_or_else(|| seer.unseen("oci", &preload.name)));
    }
    let kernel = format!("package {}", profile.kernel.package.name);
    let modules = ["package linux-", &kernel, "profile kernel."];
    steps.push(
        seer.follows("module-facts", "modules", &modules).unwrap_or_else(|| seer.unseen("module-facts", "modules")),
    );
    steps.push(seer.tree(ingredients));
    let (step, sure) = seer.root(lock)?;
    steps.push(step);
    steps.extend(seer.booted(sure, &modules));
    Ok(steps)
}

struct Seer<'a> {
    profile: &'a Profile,
    section: &'a Section,
    host: Option<&'a Section>,
    view: &'a View<'a>,
    store: &'a Store,
}

impl Seer<'_> {
    fn inputs(&self) -> Vec<Step> {
        let wanted = [Some(self.section), self.host].into_iter().flatten().flat_map(fetch::wanted);
        let step = |one: fetch::Wanted<'_>| {
            let blob = self.store.blob(&one.sha256);
            self.view.step(&Entry {
                recipe: Recipe::new(fetch::KIND, one.name, vec![Part::new("file", one.sha256.to_string())]),
                key: one.sha256,
                reused: blob.is_some(),
                bytes: blob.map(|blob| blob.length()).or(one.size).unwrap_or(0),
                blocks: None,
            })
        };
        wanted.filter_map(step).collect()
    }

    /// A value whose key is known before.
    fn known(&self, key: Key) -> Option<Step> {
        let (key, recipe) = key.taken_apart();
        let blob = self.store.derived_at(&key);
        let known = self.view.memory.and_then(|memory| memory.value(&recipe.kind, &recipe.of));
        let bytes = blob.as_ref().map(|blob| blob.length()).or(known.map(|known| known.bytes));
        let step = self.view.step(&Entry { recipe, key, reused: blob.is_some(), bytes: 0, blocks: None })?;
        Some(Step { bytes, ..step })
    }

    fn go(&self, name: &str, go: &Go, arch: Arch) -> Key {
        let files = |section: Option<&Section>, prefix: String| -> Vec<(String, Digest)> {
            let inputs = section.into_iter().flat_map(|section| &section.inputs);
            inputs.filter_map(|one| Some((one.name.strip_prefix(&prefix)?.to_owned(), one.sha256))).collect()
        };
        let source = files(Some(self.section), format!("go/{name}/"));
        let toolchain = files(self.host, format!("go/{name}/toolchain/"));
        go::key(go, source, toolchain, arch)
    }

    /// A value that the last build had, which is another one where an ingredient of the tree is that begins like one of
    /// `starts`; none where it had none.
    fn follows(&self, kind: &'static str, of: &str, starts: &[&str]) -> Option<Step> {
        let known = self.view.memory?.value(kind, of)?;
        let why = self.view.changed.iter().filter(|cause| starts.iter().any(|start| cause.what.starts_with(start)));
        Some(self.after(kind, of, why.cloned().collect(), known.key, known.bytes))
    }

    fn after(&self, kind: &str, of: &str, why: Vec<Cause>, key: Digest, bytes: u64) -> Step {
        let stage = Stage::of(kind).unwrap_or(Stage::Assemble);
        let there = self.store.derived_at(&key).is_some();
        let (fate, why) = match (why.is_empty(), there) {
            (true, true) => (Fate::Reused, why),
            (true, false) => (Fate::Anew, vec![Cause::said("the store no longer has it")]),
            (false, _) => (Fate::Anew, why),
        };
        Step { why, bytes: Some(bytes), ..Step::new(stage, of, fate) }
    }

    /// A value that the last build had none of.
    fn unseen(&self, kind: &'static str, of: &str) -> Step {
        let stage = Stage::of(kind).unwrap_or(Stage::Assemble);
        Step { why: self.view.why(&Recipe::new(kind, of, Vec::new()), false), ..Step::new(stage, of, Fate::Anew) }
    }

    fn tree(&self, ingredients: &Ingredients) -> Step {
        let known = self.view.memory.and_then(|memory| memory.value(TREE, "root"));
        let mut step = Step::new(Stage::Assemble, "root", Fate::Always);
        step.same = known.map(|_| self.view.changed.is_empty());
        if step.same != Some(true) {
            step.why = self.view.why(&ingredients.recipe, false);
        }
        step
    }

    /// The root, and whether it would be the last one.
    fn root(&self, lock: &Lock) -> Result<(Step, bool)> {
        let memory = self.view.memory;
        let last =
            memory.and_then(|memory| Some((memory.value(TREE, "root")?, memory.value("root-squashfs", "root")?)));
        let Some((tree, root)) = last else { return Ok((self.unseen("root-squashfs", "root"), false)) };
        if !self.view.changed.is_empty() {
            let why = vec![Cause::said("the tree is another one")];
            let step = Step { why, ..Step::new(Stage::Pack, "root", Fate::Anew) };
            return Ok((Step { bytes: None, ..step }, false));
        }
        let options = crate::packing(self.profile, lock, false, 1)?;
        let key = root::squashfs_key(&tree.key, &options, &Guid::seed(&self.profile.image.id));
        let sure = key.clone().digest() == root.key;
        Ok((self.known(key).unwrap_or_else(|| self.unseen("root-squashfs", "root")), sure))
    }

    /// What is made of the root: `sure` where that is the last one.
    fn booted(&self, sure: bool, modules: &[&str]) -> Vec<Step> {
        let mut steps = Vec::new();
        let drivers = ["moment", "imagebuild", "profile output", "profile cloud"];
        let starts: Vec<&str> = modules.iter().chain(&drivers).copied().collect();
        let initrd = self.follows("initrd", "initrd", &starts).map(|step| self.with_init(step));
        steps.push(initrd.unwrap_or_else(|| self.unseen("initrd", "initrd")));
        let others = [("uki", "uki"), ("sbom", "sbom.cdx.json"), ("sbom", "sbom.spdx.json")];
        let medium = self.view.memory.and_then(|memory| memory.value("root-squashfs", "installer"));
        for (kind, of) in others.into_iter().chain(medium.map(|_| ("root-squashfs", "installer"))) {
            let Some(known) = self.view.memory.and_then(|memory| memory.value(kind, of)) else {
                steps.push(self.unseen(kind, of));
                continue;
            };
            let why = if sure { Vec::new() } else { vec![Cause::said("the root is another one")] };
            steps.push(self.after(kind, of, why, known.key, known.bytes));
        }
        steps
    }

    /// The initrd, whose program is one of ours.
    fn with_init(&self, mut step: Step) -> Step {
        let known = self.view.memory.and_then(|memory| memory.value("initrd", "initrd"));
        let before = known.and_then(|known| known.recipe.part("init")).map(str::to_owned);
        let after = Some(Digest::of(init::binary(self.profile.image.arch)).to_string());
        if before != after {
            step.fate = Fate::Anew;
            step.why.push(Cause { what: "init".to_owned(), before, after, at: None });
        }
        step
    }
}
