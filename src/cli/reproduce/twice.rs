//! A profile built twice from scratch, under conditions that must not matter.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Args, tell};
use crate::audit::reproduce;
use crate::error::{Context as _, Error, Kind, Result};
use crate::manifest::{self, Manifest};
use crate::process::Running;
use crate::source::Context;
use crate::temp::{TempFolder, beside};

/// What programs heed: variables of the first and of the second build.
const CONDITIONS: [[(&str, &str); 4]; 2] = [
    [("TZ", "UTC"), ("LC_ALL", "C"), ("SOURCE_DATE_EPOCH", "1"), ("PATH", "")],
    [("TZ", "Asia/Kathmandu"), ("LC_ALL", "tr_TR.UTF-8"), ("SOURCE_DATE_EPOCH", "4000000000"), ("PATH", "/nowhere")],
];

/// Builds twice and compares.
pub fn run(args: &Args, cx: &Context<'_>) -> Result<()> {
    let doing = || format!("building `{}` twice", args.image.display());
    let profile = std::path::absolute(&args.image).context(doing)?;
    let folder = TempFolder::new_in(beside(&profile)).context(doing)?;
    // The lock is made or mended once, under the conditions at hand.
    let (loaded, _) = crate::profile::load(&profile, &crate::profile::LoadOptions::default())?;
    drop(crate::resolve(&loaded, false, cx)?);
    let mut made = Vec::new();
    for (number, variables) in CONDITIONS.iter().enumerate() {
        let out = folder.path().join(["first", "the-second-time"][number]);
        let stage = cx.report.stage("build", None);
        build(args, cx, &profile, &out, number, variables).context(doing)?;
        let manifest = Manifest::read(&out.join(manifest::NAME))?;
        stage.done(manifest.artifacts.iter().map(|artifact| artifact.size).sum(), false);
        made.push((out, manifest));
    }
    let [(first, before), (second, after)] = made.as_slice() else { return Err(Error::bug("not two builds")) };
    let sums = |folder: &Path| std::fs::read_to_string(folder.join(manifest::SUMS)).context(doing);
    if sums(first)? == sums(second)? && before == after {
        let count = before.artifacts.len();
        cx.report.event(&serde_json::json!({ "event": "reproduce", "identical": true, "outputs": count }));
        cx.report.say(&format!("identical: {count} outputs, and all that lies beside them"));
        return Ok(());
    }
    Err(explain((first, before), (second, after), cx).context(doing()))
}

/// One build in a process of its own: the environment of this one is not to be changed.
fn build(
    args: &Args,
    cx: &Context<'_>,
    profile: &Path,
    out: &Path,
    number: usize,
    variables: &[(&str, &str)],
) -> Result<()> {
    let program: PathBuf = std::env::current_exe().context(|| "finding this program".to_owned())?;
    let elsewhere = out.with_extension("home");
    std::fs::create_dir(&elsewhere).context(|| format!("making `{}`", elsewhere.display()))?;
    let mut command = Command::new(program);
    let store = std::path::absolute(cx.store.path())?;
    command.arg("--quiet").arg("--store").arg(store).arg("--jobs").arg(if number == 0 { "1" } else { "7" });
    if cx.offline {
        command.arg("--offline");
    }
    for (name, url) in &cx.mirrors {
        command.arg("--mirror").arg(format!("{name}={url}"));
    }
    command.args(["build", "--locked", "--no-cache"]).arg(profile).arg("-o").arg(out);
    command.args(args.fast.then_some("--fast")).args(args.unconfined.then_some("--unconfined"));
    command.envs(variables.iter().copied());
    command.env("HOME", &elsewhere).current_dir(&elsewhere).stdin(Stdio::null()).stdout(Stdio::null());
    let status = Running::spawn(&mut command).and_then(|mut running| running.wait());
    match status.context(|| "building".to_owned())? {
        status if status.success() => Ok(()),
        // It has said why.
        status => Err(Error::system(format!("the build ended with {status}"))),
    }
}

fn explain(before: (&Path, &Manifest), after: (&Path, &Manifest), cx: &Context<'_>) -> Error {
    let pairs = before.1.artifacts.iter().zip(&after.1.artifacts);
    for (one, other) in pairs.filter(|(one, other)| one != other) {
        let disks = (reproduce::disk(&before.0.join(&one.path)), reproduce::disk(&after.0.join(&other.path)));
        let (Some(a), Some(b)) = disks else { continue };
        if let Ok(Some(difference)) = reproduce::first(&a, &b) {
            tell(&one.path, &difference, cx.report);
            return Error::new(Kind::Found, format!("the output `{}` differs first at {difference}", one.path));
        }
    }
    let other = before.1.artifacts.iter().zip(&after.1.artifacts).find(|(one, other)| one != other);
    let what = other
        .map_or_else(|| "what lies beside the outputs".to_owned(), |(one, _)| format!("the output `{}`", one.path));
    Error::new(Kind::Found, format!("{what} differs"))
}
