//! What a build would do now: told out of the profile, the lock, the store and what is remembered of the last build.
//!
//! Keys of what is made of inputs alone are known before; what is made of those follows as far as the tree is
//! the last one. Where it is another, nobody knows its bytes, and all that is made of it counts as new.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::build::{UNKEPT, View, always, resolved};
use super::ingredients::Ingredients;
use super::predict::predict;
use super::{Explanation, Memory, Stage, Step, words};
use crate::arch::Arch;
use crate::digest::Digest;
use crate::error::{Context as _, Error, Result};
use crate::lock::Lock;
use crate::output;
use crate::profile::{Origins, Profile};
use crate::report::clean;
use crate::size::human;
use crate::source::{Context, fetch};

/// The version of the document's format.
const SCHEMA: u32 = 1;

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Plan {
    /// The version of this format.
    pub schema: u32,
    /// The profile, as it was named.
    pub profile: String,
    /// IMAGE_ID, IMAGE_VERSION, architecture.
    pub image: String,
    /// Why the lock would be made or mended; empty where it stays.
    pub lock: Vec<String>,
    /// What would be fetched, of the lock as it is.
    pub fetch: Vec<Fetch>,
    /// What would be reused, and what made anew and why.
    #[serde(flatten)]
    pub explanation: Explanation,
    /// What would be written.
    pub outputs: Vec<Output>,
    /// What is not known before.
    pub notes: Vec<String>,
}

/// An input that would be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fetch {
    /// The lock's name for it.
    pub name: String,
    /// Version, of what has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Bytes, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Of the file.
    pub sha256: Digest,
    /// Source and suite, of what comes from an archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Where it would be looked for, the best place first.
    pub urls: Vec<String>,
}

/// An output that would be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Output {
    /// Its name in the folder of outputs.
    pub path: String,
    /// The format's name.
    pub format: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
}

impl Plan {
    /// What a build of `profile` would do; nothing is fetched and nothing written.
    pub fn new(profile: &Profile, origins: &Origins, cx: &Context<'_>) -> Result<Self> {
        let path = Lock::path_for(&profile.path);
        let arch = profile.image.arch;
        let mut plan = Plan {
            schema: SCHEMA,
            profile: profile.path.display().to_string(),
            image: format!("{} {arch}", profile.image.name()),
            lock: Vec::new(),
            fetch: Vec::new(),
            explanation: Explanation::default(),
            outputs: outputs(profile),
            notes: Vec::new(),
        };
        let lock = match Lock::read(&path)? {
            None => {
                plan.lock.push(format!("there is no lock `{}`", path.display()));
                plan.notes.push("what would be fetched and made is known once there is a lock: `imagebuild lock` makes it, out of the archives".to_owned());
                None
            }
            Some(lock) => {
                plan.lock = lock.misfits(profile, Arch::host())?;
                if !plan.lock.is_empty() {
                    plan.notes.push("all that follows is of the lock as it is: what mending it brings is known by `imagebuild lock`, out of the archives".to_owned());
                }
                Some(lock).filter(|lock| lock.section(arch).is_ok())
            }
        };
        let memory = Memory::read(&cx.store, &profile.image);
        plan.explanation.first = memory.is_none();
        plan.explanation.steps.push(resolved(&plan.lock));
        let Some(lock) = lock else { return Ok(plan) };
        let missing = fetch::missing(&lock, profile, arch, Arch::host(), cx)?;
        plan.fetch = missing.into_iter().map(Fetch::from).collect();
        let locals = digests(profile)?;
        let ingredients = Ingredients::new(profile, origins, &lock, &locals)?;
        let view = View::new(memory.as_ref(), &ingredients, true);
        plan.explanation.steps.extend(predict(profile, &lock, &ingredients, &view, &cx.store)?);
        plan.explanation.steps.extend(UNKEPT.map(always));
        plan.explanation.steps.extend(plan.outputs.iter().map(|output| view.output(&output.path)));
        plan.explanation.steps.sort_by(|a, b| (a.stage, &a.value).cmp(&(b.stage, &b.value)));
        Ok(plan)
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = format!("a build of {} ({}) would do this\n\n", clean(&self.profile), clean(&self.image));
        out += &words::text(&self.explanation);
        if !self.fetch.is_empty() {
            let sum = human(self.fetch.iter().filter_map(|fetch| fetch.size).fold(0, u64::saturating_add));
            out += &format!("\nto be fetched: {}, {sum}\n", self.fetch.len());
            self.fetch.iter().for_each(|fetch| out += &format!("  {}\n", fetch.line()));
        }
        out += &format!("\nto be written: {}\n", self.outputs.len());
        for output in &self.outputs {
            let cloud = output.cloud.as_ref().map(|cloud| format!(" for {cloud}")).unwrap_or_default();
            out += &clean(&format!("  {}  {}{cloud}", output.path, output.format));
            out.push('\n');
        }
        self.notes.iter().for_each(|note| out += &format!("\nnote: {}\n", clean(note)));
        out
    }

    /// For machines, on one line.
    pub fn json(&self) -> Result<String> {
        let text = serde_json::to_string(self).map_err(|error| Error::bug(error.to_string()))?;
        Ok(text + "\n")
    }

    /// The JSON schema.
    pub fn schema() -> serde_json::Value {
        let settings = schemars::generate::SchemaSettings::draft2020_12();
        settings.into_generator().into_root_schema_for::<Plan>().to_value()
    }
}

impl Fetch {
    /// `openssl  3.5.1-1  2.4 MB  debian trixie  https://...`
    fn line(&self) -> String {
        let place = self.urls.first().map_or("nothing says where its archive is", String::as_str);
        let parts = [
            Some(self.name.clone()),
            self.version.clone(),
            Some(self.size.map_or_else(|| "size unknown".to_owned(), human)),
            self.from.clone(),
            Some(place.to_owned()),
        ];
        clean(&parts.into_iter().flatten().collect::<Vec<_>>().join("  "))
    }
}

impl From<fetch::Missing> for Fetch {
    fn from(missing: fetch::Missing) -> Self {
        let fetch::Missing { name, version, size, sha256, from, urls } = missing;
        Fetch { name, version, size, sha256, from, urls }
    }
}

fn outputs(profile: &Profile) -> Vec<Output> {
    let name = profile.image.name();
    let output = |output: &crate::profile::Output| {
        let maker = output::of(&output.format);
        let path = format!("{name}{}", output::suffix(output, &maker));
        Output { path, format: maker.name().to_owned(), cloud: output.cloud.clone() }
    };
    profile.outputs.iter().map(output).collect()
}

/// The digests of the files beside a profile; the store takes none of them.
fn digests(profile: &Profile) -> Result<BTreeMap<PathBuf, Digest>> {
    let digest = |path: PathBuf| {
        let doing = || format!("reading `{}`", path.display());
        let file = std::fs::File::open(&path).context(doing)?;
        let (digest, _) = Digest::of_reader(file).context(doing)?;
        Ok((path, digest))
    };
    profile.local_files().into_iter().map(digest).collect()
}

impl View<'_> {
    /// An output, which every build writes.
    fn output(&self, path: &str) -> Step {
        let mut step = Step::new(Stage::Write, path, super::Fate::Always);
        let known = self.memory.and_then(|memory| memory.value(super::build::OUTPUT, path));
        step.bytes = known.map(|known| known.bytes);
        step.same = known.map(|_| self.changed.is_empty()).filter(|same| *same);
        step
    }
}
