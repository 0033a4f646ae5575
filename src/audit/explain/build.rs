//! What a build made and why: its journal, held against what is remembered of the last one.

use std::collections::BTreeMap;

use super::causes::between;
use super::ingredients::{Ingredients, TREE};
use super::memory::{Memory, Value};
use super::{Cause, Explanation, Fate, Stage, Step};
use crate::digest::{Digest, Hasher};
use crate::error::Result;
use crate::lock::Lock;
use crate::manifest::{Artifact, Manifest};
use crate::profile::{Origins, Profile};
use crate::source::fetch;
use crate::store::{Entry, Part, Recipe, Store};

/// The kind of an output's recipe.
pub const OUTPUT: &str = "output";

/// The stages of which nothing is kept.
pub const UNKEPT: [Stage; 4] = [Stage::Load, Stage::Posture, Stage::Place, Stage::Check];

/// A build that is done.
pub struct Built<'a> {
    /// What was built.
    pub profile: &'a Profile,
    /// Which lines said so.
    pub origins: &'a Origins,
    /// Of what.
    pub lock: &'a Lock,
    /// Why the lock was made or mended; empty where it was kept.
    pub moved: &'a [String],
    /// Digests of the files beside the profile.
    pub locals: &'a BTreeMap<std::path::PathBuf, Digest>,
    /// What came out.
    pub manifest: &'a Manifest,
    /// Of the manifest's file.
    pub own: Digest,
}

/// Explains a build out of the store's journal, and has the store remember it if so asked. A build that comes out as the last
/// one leaves what is remembered: how that was made in the first place says more than that all of it was there.
pub fn explain(built: &Built<'_>, store: &Store, remember: bool) -> Result<Explanation> {
    let memory = Memory::read(store, &built.profile.image);
    let ingredients = Ingredients::new(built.profile, built.origins, built.lock, built.locals)?;
    let entries = entries(built, &ingredients, store);
    let explanation = told(built.moved, &ingredients, &entries, memory.as_ref(), store.reuses());
    if !remember || memory.is_some_and(|memory| memory.manifest == built.own) {
        return Ok(explanation);
    }
    let values =
        entries.into_iter().map(|entry| Value { recipe: entry.recipe, key: entry.key, bytes: entry.bytes }).collect();
    Memory::new(built.own, values, explanation.clone()).write(store, &built.profile.image)?;
    Ok(explanation)
}

/// The journal, the tree and the outputs.
fn entries(built: &Built<'_>, ingredients: &Ingredients, store: &Store) -> Vec<Entry> {
    let mut entries = store.journal().entries();
    entries.retain(|entry| Stage::of(&entry.recipe.kind).is_some());
    entries.push(Entry {
        recipe: ingredients.recipe.clone(),
        key: built.manifest.inputs.tree,
        reused: false,
        bytes: built.manifest.root.size,
        blocks: None,
    });
    entries.extend(outputs(built.manifest));
    entries
}

/// Every output, the files of a folder as one.
fn outputs(manifest: &Manifest) -> Vec<Entry> {
    let name = |artifact: &Artifact| artifact.path.split('/').next().unwrap_or_default().to_owned();
    let mut names: Vec<String> = manifest.artifacts.iter().map(name).collect();
    names.dedup();
    let entry = |of: String| {
        let files: Vec<&Artifact> = manifest.artifacts.iter().filter(|artifact| name(artifact) == of).collect();
        let key = match files.as_slice() {
            [one] if one.path == of => one.sha256,
            files => {
                let mut hasher = Hasher::default();
                for file in files {
                    hasher.field(file.path.as_bytes());
                    hasher.field(&file.sha256.0);
                }
                hasher.finish()
            }
        };
        let parts = files.first().map(|first| of_output(manifest, first)).unwrap_or_default();
        let bytes = files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.size));
        Entry { recipe: Recipe::new(OUTPUT, of, parts), key, reused: false, bytes, blocks: None }
    };
    names.into_iter().map(entry).collect()
}

fn of_output(manifest: &Manifest, artifact: &Artifact) -> Vec<Part> {
    vec![
        Part::new("root hash", manifest.root.root_hash.to_string()),
        Part::new("uki", manifest.boot.uki.to_string()),
        Part::new("format", &artifact.format),
        Part::new("cloud", artifact.cloud.as_deref().unwrap_or("none")),
        Part::new("disk", artifact.disk.to_string()),
        Part::new("command line", artifact.cmdline.join(" ")),
    ]
}

fn told(
    moved: &[String],
    ingredients: &Ingredients,
    entries: &[Entry],
    memory: Option<&Memory>,
    reuses: bool,
) -> Explanation {
    let mut steps = vec![resolved(moved)];
    let view = View::new(memory, ingredients, reuses);
    steps.extend(entries.iter().filter_map(|entry| view.step(entry)));
    steps.extend(UNKEPT.map(always));
    steps.sort_by(|a, b| (a.stage, &a.value).cmp(&(b.stage, &b.value)));
    Explanation { first: memory.is_none(), steps }
}

/// A stage of which nothing is kept.
pub fn always(stage: Stage) -> Step {
    Step { note: "nothing of it is kept".to_owned(), ..Step::new(stage, "", Fate::Always) }
}

/// What became of the lock.
pub fn resolved(moved: &[String]) -> Step {
    let mut step = Step::new(Stage::Resolve, "", if moved.is_empty() { Fate::Reused } else { Fate::Anew });
    step.why = moved.iter().map(Cause::said).collect();
    if moved.is_empty() {
        step.note = "the lock fits the profile".to_owned();
    }
    step
}

/// What every step is seen by.
pub struct View<'a> {
    /// The last build.
    pub memory: Option<&'a Memory>,
    /// Whether derived values may be used.
    pub reuses: bool,
    /// What is other of the tree's ingredients.
    pub changed: Vec<Cause>,
}

impl<'a> View<'a> {
    /// Of a tree's ingredients as against those of the last build.
    pub fn new(memory: Option<&'a Memory>, ingredients: &Ingredients, reuses: bool) -> Self {
        let before = memory.and_then(|memory| memory.value(TREE, "root"));
        let changed = before.map(|before| between(&before.recipe, &ingredients.recipe, &|name| ingredients.line(name)));
        View { memory, reuses, changed: changed.unwrap_or_default() }
    }

    /// What became of a value.
    pub fn step(&self, entry: &Entry) -> Option<Step> {
        let Entry { recipe, key, reused, bytes, blocks } = entry;
        let known = self.memory.and_then(|memory| memory.value(&recipe.kind, &recipe.of));
        let always = [TREE, OUTPUT].contains(&&*recipe.kind);
        let fate = match (always, reused) {
            (true, _) => Fate::Always,
            (false, true) => Fate::Reused,
            (false, false) => Fate::Anew,
        };
        let mut step = Step::new(Stage::of(&recipe.kind)?, &recipe.of, fate);
        step.same = known.map(|known| known.key == *key);
        step.bytes = Some(*bytes);
        if *reused {
            if step.same == Some(false) {
                step.note = "made by a build before the last one".to_owned();
            }
            return Some(step);
        }
        if let Some((found, made)) = blocks.filter(|(found, made)| found + made > 0) {
            step.note = format!("{made} of {} blocks compressed anew", found + made);
        }
        step.why = match (always, step.same) {
            (true, Some(true)) => Vec::new(),
            _ => self.why(recipe, step.same == Some(true)),
        };
        Some(step)
    }

    /// Why a value is not the one that was there; `same` where the last build had the very same.
    pub fn why(&self, recipe: &Recipe, same: bool) -> Vec<Cause> {
        let input = recipe.kind == fetch::KIND;
        if !self.reuses && !input && recipe.kind != "go" && recipe.kind != OUTPUT && recipe.kind != TREE {
            return vec![Cause::said("--no-cache")];
        }
        let Some(memory) = self.memory else {
            let text =
                if input { "not in the store" } else { "nothing is remembered of an earlier build of this image" };
            return vec![Cause::said(text)];
        };
        if same {
            return vec![Cause::said("the store no longer has it")];
        }
        let of = &recipe.of;
        // The lock names packages and inputs by version, which says more than a digest.
        let named = [format!("package {of}"), format!("input {of}")];
        let told = self.changed.iter().filter(|cause| named.contains(&cause.what) && (input || recipe.kind == "deb"));
        let told: Vec<Cause> = told.cloned().collect();
        if !told.is_empty() {
            return told;
        }
        if recipe.kind == TREE {
            return match self.changed.is_empty() {
                // Nothing that went in is other, and what came out is.
                true => vec![Cause::said("other code of the same version of imagebuild")],
                false => self.changed.clone(),
            };
        }
        match memory.value(&recipe.kind, of) {
            Some(known) => match between(&known.recipe, recipe, &|_| None) {
                causes if causes.is_empty() => vec![Cause::said("other code of the same version of imagebuild")],
                causes => causes,
            },
            None => vec![Cause::said("the last build had none")],
        }
    }
}
